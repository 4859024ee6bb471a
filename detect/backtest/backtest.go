// Package backtest runs rules over events of the past, with the engine that runs
// them over those of the present. What the engine finds is a function of events,
// rules and roster, so the same rules find the same alerts, with the same ids, as
// they did or would have done live.
//
// There is one exception. Live, an event that comes later than the configured
// lateness is not counted; here all events come in the order of their time, and
// none is late.
package backtest

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/crmwatch/crmwatch/alert"
	"github.com/crmwatch/crmwatch/detect"
	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/rules"
)

// Hit is an alert, as far as it is compared and counted.
type Hit struct {
	ID     string `json:"id"`
	RuleID string `json:"-"`
	Rule   string `json:"rule"` // its name
	Tenant string `json:"tenant"`
	User   string `json:"user"` // actor.key
	// At is the event time at which it was first told, of a stored alert that of its
	// last event. Start and End are the first and the last event that count for it.
	At       time.Time   `json:"at"`
	Start    time.Time   `json:"start"`
	End      time.Time   `json:"end"`
	Events   int64       `json:"events"`
	Measured int64       `json:"measured,omitempty"`
	Revision int         `json:"revision"`
	State    alert.State `json:"state"`
}

// HitOf is what is compared and counted of a finding.
func HitOf(f *alert.Finding) Hit {
	return Hit{
		ID: f.ID, RuleID: f.Rule.ID, Rule: f.Rule.Name, Tenant: f.Tenant, User: f.Subject.Key, At: f.End, Start: f.Start, End: f.End,
		Events: f.Count, Measured: f.Measured, Revision: f.Revision, State: f.State,
	}
}

// overlaps reports whether two alerts are about one user at one time.
func (h *Hit) overlaps(o *Hit) bool {
	return h.Tenant == o.Tenant && h.User == o.User && !h.Start.After(o.End) && !o.Start.After(h.End)
}

// Run is a set of rules under way over the past. It is not safe for concurrent
// use.
type Run struct {
	cfg    detect.Config
	set    *rules.Set
	people detect.People
	// engines are by partition: as live, each sees what the others do not.
	engines map[int]*detect.Engine
	hits    map[string]*Hit
}

// New begins a run.
func New(cfg detect.Config, set *rules.Set, people detect.People) *Run {
	return &Run{cfg: cfg, set: set, people: people, engines: map[int]*detect.Engine{}, hits: map[string]*Hit{}}
}

// Apply takes in the next event of a partition.
func (r *Run) Apply(partition int, e *event.Event) {
	en := r.engines[partition]
	if en == nil {
		en = detect.NewEngine(r.cfg, r.set, r.people)
		r.engines[partition] = en
	}
	found := en.Apply(e)
	for i := range found {
		r.found(&found[i])
	}
}

// found keeps the newest revision of a finding, and when it was first told.
func (r *Run) found(f *alert.Finding) {
	h := HitOf(f)
	if old := r.hits[f.ID]; old != nil {
		if old.Revision > h.Revision {
			return
		}
		h.At = old.At
	}
	r.hits[f.ID] = &h
}

// Hits are the alerts so far, but for those that were withdrawn, in the order in
// which they were first told.
func (r *Run) Hits() []Hit {
	all := make([]Hit, 0, len(r.hits))
	for _, h := range r.hits {
		if h.State != alert.Withdrawn {
			all = append(all, *h)
		}
	}
	slices.SortFunc(all, func(a, b Hit) int { return cmp.Or(a.At.Compare(b.At), strings.Compare(a.ID, b.ID)) })
	return all
}

// silence is how far back the history of accounts has to be known where a rule
// asks how long one had been silent.
const silence = 100 * 24 * time.Hour

// WarmUp is how long before the first alert that counts the events have to begin,
// so that the windows of the rules and the histories of accounts are what they
// were.
func WarmUp(set *rules.Set) time.Duration {
	var longest time.Duration
	if f, _ := detect.NewSchema().Field("account.idle_days"); set.Uses(f) {
		longest = silence
	}
	for _, r := range set.Rules() {
		longest = max(longest, r.Window.Suppress)
	}
	reach := map[*rules.Correlation]time.Duration{}
	for _, c := range set.Correlations() {
		below := time.Duration(0)
		for _, in := range c.Inputs {
			below = max(below, reach[in.Correlation])
		}
		// The window, and the time for which an alert that is open would be extended.
		reach[c] = below + c.Timespan + max(c.Timespan, c.Window.Suppress)
		longest = max(longest, reach[c])
	}
	return longest
}
