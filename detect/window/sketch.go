package window

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"github.com/DataDog/sketches-go/ddsketch"
	"github.com/DataDog/sketches-go/ddsketch/mapping"
	"github.com/DataDog/sketches-go/ddsketch/store"
	"github.com/axiomhq/hyperloglog"

	"github.com/crmwatch/crmwatch/rules"
)

// sketch counts what a window has no room for, in buckets of a fixed length of
// time: numbers and their sums exactly, different values by HyperLogLog (Flajolet
// et al. 2007), percentiles by DDSketch (Masson et al. 2019). Both take their
// input in any order. Of the bucket that a window begins within nobody knows how
// much belongs to the window: that is the error of most measures.
type sketch struct {
	kind    rules.Type
	ordered []clause // of an ordered correlation
	width   int64    // of a bucket
	// until is the time from which entries are kept one by one again, last the time
	// of the newest that is not: where one instant has too many, they are the same.
	until, last int64
	buckets     []*bucket // in the order of time

	// seen is when each input was seen last, order which chains of them there were.
	seen  []int64
	order *sequence

	// whole is the sketch of all that is in a window for certain: the buckets from
	// the time wholeFrom on and the entries up to the time upto. wide has the bucket
	// before them, too. They are made anew when the first bucket changes, and added
	// to in between.
	whole, wide               *bucket
	wideFrom, wholeFrom, upto int64
}

// bucket is what was counted of the time [start, start+width). Where numbers are
// measured, entries without one do not count.
type bucket struct {
	start  int64
	n      int64
	sum    sum
	abs    float64 // the sum without signs
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
	// sizeError is the relative error that DDSketch guarantees, for numbers of 35
	// orders of magnitude: more bins than sizeBins would be memory for an attacker.
	sizeError = 0.01
	sizeBins  = 4096
)

func newSketch[P any](s *series[P]) *sketch {
	k := &sketch{kind: s.kind, width: max(1, s.span/bucketsPerSpan), until: beforeAll, last: beforeAll, wholeFrom: never}
	if s.ordered {
		k.ordered = s.clauses
		k.order, _ = newSequence(len(s.inputs), s.clauses).(*sequence)
	}
	k.seen = make([]int64, len(s.inputs))
	for i := range k.seen {
		k.seen[i] = beforeAll
	}
	return k
}

func (k *sketch) newBucket(start int64) *bucket {
	b := &bucket{start: start}
	switch k.kind {
	case rules.ValueCount:
		b.values = hyperloglog.New14()
	case rules.ValuePercentile, rules.ValueMedian:
		m, _ := mapping.NewLogarithmicMapping(sizeError) // the error is of an accuracy that is none
		b.sizes = ddsketch.NewDDSketchFromStoreProvider(m, newSizes)
	default:
	}
	return b
}

func newSizes() store.Store { return store.NewCollapsingLowestDenseStore(sizeBins) }

func (k *sketch) addTo(b *bucket, v value) {
	x, isNumber := v.number()
	switch k.kind {
	case rules.ValueSum, rules.ValueAvg, rules.ValuePercentile, rules.ValueMedian:
		if !isNumber {
			return
		}
		b.sum.plus(v, 1)
		b.abs += math.Abs(x)
	default:
	}
	b.n++
	if b.values != nil && v != (value{}) {
		b.values.InsertHash(v.hash())
	}
	if b.sizes != nil {
		_ = b.sizes.Add(x) // the error is of numbers that no value is as large as
	}
}

func (b *bucket) merge(o *bucket) {
	b.n += o.n
	if b.values != nil {
		_ = b.values.Merge(o.values) // the error is of different precisions
	}
	if b.sizes != nil {
		_ = b.sizes.MergeWith(o.sizes) // the error is of different accuracies
	}
}

// add takes in an entry that is not kept, and reports whether it could: what
// comes late has lost its place in an order.
func (k *sketch) add(at int64, slots uint64, v value) bool {
	late := at < k.until
	if at < k.until-keptSpans*bucketsPerSpan*k.width || late && k.order != nil {
		return false
	}
	start := at - mod(at, k.width)
	i, found := slices.BinarySearchFunc(k.buckets, start, func(b *bucket, t int64) int { return cmp.Compare(b.start, t) })
	if !found {
		k.buckets = slices.Insert(k.buckets, i, k.newBucket(start))
	}
	k.addTo(k.buckets[i], v)
	k.wholeFrom, k.last = never, max(k.last, at)
	for m := slots; m != 0; m &= m - 1 {
		i := bits.TrailingZeros64(m)
		k.seen[i] = max(k.seen[i], at)
	}
	if k.order != nil {
		k.order.add(at, slots, v, true)
	}
	return true
}

