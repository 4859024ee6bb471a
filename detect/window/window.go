// Package window decides correlations: it takes in the matches of rules, keeps
// them by group in the order of event time, and says when a correlation's
// condition holds (Sigma correlation rules specification 2.1.0).
//
// A window of the timespan T that ends at the instant t holds the entries of
// [t-T, t], both ends included. The instants of a group are the times of its
// entries. What an Engine tells is a function of the set of matches alone: a
// match that comes late is put where it belongs, the instants it touches are
// decided again, and what was told before is amended.
//
// Memory is bounded. Windows forget what can no longer matter, groups that are
// idle go, and a flood of new groups is turned away at a limit that is counted.
//
// The package is pure: no I/O, and no clock but the one of the events. Times are
// milliseconds since 1970 UTC.
package window

import (
	"time"

	"github.com/crmwatch/crmwatch/rules"
)

// Config says how an Engine works. P is what the caller knows an event by; the
// engine keeps it and gives it back as evidence.
type Config[P any] struct {
	// Compare orders two events of one time; 0 says that they are the same event,
	// which counts once.
	Compare func(a, b P) int
	// Emit takes what was found. The alert is good until it returns.
	Emit func(*Alert[P])
	// Absorb adds the evidence of an entry that is about to be forgotten to what a
	// run has absorbed before, nil at first, and returns the sum.
	Absorb func(sum any, p P) any
	// Recall reads such a sum from its JSON form, when state is restored.
	Recall func(data []byte) (any, error)

	// Final says that nothing is decided before the watermark has passed it, so
	// that nothing is ever amended, and what comes later is too late. Otherwise
	// conditions that more events cannot make false are decided at once.
	Final bool
	// Every tells each instant at which a condition holds, not runs of them.
	Every bool
	// Lateness is how far behind the newest match of its group one may come and
	// still be counted; nothing is late by the watermark, because the files of a
	// source come one kind of event after the other. A rule's own lateness goes
	// before it. Under Final it is the watermark alone that tells.
	Lateness time.Duration
	// Entries is how many entries a window keeps one by one; what is more is
	// counted by sketches, with an error that the alert states. What is in a sketch
	// is not told apart any more: repeated there, an event counts again.
	Entries int
	// Groups is how many windows the engine keeps at most.
	Groups int
}

// Defaults of a Config.
const (
	DefaultEntries = 10_000
	DefaultGroups  = 2_000_000
)

// Engine folds matches into alerts. It is not safe for concurrent use.
type Engine[P any] struct {
	cfg    Config[P]
	series []*series[P]
	// feeds are what a rule's matches are measured by, by Rule.Index.
	feeds   [][]feed[P]
	windows table[P]
	free    []*window[P] // windows that are of no group
	// due are the windows that wait for the watermark, by how many correlations
	// stand between them and the rules: a chain's inner ones come first.
	due       []queue[P]
	watermark int64
	// settled is the watermark for which everything was decided: behind watermark
	// while it advances.
	settled   int64
	end       int64                   // no instant after it is decided
	turn      int                     // which series has to make room next
	dirty     map[*window[P]]struct{} // windows that have changed since they were saved
	gone      map[Key]struct{}
	key       []byte
	values    []string // of describe
	links     []link   // of chosen
	dirtySize int      // about how much the dirty ones take
	touched   int64    // what fetch has read: without a use for it, it would not be read
	pool      pool[P]
	alert     Alert[P]
	removed   []P // what the inner instant rested on that was taken back last

	Counters
}

// Counters are how often something happened that is no error of the engine's.
type Counters struct {
	// Late are matches that came too late to be counted, Ungrouped those that
	// lack a value to group by.
	Late, Ungrouped int64
	// Refused are matches of new groups that found no room, Evicted the groups
	// that had to go for others before their time.
	Refused, Evicted int64
	// Sketched are entries that were folded into sketches.
	Sketched int64
}

// feed says that a rule's matches are input number slot of a series.
type feed[P any] struct {
	series *series[P]
	slot   int
}

// New returns an engine for the correlations of the set, and for its rules of
// single events that are to be told once per group and time (Window.Suppress);
// groupBy is the field that those are grouped by.
func New[P any](cfg Config[P], set *rules.Set, groupBy rules.Field) *Engine[P] {
	if cfg.Entries == 0 {
		cfg.Entries = DefaultEntries
	}
	if cfg.Groups == 0 {
		cfg.Groups = DefaultGroups
	}
	e := &Engine[P]{cfg: cfg, watermark: beforeAll, settled: beforeAll, end: never - 1, dirty: map[*window[P]]struct{}{}, gone: map[Key]struct{}{}}
	e.feeds = make([][]feed[P], len(set.Rules()))
	byCorrelation := map[*rules.Correlation]*series[P]{}
	for _, c := range set.Correlations() {
		s := e.addSeries(ofCorrelation[P](c), c.Inputs)
		byCorrelation[c] = s
		for slot, in := range c.Inputs {
			if inner := byCorrelation[in.Correlation]; inner != nil {
				inner.outer = append(inner.outer, feed[P]{s, slot})
				s.level = max(s.level, inner.level+1)
			} else {
				e.feeds[in.Rule.Index] = append(e.feeds[in.Rule.Index], feed[P]{s, slot})
			}
		}
	}
	for _, r := range set.Rules() {
		if r.Alerts && r.Window.Suppress > 0 {
			in := rules.Input{Rule: r, GroupBy: []rules.Field{groupBy}}
			s := e.addSeries(ofRule[P](r), []rules.Input{in})
			e.feeds[r.Index] = append(e.feeds[r.Index], feed[P]{s, 0})
		}
	}
	for _, s := range e.series {
		for len(e.due) <= s.level {
			e.due = append(e.due, nil)
		}
	}
	return e
}

