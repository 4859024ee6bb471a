package detect

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"pgregory.net/rapid"

	"github.com/crmwatch/crmwatch/alert"
	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/roster"
	"github.com/crmwatch/crmwatch/rules"
)

// monday is a Monday, 10:00 in Shanghai.
var monday = time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC)

// nobody is a roster without people and without a time zone.
type nobody struct{}

func (nobody) Person(string, string) (*roster.Person, bool) { return nil, false }
func (nobody) Len() int                                     { return 0 }
func (nobody) Local(*roster.Person, time.Time) (time.Time, bool) {
	return time.Time{}, false
}
func (nobody) OffHours(*roster.Person, time.Time) (off, ok bool) { return false, false }

func load(t testing.TB, docs ...string) *rules.Set {
	t.Helper()
	set, err := rules.Load(fstest.MapFS{"r.yml": {Data: []byte(strings.Join(docs, "\n---\n"))}}, NewSchema(), rules.Options{GroupByOneOf: rules.PersonFields()})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

const anyExport = `
title: any export
id: 20000000-0000-4000-8000-000000000001
name: any_export
level: informational
logsource: {product: crm, category: audit}
detection: {sel: {action: export}, condition: sel}`

func correlation(kind, condition string) string {
	return `
title: burst
id: 30000000-0000-4000-8000-000000000001
name: burst
level: high
correlation:
  type: ` + kind + `
  rules: [any_export]
  group-by: [actor.key]
  timespan: 1h
  condition: {` + condition + `}`
}

const bigExport = `
title: big export
id: 20000000-0000-4000-8000-000000000002
name: big
level: high
logsource: {product: crm, category: audit}
detection: {sel: {action: export, rows|gte: 1000}, condition: sel}`

func export(id string, after time.Duration, rows int64) *event.Event {
	return &event.Event{
		ID: id, Time: monday.Add(after), Collected: monday.Add(after + time.Minute), Tenant: "t", Source: "zoho", Action: event.Export,
		Actor: event.Actor{ID: "7", Name: "fang"}, Object: event.Object{Type: "Contact", Name: "Ms Secret"}, Rows: rows, Outcome: event.Success,
		SrcIP: "203.0.113.9", Country: "CN", App: "web", Raw: "secret",
	}
}

func apply(en *Engine, events ...*event.Event) (found []alert.Finding) {
	for _, e := range events {
		found = append(found, en.Apply(e)...)
	}
	return found
}

// newest keeps of every finding the last revision, in the order in which they
// were first told.
func newest(fs []alert.Finding) (out []alert.Finding) {
	for _, f := range fs {
		i := slices.IndexFunc(out, func(o alert.Finding) bool { return o.ID == f.ID })
		if i < 0 {
			out = append(out, f)
		} else {
			out[i] = f
		}
	}
	return out
}

// A burst is one finding, told at once, extended while it goes on, and closed
// when it has been quiet for its timespan.
func TestBurstIsOneFinding(t *testing.T) {
	en := NewEngine(DefaultConfig(), load(t, anyExport, correlation("value_sum", "gte: 100, field: rows")), nobody{})
	got := apply(en, export("a", 0, 40), export("b", 10*time.Minute, 59), export("c", 20*time.Minute, 1))
	if len(got) != 1 {
		t.Fatalf("%d findings: %+v", len(got), got)
	}
	f := got[0]
	if f.Measured != 100 || f.Threshold != 100 || f.Unit != "rows" || f.Count != 3 || f.Rows != 100 || f.Revision != 0 || f.State != alert.Open {
		t.Errorf("%+v", f)
	}
	if !f.Start.Equal(monday) || !f.End.Equal(monday.Add(20*time.Minute)) || !f.Detected.Equal(monday.Add(21*time.Minute)) {
		t.Errorf("window %v to %v, detected %v", f.Start, f.End, f.Detected)
	}
	if f.Subject.Key != "zoho:7" || f.Subject.Name != "fang" || f.Rule.Name != "burst" || f.Rule.Level != alert.High || len(f.Rule.Version) != 12 {
		t.Errorf("%+v", f)
	}
	if ids := []string{f.Events[0].ID, f.Events[1].ID, f.Events[2].ID}; !slices.Equal(ids, []string{"a", "b", "c"}) {
		t.Errorf("events %v", ids)
	}
	got = newest(append(got, apply(en, export("d", 50*time.Minute, 500), export("e", 110*time.Minute, 500))...))
	if len(got) != 1 || got[0].Measured != 1000 || got[0].Count != 5 || got[0].Revision == 0 || got[0].Detected != f.Detected {
		t.Errorf("%+v", got)
	}
	// An hour and a minute of quiet: the next burst is another one.
	got = newest(append(got, apply(en, export("f", 171*time.Minute+2*time.Minute, 500))...))
	if len(got) != 2 || got[0].State != alert.Closed || got[1].State != alert.Open || got[0].ID == got[1].ID {
		t.Errorf("%+v", got)
	}
}

// A late event that joins two bursts amends the first and withdraws the second.
func TestLateEventJoinsBursts(t *testing.T) {
	set := load(t, anyExport, correlation("event_count", "gte: 2"))
	en := NewEngine(DefaultConfig(), set, nobody{})
	got := newest(apply(en, export("a", 0, 1), export("b", time.Minute, 1), export("x", 2*time.Hour, 1), export("y", 121*time.Minute, 1)))
	if len(got) != 2 {
		t.Fatalf("%+v", got)
	}
	first, second := got[0].ID, got[1].ID
	got = newest(append(got, apply(en, export("late", 61*time.Minute, 1))...))
	if len(got) != 2 || got[0].Count != 5 || !slices.Equal(got[0].Replaces, []string{second}) {
		t.Errorf("%+v", got)
	}
	if got[1].State != alert.Withdrawn || got[1].ReplacedBy != first {
		t.Errorf("%+v", got[1])
	}
}

// The window includes both its ends, as the Sigma conformance cases have it.
func TestWindowEndsAreIncluded(t *testing.T) {
	set := load(t, anyExport, correlation("event_count", "gte: 2"))
	if got := apply(NewEngine(DefaultConfig(), set, nobody{}), export("a", 0, 1), export("b", time.Hour, 1)); len(got) != 1 {
		t.Errorf("an hour apart: %d findings", len(got))
	}
	if got := apply(NewEngine(DefaultConfig(), set, nobody{}), export("a", 0, 1), export("b", time.Hour+time.Millisecond, 1)); len(got) != 0 {
		t.Errorf("more than an hour apart: %d findings", len(got))
	}
}

func TestStrictComparison(t *testing.T) {
	en := NewEngine(DefaultConfig(), load(t, anyExport, correlation("event_count", "gt: 2")), nobody{})
	if got := apply(en, export("a", 0, 1), export("b", 1, 1)); len(got) != 0 {
		t.Errorf("two are not more than two: %+v", got)
	}
	if got := apply(en, export("c", 2*time.Millisecond, 1)); len(got) != 1 {
		t.Errorf("%d findings", len(got))
	}
}

func TestValueCountCountsDistinctValues(t *testing.T) {
	en := NewEngine(DefaultConfig(), load(t, anyExport, correlation("value_count", "gte: 2, field: object.id")), nobody{})
	with := func(e *event.Event, object string) *event.Event { e.Object.ID = object; return e }
	if got := apply(en, with(export("a", 0, 1), "x"), with(export("b", 1*time.Minute, 1), "x"), export("c", 2*time.Minute, 1)); len(got) != 0 {
		t.Errorf("one value: %+v", got)
	}
	if got := apply(en, with(export("d", 3*time.Minute, 1), "y")); len(got) != 1 || got[0].Measured != 2 {
		t.Errorf("%+v", got)
	}
}

func TestSingleEventsAreOneFindingEach(t *testing.T) {
	en := NewEngine(DefaultConfig(), load(t, bigExport), nobody{})
	got := apply(en, export("a", 0, 999), export("b", 0, 1000), export("c", 0, 1000), export("b", 0, 1000))
	if got = newest(got); len(got) != 2 {
		t.Fatalf("%+v", got)
	}
	if got[0].Threshold != 0 || got[0].Rows != 1000 || got[0].Count != 1 {
		t.Errorf("%+v", got[0])
	}
}

// Each person has a window of their own, and so has each tenant.
func TestGroupsAreApart(t *testing.T) {
	en := NewEngine(DefaultConfig(), load(t, anyExport, correlation("event_count", "gte: 2")), nobody{})
	other, elsewhere := export("b", 0, 1), export("c", 0, 1)
	other.Actor.ID = "8"
	elsewhere.Tenant = "u"
	if got := apply(en, export("a", 0, 1), other, elsewhere); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestCustomersDataStaysOut(t *testing.T) {
	en := NewEngine(DefaultConfig(), load(t, bigExport), nobody{})
	got := apply(en, export("a", 0, 5000))
	if s := fmt.Sprintf("%+v", got); strings.Contains(strings.ToLower(s), "secret") {
		t.Error(s)
	}
}

func TestTooLateIsCounted(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Lateness = time.Hour
	en := NewEngine(cfg, load(t, anyExport, correlation("event_count", "gte: 2")), nobody{})
	apply(en, export("a", 0, 1), export("b", 10*time.Hour, 1))
	if got := apply(en, export("c", 10*time.Second, 1)); len(got) != 0 || en.Counters().Late != 1 {
		t.Errorf("%d findings, %d late", len(got), en.Counters().Late)
	}
	// Within the lateness it is put where it belongs.
	if got := apply(en, export("d", 9*time.Hour+30*time.Minute, 1)); len(got) != 1 || en.Counters().Late != 1 {
		t.Errorf("%d findings, %d late", len(got), en.Counters().Late)
	}
}

// A clock in the future does not carry the watermark away.
func TestWatermarkIsBoundByCollection(t *testing.T) {
	en := NewEngine(DefaultConfig(), load(t, bigExport), nobody{})
	e := export("a", 1000*time.Hour, 1)
	e.Collected = monday
	en.Apply(e)
	if got := en.Watermark(); !got.Equal(monday.Add(10 * time.Minute)) {
		t.Error(got)
	}
}

func TestHostileNumbersDoNotBlind(t *testing.T) {
	en := NewEngine(DefaultConfig(), load(t, anyExport, correlation("value_sum", "gte: 100, field: rows")), nobody{})
	for i := range 20 {
		en.Apply(export(fmt.Sprint("h", i), time.Duration(i), 1<<63-1))
	}
	if got := apply(en, export("a", 48*time.Hour, 60), export("b", 48*time.Hour+time.Second, 60)); got[len(got)-1].Measured != 120 {
		t.Errorf("%+v", got)
	}
}

// The oracle counts every window from scratch on all events in the order of
// time.
func TestSumsAgreeWithOracle(t *testing.T) {
	set := load(t, anyExport, correlation("value_sum", "gte: 50, field: rows"))
	rapid.Check(t, func(t *rapid.T) {
		var events []*event.Event
		for i := range rapid.IntRange(1, 60).Draw(t, "n") {
			after := time.Duration(rapid.IntRange(0, 300).Draw(t, "minute")) * time.Minute
			events = append(events, export(fmt.Sprintf("e%02d", i), after, int64(rapid.IntRange(0, 30).Draw(t, "rows"))))
		}
		slices.SortStableFunc(events, func(a, b *event.Event) int { return a.Time.Compare(b.Time) })
		want := oracle(events, time.Hour, 50)
		en := NewEngine(DefaultConfig(), set, nobody{})
		var got []int64
		var found []alert.Finding
		for _, f := range apply(en, events...) {
			if f.Revision == 0 {
				got = append(got, f.End.UnixMilli())
			}
			found = append(found, f)
		}
		if n := len(newest(found)); n != len(want) {
			t.Fatalf("%d findings, want %d", n, len(want))
		}
		if !slices.Equal(got, want) {
			t.Fatalf("ends of findings %v, want %v", got, want)
		}
	})
}

// oracle gives the first instant of every burst: instants that hold, none further
// than the span from the next.
func oracle(events []*event.Event, span time.Duration, threshold int64) (first []int64) {
	last := int64(math.MinInt64 / 2)
	for _, e := range events {
		var sum int64
		for _, o := range events {
			if d := e.Time.Sub(o.Time); d >= 0 && d <= span {
				sum += o.Rows
			}
		}
		at := e.Time.UnixMilli()
		if sum < threshold {
			continue
		}
		if at-last > span.Milliseconds() {
			first = append(first, at)
		}
		last = at
	}
	return first
}

// Whatever the order of arrival, a burst that is over the threshold is found.
func TestShuffledBurstIsFound(t *testing.T) {
	set := load(t, anyExport, correlation("value_sum", "gte: 100, field: rows"))
	for seed := range uint64(50) {
		var events []*event.Event
		for i := range 10 {
			events = append(events, export(fmt.Sprint(i), time.Duration(i)*5*time.Minute, 10))
		}
		rand.New(rand.NewPCG(seed, 1)).Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		if got := newest(apply(NewEngine(DefaultConfig(), set, nobody{}), events...)); len(got) != 1 || got[0].Rows != 100 {
			t.Errorf("seed %d: %+v", seed, got)
		}
	}
}

// An engine that is restored from a checkpoint, and given the events since, goes
// on as if nothing had been; also when some of them are given again.
func TestRestoredEngineGoesOn(t *testing.T) {
	set := load(t, anyExport, correlation("value_sum", "gte: 100, field: rows"), bigExport)
	rapid.Check(t, func(t *rapid.T) {
		var events []*event.Event
		for i := range rapid.IntRange(1, 80).Draw(t, "n") {
			after := time.Duration(i*4+rapid.IntRange(-30, 0).Draw(t, "disorder")) * time.Minute
			e := export(fmt.Sprint("e", i), after, int64(rapid.SampledFrom([]int{5, 20, 40, 2000}).Draw(t, "rows")))
			e.Actor.ID = rapid.SampledFrom([]string{"7", "8"}).Draw(t, "actor")
			events = append(events, e)
		}
		want := ids(apply(NewEngine(DefaultConfig(), set, nobody{}), events...))
		cut := rapid.IntRange(0, len(events)).Draw(t, "cut")
		again := rapid.IntRange(0, cut).Draw(t, "again")
		first := NewEngine(DefaultConfig(), set, nobody{})
		got := ids(apply(first, events[:cut]...))
		second := NewEngine(DefaultConfig(), set, nobody{})
		restoreFrom(t, second, first)
		got = append(got, ids(apply(second, events[cut-again:]...))...)
		slices.Sort(want)
		slices.Sort(got)
		want, got = slices.Compact(want), slices.Compact(got)
		if !slices.Equal(got, want) {
			t.Fatalf("findings %v, want %v", got, want)
		}
	})
}

func ids(fs []alert.Finding) (out []string) {
	for _, f := range fs {
		out = append(out, fmt.Sprint(f.ID, " ", f.Revision))
	}
	return out
}

func restoreFrom(t *rapid.T, to, from *Engine) {
	changes, err := from.changes()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range changes {
		if err := to.restore(c.key, c.value); err != nil {
			t.Fatal(err)
		}
	}
	to.resume(&marker{Watermark: from.newest, Sources: maps.Clone(from.sources)})
}

// A rule whose logic changed starts with an empty window, and the old one is
// deleted with the next checkpoint.
func TestChangedRuleStartsAfresh(t *testing.T) {
	old := NewEngine(DefaultConfig(), load(t, anyExport, correlation("event_count", "gte: 2")), nobody{})
	old.Apply(export("a", 0, 1))
	changes, err := old.changes()
	if err != nil {
		t.Fatal(err)
	}
	en := NewEngine(DefaultConfig(), load(t, anyExport, correlation("event_count", "gte: 3")), nobody{})
	for _, c := range changes {
		if err := en.restore(c.key, c.value); err != nil {
			t.Fatal(err)
		}
	}
	if en.Groups() != 0 {
		t.Errorf("%d windows", en.Groups())
	}
	gone, err := en.changes()
	if err != nil {
		t.Fatal(err)
	}
	deleted := slices.ContainsFunc(gone, func(c change) bool { return strings.HasPrefix(c.key, windowMark) && c.value == nil })
	if !deleted {
		t.Errorf("nothing is deleted: %v", gone)
	}
}

// However much one account does, an event costs little: what is kept is dropped
// in bulk.
func BenchmarkHotAccount(b *testing.B) {
	en := NewEngine(DefaultConfig(), load(b, anyExport, correlation("value_sum", "gte: 1000000000, field: rows")), nobody{})
	e := export("", 0, 1)
	for i := range b.N {
		e.ID, e.Time = strconv.Itoa(i), monday.Add(time.Duration(i)*time.Millisecond)
		en.Apply(e)
	}
}

func TestWindowMemoryIsBounded(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Entries = 100
	en := NewEngine(cfg, load(t, anyExport, correlation("event_count", "gte: 1000")), nobody{})
	for i := range 1000 {
		en.Apply(export(fmt.Sprint(i), time.Duration(i)*time.Second, 1))
	}
	if n := en.Counters().Sketched; n < 800 {
		t.Errorf("only %d events were folded into sketches", n)
	}
}

// A partition that has seen nothing but poison has come nowhere yet: what is
// decided by the watermark waits for events.
func TestNoSourcesIsNoWatermark(t *testing.T) {
	set := load(t, anyExport, correlation("event_count", "gte: 2"))
	en := NewEngine(DefaultConfig(), set, nobody{})
	en.resume(&marker{Next: 7, Sources: sources{}, Codec: codecVersion})
	got := apply(en, export("a", 0, 1), export("b", time.Minute, 1))
	if len(got) != 1 || got[0].State != alert.Open {
		t.Errorf("%+v", got)
	}
}

// A finding that is withdrawn says so, although none of its instants is left.
func TestWithdrawnFindingIsTold(t *testing.T) {
	set := load(t, anyExport, correlation("value_avg", "gte: 100, field: rows"))
	en := NewEngine(DefaultConfig(), set, nobody{})
	got := apply(en, export("a", 2*time.Minute, 100), export("b", 2*time.Hour, 1), export("late", time.Minute, 1))
	got = newest(append(got, slices.Clone(en.Close())...))
	if len(got) != 1 || got[0].State != alert.Withdrawn || got[0].Subject.Key != "zoho:7" {
		t.Errorf("%+v", got)
	}
}

// A rule of one event that is suppressed by person need not read who it was, and
// neither need any other rule.
func TestSuppressionNeedsNoRuleThatReadsThePerson(t *testing.T) {
	en := NewEngine(DefaultConfig(), load(t, bigExport+"\ncrmwatch: {suppress: 1h}"), nobody{})
	got := newest(apply(en, export("a", 0, 5000), export("b", time.Minute, 5000), export("c", 3*time.Hour, 5000)))
	if len(got) != 2 {
		t.Errorf("%d alerts of two bursts", len(got))
	}
}

// An alert that what came late shows not to hold is withdrawn, although none of
// its events counts for it any more.
func TestWithdrawnByWhatMustNotHappen(t *testing.T) {
	const rules = `
title: deletion
id: 20000000-0000-4000-8000-000000000003
name: deletion
level: informational
logsource: {product: crm, category: audit}
detection: {sel: {action: delete}, condition: sel}
---
title: kept
id: 30000000-0000-4000-8000-000000000002
name: kept
level: high
correlation:
  type: temporal
  group-by: [actor.key]
  timespan: 15m
  condition: any_export and not deletion`
	deletion := func(id string, after time.Duration) *event.Event {
		e := export(id, after, 0)
		e.Action = event.Delete
		return e
	}
	en := NewEngine(DefaultConfig(), load(t, anyExport, rules), nobody{})
	got := apply(en, export("a", 9*time.Minute, 1), deletion("b", 28*time.Minute), deletion("late", 18*time.Minute))
	if len(got) != 2 || got[0].State == alert.Withdrawn || got[1].State != alert.Withdrawn || got[1].ID != got[0].ID || got[1].Revision != 1 || got[1].Subject.Key != "zoho:7" {
		t.Fatalf("told %+v", got)
	}
	if e := got[1].Events; len(e) != 1 || e[0].ID != "a" {
		t.Errorf("the evidence was %+v", e)
	}
}
