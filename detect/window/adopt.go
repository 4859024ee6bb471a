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
	old.windows.all(func(w *window[P]) {
		if s := series[[2]string{w.series.meta.ID, w.series.meta.Version}]; s != nil {
			_, changed := old.dirty[w]
			e.adopt(w, s, changed)
		} else if !e.cfg.Final {
			e.gone[w.name()] = struct{}{}
		}
	})
}

// adopt moves a window to a series of this engine.
func (e *Engine[P]) adopt(w *window[P], s *series[P], changed bool) {
	w.forgetFold()
	w.series, w.wakes = s, never
	e.windows.add(w.hash(), w)
	e.watch(w, w.newest())
	if changed {
		e.touch(w)
	}
	e.wake(w, e.wakeTime(w))
}