func (e *Engine[P]) addSeries(s *series[P], inputs []rules.Input) *series[P] {
	s.index = len(e.series)
	s.inputs = inputs
	s.early = s.early && !e.cfg.Final
	s.setTimes(&e.cfg)
	e.series = append(e.series, s)
	return s
}

// Feeds reports whether matches of the rule are measured by anything here.
func (e *Engine[P]) Feeds(r *rules.Rule) bool { return len(e.feeds[r.Index]) > 0 }

// Windows is the number of windows kept.
func (e *Engine[P]) Windows() int { return e.windows.used }

// Watermark is the time up to which everything is decided.
func (e *Engine[P]) Watermark() int64 { return e.watermark }

// Match takes in that a rule matched a record of the tenant at a time.
func (e *Engine[P]) Match(r *rules.Rule, rec *rules.Record, tenant string, at int64, p P) {
	for _, f := range e.feeds[r.Index] {
		s := f.series
		if e.cfg.Final && at <= e.watermark {
			e.Late++
			continue
		}
		in := &s.inputs[f.slot]
		key, numbers, ok := groupKey(e.key[:0], tenant, rec, in.GroupBy)
		e.key = key
		if !ok {
			e.Ungrouped++
			continue
		}
		w := e.window(s, hashKey(key), key, numbers, at)
		if w == nil {
			e.Refused++
			continue
		}
		e.take(w, entry[P]{at: at, slots: 1 << f.slot, value: s.valueOf(rec, in.Values), p: p})
	}
}

// take puts an entry into its window and decides what can be decided.
func (e *Engine[P]) take(w *window[P], n entry[P]) {
	i, added := w.insert(&n, e)
	if !added {
		return
	}
	e.touch(w)
	w.mask |= n.slots
	if w.lateAt(n.at) {
		e.reconsider(w, n.at)
	}
	switch s := w.series; {
	case len(w.entries)-w.head < s.need || s.required&^w.mask != 0:
	case s.early && i == len(w.entries)-1 && (!s.numeric || n.at != w.done): // unless a sum has fallen since
		e.decide(w, n.at)
		w.done = max(w.done, n.at)
	case s.early:
		e.reconsider(w, n.at)
	default:
		e.wake(w, w.nextInstant())
	}
	e.limit(w)
}

// Advance says that the watermark has come to t: all that happened until then
// is known, but for what is late.
func (e *Engine[P]) Advance(t int64) {
	e.watermark = max(e.watermark, t)
	for level := range e.due {
		for e.due[level].ready(t) {
			e.settle(e.due[level].pop())
		}
	}
	e.settled = e.watermark
	e.expire()
}

// Resume says up to which watermark everything was decided when the state was
// saved. It comes after Restore.
func (e *Engine[P]) Resume(watermark int64) {
	e.watermark, e.settled = max(e.watermark, watermark), max(e.settled, watermark)
	e.windows.all(func(w *window[P]) { e.wake(w, e.wakeTime(w)) })
}

// Close says that nothing comes any more. It tells what is still open.
func (e *Engine[P]) Close() { e.CloseAt(never - 1) }

// CloseAt says that nothing is known of the time after t, and never will be: no
// instant after it is decided. It tells what is still open.
func (e *Engine[P]) CloseAt(t int64) {
	e.end = t
	e.Advance(never - 1)
}

// settle decides all instants of the window up to the watermark, and closes
// runs that have ended.
func (e *Engine[P]) settle(w *window[P]) {
	w.wakes = never
	if !w.series.early {
		for at := w.nextInstant(); at <= min(e.watermark, e.end); at = w.nextInstant() {
			w.done = at
			e.touch(w)
			e.decide(w, at)
		}
	}
	e.closeRuns(w)
	w.trim(w.floor(e, e.watermark), e)
	if at := e.wakeTime(w); at != never {
		e.wake(w, at)
	}
}

// wake has the window settled when the watermark has come to a time.
func (e *Engine[P]) wake(w *window[P], at int64) {
	if w.wakes <= at {
		return
	}
	w.wakes = at
	e.due[w.series.level].push(at, w)
}

// never is later than any time, beforeAll earlier; sums with either are times.
const (
	never     = 1 << 62
	beforeAll = -1 << 62
)
