package detect

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/crmwatch/crmwatch/alert"
	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/rules"
)

// watcher counts the events that match a rule: for a rule that alerts by itself
// each one is a finding, for a correlation a window of them may be.
type watcher struct {
	rules.Meta
	span    time.Duration // 0: every event by itself
	groupBy []rules.Field
	value   rules.Field // of value_sum and value_count
	tally
	holds     func(measured float64) bool
	threshold int64
	unit      string
	prefix    string
}

// tally is a correlation type: what an event contributes, and what a window of
// them measures.
type tally struct {
	contribute func(e *entry, v event.Value)
	// measure is over the entries from..to, both included.
	measure func(w *window, from, to int) int64
}

// watchersOf lists, for every rule, what its matches are counted by.
func watchersOf(set *rules.Set) map[*rules.Rule][]*watcher {
	m := make(map[*rules.Rule][]*watcher)
	for _, r := range set.Rules() {
		if r.Alerts {
			w := &watcher{Meta: r.Meta, tally: eventCount, holds: func(float64) bool { return true }}
			w.prefix = windowPrefix(r.Meta)
			m[r] = append(m[r], w)
		}
	}
	for _, c := range set.Correlations() {
		if !runs(c) {
			continue
		}
		w := correlationWatcher(c)
		for _, in := range c.Inputs {
			m[in.Rule] = append(m[in.Rule], w)
		}
	}
	return m
}

// runs reports whether a watcher can measure the correlation.
func runs(c *rules.Correlation) bool {
	typed := c.Type == rules.EventCount || c.Type == rules.ValueCount || c.Type == rules.ValueSum
	chained := slices.ContainsFunc(c.Inputs, func(in rules.Input) bool { return in.Correlation != nil })
	return typed && !chained && len(c.FieldNames) <= 1 && len(c.Bounds) == 1 && (c.Bounds[0].Op == rules.GT || c.Bounds[0].Op == rules.GTE)
}

func correlationWatcher(c *rules.Correlation) *watcher {
	w := &watcher{Meta: c.Meta, span: c.Timespan, groupBy: c.Inputs[0].GroupBy, holds: c.Holds, threshold: int64(math.Ceil(c.Bounds[0].Threshold)), prefix: windowPrefix(c.Meta)}
	if len(c.FieldNames) > 0 {
		w.value = c.Inputs[0].Values[0]
	}
	switch c.Type {
	case rules.EventCount:
		w.tally, w.unit = eventCount, "events"
	case rules.ValueCount:
		w.tally, w.unit = valueCount, "different "+c.FieldNames[0]
	case rules.ValueSum:
		w.tally, w.unit = valueSum, c.FieldNames[0]
	default: // runs says no
	}
	return w
}

// group is the key of the window that the event belongs to, or false where a
// field to group by is absent: such an event belongs to no group.
func (w *watcher) group(r *record) (string, bool) {
	var b strings.Builder
	b.WriteString(w.prefix)
	b.WriteString(r.event.Tenant)
	if w.groupBy == nil {
		b.WriteByte('/')
		b.WriteString(r.event.PersonKey())
	}
	for _, f := range w.groupBy {
		v := r.Get(f)
		if v.Kind == event.Absent {
			return "", false
		}
		text := v.Text()
		// The length keeps two values apart whatever they contain.
		fmt.Fprintf(&b, "/%d:%s", len(text), text)
	}
	return b.String(), true
}

// entry is what the window keeps of the event.
func (w *watcher) entry(r *record) entry {
	e := r.event
	n := entry{
		Time: e.Time.UnixMilli(), ID: strings.Clone(e.ID), Rows: e.Rows, Bytes: e.Bytes, Action: event.Action(intern(string(e.Action))),
		Source: intern(e.Source), Account: intern(e.Actor.ID), Login: intern(e.Actor.Name), Object: intern(e.Object.Type),
		IP: intern(e.SrcIP), Country: intern(e.Country), Agent: intern(e.UserAgent), App: intern(e.App),
	}
	if w.contribute != nil {
		w.contribute(&n, r.Get(w.value))
	}
	return n
}

// finding says what was found in the entries of the group, the last event taken
// in being r.
func (w *watcher) finding(r *record, key string, entries []entry, measured int64) alert.Finding {
	f := alert.Finding{Rule: ruleOf(w.Meta), Tenant: r.event.Tenant, Subject: subjectOf(r), Detected: r.event.Collected}
	describe(&f, entries)
	if w.span == 0 {
		// Two events of one millisecond are two findings.
		key += "\x00" + entries[0].ID
	} else if w.threshold > 1 {
		// "At least one" is no threshold to tell anybody of.
		f.Measured, f.Threshold, f.Unit = measured, w.threshold, w.unit
	}
	f.ID = alert.FindingID(w.ID, w.Version, f.Tenant, key, f.Start)
	f.Reasons = reasons(w, r)
	return f
}

func ruleOf(m rules.Meta) alert.Rule {
	return alert.Rule{
		ID: m.ID, Version: m.Version, Name: m.Name, Title: m.Title, Level: alert.Level(m.Level), Description: m.Description,
		FalsePositives: m.FalsePositives, Tags: m.Tags, Author: m.Author, References: m.References, Response: m.Response,
	}
}

func subjectOf(r *record) alert.Subject {
	a := r.event.Actor
	s := alert.Subject{
		Key: intern(r.event.PersonKey()), Name: intern(a.Name), Email: intern(a.Email),
		Department: intern(a.Department), Role: intern(a.Role), Employment: r.derived[personStatus].Text(),
	}
	if p := r.person; p != nil {
		s.Person, s.Name, s.Email, s.Department, s.Role, s.TimeZone = p.ID, p.Name, p.Email, p.Department, p.Role, p.TimeZone
		s.Manager, s.LastDay = r.derived[personManager].Text(), r.derived[personLastDay].Text()
	}
	return s
}
