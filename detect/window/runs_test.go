package window_test

import (
	"slices"
	"testing"
	"time"

	"github.com/crmwatch/crmwatch/detect/window"
	"github.com/crmwatch/crmwatch/rules"
)

// tale tells what an engine tells of the samples, with the watermark behind each.
func tale(t *testing.T, q question, samples ...sample) *watch {
	t.Helper()
	w := newWatch(load(t, q.document()), window.Config[int]{Lateness: time.Hour})
	newest := int64(0)
	for i, s := range samples {
		s.id, s.kinds, s.user = i, "a", "u"
		w.take(s)
		newest = max(newest, s.at)
		w.advance(newest - 1)
	}
	return w
}

// of are the alerts that begin at a time.
func (w *watch) of(first int64) (all []told) {
	for _, a := range w.told {
		if a.first == first {
			all = append(all, a)
		}
	}
	return all
}

// A burst is told at once, extended, and closed once it has been quiet; the next
// one is another alert.
func TestBurstIsTold(t *testing.T) {
	w := tale(t, count(2), sample{at: 100}, sample{at: 110}, sample{at: 150}, sample{at: 210}, sample{at: 271}, sample{at: 272})
	first := w.of(110)
	if last := first[len(first)-1]; first[0].closed || first[0].last != 110 || !last.closed || last.last != 210 || last.value != 3 || len(last.events) != 4 {
		t.Errorf("%v", first)
	}
	if second := w.of(272); len(second) != 1 || second[0].closed || second[0].revision != 0 {
		t.Errorf("%v", second)
	}
}

// A late event that lies between two bursts joins them: the first goes on, and
// the second says which has taken it in.
func TestLateEventJoins(t *testing.T) {
	w := tale(t, count(2), sample{at: 100}, sample{at: 101}, sample{at: 200}, sample{at: 201}, sample{at: 150})
	w.Close()
	first, second := w.of(101), w.of(201)
	last := first[len(first)-1]
	if !last.closed || last.withdrawn || last.last != 201 || !slices.Equal(last.replaces, []int64{201}) || len(last.events) != 5 {
		t.Errorf("%v", first)
	}
	last = second[len(second)-1]
	if !last.withdrawn || !last.closed || last.replacedBy != 101 || len(last.events) == 0 {
		t.Errorf("%v", second)
	}
}

// A late event that lies before a burst makes it begin earlier: another alert
// takes it in.
func TestLateEventBeginsEarlier(t *testing.T) {
	w := tale(t, count(2), sample{at: 100}, sample{at: 110}, sample{at: 95})
	if first := w.of(100); len(first) != 1 || first[0].revision != 0 || !slices.Equal(first[0].replaces, []int64{110}) {
		t.Errorf("%v", first)
	}
	if second := w.of(110); len(second) != 2 || !second[1].withdrawn || second[1].replacedBy != 100 {
		t.Errorf("%v", second)
	}
}

// A late event that takes an instant away splits an alert in two, withdraws it,
// and one more lets it stand again in a revision of its own.
func TestLateEventSplitsAndWithdraws(t *testing.T) {
	q := question{kind: rules.ValueAvg, inputs: "a", op: rules.GTE, limit: 10, span: 10}
	w := tale(t, q, sample{at: 100, x: "10"}, sample{at: 110, x: "10"}, sample{at: 120, x: "10"}, sample{at: 160, x: "0"}, sample{at: 105, x: "1"})
	w.Close()
	first, second := w.of(100), w.of(120)
	if last := first[len(first)-1]; last.last != 100 || last.withdrawn {
		t.Errorf("%v", first)
	}
	if len(second) == 0 || second[0].revision != 0 || second[len(second)-1].withdrawn {
		t.Errorf("%v", second)
	}
	w = tale(t, q, sample{at: 100, x: "10"}, sample{at: 160, x: "0"}, sample{at: 95, x: "1"}, sample{at: 100, x: "99"})
	w.Close()
	got := w.of(100)
	last := got[len(got)-1]
	if len(got) < 3 || !got[len(got)-2].withdrawn || len(got[len(got)-2].events) == 0 || last.withdrawn || last.revision != len(got)-1 {
		t.Errorf("%v", got)
	}
}

// Delivered again, an event is the same one, and so it is where it matches two
// rules.
func TestSameEventCountsOnce(t *testing.T) {
	q := count(3)
	q.inputs = "ab"
	w := newWatch(load(t, q.document()), window.Config[int]{Lateness: time.Hour})
	for range 3 {
		w.take(sample{id: 1, at: 100, kinds: "ab", user: "u"})
		w.take(sample{id: 2, at: 100, kinds: "a", user: "u"})
	}
	if len(w.told) != 0 {
		t.Errorf("%v", w.told)
	}
	w.take(sample{id: 3, at: 99, kinds: "b", user: "u"})
	if len(w.told) != 1 || w.told[0].value != 3 {
		t.Errorf("%v", w.told)
	}
}
