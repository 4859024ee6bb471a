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
	"unique"

	"github.com/crmwatch/crmwatch/alert"
	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/rules"
)

// Config is what may be set of the detector.
type Config struct {
	// Lateness is how far behind the newest event of its group an event may come
	// and still be put where it belongs. Salesforce's hourly files come hours
	// late, and a daily one may be made anew for days.
	Lateness time.Duration
	// Entries is how many events one rule keeps for one group, and a third more
	// until they are dropped together.
	Entries int
	// Skew is how far ahead of its collection an event's time is believed.
	Skew time.Duration
	// Checkpoint is how many bytes of state are written at once.
	Checkpoint int
}

// DefaultConfig is the configuration of a detector that was not told otherwise.
func DefaultConfig() Config {
	return Config{Lateness: 7 * 24 * time.Hour, Entries: 10_000, Skew: 10 * time.Minute, Checkpoint: 4 << 20}
}

// Engine folds the events of one partition into findings. What it returns is a
// function of the events, their order, the rules and the roster alone, so a
// restored engine that is given the same events again finds the same again. It
// is not safe for concurrent use.
type Engine struct {
	cfg    Config
	set    *rules.Set
	people People

	watchers map[*rules.Rule][]*watcher // what a matching event of the rule is counted by
	state    state
	watermark,
	late int64

	rec     record
	matcher *rules.Matcher
	fields  rules.Record
	found   []alert.Finding
}

// NewEngine returns an engine with no state.
func NewEngine(cfg Config, set *rules.Set, people People) *Engine {
	return &Engine{cfg: cfg, set: set, people: people, watchers: watchersOf(set), matcher: set.Matcher(), state: newState()}
}

// Watermark is the event time up to which the stream has come: the newest time
// seen, but never further ahead than the clock skew allows. Zero at the start.
func (en *Engine) Watermark() time.Time {
	if en.watermark == 0 {
		return time.Time{}
	}
	return fromMillis(en.watermark)
}

// Late is the number of times an event came too late to be counted by a rule.
func (en *Engine) Late() int64 { return en.late }

// Groups is the number of windows kept.
func (en *Engine) Groups() int { return len(en.state.windows) }

// Apply takes in one event and returns what it completes. The slice is good
// until the next call.
func (en *Engine) Apply(e *event.Event) []alert.Finding {
	en.found = en.found[:0]
	rec := en.look(e)
	en.advance(e)
	rec.fill(&en.fields, en.set)
	for _, rule := range en.matcher.Match(&en.fields) {
		for _, w := range en.watchers[rule] {
			en.count(w, rec)
		}
	}
	return en.found
}

func (en *Engine) advance(e *event.Event) {
	t := e.Time
	if limit := e.Collected.Add(en.cfg.Skew); !e.Collected.IsZero() && t.After(limit) {
		t = limit
	}
	en.watermark = max(en.watermark, t.UnixMilli())
}

// count puts the event into the window of its group and makes the finding that
// it completes, if any.
func (en *Engine) count(w *watcher, rec *record) {
	key, ok := w.group(rec)
	if !ok {
		return
	}
	win := en.state.window(key)
	i, placed := win.insert(w.entry(rec))
	switch placed {
	case duplicate:
		return
	case tooLate:
		en.late++
		return
	case inserted:
	}
	en.state.touch(key)
	for j := i; j < len(win.Entries) && win.Entries[j].Time <= win.Entries[i].Time+w.span.Milliseconds(); j++ {
		if en.judge(w, win, j, key, rec) {
			break
		}
	}
	win.forget(w.span+en.cfg.Lateness, en.cfg.Entries)
}

// judge makes a finding of the window that ends at entry j when the rule's
// condition holds there and the burst was not told of yet.
func (en *Engine) judge(w *watcher, win *window, j int, key string, rec *record) bool {
	end := win.Entries[j].Time
	if win.fired(end, w.span) {
		return false
	}
	from := j
	if w.span > 0 {
		from = win.start(j, w.span)
	}
	measured := w.measure(win, from, j)
	if !w.holds(float64(measured)) {
		return false
	}
	if w.span > 0 {
		win.Fired = append(win.Fired, end)
	}
	en.found = append(en.found, w.finding(rec, key, win.Entries[from:j+1], measured))
	return true
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

// intern makes one copy of a text that many entries share, so that no entry
// keeps the whole message alive that the text was part of.
func intern(s string) string {
	if s == "" {
		return ""
	}
	return unique.Make(s).Value()
}
