package window

import (
	"cmp"
	"slices"

	"github.com/crmwatch/crmwatch/rules"
)

// hit is an instant at which the condition holds.
type hit struct {
	at int64
	measure
}

// run is what is told as one alert: instants at which the condition holds, none
// further from the next than the suppression time.
type run struct {
	first, last int64
	peak        hit // where most was measured
	// frozen is up to when hits were forgotten, below the first of those kept, and
	// past the peak of those.
	frozen int64
	past   hit
	// absorbed is the evidence of the entries that were forgotten.
	absorbed any

	told      bool
	withdrawn bool
	stale     bool // something happened that was not told yet
	closed    bool
	revision  int
	toldAt    int64   // the last instant that was told of
	toldPeak  float64 // what was told that was measured
	replaces  []int64
}

// revoked remembers of an alert that was withdrawn which revision said so: what
// revokes it may be revoked by what comes late, and then it stands again.
type revoked struct {
	first    int64
	revision int
}

// Group is whom an alert is about.
type Group struct {
	Tenant string
	// Values are what the correlation groups by, in the order of its GroupBy.
	Values []string
	// Numbers are those of Values that were numbers in the first event, as bits.
	Numbers uint64
	// Key names the group within its series.
	Key string
}

// Alert is what an Engine tells.
type Alert[P any] struct {
	Meta        *rules.Meta
	Correlation *rules.Correlation // nil for a rule of single events
	Group       Group
	// First and Last are the instants that the run begins and ends with; equal
	// under Config.Every.
	First, Last int64
	// Measured is the most that was measured at an instant of the run, Uncertainty
	// how far that may be off, as a share.
	Measured, Uncertainty float64
	// Revision is 0 when the alert is first told. Closed says that the run has
	// ended, Withdrawn that a late event has shown that it does not hold.
	Revision          int
	Closed, Withdrawn bool
	// Replaces are the First of alerts that this one has taken in, ReplacedBy that
	// of the alert which has taken in this one; 0 is no such time.
	Replaces   []int64
	ReplacedBy int64
	// Absorbed is the evidence that is no longer kept, Events what is, in the order
	// of time. Of a withdrawn alert they are what it was about.
	Absorbed any
	Events   []P
	// Begin is the time of the first event.
	Begin int64
}

// decide judges an instant and tells what follows.
func (e *Engine[P]) decide(w *window[P], at int64) {
	m, holds := w.judge(at)
	if !holds {
		return
	}
	e.hit(w, hit{at, m})
}

// hit takes in that the condition holds at an instant.
func (e *Engine[P]) hit(w *window[P], h hit) {
	for _, f := range w.series.outer {
		e.pass(w, f, h)
	}
	switch {
	case !w.series.alerts:
	case e.cfg.Every:
		e.emitInstant(w, h)
	default:
		w.keepHit(h)
		e.extend(w, h)
	}
}

// keepHit puts a hit where it belongs, in the place of what was measured at its
// instant before.
func (w *window[P]) keepHit(h hit) {
	i, found := slices.BinarySearchFunc(w.hits, h.at, compareHit)
	if found {
		w.hits[i] = h
	} else {
		w.hits = slices.Insert(w.hits, i, h)
	}
}

func compareHit(h hit, at int64) int { return cmp.Compare(h.at, at) }

// forgetHits drops hits before a time, and the runs that they belong to once
// nothing can come any more that continues those.
func (w *window[P]) forgetHits(floor int64) {
	n, _ := slices.BinarySearchFunc(w.hits, floor, compareHit)
	if n > 0 && 4*n >= len(w.hits) {
		for _, r := range w.runs {
			r.freeze(w.hits[:n])
		}
		w.hits = slices.Delete(w.hits, 0, n)
	}
	oldest := int64(never)
	if len(w.hits) > 0 {
		oldest = w.hits[0].at
	}
	over := func(r *run) bool {
		return r.closed && !r.stale && r.last < oldest && r.last+w.series.suppress+w.series.span < floor
	}
	if slices.ContainsFunc(w.runs, over) {
		w.runs = slices.DeleteFunc(w.runs, over)
	}
	w.revoked = slices.DeleteFunc(w.revoked, func(r revoked) bool { return r.first < floor })
}

