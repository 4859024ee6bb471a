package window

import (
	"math/bits"
	"slices"
)

// entry is one event in a window. For a correlation over correlations it is an
// instant of an inner one, and inner says which.
type entry[P any] struct {
	at    int64
	slots uint64 // the inputs that the event matched
	value value  // what a value type measures
	p     P
	inner *inner[P] // nil for an event
}

// inner is the instant of another correlation: the key of its group tells the
// instants of one time apart, and evidence is what it rests on.
type inner[P any] struct {
	key      string
	evidence []P
}

// window is what one group keeps for one series. What every match needs comes
// first, to lie together in memory.
type window[P any] struct {
	series *series[P]
	// entries[head:] are kept, in the order of time whatever order they came in.
	entries []entry[P]
	head    int
	key     key
	// mask has the inputs seen since the window was new: a quick no.
	mask uint64
	// done is the time up to which instants were decided.
	done int64
	fold
	old *sketch // what there was no room for, nil as long as there was

	hits []hit // instants at which the condition holds, that may still change
	runs []*run
	// revoked are alerts that were withdrawn and may stand again.
	revoked []revoked
	// wakes is when the window waits to be settled, never where it does not.
	wakes int64
	// numbers are those of the group's values that were numbers in the first event.
	numbers uint64
	// held says that the window is being worked on while others are made.
	held bool
}

// live are the entries that are kept.
func (w *window[P]) live() []entry[P] { return w.entries[w.head:] }

// insert puts an entry where its time belongs and returns its index. It is not
// added where it is there already: an event that matches several inputs counts
// once, with the slots of all.
func (w *window[P]) insert(n *entry[P], e *Engine[P]) (i int, added bool) {
	if n.at < w.newest()-w.series.lateness && !e.cfg.Final {
		e.Late++
		return 0, false
	}
	if w.old != nil && n.at < w.old.until {
		if w.old.add(n.at, n.slots, n.value) {
			w.mask |= n.slots
			e.wake(w, e.wakeTime(w)) // it may be what was missing for the instants that wait
		} else {
			e.Late++
		}
		e.touch(w)
		return 0, false
	}
	w.grow(e)
	i = len(w.entries)
	for i > w.head && e.after(&w.entries[i-1], n) {
		i--
	}
	for j := i - 1; j >= w.head && w.entries[j].at == n.at && e.same(&w.entries[j], n); j-- {
		if w.entries[j].value == n.value {
			return j, w.again(j, n, e)
		}
	}
	w.entries = w.entries[:len(w.entries)+1]
	copy(w.entries[i+1:], w.entries[i:])
	w.entries[i] = *n
	w.inserted(i)
	if w.old != nil {
		w.old.note(n.at, n.value)
	}
	return i, true
}

// again takes in an event that is there already. Only inputs that were not seen
// of it are news, and other evidence of an inner correlation.
func (w *window[P]) again(i int, n *entry[P], e *Engine[P]) (changed bool) {
	o := &w.entries[i]
	if n.inner != nil {
		same := func(a, b P) bool { return e.cfg.Compare(a, b) == 0 }
		changed = !slices.EqualFunc(o.inner.evidence, n.inner.evidence, same)
		o.inner.evidence = n.inner.evidence
	}
	if o.slots|n.slots == o.slots {
		return changed
	}
	w.forgetFold()
	o.slots |= n.slots
	return true
}

// remove takes an entry out again, into n: the instant of an inner correlation
// that does not hold any more.
func (w *window[P]) remove(n *entry[P], e *Engine[P]) bool {
	for i := len(w.entries) - 1; i >= w.head && w.entries[i].at >= n.at; i-- {
		if o := &w.entries[i]; e.same(o, n) && o.at == n.at {
			n.inner = o.inner
			w.forgetFold()
			w.entries = append(w.entries[:i], w.entries[i+1:]...)
			return true
		}
	}
	return false
}

// after reports whether a belongs behind b.
func (e *Engine[P]) after(a, b *entry[P]) bool {
	if a.at != b.at {
		return a.at > b.at
	}
	return e.compare(a, b) > 0
}

func (e *Engine[P]) same(a, b *entry[P]) bool { return e.compare(a, b) == 0 }

// compare orders entries of one time, so that evidence does not depend on the
// order in which events came.
func (e *Engine[P]) compare(a, b *entry[P]) int {
	switch {
	case a.inner == nil && b.inner == nil:
		return e.cfg.Compare(a.p, b.p)
	case a.inner == nil:
		return -1
	case b.inner == nil:
		return 1
	case a.inner.key < b.inner.key:
		return -1
	case a.inner.key > b.inner.key:
		return 1
	default:
		return bits.TrailingZeros64(a.slots) - bits.TrailingZeros64(b.slots)
	}
}

// lateAt reports whether instants that were decided are touched by an entry at
// this time.
func (w *window[P]) lateAt(at int64) bool { return at <= w.done && !w.series.early }

