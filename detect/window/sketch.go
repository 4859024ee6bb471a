package window

import (
	"fmt"
	"math"
	"slices"

	"github.com/DataDog/sketches-go/ddsketch"
	"github.com/DataDog/sketches-go/ddsketch/store"
	"github.com/axiomhq/hyperloglog"

	"github.com/crmwatch/crmwatch/rules"
)

// sketch counts what a window has no room for, in buckets of a fixed length of
// time: numbers and their sums exactly, different values by HyperLogLog (Flajolet
// et al. 2007), percentiles by DDSketch (Masson et al. 2019). Both take their
// input in any order. What a window that begins within a bucket has of it is
// taken for half.
type sketch struct {
	kind  rules.Type
	width int64 // of a bucket
	// until is the time from which entries are kept one by one again.
	until   int64
	buckets []*bucket // in the order of time

	// all is the sketch of what is in the window, as of its first bucket: rebuilt
	// when that changes, added to in between.
	all     *bucket
	allFrom int64
}

// bucket is what was counted of the time [start, start+width).
type bucket struct {
	start  int64
	n      int64
	slots  uint64
	sum    sum
	values *hyperloglog.Sketch
	sizes  *ddsketch.DDSketch
}

const (
	bucketsPerSpan = 32
	// keptSpans is how many timespans before the entries that are kept a late event
	// can still be counted.
	keptSpans = 2
	// distinctError is twice the standard error of HyperLogLog with 2^14 registers,
	// so that 95 of 100 counts are within it.
	distinctError = 2 * 1.04 / 128
	// sizeError is the relative error that DDSketch guarantees.
	sizeError = 0.01
)

func newSketch(kind rules.Type, span int64) *sketch {
	return &sketch{kind: kind, width: max(1, span/bucketsPerSpan), until: beforeAll, allFrom: beforeAll}
}

func (k *sketch) newBucket(start int64) *bucket {
	b := &bucket{start: start}
	switch k.kind {
	case rules.ValueCount:
		b.values = hyperloglog.New14()
	case rules.ValuePercentile, rules.ValueMedian:
		b.sizes, _ = ddsketch.LogUnboundedDenseDDSketch(sizeError) // the error is of an accuracy that is none
	default:
	}
	return b
}

func (b *bucket) add(slots uint64, v value) {
	b.n++
	b.slots |= slots
	b.sum.plus(v, 1)
	if b.values != nil && v != (value{}) {
		b.values.InsertHash(v.hash())
	}
	if x, ok := v.number(); ok && b.sizes != nil {
		_ = b.sizes.Add(x) // numbers beyond what the sketch can index do not exist in float64
	}
}

func (b *bucket) merge(o *bucket) {
	if b.values != nil {
		_ = b.values.Merge(o.values) // the error is of different precisions
	}
	if b.sizes != nil {
		_ = b.sizes.MergeWith(o.sizes) // the error is of different accuracies
	}
}

// add takes in an entry that is not kept, and reports whether it could.
func (k *sketch) add(at int64, slots uint64, v value) bool {
	if at < k.until-keptSpans*bucketsPerSpan*k.width {
		return false
	}
	start := at - mod(at, k.width)
	i, found := slices.BinarySearchFunc(k.buckets, start, func(b *bucket, t int64) int { return int(max(-1, min(1, b.start-t))) })
	if !found {
		k.buckets = slices.Insert(k.buckets, i, k.newBucket(start))
	}
	k.buckets[i].add(slots, v)
	k.allFrom = beforeAll
	return true
}

// keepFrom says from when on entries are kept one by one.
func (k *sketch) keepFrom(at int64) {
	k.until = at
	k.allFrom = beforeAll
	oldest := at - keptSpans*bucketsPerSpan*k.width
	k.buckets = slices.DeleteFunc(k.buckets, func(b *bucket) bool { return b.start+k.width < oldest })
}

// note takes in an entry that is kept one by one.
func (k *sketch) note(slots uint64, v value) {
	if k.all != nil {
		k.all.add(slots, v)
	}
}

func mod(a, b int64) int64 { return ((a % b) + b) % b }

// joined is what a window measures with its sketch.
type joined struct {
	n, sum      float64
	partial     float64 // the part of n that is a guess
	partialSum  float64
	slots       uint64
	firstBucket int64
}