// freeze has the run remember what will be forgotten of its hits.
func (r *run) freeze(hits []hit) {
	for _, h := range hits {
		if h.at < r.first || h.at > r.last {
			continue
		}
		if r.frozen == beforeAll || h.value > r.past.value {
			r.past = h
		}
		r.frozen = max(r.frozen, h.at)
	}
}

// extend adds a hit behind all others to the last run, or begins one.
func (e *Engine[P]) extend(w *window[P], h hit) {
	if n := len(w.runs); n > 0 {
		r := w.runs[n-1]
		switch {
		case h.at < r.first:
			if r = w.runAt(h.at); r == nil {
				e.rebuild(w, h.at, h.at)
				return
			}
			fallthrough
		case h.at <= r.last+w.series.suppress:
			r.last = max(r.last, h.at)
			r.raise(h)
			e.tell(w, r, e.settled, false)
			return
		}
	}
	r := &run{first: h.at, last: h.at, peak: h, frozen: beforeAll}
	w.runs = append(w.runs, r)
	e.tell(w, r, e.settled, false)
}

// runAt is the run that an instant lies within, nil where there is none.
func (w *window[P]) runAt(at int64) *run {
	for _, r := range w.runs {
		if r.first <= at && at <= r.last {
			return r
		}
	}
	return nil
}

func (r *run) raise(h hit) {
	if h.value > r.peak.value || h.at == r.peak.at {
		r.peak = h
	}
}

// tell tells of a run what was not told yet, if it is worth it: not each event,
// but the beginning, twice as much measured, a quarter of the timespan, the end.
// Under Final there is nothing to tell before the end. What is decided while the
// watermark advances may be followed by more, so it has come to now only.
func (e *Engine[P]) tell(w *window[P], r *run, now int64, must bool) {
	ended := now > r.last+w.series.suppress
	must = must || ended && !r.closed
	r.stale, r.closed = true, ended
	switch {
	case !ended:
		e.wake(w, r.last+w.series.suppress+1)
		if e.cfg.Final {
			return
		}
	case !must:
		// What comes late comes in numbers: it is told when time goes on.
		e.wake(w, now+1)
	}
	if r.told && !must && !w.worthTelling(r) {
		return
	}
	r.stale = false
	e.emit(w, r, func(a *Alert[P]) {
		if r.told {
			r.revision++
		} else {
			r.revision = w.revive(r.first)
		}
		r.told, r.toldAt, r.toldPeak = true, r.last, r.peak.value
		a.Revision, a.Closed, a.Replaces = r.revision, r.closed, r.replaces
	})
}

// revive is the revision with which an alert is first told: 0, unless one that
// began at the same instant was withdrawn and now stands again.
func (w *window[P]) revive(first int64) int {
	i := slices.IndexFunc(w.revoked, func(r revoked) bool { return r.first == first })
	if i < 0 {
		return 0
	}
	next := w.revoked[i].revision + 1
	w.revoked = slices.Delete(w.revoked, i, i+1)
	return next
}

const minute = 60_000

// worthTelling reports whether much has happened since a run was told of.
func (w *window[P]) worthTelling(r *run) bool {
	return r.last >= r.toldAt+max(w.series.span/4, minute) || r.peak.value > r.toldPeak && r.peak.value >= 2*r.toldPeak
}

// closeRuns tells the end of runs that have been quiet for long enough, and what
// was not told yet of those that have ended.
func (e *Engine[P]) closeRuns(w *window[P]) {
	for _, r := range w.runs {
		if e.watermark > r.last+w.series.suppress && (!r.closed || r.stale) {
			e.touch(w)
			e.tell(w, r, e.watermark, true)
		}
	}
}

