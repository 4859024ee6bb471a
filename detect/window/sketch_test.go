package window_test

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/crmwatch/crmwatch/detect/window"
	"github.com/crmwatch/crmwatch/rules"
)

// measures are what a sketched and an exact engine have told of the same numbers,
// of every alert the last revision.
func measures(t *testing.T, q question, samples []sample, entries int) (sketched, exact []told) {
	t.Helper()
	set := load(t, q.document())
	for _, n := range []int{entries, 1 << 30} {
		w := newWatch(set, window.Config[int]{Lateness: time.Hour, Entries: n, Every: true})
		for _, s := range samples {
			w.take(s)
			w.advance(s.at - 1)
		}
		w.Close()
		if n == entries {
			if w.Sketched == 0 {
				t.Fatal("nothing was sketched")
			}
			sketched = w.told
		} else {
			exact = w.told
		}
	}
	return sketched, exact
}

// burst are samples of one user over some minutes, the values by a distribution.
func burst(rng *rand.Rand, n int, value func(rng *rand.Rand, i int) string) (samples []sample) {
	at := int64(1000)
	for i := range n {
		at += rng.Int64N(3) / 2
		samples = append(samples, sample{id: i, at: at, kinds: "a", user: "u", x: value(rng, i)})
	}
	return samples
}

// The error that an alert states is one: what was measured is as far from the
// truth at most, at every instant.
func TestStatedErrorIsTrue(t *testing.T) {
	even := func(rng *rand.Rand, _ int) string { return fmt.Sprint(rng.IntN(1000)) }
	skewed := func(rng *rand.Rand, _ int) string { return fmt.Sprintf("%.3f", math.Exp(rng.NormFloat64()*3)) }
	signed := func(rng *rand.Rand, _ int) string { return fmt.Sprint(rng.IntN(2000) - 990) }
	gaps := func(rng *rand.Rand, i int) string {
		if i%5 < 3 {
			return ""
		}
		return fmt.Sprint(1 + rng.IntN(2)*10_000)
	}
	stepped := func(_ *rand.Rand, i int) string { return fmt.Sprint(i / 500) }
	for _, c := range []struct {
		name  string
		q     question
		value func(*rand.Rand, int) string
	}{
		{"count", question{kind: rules.EventCount, limit: 1}, even},
		{"sum", question{kind: rules.ValueSum, limit: 1}, even},
		{"sum of both signs", question{kind: rules.ValueSum, op: rules.NEQ, limit: 1e9}, signed},
		{"average", question{kind: rules.ValueAvg, limit: 1}, even},
		{"average of few", question{kind: rules.ValueAvg, limit: 1}, gaps},
		{"average of both signs", question{kind: rules.ValueAvg, op: rules.NEQ, limit: 1e9}, signed},
		{"distinct", question{kind: rules.ValueCount, limit: 1}, even},
		{"distinct of steps", question{kind: rules.ValueCount, limit: 1}, stepped},
		{"distinct, skewed", question{kind: rules.ValueCount, limit: 1}, skewed},
		{"median of two", question{kind: rules.ValueMedian, limit: 1}, gaps},
		{"median", question{kind: rules.ValueMedian, op: rules.NEQ, limit: 1e9}, signed},
		{"percentile 99, skewed", question{kind: rules.ValuePercentile, percent: 99, limit: 0.001}, skewed},
		{"percentile 10", question{kind: rules.ValuePercentile, percent: 10, limit: 1}, even},
		{"percentile 90 of two", question{kind: rules.ValuePercentile, percent: 90, limit: 1}, gaps},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.q.inputs, c.q.op, c.q.span = "a", cmp.Or(c.q.op, rules.GTE), 600
			instants, beyond := 0, 0
			for seed := range uint64(2) {
				samples := burst(rand.New(rand.NewPCG(seed, 7)), 3000, c.value)
				sketched, exact := measures(t, c.q, samples, 400)
				truth := map[int64]float64{}
				for _, a := range exact {
					if a.uncertainty != 0 {
						t.Fatalf("below the limit the error is %v", a.uncertainty)
					}
					truth[a.first] = a.value
				}
				last := map[int64]told{} // an instant may be told of more than once
				for _, a := range sketched {
					last[a.first] = a
				}
				for at, a := range last {
					instants++
					if a.value == 0 && a.uncertainty == 1 {
						continue // no share of nothing says how far off it is
					}
					if off := math.Abs(a.value - truth[at]); off > a.uncertainty*math.Abs(a.value)+1e-6 {
						if beyond++; c.q.kind != rules.ValueCount {
							t.Fatalf("seed %d at %d: %v (± %v), in truth %v", seed, at, a.value, a.uncertainty, truth[at])
						}
					}
				}
			}
			// HyperLogLog is within twice its standard error in 95 of 100 cases.
			if instants < 1000 || beyond*20 > instants {
				t.Errorf("%d of %d instants are off by more than they say", beyond, instants)
			}
		})
	}
}

