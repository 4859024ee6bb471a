package rules_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/rules"
)

// A rule is looked at only where an index has found something of it.
func TestOnlyTouchedRulesAreEvaluated(t *testing.T) {
	for _, tt := range []struct {
		detection string
		record    []any
		evaluated uint64
	}{
		// A whole value, or any of several.
		{"s: {action: export, rows|gt: 5}\ncondition: s", r("action", "view", "rows", 9), 0},
		{"s: {action: export, rows|gt: 5}\ncondition: s", r("action", "EXPORT", "rows", 1), 1},
		{"s: {action: [export, 7]}\ncondition: s", r("action", 7), 1},
		{"s: {action: [export, 7]}\ncondition: s", r("action", "7.0"), 0},
		// A part, only where it belongs.
		{"s: {app|startswith: load}\ncondition: s", r("app", "dataloader"), 0},
		{"s: {app|startswith: load}\ncondition: s", r("app", "Loader"), 1},
		{"s: {app|endswith: load}\ncondition: s", r("app", "loader"), 0},
		{"s: {app|contains|all: [aa, longest]}\ncondition: s", r("app", "aa"), 0},
		{"s: {app: 'a*longest?c'}\ncondition: s", r("app", "abc"), 0},
		// A regular expression's literal, in any case.
		{"s: {app|re: '^[a-z]+-(job|task)-[0-9]+$'}\ncondition: s", r("app", "x-work-1"), 0},
		{"s: {app|re: '^[a-z]+-(job|task)-[0-9]+$'}\ncondition: s", r("app", "x-task-"), 1},
		{"s: {app|re|i: 'ſecret'}\ncondition: s", r("app", "SECRET"), 1},
		// Whole before part, though both are there.
		{"s: {app|contains: a, action: export}\ncondition: s", r("app", "a", "action", "view"), 0},
		// Alternatives need one of them, each.
		{"s: {action: export}\nt: {app|contains: curl}\ncondition: s or t", r("app", "firefox"), 0},
		{"s: {action: export}\nt: {app|contains: curl}\ncondition: s or t", r("app", "curl/8"), 1},
		{"s: {action: export}\nt: {rows|gt: 5}\ncondition: s or t", r(), 1},
		// The negation of a negation, and what else is behind one.
		{"s: {action|neq: export}\ncondition: not s", r("action", "view"), 0},
		{"s: {action|neq: export}\nt: {rows: 1}\ncondition: not (s or t)", r("action", "view"), 0},
		{"s: {action: export}\ncondition: not s", r("action", "view"), 1},
		// Keywords.
		{"k: [curl, sqlmap]\ncondition: k", r("app", "firefox"), 0},
		{"k: [curl, sqlmap]\ncondition: k", r("app", "x", "reason", "SQLMAP"), 1},
		// Nothing stands for numbers, networks and null.
		{"s: {rows|gt: 5}\ncondition: s", r("rows", 1), 1},
		{"s: {app: null}\ncondition: s", r("app", "x"), 1},
		{"s: {app: '*'}\ncondition: s", r(), 1},
	} {
		m := mustLoad(t, rule(tt.detection)).Matcher()
		if m.Match(newRecord(tt.record...)); m.Evaluated() != tt.evaluated {
			t.Errorf("%s\nwith %v: %d rules evaluated, want %d", tt.detection, tt.record, m.Evaluated(), tt.evaluated)
		}
	}
}

func TestRulesThatDoNotMatchAreNotEvaluated(t *testing.T) {
	few, many := mustLoad(t, withRare(10)).Matcher(), mustLoad(t, withRare(3000)).Matcher()
	for _, rec := range commonRecords() {
		few.Match(rec)
		many.Match(rec)
	}
	if few.Evaluated() != many.Evaluated() {
		t.Errorf("%d evaluations of ten rules, %d of 3,000", few.Evaluated(), many.Evaluated())
	}
}

func TestMatchesAreInTheOrderOfTheSet(t *testing.T) {
	var detections []string
	for i := range 130 {
		detections = append(detections, []string{
			"s: {action: export}\ncondition: s",
			"s: {action: view}\ncondition: not s",
			"s: {app|contains: load}\ncondition: s",
			"s: {action: view}\ncondition: s",
		}[i*7%4])
	}
	got := -1
	for _, r := range mustLoad(t, ruleSet(detections)).Matcher().Match(newRecord("action", "export", "app", "Loader")) {
		for got++; detections[got] == "s: {action: view}\ncondition: s"; got++ {
		}
		if r.Index != got {
			t.Fatalf("rule %d after those before %d", r.Index, got)
		}
	}
	if got < 128 {
		t.Errorf("the last match is rule %d of 130", got)
	}
}