// wakeTime is when the window has to be settled next.
func (e *Engine[P]) wakeTime(w *window[P]) int64 {
	at := int64(never)
	if !w.series.early && len(w.entries)-w.head >= w.series.need && w.series.required&^w.mask == 0 {
		if at = w.nextInstant(); at > e.end {
			at = never
		}
	}
	for _, r := range w.runs {
		switch {
		case !r.closed:
			at = min(at, r.last+w.series.suppress+1)
		case r.stale:
			at = min(at, e.watermark+1)
		}
	}
	return at
}

// reconsider decides again all decided instants that an entry at this time
// touches, and amends what was told.
func (e *Engine[P]) reconsider(w *window[P], at int64) {
	end := at + w.series.span
	if !w.series.early {
		end = min(end, w.done)
	}
	changed := false
	for x := at; x <= end; x = w.instantAfter(x) {
		if !w.instant(x) {
			continue // an entry was taken out
		}
		m, holds := w.judge(x)
		if w.series.early {
			w.done = max(w.done, x)
		}
		changed = e.revise(w, hit{x, m}, holds) || changed
	}
	changed = e.missing(w, at, end) || changed
	if changed && w.series.alerts {
		e.rebuild(w, at, end)
	}
}

// missing takes back the instants of an entry that was taken out.
func (e *Engine[P]) missing(w *window[P], at, end int64) (changed bool) {
	if at <= end && !w.instant(at) {
		changed = e.revise(w, hit{at: at}, false)
	}
	if x := at + w.series.span; w.series.forward && x <= end && !w.instant(x) {
		changed = e.revise(w, hit{at: x}, false) || changed
	}
	return changed
}

// instant reports whether the window is decided at this time.
func (w *window[P]) instant(at int64) bool {
	if i := w.first(at); i < len(w.entries) && w.entries[i].at == at {
		return true
	}
	if !w.series.forward {
		return false
	}
	i := w.first(at - w.series.span)
	return i < len(w.entries) && w.entries[i].at == at-w.series.span
}

// instantAfter is the next time at which the window is decided.
func (w *window[P]) instantAfter(at int64) int64 {
	next := int64(never)
	if i := w.behind(at); i < len(w.entries) {
		next = w.entries[i].at
	}
	if w.series.forward {
		if i := w.behind(at - w.series.span); i < len(w.entries) {
			next = min(next, w.entries[i].at+w.series.span)
		}
	}
	return next
}

// revise takes in the verdict on an instant that was decided before, and reports
// whether the runs have to be made anew.
func (e *Engine[P]) revise(w *window[P], h hit, holds bool) (anew bool) {
	i, before := slices.BinarySearchFunc(w.hits, h.at, compareHit)
	switch {
	case holds:
		lowered := before && w.lowered(h)
		e.hit(w, h)
		return lowered
	case before || len(w.series.outer) > 0:
		for _, f := range w.series.outer {
			e.withdraw(w, f, h)
		}
	}
	if before {
		w.hits = slices.Delete(w.hits, i, i+1)
	}
	return before
}

// lowered reports whether the instant was the peak of its run and is no more.
func (w *window[P]) lowered(h hit) bool {
	return slices.ContainsFunc(w.runs, func(r *run) bool { return r.peak.at == h.at && h.value < r.peak.value })
}

// rebuild makes the runs anew of the hits, after some from one time to another
// have changed, and tells how they differ from those that were told.
func (e *Engine[P]) rebuild(w *window[P], from, to int64) {
	old := w.runs
	w.runs = w.fresh(old)
	for _, r := range w.runs {
		r.inherit(old)
	}
	for _, o := range old {
		if o.told && !slices.ContainsFunc(w.runs, func(r *run) bool { return r.first == o.first }) {
			e.giveUp(w, o)
		}
	}
	for _, r := range w.runs {
		same := func(o *run) bool { return o.first == r.first && o.last == r.last }
		if r.first <= to && from <= r.last || !slices.ContainsFunc(old, same) {
			e.tell(w, r, e.settled, len(r.replaces) > 0 && !r.told)
		}
	}
}