// grow makes room for one more entry: by forgetting what is old, or by moving what
// is kept to the front, where that frees enough. What is forgotten when there is no
// room depends on how much there was, which a window that was restored does not
// know; so where alerts are amended, what is old is always forgotten.
func (w *window[P]) grow(e *Engine[P]) {
	full := len(w.entries) == cap(w.entries)
	if full || !e.cfg.Final {
		w.trim(w.floor(e, e.settled), e)
	}
	switch n := len(w.entries); {
	case n < cap(w.entries): // all were old
	case 2*w.head >= n && n > 0:
		w.compact()
	default:
		bigger := e.pool.take(n - w.head + 1)
		bigger = append(bigger, w.live()...)
		e.pool.give(w.entries)
		w.shift(w.head)
		w.entries, w.head = bigger, 0
	}
}

// compact moves what is kept to the front.
func (w *window[P]) compact() {
	n := copy(w.entries, w.live())
	clear(w.entries[n:])
	w.entries = w.entries[:n]
	w.shift(w.head)
	w.head = 0
}

// newest is the time of the newest entry.
func (w *window[P]) newest() int64 {
	if w.head == len(w.entries) {
		return beforeAll
	}
	return w.entries[len(w.entries)-1].at
}

// floor is the time before which entries are of no use any more, the watermark
// being at a time. What no instant was decided of yet is kept, however far the
// watermark is behind.
func (w *window[P]) floor(e *Engine[P], watermark int64) int64 {
	if e.cfg.Final {
		return watermark - w.series.keep
	}
	floor := w.newest() - w.series.keep
	if !w.series.early && w.head < len(w.entries) && w.entries[w.head].at < floor {
		floor = min(floor, w.nextInstant()-w.series.span)
	}
	return floor
}

// first is the index of the first entry at this time or later.
func (w *window[P]) first(at int64) int { return w.search(at, w.lo) }

// behind is the index of the first entry that is later.
func (w *window[P]) behind(at int64) int { return w.search(at+1, w.hi) }

// search finds the first entry at the time at or later. Most often this is a
// guess, the end of the fold, or the end of all.
func (w *window[P]) search(at int64, guess int) int {
	lo, hi := w.head, len(w.entries)
	switch {
	case lo == hi || w.entries[hi-1].at < at:
		return hi
	case guess > lo && guess < hi && w.entries[guess].at >= at && w.entries[guess-1].at < at:
		return guess
	}
	for lo < hi {
		mid := (lo + hi) / 2
		if w.entries[mid].at < at {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// nextInstant is the first instant that was not decided, never where all were.
func (w *window[P]) nextInstant() int64 {
	at := int64(never)
	if i := w.behind(w.done); i < len(w.entries) {
		at = w.entries[i].at
	}
	if !w.series.forward {
		return at
	}
	if i := w.behind(w.done - w.series.span); i < len(w.entries) {
		at = min(at, w.entries[i].at+w.series.span)
	}
	return at
}

// trim forgets entries before a time, and what hangs on them.
func (w *window[P]) trim(floor int64, e *Engine[P]) {
	if w.head == len(w.entries) || w.entries[w.head].at >= floor {
		return
	}
	i := w.head + 1
	for i < len(w.entries) && w.entries[i].at < floor {
		i++
	}
	w.drop(i, e)
	w.forgetHits(floor - w.series.span)
}

// drop forgets the entries before index i.
func (w *window[P]) drop(i int, e *Engine[P]) {
	for j := w.head; j < i; j++ {
		if len(w.runs) > 0 {
			e.absorb(w, &w.entries[j])
		}
		w.leave(j)
		w.entries[j] = entry[P]{}
	}
	w.head = i
	if w.head == len(w.entries) {
		w.entries, w.head = w.entries[:0], 0
		w.forgetFold()
	}
}

// limit folds the older half of a window that has too many entries into a
// sketch.
func (e *Engine[P]) limit(w *window[P]) {
	if len(w.entries)-w.head <= e.cfg.Entries {
		return
	}
	// What only waits to be looked at does not count.
	w.trim(max(w.floor(e, e.settled), min(e.watermark-w.series.keep, w.nextInstant()-w.series.span)), e)
	n := len(w.entries) - w.head
	if n <= e.cfg.Entries {
		return
	}
	i := w.head + n/2
	// Entries of one instant stay together.
	for i < len(w.entries)-1 && w.entries[i].at == w.entries[i-1].at {
		i++
	}
	if w.old == nil {
		w.old = newSketch(w.series)
	}
	for j := w.head; j < i; j++ {
		o := &w.entries[j]
		w.old.add(o.at, o.slots, o.value)
	}
	w.old.keepFrom(w.entries[i].at)
	e.Sketched += int64(i - w.head)
	w.drop(i, e)
}

// pool keeps the arrays of windows that are gone, by size, so that a steady
// stream needs no new ones.
type pool[P any] struct{ free [32][][]entry[P] }

// take gives an empty slice with room for at least n.
func (p *pool[P]) take(n int) []entry[P] {
	class := bits.Len(uint(max(n, 4) - 1))
	list := p.free[class]
	if len(list) == 0 {
		return make([]entry[P], 0, 1<<class)
	}
	s := list[len(list)-1]
	p.free[class] = list[:len(list)-1]
	return s
}

// give takes back a slice that nobody uses.
func (p *pool[P]) give(s []entry[P]) {
	if cap(s) < 4 {
		return
	}
	clear(s)
	class := bits.Len(uint(cap(s) - 1))
	if len(p.free[class]) < 1<<12 {
		p.free[class] = append(p.free[class], s[:0])
	}
}
