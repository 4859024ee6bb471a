package window

import (
	"fmt"
	"slices"
)

// windowState is a window as it is saved.
type windowState[P any] struct {
	Numbers uint64          `json:"g,omitempty"`
	Done    int64           `json:"d"`
	Entries []entryState[P] `json:"e,omitempty"`
	Hits    []hitState      `json:"h,omitempty"`
	Runs    []runState      `json:"r,omitempty"`
	Revoked []revokedState  `json:"w,omitempty"`
	Old     *sketchState    `json:"k,omitempty"`
}

type entryState[P any] struct {
	At       int64     `json:"t"`
	Slots    uint64    `json:"s"`
	Value    [2]uint64 `json:"v,omitzero"`
	P        P         `json:"p,omitempty"`
	Inner    string    `json:"i,omitempty"`
	Evidence []P       `json:"e,omitempty"`
}

type hitState struct {
	At          int64   `json:"t"`
	Value       float64 `json:"v"`
	Uncertainty float64 `json:"u,omitempty"`
	With        uint64  `json:"w"`
}

type runState struct {
	First    int64    `json:"f"`
	Last     int64    `json:"l"`
	Peak     hitState `json:"p"`
	Frozen   int64    `json:"z"`
	Past     hitState `json:"y,omitzero"`
	Absorbed encoded  `json:"a,omitempty"`
	Told     bool     `json:"o,omitempty"`
	Stale    bool     `json:"st,omitempty"`
	Closed   bool     `json:"x,omitempty"`
	Revision int      `json:"n,omitempty"`
	ToldAt   int64    `json:"ta,omitempty"`
	ToldPeak float64  `json:"tp,omitempty"`
	Replaces []int64  `json:"rs,omitempty"`
}

type revokedState struct {
	First    int64 `json:"f"`
	Revision int   `json:"n"`
}

// Key names a window for good: the rule, its version, and the group.
type Key struct {
	Rule, Version string
	Group         string
}

func (w *window[P]) name() Key {
	return Key{w.series.meta.ID, w.series.meta.Version, w.groupKey()}
}

// Dirty is how many windows have changed since the last Saved.
func (e *Engine[P]) Dirty() int { return len(e.dirty) + len(e.gone) }

// DirtySize is about how many bytes Changes would give.
func (e *Engine[P]) DirtySize() int { return e.dirtySize }

// About what a window takes as it is saved, and an entry of it.
const (
	savedWindow = 300
	savedEntry  = 300
)

// Changes calls fn for every window that has changed since the last Saved: with
// what it holds, or nil where it is gone.
func (e *Engine[P]) Changes(fn func(k Key, value []byte) error) error {
	for w := range e.dirty {
		st, err := w.save()
		if err != nil {
			return err
		}
		b, err := Encode(st)
		if err != nil {
			return fmt.Errorf("encode window: %w", err)
		}
		if err := fn(w.name(), b); err != nil {
			return err
		}
	}
	for k := range e.gone {
		if err := fn(k, nil); err != nil {
			return err
		}
	}
	return nil
}

// Saved says that the changes are safe.
func (e *Engine[P]) Saved() {
	clear(e.dirty)
	clear(e.gone)
	e.dirtySize = 0
}

// touch notes that a window has changed. One of its name that was gone is back.
func (e *Engine[P]) touch(w *window[P]) {
	if e.cfg.Final {
		return
	}
	if _, known := e.dirty[w]; !known {
		e.dirty[w] = struct{}{}
		e.dirtySize += savedWindow + savedEntry*(len(w.entries)-w.head)
	}
	if len(e.gone) > 0 {
		delete(e.gone, w.name())
	}
}

// forget notes that a window is gone.
func (e *Engine[P]) forget(w *window[P]) {
	if !e.cfg.Final {
		delete(e.dirty, w)
		e.gone[w.name()] = struct{}{}
	}
}

func (w *window[P]) save() (windowState[P], error) {
	st := windowState[P]{Numbers: w.numbers, Done: w.done}
	for i := range w.live() {
		o := &w.live()[i]
		es := entryState[P]{At: o.at, Slots: o.slots, Value: o.value, P: o.p}
		if o.inner != nil {
			es.Inner, es.Evidence = o.inner.key, o.inner.evidence
		}
		st.Entries = append(st.Entries, es)
	}
	for _, h := range w.hits {
		st.Hits = append(st.Hits, h.save())
	}
	for _, r := range w.runs {
		st.Runs = append(st.Runs, r.save())
	}
	for _, r := range w.revoked {
		st.Revoked = append(st.Revoked, revokedState{r.first, r.revision})
	}
	if w.old != nil {
		var err error
		if st.Old, err = w.old.save(); err != nil {
			return st, err
		}
	}
	return st, nil
}