// fresh makes runs of the hits. What was forgotten of an old run is where its
// hits go on from.
func (w *window[P]) fresh(old []*run) (runs []*run) {
	for _, o := range old {
		if o.frozen != beforeAll {
			runs = append(runs, &run{first: o.first, last: o.frozen, peak: o.past, frozen: o.frozen, past: o.past})
		}
	}
	for _, h := range w.hits {
		if n := len(runs); n > 0 && h.at <= runs[n-1].last+w.series.suppress {
			runs[n-1].last = max(runs[n-1].last, h.at)
			runs[n-1].raise(h)
		} else {
			runs = append(runs, &run{first: h.at, last: h.at, peak: h, frozen: beforeAll})
		}
	}
	return runs
}

// inherit takes over what was told and absorbed of the runs that are now part of
// this one.
func (r *run) inherit(old []*run) {
	for _, o := range old {
		switch {
		case o.first == r.first:
			r.told, r.revision, r.toldAt, r.toldPeak = o.told, o.revision, o.toldAt, o.toldPeak
			r.absorbed, r.closed, r.stale = o.absorbed, o.closed, o.stale
			r.replaces = append(r.replaces, o.replaces...)
		case o.told && o.first >= r.first && o.first <= r.last:
			r.replaces = append(r.replaces, o.first)
			r.replaces = append(r.replaces, o.replaces...)
		}
	}
}

// giveUp withdraws a run that is part of another now, or of none.
func (e *Engine[P]) giveUp(w *window[P], o *run) {
	var by int64
	for _, r := range w.runs {
		if o.first >= r.first && o.first <= r.last {
			by = r.first
		}
	}
	o.withdrawn = true
	o.revision++
	w.revoked = append(w.revoked, revoked{o.first, o.revision})
	e.emit(w, o, func(a *Alert[P]) {
		a.Revision, a.Closed, a.Withdrawn, a.ReplacedBy = o.revision, true, true, by
		if len(a.Events) == 0 { // it rested on an inner instant, which is gone
			a.Events = append(a.Events, e.removed...)
		}
	})
}

// emit tells of a run; set fills in what is not the same for all.
func (e *Engine[P]) emit(w *window[P], r *run, set func(*Alert[P])) {
	a := &e.alert
	*a = Alert[P]{
		Meta: w.series.meta, Correlation: w.series.correlation, Group: e.describe(w), First: r.first, Last: r.last,
		Measured: r.peak.value, Uncertainty: r.peak.uncertainty, Absorbed: r.absorbed, Events: a.Events[:0],
	}
	a.Begin = r.first
	for i := w.head; i < len(w.entries); i++ {
		if o := &w.entries[i]; w.supports(o, r) {
			a.Begin = min(a.Begin, o.at)
			a.Events = append(a.Events, o.evidence()...)
		}
	}
	set(a)
	e.cfg.Emit(a)
}

// supports reports whether an entry is evidence of the run: whether it is in the
// window of one of its instants and contributes there.
func (w *window[P]) supports(o *entry[P], r *run) bool {
	if o.at > r.last || o.at < r.first-w.series.span || w.series.numeric && o.value == (value{}) {
		return false
	}
	if r.withdrawn {
		return o.slots&r.peak.with != 0 // no instant is left: what counted where most was measured
	}
	i, _ := slices.BinarySearchFunc(w.hits, max(o.at, r.first), compareHit)
	for end := min(o.at+w.series.span, r.last); i < len(w.hits) && w.hits[i].at <= end; i++ {
		if w.hits[i].with&o.slots != 0 {
			return true
		}
	}
	return false
}

// evidence are the events of an entry.
func (o *entry[P]) evidence() []P {
	if o.inner != nil {
		return o.inner.evidence
	}
	return []P{o.p}
}

// absorb adds an entry that is about to be forgotten to the runs it supports.
func (e *Engine[P]) absorb(w *window[P], o *entry[P]) {
	for _, r := range w.runs {
		if w.supports(o, r) {
			for _, p := range o.evidence() {
				r.absorbed = e.cfg.Absorb(r.absorbed, p)
			}
		}
	}
}

