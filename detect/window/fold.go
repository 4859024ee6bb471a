package window

// fold is the part of a window that is measured: entries[lo:hi]. It moves with
// the instant that is decided, so that each entry is added and taken away once
// while instants follow each other.
type fold struct {
	lo, hi int
	tally  tally // over the entries lo..hi; nil while there are too few to matter
}

// tally measures a set of entries that grows and shrinks at both ends: one type
// for each kind of correlation.
type tally interface {
	// add takes in an entry behind all others, or before them.
	add(at int64, slots uint64, v value, behind bool)
	// remove takes out the last entry, or the first.
	remove(at int64, slots uint64, v value, behind bool)
	// measured is what the entries measure in the window that begins at a time, ok
	// whether there is anything to measure.
	measured(from int64) (m float64, ok bool)
	reset()
}

// moveTo brings the fold to the window that ends at an instant.
func (w *window[P]) moveTo(at int64) {
	from := at - w.series.span
	if w.lo < w.hi {
		w.moveBack(from, at)
	}
	if w.lo >= w.hi {
		w.lo = w.first(from)
		w.hi = w.lo
	}
	for w.hi < len(w.entries) && w.entries[w.hi].at <= at {
		w.push(w.hi)
		w.hi++
	}
	for w.lo < w.hi && w.entries[w.lo].at < from {
		w.pull(w.lo, false)
		w.lo++
	}
	w.tend()
}

// moveBack moves the fold to an earlier window. That an order cannot be undone
// costs ordered correlations a new start.
func (w *window[P]) moveBack(from, at int64) {
	ahead, short := w.entries[w.hi-1].at > at, w.lo > w.head && w.entries[w.lo-1].at >= from
	if w.series.ordered && (ahead || short) {
		w.forgetFold()
		return
	}
	for w.hi > w.lo && w.entries[w.hi-1].at > at {
		w.hi--
		w.pull(w.hi, true)
	}
	for w.hi > w.lo && w.lo > w.head && w.entries[w.lo-1].at >= from {
		w.lo--
		if o := &w.entries[w.lo]; w.tally != nil {
			w.tally.add(o.at, o.slots, o.value, false)
		}
	}
}

func (w *window[P]) push(i int) {
	if o := &w.entries[i]; w.tally != nil {
		w.tally.add(o.at, o.slots, o.value, true)
	}
}

func (w *window[P]) pull(i int, behind bool) {
	if o := &w.entries[i]; w.tally != nil {
		w.tally.remove(o.at, o.slots, o.value, behind)
	}
}

// tend makes a tally when there are enough entries for the condition to hold,
// and gives it up when there are far fewer.
func (w *window[P]) tend() {
	s, n := w.series, w.hi-w.lo
	if s.tally == nil {
		return
	}
	switch {
	case w.tally == nil && n >= s.need:
		w.tally = s.takeTally()
		if t, ok := w.tally.(*sequence); ok && w.old != nil {
			t.remember(w.old, beforeAll)
		}
		for i := w.lo; i < w.hi; i++ {
			w.push(i)
		}
	case w.tally != nil && 2*n < s.need:
		s.giveTally(w.tally)
		w.tally = nil
	}
}

// forgetFold lets the next instant be measured afresh.
func (w *window[P]) forgetFold() {
	if w.tally != nil {
		w.series.giveTally(w.tally)
		w.tally = nil
	}
	w.lo, w.hi = w.head, w.head
}

// inserted tells the fold of an entry that is new at index i.
func (w *window[P]) inserted(i int) {
	switch {
	case i >= w.hi:
	case i < w.lo || i == w.lo && w.lo == w.hi:
		w.lo++
		w.hi++
	case w.series.ordered:
		w.forgetFold()
	default:
		w.hi++
		w.push(i)
	}
}

// leave tells the fold that the first entry, at index i, is about to go.
func (w *window[P]) leave(i int) {
	if i >= w.lo && i < w.hi {
		w.pull(i, false)
		w.lo = i + 1
	}
}

// shift tells the fold that all entries have moved by n to the front.
func (w *window[P]) shift(n int) {
	w.lo, w.hi = max(w.lo-n, 0), max(w.hi-n, 0)
}

// judge measures the window that ends at an instant and says whether the
// condition holds there, and by which inputs.
func (w *window[P]) judge(at int64) (m measure, holds bool) {
	s := w.series
	w.moveTo(at)
	if w.old == nil && w.hi-w.lo < s.need {
		return m, false
	}
	m.with = ^uint64(0)
	ok := true
	if w.old != nil {
		w.remember(at - s.span)
	}
	if m.value = float64(w.hi - w.lo); w.tally != nil {
		m.value, ok = w.tally.measured(at - s.span)
	}
	if w.old != nil {
		m, ok = join(w, at, m, ok)
	}
	if s.clauses == nil || !ok {
		return m, ok && s.holds(m.value)
	}
	m.with = w.clauses(at)
	return m, m.with != 0 && (s.correlation.Clauses != nil || s.holds(m.value))
}

// remember tells the tally of inputs which were seen in the sketch.
func (w *window[P]) remember(from int64) {
	if t, ok := w.tally.(interface{ remember(k *sketch, from int64) }); ok {
		t.remember(w.old, from)
	}
}

// measure is what a window measures at an instant.
type measure struct {
	value float64
	// uncertainty is how far value may be off, as a share of it.
	uncertainty float64
	// with are the inputs that make the condition hold.
	with uint64
}

// clauses gives the inputs of all clauses that hold at an instant. A clause with
// Without holds forward: from one of its events on for a whole timespan.
func (w *window[P]) clauses(at int64) (with uint64) {
	t := w.tally.(interface {
		holds(i int, c *clause, from int64) bool
	})
	var heads uint64
	for i := w.lo; i < w.hi && w.entries[i].at == at-w.series.span; i++ {
		heads |= w.entries[i].slots
	}
	tail := w.hi > w.lo && w.entries[w.hi-1].at == at
	for i := range w.series.clauses {
		c := &w.series.clauses[i]
		begins := c.Without == 0 && tail || c.Without != 0 && c.With&heads != 0
		if begins && t.holds(i, c, at-w.series.span) {
			with |= c.With
		}
	}
	return with
}
