package window_test

import (
	"cmp"
	"fmt"
	"testing"
	"time"

	"github.com/crmwatch/crmwatch/detect/window"
	"github.com/crmwatch/crmwatch/rules"
)

// count is a correlation that asks for so many events within a minute.
func count(n int) question {
	return question{kind: rules.EventCount, inputs: "a", op: rules.GTE, limit: float64(n), span: 60}
}

// A flood of new groups is turned away, and whoever has a history stays.
func TestFloodDoesNotDriveOutWhoHasAHistory(t *testing.T) {
	q := count(6)
	w := newWatch(load(t, q.document()), window.Config[int]{Lateness: time.Hour, Groups: 100})
	id := 0
	take := func(user string, at int64) {
		id++
		w.take(sample{id: id, at: at, kinds: "a", user: user})
		w.advance(at - 1)
	}
	for i := range 5 {
		for u := range 50 {
			take(fmt.Sprint("old", u), int64(100+i))
		}
	}
	for u := range 10_000 {
		take(fmt.Sprint("flood", u), 105)
		if w.Windows() > 100 {
			t.Fatalf("%d windows are kept", w.Windows())
		}
	}
	// Not all windows are looked at to make room for one.
	if w.Evicted+w.Refused != 10_000-50 || w.Evicted < 9_000 {
		t.Errorf("%d are evicted, %d refused", w.Evicted, w.Refused)
	}
	for u := range 50 {
		take(fmt.Sprint("old", u), 110)
	}
	w.Close()
	if got := w.standing(); len(got) != 50 || w.Windows() != 0 {
		t.Errorf("%d alerts, %d windows: %v", len(got), w.Windows(), got)
	}
}

// A flood of groups that all have a history is refused, and the events that are
// not counted for it are.
func TestFloodOfBusyGroupsIsRefused(t *testing.T) {
	q := count(3)
	w := newWatch(load(t, q.document()), window.Config[int]{Lateness: time.Hour, Groups: 10})
	for u := range 20 {
		for i := range 3 {
			w.take(sample{id: 3*u + i, at: int64(100 + i), kinds: "a", user: fmt.Sprint(u)})
		}
	}
	if w.Windows() != 10 || w.Refused != 30 || w.Evicted != 0 || len(w.standing()) != 10 {
		t.Errorf("%d windows, %d refused, %d evicted, %d alerts", w.Windows(), w.Refused, w.Evicted, len(w.standing()))
	}
	// Once the first are idle, there is room again.
	w.advance(20_000)
	w.take(sample{id: 1000, at: 20_000, kinds: "a", user: "new"})
	if w.Windows() != 1 || w.Refused != 30 {
		t.Errorf("%d windows, %d refused", w.Windows(), w.Refused)
	}
}

// With room for hardly anything, a correlation must not lose the window that it
// works on to the one over it.
func TestChainWithoutRoom(t *testing.T) {
	for groups := 1; groups < 4; groups++ {
		c := chain{inner: count(1), limit: 2, span: 60}
		w := newWatch(load(t, c.document()), window.Config[int]{Lateness: time.Hour, Groups: groups})
		for i := range 20 {
			w.take(sample{id: i, at: int64(100 + i), kinds: "a", user: fmt.Sprint(i % 3)})
			w.advance(int64(100 + i))
			if w.Windows() > groups {
				t.Errorf("%d windows where %d may be", w.Windows(), groups)
			}
		}
		w.Close()
	}
}

// Nothing is kept of anybody who has been quiet for long enough, whatever the
// rule, and nothing stays in the state.
func TestIdleWindowsGo(t *testing.T) {
	words := question{kind: rules.Temporal, inputs: "ab", words: "ra and not rb", clauses: [][2]string{{"a", "b"}}, span: 60}
	average := question{kind: rules.ValueAvg, inputs: "a", op: rules.GTE, limit: 1, span: 60}
	for _, q := range []question{count(1), count(3), words, average} {
		for _, suppress := range []int64{0, 10, 30_000, 1_000_000} {
			for _, entries := range []int{0, 4} {
				q.suppress = suppress
				w := newWatch(load(t, q.document()), window.Config[int]{Lateness: time.Hour, Entries: entries})
				for i := range 300 {
					w.take(sample{id: i, at: int64(100 + 40*i), kinds: "a", user: fmt.Sprint(i % 7), x: "2"})
					w.advance(int64(90 + 40*i))
				}
				topic := saved{}
				topic.save(t, w)
				if w.Windows() != 7 || len(topic) != 7 {
					t.Fatalf("%d windows, %d are saved", w.Windows(), len(topic))
				}
				for at := int64(12_000); at < 2_100_000; at += 5_000 {
					w.advance(at)
				}
				topic.save(t, w)
				if w.Windows() != 0 || len(topic) != 0 {
					t.Errorf("%v, entries %d: %d windows stay, %d are saved", &q, entries, w.Windows(), len(topic))
				}
			}
		}
	}
}

// What is later than the lateness of the rule is not counted, and that it is not
// is.
func TestLateIsCounted(t *testing.T) {
	q := count(2)
	q.lateness = 100
	w := newWatch(load(t, q.document()), window.Config[int]{Lateness: time.Hour})
	for i, at := range []int64{1000, 900, 899, 901, 1001} {
		w.take(sample{id: i, at: at, kinds: "a", user: "u"})
	}
	w.take(sample{id: 9, at: 1000, kinds: "a"})
	w.Close()
	if w.Late != 1 || w.Ungrouped != 1 {
		t.Errorf("%d late, %d without a group", w.Late, w.Ungrouped)
	}
	if got := w.standing(); len(got) != 2 {
		t.Errorf("%v", got)
	}
}

// A log whose times are whole days has all its events at one instant: what one of
// them costs must not grow with their number.
func TestManyAtOneInstant(t *testing.T) {
	compared := 0
	q := count(1000)
	w := newWatch(load(t, q.document()), window.Config[int]{
		Lateness: time.Hour, Entries: 1 << 30,
		Compare: func(a, b int) int { compared++; return cmp.Compare(a, b) },
	})
	const n = 5000
	for i := range n {
		w.take(sample{id: i, at: 100, kinds: "a", user: "u"})
	}
	if compared > 4*n {
		t.Errorf("%d comparisons for %d events", compared, n)
	}
}