// emitInstant tells of one instant, with what contributes to it.
func (e *Engine[P]) emitInstant(w *window[P], h hit) {
	a := &e.alert
	*a = Alert[P]{
		Meta: w.series.meta, Correlation: w.series.correlation, Group: e.describe(w), First: h.at, Last: h.at,
		Measured: h.value, Uncertainty: h.uncertainty, Closed: true, Events: e.evidenceAt(w, h, a.Events[:0]),
	}
	e.cfg.Emit(a)
}

// evidenceAt appends the events that make the condition hold at an instant.
func (e *Engine[P]) evidenceAt(w *window[P], h hit, dst []P) []P {
	if w.series.ordered {
		e.links = w.chosen(h, e.links[:0])
	}
	for i := w.first(h.at - w.series.span); i < len(w.entries) && w.entries[i].at <= h.at; i++ {
		o := &w.entries[i]
		if o.slots&h.with == 0 || w.series.numeric && o.value == (value{}) || w.series.ordered && !linked(e.links, o.at, o.slots) {
			continue
		}
		if o.inner == nil {
			dst = append(dst, o.p)
		} else {
			dst = append(dst, o.inner.evidence...)
		}
	}
	return dst
}

// link is an entry of a chain: the input that it is there for, and when.
type link struct {
	slot int
	at   int64
}

// chosen appends the links of the chains that an ordered condition holds by: of
// each input the earliest that is later than the link before.
func (w *window[P]) chosen(h hit, links []link) []link {
	for _, c := range w.series.clauses {
		if c.With&^h.with != 0 {
			continue
		}
		begin := len(links)
		for i := w.first(h.at - w.series.span); i < len(w.entries) && w.entries[i].at <= h.at && len(links)-begin < len(c.slots); i++ {
			next := c.slots[len(links)-begin]
			if o := &w.entries[i]; o.slots&(1<<next) != 0 && (len(links) == begin || links[len(links)-1].at < o.at) {
				links = append(links, link{next, o.at})
			}
		}
		if len(links)-begin < len(c.slots) {
			links = links[:begin]
		}
	}
	return links
}

func linked(links []link, at int64, slots uint64) bool {
	return slices.ContainsFunc(links, func(l link) bool { return l.at == at && slots&(1<<l.slot) != 0 })
}

// pass gives an instant to a correlation over this one. The window must not be
// evicted to make room for that one's.
func (e *Engine[P]) pass(w *window[P], f feed[P], h hit) {
	w.held = true
	defer func() { w.held = false }()
	outer, n, ok := e.outer(w, f, h)
	if !ok {
		return
	}
	n.inner.evidence = e.evidenceAt(w, h, nil)
	e.take(outer, n)
}

// withdraw takes an instant back that does not hold any more.
func (e *Engine[P]) withdraw(w *window[P], f feed[P], h hit) {
	w.held = true
	defer func() { w.held = false }()
	outer, n, ok := e.outer(w, f, h)
	if ok && outer.remove(&n, e) {
		e.removed = n.inner.evidence
		e.touch(outer)
		e.reconsider(outer, h.at)
	}
}

// outer is the window of an outer correlation that an instant belongs to, and
// its entry there.
func (e *Engine[P]) outer(w *window[P], f feed[P], h hit) (*window[P], entry[P], bool) {
	g := e.describe(w)
	in := &f.series.inputs[f.slot]
	key, numbers := innerKey(e.key[:0], &g, in.GroupBy)
	e.key = key
	outer := e.window(f.series, hashKey(key), key, numbers, h.at)
	if outer == nil {
		e.Refused++
		return nil, entry[P]{}, false
	}
	n := entry[P]{at: h.at, slots: 1 << f.slot, inner: &inner[P]{key: g.Key}}
	if len(in.Values) > 0 {
		n.value = innerValue(&g, in.Values, f.series.numeric)
	}
	return outer, n, true
}