func (h hit) save() hitState { return hitState{h.at, h.value, h.uncertainty, h.with} }

func (h hitState) hit() hit { return hit{h.At, measure{h.Value, h.Uncertainty, h.With}} }

func (r *run) save() runState {
	st := runState{
		First: r.first, Last: r.last, Peak: r.peak.save(), Frozen: r.frozen, Past: r.past.save(), Told: r.told, Stale: r.stale, Closed: r.closed,
		Revision: r.revision, ToldAt: r.toldAt, ToldPeak: r.toldPeak, Replaces: r.replaces,
	}
	if r.absorbed != nil {
		st.Absorbed, _ = Encode(r.absorbed) // plain data, see Config.Absorb
	}
	return st
}

// Restore takes in a window that was saved; nil is one that is gone. Where the
// rule is gone or has another version now, the window counts as gone. After the
// last one, Resume goes on.
func (e *Engine[P]) Restore(k Key, value []byte) error {
	i := slices.IndexFunc(e.series, func(s *series[P]) bool { return s.meta.ID == k.Rule && s.meta.Version == k.Version })
	if i < 0 {
		if value != nil {
			e.gone[k] = struct{}{}
		}
		return nil
	}
	key := []byte(k.Group)
	if w := e.windows.find(e.series[i], e.series[i].hashIn(hashKey(key)), key); w != nil {
		e.drop(w)
	}
	if value == nil {
		return nil
	}
	var st windowState[P]
	if err := Decode(value, &st); err != nil {
		return fmt.Errorf("decode window: %w", err)
	}
	w := e.window(e.series[i], hashKey(key), key, st.Numbers, st.newest())
	if w == nil {
		e.Refused++
		return nil
	}
	return e.fill(w, &st)
}

// newest is the time of the newest entry.
func (st *windowState[P]) newest() int64 {
	if n := len(st.Entries); n > 0 {
		return st.Entries[n-1].At
	}
	return beforeAll
}

func (e *Engine[P]) fill(w *window[P], st *windowState[P]) error {
	w.done = st.Done
	w.entries = e.pool.take(len(st.Entries))
	for _, es := range st.Entries {
		n := entry[P]{at: es.At, slots: es.Slots, value: es.Value, p: es.P}
		if es.Inner != "" {
			n.inner = &inner[P]{es.Inner, es.Evidence}
		}
		w.mask |= n.slots
		w.entries = append(w.entries, n)
	}
	for _, h := range st.Hits {
		w.hits = append(w.hits, h.hit())
	}
	for _, rs := range st.Runs {
		r, err := e.run(rs)
		if err != nil {
			return err
		}
		w.runs = append(w.runs, r)
	}
	for _, r := range st.Revoked {
		w.revoked = append(w.revoked, revoked{r.First, r.Revision})
	}
	if st.Old != nil {
		w.old = newSketch(w.series)
		if err := w.old.restore(st.Old); err != nil {
			return err
		}
		w.mask |= w.old.seenSince(beforeAll + 1)
	}
	return nil
}

// drop empties a window, so that it can be filled anew.
func (e *Engine[P]) drop(w *window[P]) {
	w.forgetFold()
	e.pool.give(w.entries)
	w.entries, w.head, w.mask, w.wakes = nil, 0, 0, never
	w.hits, w.runs, w.revoked, w.old, w.done = nil, nil, nil, nil, beforeAll
}

func (e *Engine[P]) run(st runState) (*run, error) {
	r := &run{
		first: st.First, last: st.Last, peak: st.Peak.hit(), frozen: st.Frozen, past: st.Past.hit(), told: st.Told, stale: st.Stale, closed: st.Closed,
		revision: st.Revision, toldAt: st.ToldAt, toldPeak: st.ToldPeak, replaces: st.Replaces,
	}
	if st.Absorbed != nil {
		var err error
		if r.absorbed, err = e.cfg.Recall(st.Absorbed); err != nil {
			return nil, fmt.Errorf("decode evidence: %w", err)
		}
	}
	return r, nil
}