// gather adds up the buckets that lie in a window.
func (k *sketch) gather(from int64) (j joined) {
	j.firstBucket = never
	for _, b := range k.buckets {
		if b.start+k.width <= from {
			continue
		}
		share := 1.0
		if b.start < from {
			share = 0.5
			j.partial += share * float64(b.n)
			j.partialSum += share * math.Abs(b.sum.total())
		}
		j.firstBucket = min(j.firstBucket, b.start)
		j.n += share * float64(b.n)
		j.sum += share * b.sum.total()
		j.slots |= b.slots
	}
	return j
}

// join measures a window of which part is in a sketch. exact and ok are what its
// entries measure.
func join[P any](w *window[P], at int64, exact measure, ok bool) (measure, bool) {
	k, s := w.old, w.series
	j := k.gather(at - s.span)
	if j.firstBucket == never {
		return exact, ok
	}
	n := float64(w.hi - w.lo)
	switch s.kind {
	case rules.EventCount:
		return exact.about(n+j.n, j.partial), true
	case rules.ValueSum:
		return exact.about(exact.value*float64(btoi(ok))+j.sum, j.partialSum), true
	case rules.ValueAvg:
		sum := j.sum
		if ok {
			sum += exact.value * n
		}
		return exact.about(sum/(n+j.n), j.partialSum/(n+j.n)), true
	case rules.ValueCount:
		k.refresh(j.firstBucket, w.lo, w.hi, w.slotsAndValue)
		m := exact.about(max(exact.value, float64(k.all.values.Estimate())), 0)
		m.uncertainty = distinctError + j.partial/(n+j.n)
		return m, true
	case rules.ValuePercentile, rules.ValueMedian:
		k.refresh(j.firstBucket, w.lo, w.hi, w.slotsAndValue)
		x, err := k.all.sizes.GetValueAtQuantile(s.correlation.Percentile / 100)
		m := exact.about(x, 0)
		m.uncertainty = sizeError + j.partial/(n+j.n)
		return m, err == nil
	default:
		// Which inputs were seen does not suffer from numbers: the tally of an order
		// needs no entries, and that of no order is told of the buckets' inputs.
		return exact, ok
	}
}

// about is a measure that may be off by so much.
func (m measure) about(value, off float64) measure {
	m.value = value
	if value != 0 {
		m.uncertainty = off / math.Abs(value)
	}
	return m
}

func (w *window[P]) slotsAndValue(i int) (uint64, value) {
	return w.entries[i].slots, w.entries[i].value
}

// refresh makes the sketch of all that is in the window anew, unless its first
// bucket is the one of the last time.
func (k *sketch) refresh(from int64, lo, hi int, entry func(int) (uint64, value)) {
	if k.all != nil && k.allFrom == from {
		return
	}
	k.all, k.allFrom = k.newBucket(from), from
	for _, b := range k.buckets {
		if b.start >= from {
			k.all.merge(b)
		}
	}
	for i := lo; i < hi; i++ {
		k.all.add(entry(i))
	}
}

// bucketState is a bucket as it is saved.
type bucketState struct {
	Start  int64  `json:"t"`
	N      int64  `json:"n"`
	Slots  uint64 `json:"s"`
	Hi     int64  `json:"h,omitempty"`
	Lo     uint64 `json:"l,omitempty"`
	F      uint64 `json:"f,omitempty"` // bits
	Values []byte `json:"v,omitempty"`
	Sizes  []byte `json:"z,omitempty"`
}

func (b *bucket) save() (bucketState, error) {
	st := bucketState{Start: b.start, N: b.n, Slots: b.slots, Hi: b.sum.hi, Lo: b.sum.lo, F: math.Float64bits(b.sum.f + b.sum.carry)}
	if b.values != nil {
		var err error
		if st.Values, err = b.values.MarshalBinary(); err != nil {
			return st, fmt.Errorf("save a sketch: %w", err)
		}
	}
	if b.sizes != nil {
		b.sizes.Encode(&st.Sizes, false)
	}
	return st, nil
}

func (k *sketch) restore(st bucketState) error {
	b := k.newBucket(st.Start)
	b.n, b.slots = st.N, st.Slots
	b.sum = sum{hi: st.Hi, lo: st.Lo, f: math.Float64frombits(st.F)}
	if b.values != nil {
		if err := b.values.UnmarshalBinary(st.Values); err != nil {
			return fmt.Errorf("restore a sketch: %w", err)
		}
	}
	if b.sizes != nil {
		sizes, err := ddsketch.DecodeDDSketch(st.Sizes, store.DenseStoreConstructor, nil)
		if err != nil {
			return fmt.Errorf("restore a sketch: %w", err)
		}
		b.sizes = sizes
	}
	k.buckets = append(k.buckets, b)
	return nil
}
