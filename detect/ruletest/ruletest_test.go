package ruletest

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/crmwatch/crmwatch/detect"
	"github.com/crmwatch/crmwatch/rules"
	"github.com/crmwatch/crmwatch/rules/pack"
)

const feeder = `
title: Export
id: 20000000-0000-4000-8000-000000000001
name: any_export
logsource: {product: crm, category: audit}
detection: {sel: {action: export}, condition: sel}
`

// under is a document of a rule with tests in it.
func under(head, tests string) string {
	return "---\ntitle: Under test\nid: 30000000-0000-4000-8000-000000000001\nname: tested\n" + head + "\ncrmwatch: {" + tests + "}\n"
}

func count(condition, more string) string {
	return "correlation: {type: event_count, rules: [any_export], group-by: [actor.key], timespan: 1h, condition: {" + condition + "}" + more + "}"
}

func single(fields string) string {
	return "logsource: {product: crm, category: audit}\ndetection: {sel: {" + fields + "}, condition: sel}"
}

func TestRun(t *testing.T) {
	for name, c := range map[string]struct {
		head   string
		events string
		extra  string // of the key crmwatch
		found  int
		says   string
	}{
		"an event":               {single("rows|gte: 10"), "{action: export, rows: 10}", "", 1, "of 1 events, tested matched 1"},
		"none":                   {single("rows|gte: 10"), "{action: export, rows: 9}", "", 0, "of 1 events, tested matched 0"},
		"each event":             {single("rows|gte: 10"), "{rows: 10, repeat: 3, every: 1s}", "", 3, ""},
		"suppressed":             {single("rows|gte: 10"), "{rows: 10, repeat: 3, every: 1s}", "suppress: 1h, ", 1, ""},
		"suppressed by person":   {single("rows|gte: 10"), "{rows: 10, actor.id: 'p{n}', repeat: 3}", "suppress: 1h, ", 3, ""},
		"a derived field":        {single("person.status: left, account.idle_days|gte: 60"), "{person.status: left, account.idle_days: 60}", "", 1, ""},
		"what was not said":      {single("rows: 0, outcome: success, source: test, actor.key: 'test:1', tenant: t"), "{action: view}", "", 1, ""},
		"the account is the key": {single("actor.key: 'test:7'"), "{actor.id: 7}", "", 1, ""},
		"whatever the source":    {single("actor.key: 'test:7'"), "{actor.id: 7, source: zoho}", "", 1, ""},
		"the person is the key":  {single("actor.key: E7"), "{actor.id: 7, actor.person: E7}", "", 1, ""},
		"the key is the key":     {single("actor.key: K"), "{actor.id: 7, actor.person: E7, actor.key: K}", "", 1, ""},
		"the repetition":         {single("object.id: r3x3"), "{object.id: 'r{n}x{n}', repeat: 4}", "", 1, ""},
		"a burst":                {count("gte: 3", ""), "{action: export, repeat: 3, every: 30m}", "", 1, "of 3 events, any_export matched 3"},
		"too slow a burst":       {count("gte: 3", ""), "{action: export, repeat: 3, every: 31m}", "", 0, ""},
		"two bursts":             {count("gte: 2", ""), "{action: export, repeat: 2}, {after: 2d, action: export, repeat: 2}", "", 2, ""},
		"a burst going on":       {count("gte: 2", ""), "{action: export, repeat: 200, every: 10m}", "", 1, ""},
		"written in any order":   {count("gte: 2", ""), "{after: 3h, action: view}, {after: 10m, action: export}, {action: export}", "", 1, ""},
		"of two people":          {count("gte: 2", ""), "{action: export, actor.id: 'u{n}', repeat: 2}", "", 0, ""},
		"decided in the end":     {count("lte: 2", ""), "{action: export}", "", 1, ""},
		"an identical delivery":  {count("gte: 2", ""), "{action: export, id: same, repeat: 2}", "", 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			set := load(t, feeder+under(c.head, c.extra+"tests: {match: [{name: x, events: ["+c.events+"]}]}"))
			about := tested(t, set)
			res, err := Run(set, about.Tests[0], about)
			if err != nil {
				t.Fatal(err)
			}
			if res.Found != c.found || c.says != "" && res.String() != c.says {
				t.Errorf("found %d (%s), want %d (%s)", res.Found, res, c.found, c.says)
			}
		})
	}
}

// A rule that only feeds a correlation is asked what it matches, and a correlation
// that only feeds another has nothing to tell.
func TestRunOfFeeders(t *testing.T) {
	outer := "---\ntitle: Outer\nid: 40000000-0000-4000-8000-000000000001\ncorrelation: {type: event_count, rules: [tested], group-by: [actor.key], timespan: 1d, condition: {gte: 2}}\n"
	tests := "tests: {match: [{name: x, events: [{action: export, rows: 10, repeat: 2}]}]}"
	set := load(t, under(single("rows: 10"), tests)+outer)
	about := tested(t, set)
	if res, err := Run(set, about.Tests[0], about); err != nil || res.Found != 2 {
		t.Errorf("%+v, %v", res, err)
	}
	set = load(t, feeder+under(count("gte: 1", ""), tests)+outer)
	about = tested(t, set)
	if _, err := Run(set, about.Tests[0], about); err == nil || !strings.Contains(err.Error(), "the one that refers to it") {
		t.Error(err)
	}
}

// A small file cannot make a test of any size.
func TestRunRefusesHugeTests(t *testing.T) {
	set := load(t, under(single("rows: 10"), "tests: {match: [{name: x, events: [{repeat: 100000}, {repeat: 100000}, {rows: 1}]}]}"))
	about := tested(t, set)
	if _, err := Run(set, about.Tests[0], about); err == nil || !strings.HasPrefix(err.Error(), "r.yml:") {
		t.Error(err)
	}
}

// What ships holds what its authors say of it.
func TestShippedRules(t *testing.T) {
	set, err := rules.Load(pack.FS, detect.NewSchema(), rules.Options{GroupByOneOf: rules.PersonFields()})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range set.Metas() {
		for _, test := range m.Tests {
			res, err := Run(set, test, m)
			if err != nil || (res.Found > 0) != test.Matches {
				t.Errorf("%s: %s: %s: %v %v", test.Pos, m.Name, test.Name, res, err)
			}
		}
	}
}

func load(t *testing.T, doc string) *rules.Set {
	t.Helper()
	set, err := rules.Load(fstest.MapFS{"r.yml": {Data: []byte(doc)}}, detect.NewSchema(), rules.Options{GroupByOneOf: rules.PersonFields()})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func tested(t *testing.T, set *rules.Set) *rules.Meta {
	t.Helper()
	for _, m := range set.Metas() {
		if m.Name == "tested" {
			return m
		}
	}
	t.Fatal("no rule is under test")
	return nil
}