// keepFrom says from when on entries are kept one by one.
func (k *sketch) keepFrom(at int64) {
	k.until = at
	k.wholeFrom = never
	oldest := at - keptSpans*bucketsPerSpan*k.width
	k.buckets = slices.DeleteFunc(k.buckets, func(b *bucket) bool { return b.start+k.width < oldest })
}

// note takes in an entry that is kept one by one.
func (k *sketch) note(at int64, v value) {
	if k.wholeFrom != never && at <= k.upto {
		k.addTo(k.whole, v)
		k.addTo(k.wide, v)
	}
}

func mod(a, b int64) int64 { return ((a % b) + b) % b }

// seenSince are the inputs of which an entry that is not kept lies in a window
// that begins at a time.
func (k *sketch) seenSince(from int64) (slots uint64) {
	for i, at := range k.seen {
		if at >= from {
			slots |= 1 << i
		}
	}
	return slots
}

// joined is what a window has of its sketch.
type joined struct {
	n, sum float64
	part   *bucket // the one that the window begins within, empty where there is none
	from   int64   // where the others begin
	any    bool
}

// gather adds up the buckets that lie in a window.
func (k *sketch) gather(from int64) joined {
	j := joined{part: &bucket{start: never}, from: k.until}
	for _, b := range k.buckets {
		switch {
		case min(b.start+k.width-1, k.last) < from:
			continue
		case b.start < from:
			j.part = b
		default:
			j.n += float64(b.n)
			j.sum += b.sum.total()
			j.from = min(j.from, b.start)
		}
		j.any = true
	}
	return j
}

// join measures a window of which part is in a sketch. exact and ok are what its
// entries measure.
func join[P any](w *window[P], at int64, exact measure, ok bool) (measure, bool) {
	k, s := w.old, w.series
	j := k.gather(at - s.span)
	if !j.any {
		return exact, ok
	}
	part := float64(j.part.n)
	switch s.kind {
	case rules.EventCount:
		return exact.about(float64(w.hi-w.lo)+j.n+part/2, part/2), true
	case rules.ValueSum, rules.ValueAvg:
		return w.joinSums(&j, exact)
	case rules.ValueCount:
		k.refresh(&j, at, w.entriesBetween)
		least, most := k.whole.distinct(), k.wide.distinct()
		m := exact.about((least+most)/2, (most-least)/2)
		m.uncertainty += distinctError
		return m, true
	case rules.ValuePercentile, rules.ValueMedian:
		k.refresh(&j, at, w.entriesBetween)
		return w.joinSizes(exact)
	default:
		// The tally of inputs was told of the sketch.
		return exact, ok
	}
}

// joinSums measures the sum or the average of a window with a sketch.
func (w *window[P]) joinSums(j *joined, exact measure) (measure, bool) {
	total, n := j.sum, j.n
	if t, ok := w.tally.(*sum); ok {
		total, n = total+t.total(), n+float64(t.n)
	}
	part, partSum := float64(j.part.n), j.part.sum.total()
	if w.series.kind == rules.ValueSum {
		return exact.about(total+partSum/2, j.part.abs/2), n+part > 0
	}
	average := (total + partSum/2) / max(n+part/2, 1)
	// However many of the part's numbers belong to the window, each moves the average
	// of the others by no more than its distance from it.
	others := total / max(n, 1)
	return exact.about(average, math.Abs(average-others)+(j.part.abs+part*math.Abs(others))/(n+1)), n+part > 0
}

// joinSizes measures a percentile of a window with a sketch. The numbers of the
// part that may or may not belong to the window move its rank.
func (w *window[P]) joinSizes(exact measure) (measure, bool) {
	k, p := w.old, w.series.correlation.Percentile/100
	if k.wide.n == 0 {
		return exact, false
	}
	rank, part := p*float64(k.whole.n-1), float64(k.wide.n-k.whole.n)
	x := k.wide.size(p * float64(k.wide.n-1))
	least := k.whole.sizeOr(math.Floor(rank-(1-p)*part)-0.25, k.wide)
	most := k.whole.sizeOr(math.Ceil(rank+p*part)+0.25, k.wide)
	off := max(x-least, most-x, 0)
	if part > 0 || x != 0 {
		off += sizeError * max(math.Abs(least), math.Abs(most))
	}
	return exact.about(x, off), true
}

func (b *bucket) distinct() float64 { return float64(b.values.Estimate()) }

// size is about the number of a rank, from 0.
func (b *bucket) size(rank float64) float64 {
	share := 0.0
	if b.n > 1 {
		share = max(0, min(1, rank/float64(b.n-1)))
	}
	x, _ := b.sizes.GetValueAtQuantile(share) // the error is of a sketch of nothing
	return x
}

