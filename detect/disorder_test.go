package detect

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/crmwatch/crmwatch/alert"
	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/rules"
)

// disorderRules have correlations of every way of deciding: at once, at the
// watermark, at the end of a window, in order, and over each other.
func disorderRules(t testing.TB) *rules.Set {
	docs := []string{anyExport, strings.NewReplacer("000000000001", "000000000003", "any export", "any view", "any_export", "any_view", "action: export", "action: view").Replace(anyExport), bigExport}
	for i, body := range []string{
		"type: event_count, rules: [any_export], timespan: 20m, condition: {gte: 4}",
		"type: event_count, rules: [any_view], timespan: 20m, condition: {lt: 2}",
		"type: value_count, rules: [any_export, any_view], timespan: 20m, condition: {gte: 3, field: object.id}",
		"type: value_sum, rules: [any_export], timespan: 20m, condition: {gte: 60, field: rows}",
		"type: value_avg, rules: [any_export], timespan: 20m, condition: {gt: 20, field: rows}",
		"type: value_median, rules: [any_export], timespan: 20m, condition: {gte: 25, field: rows}",
		"type: temporal, rules: [any_export, any_view], timespan: 10m",
		"type: temporal_ordered, rules: [any_view, any_export], timespan: 10m",
		"type: temporal, rules: [any_export, any_view], timespan: 30m, condition: any_export and not any_view",
		"type: event_count, rules: [c0], timespan: 1h, condition: {gte: 3}",
		"type: temporal_ordered, rules: [c8, any_view], timespan: 1h",
	} {
		docs = append(docs, fmt.Sprintf("title: c%d\nid: 30000000-0000-4000-8000-0000000001%02d\nname: c%d\nlevel: high\ncorrelation: {%s, group-by: [actor.key], generate: true}", i, i, i, body))
	}
	return load(t, docs...)
}

func drawEvents(t *rapid.T) (events []*event.Event) {
	for i := range rapid.IntRange(1, 80).Draw(t, "events") {
		e := export(fmt.Sprintf("e%02d", i), time.Duration(rapid.IntRange(0, 480).Draw(t, "minute"))*time.Minute, int64(rapid.SampledFrom([]int{0, 10, 20, 40, 2000}).Draw(t, "rows")))
		e.Actor.ID = rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "actor")
		e.Object.ID = rapid.SampledFrom([]string{"", "x", "y", "z"}).Draw(t, "object")
		if rapid.Bool().Draw(t, "view") {
			e.Action = event.View
		}
		events = append(events, e)
	}
	slices.SortStableFunc(events, func(a, b *event.Event) int { return a.Time.Compare(b.Time) })
	return events
}

// disturb puts the events in another order, and one in twenty a second time.
func disturb(t *rapid.T, events []*event.Event) []*event.Event {
	events = slices.Clone(events)
	for _, e := range events {
		if rapid.IntRange(0, 19).Draw(t, "twice") == 0 {
			events = append(events, e)
		}
	}
	return rapid.Permutation(events).Draw(t, "order")
}

// standing are the findings that were not withdrawn, by id: the last revision of
// each, without how it came about.
func standing(fs []alert.Finding) map[string]alert.Finding {
	out := map[string]alert.Finding{}
	for _, f := range fs {
		if last, ok := out[f.ID]; ok && last.Revision > f.Revision {
			continue
		}
		out[f.ID] = f
	}
	for id, f := range out {
		f.Revision, f.Replaces = 0, nil
		if out[id] = f; f.State == alert.Withdrawn {
			delete(out, id)
		}
	}
	return out
}

// Events out of order and twice, over engines that each have some of the people,
// end in the findings of one engine that had every event once and in order: the
// same ids, the same last revisions, in the same state.
func TestDisorderChangesNothing(t *testing.T) {
	set := disorderRules(t)
	rapid.Check(t, func(t *rapid.T) {
		events := drawEvents(t)
		undisturbed := NewEngine(DefaultConfig(), set, nobody{})
		want := standing(slices.Concat(slices.Clone(apply(undisturbed, events...)), undisturbed.Close()))

		engines := make([]*Engine, rapid.IntRange(1, 4).Draw(t, "engines"))
		for i := range engines {
			engines[i] = NewEngine(DefaultConfig(), set, nobody{})
		}
		var found []alert.Finding
		order := ""
		for _, e := range disturb(t, events) {
			order += fmt.Sprintf("%s %v actor %s, %s of %d rows, object %q\n", e.ID, e.Time.Sub(monday), e.Actor.ID, e.Action, e.Rows, e.Object.ID)
			found = append(found, engines[int(e.Actor.ID[0])%len(engines)].Apply(e)...)
		}
		for _, en := range engines {
			found = append(found, en.Close()...)
		}
		if diff := gocmp.Diff(want, standing(found)); diff != "" {
			t.Fatalf("(-undisturbed +disturbed):\n%s\n%s", diff, order)
		}
	})
}
