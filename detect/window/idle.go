package window

// patience is the part of the time a window is needed for after which it is
// looked at again.
const patience = 2

// expire gives up windows that hold nothing any more.
func (e *Engine[P]) expire() {
	for _, s := range e.series {
		for s.idle.n > 0 && s.idle.ring[s.idle.head].at <= e.watermark {
			w := s.idle.pop()
			if e.idle(w) {
				e.release(w)
			} else {
				s.idle.push(w, e.watermark+s.checkAfter())
			}
		}
	}
}

// checkAfter is how long a window is left alone before it is looked at again.
func (s *series[P]) checkAfter() int64 { return max(s.keep/patience, 1000) }

// idle forgets what is old and reports whether nothing is left.
func (e *Engine[P]) idle(w *window[P]) bool {
	floor := w.series.floor(e.watermark)
	w.trim(floor, e)
	w.forgetHits(floor)
	if w.old != nil && w.old.until < floor {
		w.old = nil
	}
	return w.head == len(w.entries) && len(w.runs) == 0 && w.old == nil && !w.waking
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
		if e.idle(w) || len(w.entries)-w.head <= 1 && len(w.runs) == 0 && w.old == nil {
			if w.head < len(w.entries) {
				e.Evicted++
			}
			w.waking = false
			e.release(w)
			return true
		}
		s.idle.push(w, e.watermark+s.checkAfter())
	}
	return false
}
