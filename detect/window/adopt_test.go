package window_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crmwatch/crmwatch/detect/window"
	"github.com/crmwatch/crmwatch/rules"
)

// both are two correlations over one rule, of which the second asks for a number
// of events that differs from set to set.
func both(n int) string {
	first := count(3)
	doc := first.document()
	return doc + strings.NewReplacer("222222222221", "222222222222", "c1", "c2", "gte: 3", fmt.Sprint("gte: ", n)).Replace("---\n"+doc[strings.Index(doc, "title: c1"):])
}

// Windows of a rule that stayed as it was are kept with what was told of them,
// those of one that has changed begin anew, and are deleted from the state.
func TestAdoptKeepsWhatDidNotChange(t *testing.T) {
	cfg := window.Config[int]{Lateness: time.Hour}
	old := newWatch(load(t, both(4)), cfg)
	for i := range 2 {
		old.take(sample{id: i, at: int64(100 + i), kinds: "a", user: "u"})
	}
	for i := range 3 {
		old.take(sample{id: 10 + i, at: int64(100 + i), kinds: "a", user: "v"})
	}
	old.advance(102)
	topic := saved{}
	topic.save(t, old)
	if len(topic) != 4 || len(old.told) != 1 {
		t.Fatalf("%d windows are saved, %v", len(topic), old.told)
	}
	w := newWatch(load(t, both(5)), cfg)
	w.Adopt(old.Engine)
	w.clock = old.clock
	topic.save(t, w)
	if len(topic) != 2 || w.Windows() != 2 {
		t.Fatalf("%d windows are saved, %d kept", len(topic), w.Windows())
	}
	for i := range 3 {
		w.take(sample{id: 20 + i, at: int64(103 + i), kinds: "a", user: "u"})
		w.take(sample{id: 30 + i, at: int64(103 + i), kinds: "a", user: "v"})
	}
	w.Close()
	w.told = slices.Concat(old.told, w.told)
	want := []string{"u 0103 to 0105: 5 of [0 1 20 21 22]", "v 0102 to 0105: 6 of [10 11 12 30 31 32]"}
	if got := w.standing(); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	for _, a := range w.told {
		if a.rule != "c1" {
			t.Errorf("%v: three events since the change are not five", a)
		}
	}
	topic.save(t, w)
	if len(topic) != 0 {
		t.Errorf("still saved: %v", topic)
	}
}

// Back to the rules of before within one checkpoint, nothing of the windows that
// have begun anew since is deleted.
func TestAdoptTwice(t *testing.T) {
	cfg := window.Config[int]{Lateness: time.Hour}
	first, second := load(t, both(4)), load(t, both(5))
	topic := saved{}
	w := newWatch(first, cfg)
	w.take(sample{id: 1, at: 100, kinds: "a", user: "u"})
	topic.save(t, w)
	for _, set := range []*rules.Set{second, first} {
		next := newWatch(set, cfg)
		next.Adopt(w.Engine)
		w = next
	}
	w.take(sample{id: 2, at: 101, kinds: "a", user: "u"})
	topic.save(t, w)
	if len(topic) != 2 {
		t.Errorf("%d windows are saved", len(topic))
	}
}