func TestLookupTableAsValues(t *testing.T) {
	var big strings.Builder
	for i := range 90_000 {
		fmt.Fprintf(&big, "- Person %d\n", i)
	}
	files := fstest.MapFS{
		"lookups/people.yml": {Data: []byte(big.String())},
		"lookups/nobody.yml": {Data: []byte("[]")},
		"rules.yml": {Data: []byte(ruleSet([]string{
			"s: {actor.name|expand: '%people%'}\ncondition: s",
			"s: {actor.name|expand|neq: '%people%'}\ncondition: s",
			"s: {actor.name|expand: '%nobody%'}\ncondition: s",
			"s: {actor.name|expand|neq: '%nobody%'}\ncondition: s",
			"s: {actor.name|contains|expand: '%people%'}\ncondition: s",
		}))},
	}
	set, err := rules.Load(files, fields(), options)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"PERSON 77777": "[0 3 4]", "person 77777 of 9": "[1 3 4]", "person": "[1 3]", "": "[1 3]",
	} {
		var got []int
		for _, r := range set.Matcher().Match(newRecord("actor.name", name)) {
			got = append(got, r.Index)
		}
		if fmt.Sprint(got) != want {
			t.Errorf("%q matches %v, want %s", name, got, want)
		}
	}
}

// Every rule is evaluated to its end, for each of them matches.
func TestNoConstructAllocates(t *testing.T) {
	set := mustLoad(t, ruleSet([]string{
		"s: {action: [view, EXPORT], rows|gte: 1000}\nf: {outcome: failure}\ncondition: s and not f",
		"s: {user_agent|contains: [curl, '客户'], user_agent|endswith: ')'}\ncondition: s",
		"s: {app|contains|cased: Load, app: 'Da*lo?der'}\ncondition: s",
		"s: {app|re: '^D.*r$'}\nt: {rows|re: '^123'}\nu: {bytes|re: '\\.5'}\ncondition: all of them",
		"s: {rows|contains: 34, bytes: '1234.5', bytes|gt: 1000.5, rows|startswith: 12}\ncondition: s",
		"k: [客户, 12345, '1234.5']\ncondition: k",
		"k: {'|all': [客户, 12345, '1234.5']}\ncondition: k",
		"s: {src_ip|cidr: 203.0.113.0/24, time|hour|gte: 22, reason|lt: 1e3}\ncondition: s",
		"s: {rows|fieldref: session, object.name|fieldref|endswith: bytes}\ncondition: s",
		"s: {object.type: [Lead, Deal], object.type|contains|all: [ead, eal], object.type|neq: Account}\ncondition: s",
		"s: {country: null, actor.name|exists: true, actor.name: null}\ncondition: s",
		"s: {src_ip|cidr|neq: 10.0.0.0/8, app|gt|neq: 5, app|hour|neq: 5, local.off_hours: true}\ncondition: s",
	}))
	rec := newRecord("action", "Export", "rows", 12345, "user_agent", "Mozilla/5.0 (客户)", "app", "DataLoader",
		"src_ip", "203.0.113.7", "time", "2026-01-02T23:00:00.000Z", "reason", "99.5", "session", "12345",
		"object.name", "cost 1234.5", "local.off_hours", true)
	list := fields()
	for path, v := range map[string]event.Value{
		"bytes":       event.FloatValue(1234.5),
		"object.type": event.ListValue(event.StringValue("lead"), event.StringValue("Deal"), event.IntValue(77777)),
		"actor.name":  event.NullValue(),
	} {
		f, _ := list.Field(path)
		rec.Values[f] = v
		if v.Kind == event.Float {
			rec.Leaves = append(rec.Leaves, v)
		}
	}
	m := set.Matcher()
	if got := len(m.Match(rec)); got != len(set.Rules()) {
		t.Errorf("%d rules match, want %d", got, len(set.Rules()))
	}
	m.Match(rec) // the text cache fills
	// With the race detector, the pools of the regexp package lose what they are
	// given now and then, by chance; what allocates for good does so always.
	least := testing.AllocsPerRun(1, func() { m.Match(rec) })
	for range 200 {
		least = min(least, testing.AllocsPerRun(1, func() { m.Match(rec) }))
	}
	if least != 0 {
		t.Errorf("a match makes %v allocations", least)
	}
}
