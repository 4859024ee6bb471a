package detect

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crmwatch/crmwatch/rules"
)

// fixed are rules that do not change.
func fixed(set *rules.Set) func() *rules.Set { return func() *rules.Set { return set } }

var (
	sumOf100  = correlation("value_sum", "gte: 100, field: rows")
	sumOf50   = correlation("value_sum", "gte: 50, field: rows")
	countOf3  = strings.NewReplacer("30000000", "40000000", "burst", "often").Replace(correlation("event_count", "gte: 3"))
	renamed   = strings.Replace(sumOf100, "title: burst", "title: many rows", 1)
	elsewhere = strings.Replace(sumOf100, "timespan: 1h", "timespan: 2h", 1)
)

// A window belongs to a version of a rule: it outlives a reload that leaves the
// rule as it is, whatever else changes, and no other.
func TestSetRulesKeepsTheWindowsOfUnchangedRules(t *testing.T) {
	for name, c := range map[string]struct {
		after []string
		found int // in the second half of the burst
	}{
		"the same":                   {[]string{anyExport, sumOf100}, 1},
		"another title":              {[]string{anyExport, renamed}, 1},
		"another rule beside it":     {[]string{anyExport, sumOf100, countOf3}, 1},
		"another threshold":          {[]string{anyExport, sumOf50}, 1}, // begins anew, and 60 rows are enough
		"another timespan":           {[]string{anyExport, elsewhere}, 0},
		"no longer there":            {[]string{anyExport, countOf3}, 0},
		"a rule that it counts from": {[]string{strings.Replace(anyExport, "action: export", "action: [export, view]", 1), sumOf100}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			en := NewEngine(DefaultConfig(), load(t, anyExport, sumOf100), nobody{})
			if got := apply(en, export("a", 0, 30), export("b", time.Minute, 30)); len(got) != 0 {
				t.Fatalf("half of a burst: %+v", got)
			}
			en.SetRules(load(t, c.after...))
			if got := apply(en, export("c", 2*time.Minute, 30), export("d", 3*time.Minute, 30)); len(newest(got)) != c.found {
				t.Errorf("%d findings, want %d: %+v", len(got), c.found, got)
			}
		})
	}
}

// What was told before a reload is not told again after it.
func TestSetRulesTellsNothingTwice(t *testing.T) {
	en := NewEngine(DefaultConfig(), load(t, anyExport, sumOf100), nobody{})
	if got := apply(en, export("a", 0, 200)); len(got) != 1 {
		t.Fatalf("%+v", got)
	}
	en.SetRules(load(t, anyExport, sumOf100, countOf3))
	for _, f := range apply(en, export("b", time.Minute, 200)) {
		if f.Revision == 0 {
			t.Errorf("told again: %+v", f)
		}
	}
}

// A field that only the new rules read holds what the event says, not what stood
// there before.
func TestSetRulesReadsOtherFields(t *testing.T) {
	en := NewEngine(DefaultConfig(), load(t, anyExport), nobody{})
	apply(en, export("a", 0, 5000))
	en.SetRules(load(t, bigExport))
	if got := apply(en, export("b", time.Minute, 999), export("c", time.Minute, 1000)); len(got) != 1 || got[0].Rule.Name != "big" {
		t.Errorf("%+v", got)
	}
}

// The detector takes up new rules between batches, and its checkpoints forget the
// windows of those that are gone.
func TestDetectorFollowsTheRules(t *testing.T) {
	w := &world{crash: calm}
	w.put(export("a", 0, 60), export("b", time.Minute, 60), export("c", 2*time.Minute, 5000), export("d", 3*time.Minute, 60))
	before, after := load(t, anyExport, sumOf100), load(t, bigExport)
	current := before
	g := &onePartition{world: w}
	g.batch = func() int {
		if g.next == 2 {
			current = after
		}
		return 1
	}
	d := New(DefaultConfig(), Deps{
		Events: g, Findings: findingLog{w}, State: stateLedger{w}, Dead: deadLog{w}, Rules: func() *rules.Set { return current },
		People: nobody{}, Logger: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(), Now: func() time.Time { return monday },
	})
	_ = d.Run(t.Context()) // ends with the log
	if len(w.findings) != 2 || w.findings[0].Rule.Name != "burst" || w.findings[1].Rule.Name != "big" || w.findings[1].Rows != 5000 {
		t.Errorf("found %+v", w.findings)
	}
	last := map[string]bool{} // whether a key has a value
	for _, r := range w.state {
		last[string(r.Key)] = r.Value != nil
	}
	for key, there := range last {
		if strings.Contains(key, "30000000") && there {
			t.Errorf("the window %s of a rule that is gone is still kept", key)
		}
	}
}
