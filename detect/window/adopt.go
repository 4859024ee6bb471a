package window

// Adopt takes over the windows of another engine, which must not be used any
// more: those of the series that are in both, rule and version alike. The others
// count as gone.
func (e *Engine[P]) Adopt(old *Engine[P]) {
	e.watermark, e.settled, e.Counters = old.watermark, old.settled, old.Counters
	for k := range old.gone {
		e.gone[k] = struct{}{}
	}
	series := map[[2]string]*series[P]{}
	for _, s := range e.series {
		series[[2]string{s.meta.ID, s.meta.Version}] = s
	}
	for _, t := range old.tables {
		for _, g := range t.groups {
			for w := g.windows; w != nil; {
				next := w.next
				if s := series[[2]string{w.series.meta.ID, w.series.meta.Version}]; s != nil {
					_, changed := old.dirty[w]
					e.adopt(w, s, changed)
				} else if !e.cfg.Final {
					e.gone[w.name()] = struct{}{}
				}
				w = next
			}
		}
	}
}

// adopt moves a window to a series of this engine.
func (e *Engine[P]) adopt(w *window[P], s *series[P], changed bool) {
	w.forgetFold()
	g := s.table.groups[w.group.key]
	if g == nil {
		g = s.table.newGroup(w.group.key, w.group.numbers)
	}
	w.series, w.group, w.next, w.waking = s, g, g.windows, false
	g.windows = w
	e.count++
	s.idle.push(w, e.settled+s.checkAfter())
	if changed {
		e.touch(w)
	}
	e.wake(w, w.wakeTime(e.watermark))
}
