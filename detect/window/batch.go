package window

import (
	"slices"

	"github.com/crmwatch/crmwatch/rules"
)

// Batch holds matches with all that an engine needs of their records, so that
// records can be read by one goroutine and counted by another.
type Batch[P any] struct {
	items []item[P]
	keys  []byte
	// Ungrouped are the matches that belong to no group.
	Ungrouped int64
}

type item[P any] struct {
	series, slot  int32
	keyEnd        int
	hash, numbers uint64
	at            int64
	value         value
	p             P
}

// Reset empties the batch.
func (b *Batch[P]) Reset() { b.items, b.keys, b.Ungrouped = b.items[:0], b.keys[:0], 0 }

// Sharder distributes matches over engines of one set, by group, so that all of a
// group meet in one. It is safe for concurrent use.
type Sharder[P any] struct {
	engine *Engine[P]
	shards uint64
	// pinned says that correlations over others group by something else than those,
	// so that all of them must meet.
	pinned bool
}

// NewSharder returns a sharder for so many engines, of which the one given is an
// example.
func NewSharder[P any](e *Engine[P], shards int) *Sharder[P] {
	s := &Sharder[P]{engine: e, shards: uint64(shards)}
	for _, inner := range e.series {
		for _, f := range inner.outer {
			s.pinned = s.pinned || !slices.Equal(f.series.correlation.GroupBy, inner.correlation.GroupBy)
		}
	}
	return s
}

// Match puts that a rule matched a record into the batch of the engine that must
// take it in.
func (s *Sharder[P]) Match(batches []Batch[P], r *rules.Rule, rec *rules.Record, tenant string, at int64, p P) {
	for _, f := range s.engine.feeds[r.Index] {
		in := &f.series.inputs[f.slot]
		// The first batch's keys are as good a place to write as any.
		b := &batches[0]
		start := len(b.keys)
		key, numbers, ok := groupKey(b.keys, tenant, rec, in.GroupBy)
		b.keys = key
		if !ok {
			b.keys = b.keys[:start]
			b.Ungrouped++
			continue
		}
		hash := hashKey(key[start:])
		if n := s.shard(f.series, hash); n != 0 {
			b.keys = b.keys[:start]
			b = &batches[n]
			b.keys = append(b.keys, key[start:]...)
		}
		b.items = append(b.items, item[P]{int32(f.series.index), int32(f.slot), len(b.keys), hash, numbers, at, f.series.valueOf(rec, in.Values), p})
	}
}

func (s *Sharder[P]) shard(f *series[P], hash uint64) uint64 {
	if s.shards == 1 || s.pinned && (f.level > 0 || len(f.outer) > 0) {
		return 0
	}
	return hash >> 32 * s.shards >> 32
}

// Play takes in the matches of a batch.
func (e *Engine[P]) Play(b *Batch[P]) {
	start := 0
	for i := range b.items {
		if i%fetched == 0 {
			e.fetch(b.items[i:min(i+fetched, len(b.items))])
		}
		it := &b.items[i]
		key := b.keys[start:it.keyEnd]
		start = it.keyEnd
		s := e.series[it.series]
		if e.cfg.Final && it.at <= e.watermark {
			e.Late++
			continue
		}
		w := e.window(s, it.hash, key, it.numbers, it.at)
		if w == nil {
			e.Refused++
			continue
		}
		e.take(w, entry[P]{at: it.at, slots: 1 << it.slot, value: it.value, p: it.p})
	}
	e.Ungrouped += b.Ungrouped
}

// fetched is how many matches' windows are fetched into the processor's caches at
// once.
const fetched = 16

// fetch touches the windows that matches are about to need. With many groups each
// is far away in memory, and in a loop that does nothing else the processor waits
// for several at once.
func (e *Engine[P]) fetch(items []item[P]) {
	var ws [fetched]*window[P]
	for i := range items {
		ws[i] = e.windows.glance(e.series[items[i].series].hashIn(items[i].hash))
	}
	for _, w := range ws {
		if w != nil && w.head < len(w.entries) {
			e.touched += w.entries[len(w.entries)-1].at + w.wakes
		}
	}
}