// sizeOr is size for a rank that there is, and otherwise the least or largest
// number of a wider bucket.
func (b *bucket) sizeOr(rank float64, wide *bucket) float64 {
	switch {
	case rank < 0:
		return wide.size(0)
	case rank > float64(b.n-1):
		return wide.size(float64(wide.n))
	default:
		return b.size(rank)
	}
}

// about is a measure that may be off by so much.
func (m measure) about(value, off float64) measure {
	m.value = value
	switch {
	case value != 0:
		m.uncertainty = off / math.Abs(value)
	case off > 0:
		m.uncertainty = 1
	}
	return m
}

// entriesBetween calls fn with the value of each entry later than one time and
// not later than another.
func (w *window[P]) entriesBetween(after, until int64, fn func(v value)) {
	for i := w.behind(after); i < len(w.entries) && w.entries[i].at <= until; i++ {
		fn(w.entries[i].value)
	}
}

// refresh brings the sketches of all that is in the window up to the instant
// that is decided.
func (k *sketch) refresh(j *joined, at int64, entries func(after, until int64, fn func(v value))) {
	if k.wholeFrom != j.from || k.wideFrom != j.part.start || at < k.upto {
		k.whole, k.wide = k.newBucket(0), k.newBucket(0)
		for _, b := range k.buckets {
			if b.start >= j.from {
				k.whole.merge(b)
				k.wide.merge(b)
			}
		}
		if j.part.n > 0 {
			k.wide.merge(j.part)
		}
		k.wideFrom, k.wholeFrom, k.upto = j.part.start, j.from, k.until-1
	}
	entries(k.upto, at, func(v value) {
		k.addTo(k.whole, v)
		k.addTo(k.wide, v)
	})
	k.upto = at
}

// sketchState is a sketch as it is saved.
type sketchState struct {
	Until   int64         `json:"u"`
	Last    int64         `json:"l"`
	Seen    []int64       `json:"s,omitempty"`
	Chains  [][]int64     `json:"c,omitempty"`
	Before  [][]int64     `json:"o,omitempty"`
	Buckets []bucketState `json:"b,omitempty"`
}

// bucketState is a bucket as it is saved.
type bucketState struct {
	Start  int64  `json:"t"`
	N      int64  `json:"n"`
	Hi     int64  `json:"h,omitempty"`
	Lo     uint64 `json:"l,omitempty"`
	F      uint64 `json:"f,omitempty"` // bits of floats
	Carry  uint64 `json:"c,omitempty"`
	Abs    uint64 `json:"a,omitempty"`
	Values []byte `json:"v,omitempty"`
	Sizes  []byte `json:"z,omitempty"`
}

func (k *sketch) save() (*sketchState, error) {
	st := &sketchState{Until: k.until, Last: k.last, Seen: k.seen}
	if k.order != nil {
		st.Chains, st.Before = k.order.chains, k.order.before
	}
	for _, b := range k.buckets {
		bs, err := b.save()
		if err != nil {
			return nil, err
		}
		st.Buckets = append(st.Buckets, bs)
	}
	return st, nil
}

func (b *bucket) save() (bucketState, error) {
	st := bucketState{
		Start: b.start, N: b.n, Hi: b.sum.hi, Lo: b.sum.lo,
		F: math.Float64bits(b.sum.f), Carry: math.Float64bits(b.sum.carry), Abs: math.Float64bits(b.abs),
	}
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

// restore fills a new sketch. Numbers of inputs and clauses are those of the
// rule's version, which the state is of.
func (k *sketch) restore(st *sketchState) error {
	k.until, k.last = st.Until, st.Last
	copy(k.seen, st.Seen)
	if k.order != nil {
		k.order.last = st.Last
		for i := range min(len(st.Chains), len(st.Before), len(k.order.chains)) {
			copy(k.order.chains[i], st.Chains[i])
			copy(k.order.before[i], st.Before[i])
		}
	}
	for _, bs := range st.Buckets {
		b, err := k.restoreBucket(&bs)
		if err != nil {
			return fmt.Errorf("restore a sketch: %w", err)
		}
		k.buckets = append(k.buckets, b)
	}
	return nil
}

func (k *sketch) restoreBucket(st *bucketState) (*bucket, error) {
	b := k.newBucket(st.Start)
	b.n, b.abs = st.N, math.Float64frombits(st.Abs)
	b.sum = sum{hi: st.Hi, lo: st.Lo, f: math.Float64frombits(st.F), carry: math.Float64frombits(st.Carry)}
	if b.values != nil {
		if err := b.values.UnmarshalBinary(st.Values); err != nil {
			return nil, err
		}
	}
	if b.sizes != nil {
		sizes, err := ddsketch.DecodeDDSketch(st.Sizes, newSizes, nil)
		if err != nil {
			return nil, err
		}
		b.sizes = sizes
	}
	return b, nil
}
