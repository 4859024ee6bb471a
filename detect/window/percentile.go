package window

import (
	"math"
	"slices"
	"sort"
)

// percentile keeps numbers in order: the correlation types value_percentile and
// value_median. The numbers are in runs of bounded length, so that adding one
// moves few of them.
type percentile struct {
	p    float64 // 0 to 100
	runs [][]float64
	n    int
}

// runLength is the longest run; a longer one is cut in two.
const runLength = 512

func newPercentile(p float64) tally { return &percentile{p: p} }

func (t *percentile) add(_ int64, _ uint64, v value, _ bool) {
	x, ok := v.number()
	if !ok {
		return
	}
	t.n++
	if len(t.runs) == 0 {
		t.runs = append(t.runs, []float64{x})
		return
	}
	i := min(t.run(x), len(t.runs)-1)
	at, _ := slices.BinarySearch(t.runs[i], x)
	t.runs[i] = slices.Insert(t.runs[i], at, x)
	if r := t.runs[i]; len(r) > runLength {
		half := slices.Clone(r[len(r)/2:])
		t.runs[i] = r[:len(r)/2]
		t.runs = slices.Insert(t.runs, i+1, half)
	}
}

// run is the first run whose last number is not below x.
func (t *percentile) run(x float64) int {
	return sort.Search(len(t.runs), func(i int) bool { r := t.runs[i]; return r[len(r)-1] >= x })
}

func (t *percentile) remove(_ int64, _ uint64, v value, _ bool) {
	x, ok := v.number()
	if !ok {
		return
	}
	t.n--
	i := t.run(x)
	at, _ := slices.BinarySearch(t.runs[i], x)
	t.runs[i] = slices.Delete(t.runs[i], at, at+1)
	if len(t.runs[i]) == 0 {
		t.runs = slices.Delete(t.runs, i, i+1)
	}
}

// measured interpolates between the two numbers nearest to the rank, as most
// tools do (Hyndman and Fan 1996, type 7).
func (t *percentile) measured(int64) (float64, bool) {
	if t.n == 0 {
		return 0, false
	}
	rank := float64(t.n-1) * t.p / 100
	below := int(math.Floor(rank))
	x := t.at(below)
	if share := rank - float64(below); share > 0 {
		x = x*(1-share) + t.at(below+1)*share
	}
	return x, true
}

func (t *percentile) at(i int) float64 {
	for _, r := range t.runs {
		if i < len(r) {
			return r[i]
		}
		i -= len(r)
	}
	return 0
}

func (t *percentile) reset() { t.runs, t.n = t.runs[:0], 0 }
