package detect

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/crmwatch/crmwatch/alert"
	"github.com/crmwatch/crmwatch/detect/window"
	"github.com/crmwatch/crmwatch/rules"
)

// single makes the finding of a rule about one event.
func (en *Engine) single(m *rules.Meta, r *record, n *evidence) {
	s := &summary{}
	s.add(n)
	f := en.finding(m, r.event.Tenant, s)
	f.State, f.Start, f.End = alert.Closed, fromMillis(s.Start), fromMillis(s.End)
	// Two events of one millisecond are two findings.
	f.ID = alert.FindingID(m.ID, m.Version, f.Tenant, f.Subject.Key+"\x00"+n.ID, f.Start)
	en.found = append(en.found, f)
}

// alerted makes a finding of what the windows tell.
func (en *Engine) alerted(a *window.Alert[*evidence]) {
	s := &summary{}
	if old, ok := a.Absorbed.(*summary); ok {
		s = old.clone()
	}
	for _, n := range inOrder(a.Events) {
		s.add(n)
		if n.Time <= a.First {
			s.Detected = max(s.Detected, n.Collected)
		}
	}
	if s.Last == nil {
		return // all of it is withdrawn, and nobody was told
	}
	f := en.finding(a.Meta, a.Group.Tenant, s)
	f.ID = alertID(a, a.First)
	f.Start, f.End = fromMillis(s.Start), fromMillis(s.End)
	if s.Detected != 0 {
		f.Detected = fromMillis(s.Detected)
	}
	f.Revision, f.State = a.Revision, stateOf(a)
	for _, first := range a.Replaces {
		f.Replaces = append(f.Replaces, alertID(a, first))
	}
	if a.ReplacedBy != 0 {
		f.ReplacedBy = alertID(a, a.ReplacedBy)
	}
	measure(&f, a)
	en.found = append(en.found, f)
}

// alertID names the run that began at an instant.
func alertID(a *window.Alert[*evidence], first int64) string {
	return alert.FindingID(a.Meta.ID, a.Meta.Version, a.Group.Tenant, a.Group.Key, fromMillis(first))
}

func stateOf(a *window.Alert[*evidence]) alert.State {
	switch {
	case a.Withdrawn:
		return alert.Withdrawn
	case a.Closed:
		return alert.Closed
	default:
		return alert.Open
	}
}

// measure says what was measured, and against which threshold. "At least one" is
// no threshold to tell anybody of, and neither is that all rules were seen.
func measure(f *alert.Finding, a *window.Alert[*evidence]) {
	c := a.Correlation
	if c == nil || len(c.Bounds) == 0 || c.Type == rules.Temporal || c.Type == rules.TemporalOrdered {
		return
	}
	threshold := int64(math.Ceil(c.Bounds[0].Threshold))
	if c.Type == rules.EventCount && threshold <= 1 {
		return
	}
	f.Measured, f.Threshold, f.Unit = whole(a.Measured), threshold, unit(c)
	f.Uncertainty = a.Uncertainty
}

// whole is a measure as findings have it.
func whole(x float64) int64 {
	switch {
	case x >= math.MaxInt64:
		return math.MaxInt64
	case x <= math.MinInt64:
		return math.MinInt64
	default:
		return int64(math.Round(x))
	}
}

// unit says what a correlation measures.
func unit(c *rules.Correlation) string {
	fields := strings.Join(c.FieldNames, ", ")
	switch c.Type {
	case rules.EventCount:
		return "events"
	case rules.ValueCount:
		return "different " + fields
	case rules.ValueAvg:
		return fields + " on average"
	case rules.ValueMedian:
		return fields + " (median)"
	case rules.ValuePercentile:
		return fmt.Sprintf("%s (percentile %g)", fields, c.Percentile)
	default:
		return fields
	}
}

// finding is what all findings have.
func (en *Engine) finding(m *rules.Meta, tenant string, s *summary) alert.Finding {
	f := alert.Finding{
		Rule: ruleOf(m), Tenant: tenant, Count: s.Count, Rows: s.Rows, Bytes: s.Bytes, Action: s.Action, Sources: s.Sources,
		ObjectTypes: s.ObjectTypes, IPs: s.IPs, Countries: s.Countries, UserAgents: s.UserAgents, Apps: s.Apps, Events: s.Events,
	}
	if s.Last.Collected != 0 {
		f.Detected = fromMillis(s.Last.Collected)
	}
	f.Subject = en.subject(tenant, s.Last)
	f.Subject.Accounts = s.Accounts
	f.Reasons = en.reasons(m, tenant, s.Last)
	return f
}

func ruleOf(m *rules.Meta) alert.Rule {
	return alert.Rule{
		ID: m.ID, Version: m.Version, Name: m.Name, Title: m.Title, Level: alert.Level(m.Level), Description: m.Description,
		FalsePositives: m.FalsePositives, Tags: m.Tags, Author: m.Author, References: m.References, Response: m.Response,
	}
}

// subject says who it is about, as the roster knows them now.
func (en *Engine) subject(tenant string, n *evidence) alert.Subject {
	s := alert.Subject{Key: n.personKey(), Name: n.Login, Email: n.Email, Department: n.Department, Role: n.Role}
	if n.Person == "" {
		return s
	}
	p, ok := en.people.Person(tenant, n.Person)
	if !ok {
		return s
	}
	s.Person, s.Name, s.Email, s.Department, s.Role, s.TimeZone = p.ID, p.Name, p.Email, p.Department, p.Role, p.TimeZone
	s.Employment = string(p.StatusAt(fromMillis(n.Time)))
	if p.LastDay != 0 {
		s.LastDay = p.LastDay.String()
	}
	if m, ok := en.people.Person(tenant, p.Manager); ok {
		s.Manager = m.Name
	}
	return s
}

// personKey is what event.Event.PersonKey says of the event.
func (n *evidence) personKey() string {
	switch {
	case n.Person != "":
		return n.Person
	case n.Account != "":
		return n.Source + ":" + n.Account
	default:
		return n.Source + ":" + n.Login
	}
}

// reasons say why the activity is unusual: what the rule's author wrote, then
// what the roster and the account's history say whatever the rule.
func (en *Engine) reasons(m *rules.Meta, tenant string, n *evidence) []string {
	var out []string
	if text := m.ExpandReason(func(path string) string { return n.Said[path] }); text != "" {
		out = append(out, text)
	}
	p, known := en.people.Person(tenant, n.Person)
	at := fromMillis(n.Time)
	if known && n.Person != "" {
		if d := p.DaysSinceLastDay(at); d > 0 {
			out = append(out, fmt.Sprintf("The account's owner left on %s, %s before.", p.LastDay, days(int64(d))))
		}
	} else {
		p = nil
	}
	if n.Idle > 0 {
		out = append(out, fmt.Sprintf("The account had been silent for %s.", days(n.Idle)))
	}
	if t, ok := en.people.Local(p, at); ok && n.Off {
		out = append(out, offHours(t))
	}
	return out
}

func offHours(t time.Time) string {
	return fmt.Sprintf("It was %s (%s), outside working hours.", t.Format("15:04 on Monday"), t.Location())
}

func days(n int64) string {
	if n == 1 {
		return "1 day"
	}
	return fmt.Sprintf("%d days", n)
}
