package detect

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unique"

	"github.com/crmwatch/crmwatch/alert"
	"github.com/crmwatch/crmwatch/detect/window"
	"github.com/crmwatch/crmwatch/event"
)

// evidence is what a finding will need to say about an event. All windows that
// count the event share one. Times are milliseconds since 1970 UTC.
type evidence struct {
	Time      int64        `json:"t"`
	Collected int64        `json:"k"`
	ID        string       `json:"i"`
	Rows      int64        `json:"r,omitempty"`
	Bytes     int64        `json:"b,omitempty"`
	Action    event.Action `json:"a"`
	Source    string       `json:"s"`
	Account   string       `json:"u,omitempty"`
	Login     string       `json:"l,omitempty"`
	Object    string       `json:"o,omitempty"`
	IP        string       `json:"p,omitempty"`
	Country   string       `json:"c,omitempty"`
	Agent     string       `json:"g,omitempty"`
	App       string       `json:"x,omitempty"`

	// Who it was, by the source and by the roster.
	Person     string `json:"w,omitempty"`
	Email      string `json:"e,omitempty"`
	Department string `json:"d,omitempty"`
	Role       string `json:"h,omitempty"`
	// Idle is the silence that the event ended, in days; Off whether it was outside
	// the person's working hours.
	Idle int64 `json:"n,omitempty"`
	Off  bool  `json:"f,omitempty"`
	// Said has the fields that the sentences of rules name.
	Said map[string]string `json:"y,omitempty"`
}

// compareEvidence orders events of one time; two of one id are one event.
func compareEvidence(a, b *evidence) int { return strings.Compare(a.ID, b.ID) }

// evidenceOf is the evidence of the event that was looked at.
func evidenceOf(r *record) *evidence {
	e, a := r.event, &r.event.Actor
	n := &evidence{
		Time: e.Time.UnixMilli(), ID: strings.Clone(e.ID), Rows: e.Rows, Bytes: e.Bytes, Action: event.Action(intern(string(e.Action))),
		Source: intern(e.Source), Account: intern(a.ID), Login: intern(a.Name), Object: intern(e.Object.Type),
		IP: intern(e.SrcIP), Country: intern(e.Country), Agent: intern(e.UserAgent), App: intern(e.App),
		Person: intern(a.Person), Email: intern(a.Email), Department: intern(a.Department), Role: intern(a.Role),
		Idle: r.derived[accountIdleDays].Int, Off: r.derived[localOffHours] == event.BoolValue(true),
	}
	if !e.Collected.IsZero() {
		n.Collected = e.Collected.UnixMilli()
	}
	return n
}

// say keeps the fields that a rule's sentence names.
func (n *evidence) say(fields []string, r *record) {
	for _, path := range fields {
		if n.Said == nil {
			n.Said = make(map[string]string, len(fields))
		}
		n.Said[path] = strings.Clone(r.text(path))
	}
}

// summary is what was seen in events, of which most need not be kept.
type summary struct {
	Count       int64
	Rows, Bytes int64
	Start, End  int64
	Detected    int64
	Action      event.Action
	Sources     []string
	ObjectTypes []string
	IPs         []string
	Countries   []string
	UserAgents  []string
	Apps        []string
	Accounts    []alert.Account
	Events      []alert.EventRef
	Last        *evidence
}

// add takes in an event that is later than those before.
func (s *summary) add(n *evidence) {
	if s.Count++; s.Count == 1 {
		s.Start = n.Time
	}
	s.End, s.Action, s.Last = n.Time, n.Action, n
	s.Rows, s.Bytes = addSaturating(s.Rows, n.Rows), addSaturating(s.Bytes, n.Bytes)
	s.Sources = seen(s.Sources, n.Source)
	s.ObjectTypes = seen(s.ObjectTypes, n.Object)
	s.IPs = seen(s.IPs, n.IP)
	s.Countries = seen(s.Countries, n.Country)
	s.UserAgents = seen(s.UserAgents, n.Agent)
	s.Apps = seen(s.Apps, n.App)
	if a := (alert.Account{Source: n.Source, ID: n.Account, Name: n.Login}); len(s.Accounts) < alert.MaxSeen && !slices.Contains(s.Accounts, a) {
		s.Accounts = append(s.Accounts, a)
	}
	if len(s.Events) < alert.MaxEvents {
		s.Events = append(s.Events, alert.EventRef{ID: n.ID, Time: fromMillis(n.Time), Action: n.Action, Rows: n.Rows})
	}
}

// clone is a copy that can be added to.
func (s *summary) clone() *summary {
	c := *s
	for _, list := range []*[]string{&c.Sources, &c.ObjectTypes, &c.IPs, &c.Countries, &c.UserAgents, &c.Apps} {
		*list = slices.Clone(*list)
	}
	c.Accounts, c.Events = slices.Clone(c.Accounts), slices.Clone(c.Events)
	return &c
}

// absorb adds an event that will not be kept to what was absorbed before.
func absorb(sum any, n *evidence) any {
	s, ok := sum.(*summary)
	if !ok {
		s = &summary{}
	}
	s.add(n)
	return s
}

// recall reads what was absorbed from a checkpoint.
func recall(data []byte) (any, error) {
	s := &summary{}
	if err := window.Decode(data, s); err != nil {
		return nil, fmt.Errorf("decode absorbed evidence: %w", err)
	}
	return s, nil
}

// inOrder are events in the order of time, each once: an event may be in several
// instants of an inner correlation.
func inOrder(events []*evidence) []*evidence {
	less := func(a, b *evidence) int { return cmp.Or(cmp.Compare(a.Time, b.Time), strings.Compare(a.ID, b.ID)) }
	if !slices.IsSortedFunc(events, less) {
		slices.SortFunc(events, less)
	}
	return slices.CompactFunc(events, func(a, b *evidence) bool { return a.Time == b.Time && a.ID == b.ID })
}

// seen adds v to the distinct values, at most alert.MaxSeen of them.
func seen(values []string, v string) []string {
	if v == "" || len(values) >= alert.MaxSeen || slices.Contains(values, v) {
		return values
	}
	return append(values, v)
}

func fromMillis(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// addSaturating adds two counts that are not negative, staying at the largest
// number rather than turning negative on hostile input.
func addSaturating(a, b int64) int64 {
	if s := a + b; s >= a {
		return s
	}
	return 1<<63 - 1
}

// intern makes one copy of a text that many events share, so that no evidence
// keeps the whole message alive that the text was part of.
func intern(s string) string {
	if s == "" {
		return ""
	}
	return unique.Make(s).Value()
}
