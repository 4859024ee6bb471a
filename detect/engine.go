// Package detect finds, in a stream of events, what the rules describe.
//
// Engine is the pure middle: it takes events in, gives findings out, does no
// I/O and knows no clock but the events'. Detector is the stage around it, that
// reads one partition of the event topic, keeps the engine's state durable and
// writes the findings.
package detect

import (
	"strings"
	"time"

	"github.com/crmwatch/crmwatch/alert"
	"github.com/crmwatch/crmwatch/detect/window"
	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/rules"
)

// Config is what may be set of the detector.
type Config struct {
	// Lateness is how far behind the newest event of its source an event may come
	// and still be put where it belongs. Salesforce's hourly files come hours late,
	// and a daily one may be made anew for days.
	Lateness time.Duration
	// Delay is how long what can only be decided when nothing is missing waits for
	// the events of a source; Delays says it for single sources.
	Delay  time.Duration
	Delays map[string]time.Duration
	// Idle is after how long without events a source is not waited for any more.
	Idle time.Duration
	// Entries is how many events one rule keeps for one group; what is more is
	// counted by sketches.
	Entries int
	// Groups is how many windows one partition keeps at most.
	Groups int
	// Skew is how far ahead of its collection an event's time is believed.
	Skew time.Duration
	// Checkpoint is how many bytes of state are written at once. It is less than a
	// message may have.
	Checkpoint int
}

// DefaultConfig is the configuration of a detector that was not told otherwise.
func DefaultConfig() Config {
	return Config{
		Lateness: 7 * 24 * time.Hour, Delay: 2 * time.Minute, Idle: time.Hour,
		Entries: window.DefaultEntries, Groups: window.DefaultGroups, Skew: 10 * time.Minute, Checkpoint: 12 << 20,
	}
}

// Engine folds the events of one partition into findings. What it returns is a
// function of the events, their order, the rules and the roster alone, so a
// restored engine that is given the same events again finds the same again; and
// what it has returned in the end, of every finding the last revision, does not
// depend on the order of the events either. It is not safe for concurrent use.
type Engine struct {
	cfg    Config
	set    *rules.Set
	people People

	windows *window.Engine[*evidence]
	state   state
	sources sources
	newest  int64

	rec     record
	matcher *rules.Matcher
	fields  rules.Record
	// said are the fields that the sentences about a rule's matches name, by
	// Rule.Index.
	said  [][]string
	found []alert.Finding
}

// NewEngine returns an engine with no state.
func NewEngine(cfg Config, set *rules.Set, people People) *Engine {
	en := &Engine{cfg: cfg, set: set, people: people, matcher: set.Matcher(), said: saidBy(set), state: newState(), sources: sources{}}
	en.windows = en.newWindows(set)
	return en
}

func (en *Engine) newWindows(set *rules.Set) *window.Engine[*evidence] {
	return window.New(window.Config[*evidence]{
		Compare: compareEvidence, Emit: en.alerted, Absorb: absorb, Recall: recall,
		Lateness: en.cfg.Lateness, Entries: en.cfg.Entries, Groups: en.cfg.Groups,
	}, set, byPerson)
}

// saidBy lists, for every rule, the fields that its sentence and those of the
// correlations over it name.
func saidBy(set *rules.Set) [][]string {
	said := make([][]string, len(set.Rules()))
	for _, r := range set.Rules() {
		said[r.Index] = r.ReasonFields()
	}
	below := map[*rules.Correlation][]*rules.Rule{}
	for _, c := range set.Correlations() {
		for _, in := range c.Inputs {
			if in.Rule != nil {
				below[c] = append(below[c], in.Rule)
			} else {
				below[c] = append(below[c], below[in.Correlation]...)
			}
		}
		for _, r := range below[c] {
			said[r.Index] = append(said[r.Index], c.ReasonFields()...)
		}
	}
	return said
}

// Watermark is the newest event time seen, but never further ahead than the
// clock skew allows. Zero at the start.
func (en *Engine) Watermark() time.Time {
	if en.newest == 0 {
		return time.Time{}
	}
	return fromMillis(en.newest)
}

// Counters are how often events were not counted as one might expect.
func (en *Engine) Counters() window.Counters { return en.windows.Counters }

// Groups is the number of windows kept.
func (en *Engine) Groups() int { return en.windows.Windows() }

// Apply takes in one event and returns what it completes or amends. The slice is
// good until the next call.
func (en *Engine) Apply(e *event.Event) []alert.Finding {
	en.found = en.found[:0]
	rec := en.look(e)
	rec.fill(&en.fields, en.set)
	var n *evidence
	for _, rule := range en.matcher.Match(&en.fields) {
		alone := rule.Alerts && rule.Window.Suppress == 0
		if !alone && !en.windows.Feeds(rule) {
			continue
		}
		if n == nil {
			n = evidenceOf(rec)
		}
		n.say(en.said[rule.Index], rec)
		if alone {
			en.single(&rule.Meta, rec, n)
		}
		en.windows.Match(rule, &en.fields, e.Tenant, n.Time, n)
	}
	en.advance(e)
	return en.found
}

// Close says that no event comes any more and returns what is decided by that.
// It is for a stream that has an end.
func (en *Engine) Close() []alert.Finding {
	en.found = en.found[:0]
	en.windows.Close()
	return en.found
}

func (en *Engine) advance(e *event.Event) {
	t := e.Time
	if limit := e.Collected.Add(en.cfg.Skew); !e.Collected.IsZero() && t.After(limit) {
		t = limit
	}
	en.newest = max(en.newest, t.UnixMilli())
	collected := t
	if !e.Collected.IsZero() {
		collected = e.Collected
	}
	en.sources.saw(intern(e.Source), t.UnixMilli(), collected.UnixMilli())
	en.windows.Advance(en.sources.watermark(&en.cfg))
}

// activity takes the event into its account's history and returns the days of
// silence it ends.
func (en *Engine) activity(r *record) int64 {
	e := r.event
	if e.Outcome == event.Failure || e.Action == event.LoginFailed {
		// A stranger's attempts do not wake an account.
		return 0
	}
	key := accountPrefix + e.Tenant + "/" + e.AccountKey()
	a, known := en.state.account(key)
	if !known && r.person != nil {
		a.Last = lastActive(r, e)
	}
	t := e.Time.UnixMilli()
	if a.touch(t) || !known {
		en.state.touch(key)
	}
	return a.idleDays(t)
}

// lastActive is what the roster knows of the account's last activity, in
// milliseconds since 1970 UTC, 0 where it knows nothing.
func lastActive(r *record, e *event.Event) int64 {
	for _, a := range r.person.Accounts {
		if a.Source == e.Source && !a.LastActive.IsZero() && (a.ID == e.Actor.ID || strings.EqualFold(a.ID, e.Actor.Name)) {
			return a.LastActive.UnixMilli()
		}
	}
	return 0
}