// What an engine states is worth knowing: a few percent.
func TestStatedErrorIsSmall(t *testing.T) {
	for _, kind := range []rules.Type{rules.EventCount, rules.ValueSum, rules.ValueAvg, rules.ValueCount, rules.ValueMedian} {
		q := question{kind: kind, inputs: "a", op: rules.GTE, limit: 1, span: 600}
		samples := burst(rand.New(rand.NewPCG(1, 2)), 5000, func(rng *rand.Rand, _ int) string { return fmt.Sprint(900 + rng.IntN(200)) })
		sketched, _ := measures(t, q, samples, 400)
		worst := slices.MaxFunc(sketched, func(a, b told) int { return int(1e6 * (a.uncertainty - b.uncertainty)) })
		if worst.uncertainty > 0.15 {
			t.Errorf("%s: %v", kind, worst.uncertainty)
		}
	}
}

// Which inputs were seen, and in which order, is not forgotten in a flood of one
// of them.
func TestFloodDoesNotHideAnInput(t *testing.T) {
	for _, kind := range []rules.Type{rules.Temporal, rules.TemporalOrdered} {
		q := question{kind: kind, inputs: "abc", span: 1000}
		w := newWatch(load(t, q.document()), window.Config[int]{Lateness: time.Hour, Entries: 10})
		w.take(sample{id: 1, at: 100, kinds: "a", user: "u"})
		for i := range 500 {
			w.take(sample{id: 2 + i, at: int64(101 + i), kinds: "b", user: "u"})
		}
		w.take(sample{id: 1000, at: 1100, kinds: "c", user: "u"})
		if len(w.told) != 1 || w.told[0].value != 3 {
			t.Errorf("%s: %v", kind, w.told)
		}
		w.take(sample{id: 1001, at: 1101, kinds: "c", user: "u"}) // a was too long ago
		w.Close()
		if last := w.told[len(w.told)-1]; last.last != 1100 {
			t.Errorf("%s: %v", kind, w.told)
		}
	}
}

// Numbers of hostile size neither end in infinity nor blind the rule for good,
// and what was found can be saved.
func TestHostileNumbers(t *testing.T) {
	for _, kind := range []rules.Type{rules.ValueSum, rules.ValueAvg, rules.ValueMedian} {
		for _, entries := range []int{0, 8} {
			q := question{kind: kind, inputs: "a", op: rules.GTE, limit: 100, span: 60}
			w := newWatch(load(t, q.document()), window.Config[int]{Lateness: time.Hour, Entries: entries})
			for i, x := range []string{"1e308", "1e308", "1.7e308", "-1e308", "9223372036854775807", "9223372036854775807", "1e-320", "1e999", "NaN", "Inf", "0x1p9", "1_000"} {
				w.take(sample{id: i, at: 100, kinds: "a", user: "u", x: x})
			}
			topic := saved{}
			w.advance(150)
			topic.save(t, w)
			w.take(sample{id: 20, at: 1000, kinds: "a", user: "u", x: "100"})
			w.advance(2000)
			topic.save(t, w)
			last := w.told[len(w.told)-1]
			if last.first != 1000 || last.value != 100 {
				t.Errorf("%s: %v", kind, last)
			}
			for _, a := range w.told {
				if math.IsNaN(a.value) || math.IsInf(a.value, 0) || math.IsNaN(a.uncertainty) {
					t.Errorf("%s: %v ± %v", kind, a, a.uncertainty)
				}
			}
		}
	}
}
