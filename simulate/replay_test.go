package simulate_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crmwatch/crmwatch/simulate"
)

var dawn = time.Date(2026, 11, 23, 16, 0, 0, 0, time.UTC)

// at makes one record for each number of seconds after dawn.
func at(seconds ...int) iter.Seq[simulate.Record] {
	return func(yield func(simulate.Record) bool) {
		for _, s := range seconds {
			if !yield(simulate.Record{At: dawn.Add(time.Duration(s) * time.Second)}) {
				return
			}
		}
	}
}

// delivery is when a batch came, after the beginning, and what it held, in
// seconds after dawn.
type delivery struct {
	After time.Duration
	Held  []int
}

func play(t *testing.T, p simulate.Replay, records iter.Seq[simulate.Record], takes time.Duration) []delivery {
	t.Helper()
	var got []delivery
	began := time.Now()
	p.Clock, p.Start = simulate.SystemClock{}, dawn
	err := p.Play(t.Context(), records, func(_ context.Context, batch []simulate.Record) error {
		d := delivery{After: time.Since(began)}
		for _, r := range batch {
			d.Held = append(d.Held, int(r.At.Sub(dawn)/time.Second))
		}
		got = append(got, d)
		time.Sleep(takes)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestReplay(t *testing.T) {
	for _, test := range []struct {
		name    string
		replay  simulate.Replay
		seconds []int
		takes   time.Duration
		want    []delivery
	}{
		{name: "nothing"},
		{"in real time", simulate.Replay{Speed: 1}, []int{0, 0, 1, 3}, 0, []delivery{{0, []int{0, 0}}, {time.Second, []int{1}}, {3 * time.Second, []int{3}}}},
		{"sixty times as fast", simulate.Replay{Speed: 60}, []int{60, 3600}, 0, []delivery{{time.Second, []int{60}}, {time.Minute, []int{3600}}}},
		{"what is due within a tick comes together", simulate.Replay{Speed: 100, Tick: 50 * time.Millisecond}, []int{1, 3, 5, 6, 30}, 0, []delivery{{50 * time.Millisecond, []int{1, 3, 5}}, {100 * time.Millisecond, []int{6}}, {300 * time.Millisecond, []int{30}}}},
		{"without bound", simulate.Replay{}, []int{0, 1, 86400}, 0, []delivery{{0, []int{0, 1, 86400}}}},
		{"no more than a batch at once", simulate.Replay{Batch: 2}, []int{1, 2, 3, 4, 5}, 0, []delivery{{0, []int{1, 2}}, {0, []int{3, 4}}, {0, []int{5}}}},
		{"a slow receiver catches up", simulate.Replay{Speed: 1}, []int{0, 1, 2, 9}, 3 * time.Second, []delivery{{0, []int{0}}, {3 * time.Second, []int{1, 2}}, {9 * time.Second, []int{9}}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if diff := cmp.Diff(test.want, play(t, test.replay, at(test.seconds...), test.takes)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestReplayStops(t *testing.T) {
	refused := errors.New("refused")
	synctest.Test(t, func(t *testing.T) {
		p := simulate.Replay{Clock: simulate.SystemClock{}, Start: dawn, Speed: 1}
		err := p.Play(t.Context(), at(0, 1), func(context.Context, []simulate.Record) error { return refused })
		if !errors.Is(err, refused) {
			t.Errorf("got %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		var got []int
		err = p.Play(ctx, at(0, 4, 60), func(_ context.Context, batch []simulate.Record) error {
			got = append(got, len(batch))
			return nil
		})
		if !errors.Is(err, context.DeadlineExceeded) || !slices.Equal(got, []int{1, 1}) {
			t.Errorf("got %v after %v", err, got)
		}
		cancel()
		err = simulate.Replay{Clock: simulate.SystemClock{}}.Play(ctx, at(0), func(context.Context, []simulate.Record) error { return nil })
		if err == nil {
			t.Error("plays on after the end")
		}
	})
}

// A whole day plays in the time that its speed promises, and in order.
func TestReplayToday(t *testing.T) {
	c := simulate.New(simulate.Config{People: 80, Days: 1})
	synctest.Test(t, func(t *testing.T) {
		p := simulate.Replay{Clock: simulate.SystemClock{}, Start: c.Start(), Speed: 1440}
		began, n := time.Now(), 0
		err := p.Play(t.Context(), c.Today(), func(_ context.Context, batch []simulate.Record) error {
			for _, r := range batch {
				if due := began.Add(r.At.Sub(c.Start()) / 1440); time.Now().Before(due) || time.Since(due) > 60*time.Millisecond {
					t.Fatalf("record due %v comes at %v", due, time.Now())
				}
			}
			n += len(batch)
			return nil
		})
		if err != nil || n < 1000 || time.Since(began) > 61*time.Second {
			t.Errorf("%d records in %v: %v", n, time.Since(began), err)
		}
	})
}
