package window

// expire gives up windows that hold nothing any more.
func (e *Engine[P]) expire() {
	for _, s := range e.series {
		for i := range s.idle.due(e.watermark) {
			if i%fetched == 0 {
				e.fetchIdle(&s.idle)
			}
			w := s.idle.pop()
			if e.idle(w) {
				e.release(w)
			} else {
				e.watch(w, w.newest())
			}
		}
	}
}

// fetchIdle touches the windows that are looked at next, as fetch does.
func (e *Engine[P]) fetchIdle(f *fifo[P]) {
	for i := range min(fetched, f.n) {
		if w := f.ring[(f.head+i)&(len(f.ring)-1)].w; w.head < len(w.entries) {
			e.touched += w.entries[w.head].at
		}
	}
}

// watch has a window looked at again when all it holds will be old, if nothing is
// added. As each is put behind the others, one can wait as long again.
func (e *Engine[P]) watch(w *window[P], newest int64) {
	w.series.idle.push(w, max(newest, e.settled)+w.series.keep+1)
}

// idle forgets what is old and reports whether nothing is left.
func (e *Engine[P]) idle(w *window[P]) bool {
	floor := e.watermark - w.series.keep
	w.trim(floor, e)
	w.forgetHits(floor)
	if w.old != nil && w.old.until < floor {
		w.forgetFold()
		w.old = nil
	}
	return w.head == len(w.entries) && len(w.runs) == 0 && len(w.revoked) == 0 && w.old == nil && w.wakes == never
}

// glances is how many windows are looked at to make room for one.
const glances = 16

// evict makes room for a new window, where the oldest ones include one of a
// group that has hardly done anything: this is what the groups of a flood are
// like. Whoever has a history stays.
func (e *Engine[P]) evict() bool {
	for range glances {
		s := e.series[e.turn%len(e.series)]
		e.turn++
		if s.idle.n == 0 {
			continue
		}
		w := s.idle.pop()
		if !w.held && (e.idle(w) || len(w.entries)-w.head <= 1 && len(w.runs) == 0 && w.old == nil) {
			if w.head < len(w.entries) {
				e.Evicted++
			}
			w.wakes = never
			e.release(w)
			return true
		}
		e.watch(w, w.newest())
	}
	return false
}
