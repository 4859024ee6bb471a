package rules_test

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/rules"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestLoadErrors loads every folder of testdata/errors, each of which holds files
// with mistakes and the messages to expect in want.txt.
func TestLoadErrors(t *testing.T) {
	dirs, err := filepath.Glob("testdata/errors/*")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			set, err := rules.Load(os.DirFS(dir), fields(), options)
			if err == nil {
				t.Fatal("loads")
			}
			if set != nil {
				t.Error("gives a set with an error")
			}
			golden(t, filepath.Join(dir, "want.txt"), err.Error()+"\n")
		})
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func TestProblemsCarryPositions(t *testing.T) {
	_, err := load(rule("s: {app|contain: x}\ncondition: s"))
	var p *rules.LoadError
	if !errors.As(err, &p) {
		t.Fatalf("%T is no LoadError", err)
	}
	if want := (rules.Position{File: "rules.yml", Line: 5, Column: 7}); p.Pos != want {
		t.Errorf("problem at %+v, want %+v", p.Pos, want)
	}
}

func TestLoadReadsFolders(t *testing.T) {
	one := func(n string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte(strings.ReplaceAll(rule("s: {app: x}\ncondition: s"), "0001", "000"+n))}
	}
	set, err := rules.Load(fstest.MapFS{
		"b/c/two.yaml":      one("2"),
		"a.yml":             one("1"),
		"README.md":         {Data: []byte("no: [rule")},
		"b/.hidden/two.yml": one("2"),
		"empty.yml":         {},
		"comment.yml":       {Data: []byte("# nothing\n---\n---\n")},
	}, fields(), options)
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for i, r := range set.Rules() {
		if r.Index != i {
			t.Errorf("rule %d has the index %d", i, r.Index)
		}
		files = append(files, r.Pos.String())
	}
	if diff := cmp.Diff([]string{"a.yml:1:1", "b/c/two.yaml:1:1"}, files); diff != "" {
		t.Error(diff)
	}
}

// brokenFS fails to open one file.
type brokenFS struct{ fstest.MapFS }

func (b brokenFS) Open(name string) (fs.File, error) {
	if name == "a.yml" {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return b.MapFS.Open(name)
}

func (b brokenFS) ReadFile(name string) ([]byte, error) {
	_, err := b.Open(name)
	return nil, err
}

func TestLoadReportsUnreadableFiles(t *testing.T) {
	_, err := rules.Load(brokenFS{fstest.MapFS{"a.yml": {}}}, fields(), options)
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "read rules: open a.yml") {
		t.Errorf("error is %v", err)
	}
}

func TestMeta(t *testing.T) {
	set := mustLoad(t, `# comment
title: A title
id: 0B1C2D3E-0000-4000-8000-00000000000A
name: a_name
status: test
description: |
  Long.
license: Apache-2.0
author: somebody
date: 2026-11-24
modified: '2026-11-25'
references: [https://example.com/x]
falsepositives: one thing
level: critical
tags: [attack.t1078, attack.initial-access]
related: [{id: 0b1c2d3e-0000-4000-8000-00000000000b, type: similar}]
fields: [rows, actor.id]
my_own_key: ignored by the specification
logsource: {product: crm, category: audit, definition: anything}
detection: {s: {app: x}, condition: s}
scope: [sales, support]
crmwatch:
  response: freeze
  reason: "{actor.name} took {rows} rows in {country}."
  suppress: 1h
  lateness: 7d
  runbook: {en: 1. Call., zh: 1. 打电话。}
  requires:
  - {crm: salesforce, license: Event Monitoring, delay: 3h}
  - {crm: yonyou, blind: true}
  tests:
    match:
    - name: one
      events:
      - {action: export, rows: 10000, local.off_hours: true}
      - {after: 20m, app: "r{n}", repeat: 299, every: 2s}
    no_match:
    - {name: none, events: [{}]}
`)
	got := set.Rules()[0]
	want := rules.Meta{
		ID: "0b1c2d3e-0000-4000-8000-00000000000a", Name: "a_name", Title: "A title", Version: got.Version, Sources: got.Sources,
		Status: "test", Level: "critical", Description: "Long.\n", Author: "somebody", License: "Apache-2.0",
		Date: "2026-11-24", Modified: "2026-11-25",
		FalsePositives: []string{"one thing"}, References: []string{"https://example.com/x"},
		Tags: []string{"attack.t1078", "attack.initial-access"}, Response: rules.ResponseFreeze,
		Reason:   "{actor.name} took {rows} rows in {country}.",
		Window:   rules.Window{Suppress: time.Hour, Lateness: 7 * 24 * time.Hour},
		Runbook:  rules.Runbook{English: "1. Call.", Chinese: "1. 打电话。"},
		Requires: []rules.Requirement{{CRM: "salesforce", License: "Event Monitoring", Delay: 3 * time.Hour}, {CRM: "yonyou", Blind: true}},
		Tests: []rules.Test{
			{Name: "one", Matches: true, Events: []rules.TestEvent{
				{Repeat: 1, Fields: map[string]event.Value{"action": event.StringValue("export"), "rows": event.IntValue(10000), "local.off_hours": event.BoolValue(true)}},
				{After: 20 * time.Minute, Repeat: 299, Every: 2 * time.Second, Fields: map[string]event.Value{"app": event.StringValue("r{n}")}},
			}},
			{Name: "none", Events: []rules.TestEvent{{Repeat: 1, Fields: map[string]event.Value{}}}},
		},
		Pos: rules.Position{File: "rules.yml", Line: 2, Column: 1},
	}
	if p := got.Tests[0].Events[1].Pos; p.Line != 36 || p.Column != 9 {
		t.Errorf("the second event of the first test is at %s", p)
	}
	unset := cmpopts.IgnoreFields(rules.Test{}, "Pos")
	if diff := cmp.Diff(want, got.Meta, cmpopts.IgnoreUnexported(rules.Meta{}), unset, cmpopts.IgnoreFields(rules.TestEvent{}, "Pos")); diff != "" {
		t.Error(diff)
	}
	said := got.ExpandReason(func(path string) string {
		return map[string]string{"actor.name": "ann", "rows": "12"}[path]
	})
	if said != "ann took 12 rows in unknown." {
		t.Errorf("reason is %q", said)
	}
}

func TestDefaults(t *testing.T) {
	got := mustLoad(t, rule("s: {app: x}\ncondition: s")).Rules()[0]
	if got.Name != got.ID || got.Level != "medium" || got.Response != rules.ResponseReview || got.Status != "" || !got.Alerts || !got.Applies {
		t.Errorf("defaults are %+v", got)
	}
	if said := got.ExpandReason(func(string) string { return "x" }); said != "" {
		t.Errorf("a rule without a reason says %q", said)
	}
}

const base = `title: exports
id: 00000000-0000-4000-8000-000000000001
name: exports
logsource: {product: crm}
detection: {s: {action: export}, condition: s}
---
`

func TestCorrelation(t *testing.T) {
	set := mustLoad(t, base+strings.ReplaceAll(base, "exports", "more")[:0]+`title: many
id: 00000000-0000-4000-8000-000000000002
name: many
correlation:
  type: value_sum
  rules: [00000000-0000-4000-8000-000000000001]
  group-by: [actor.key, source]
  timespan: 15m
  condition: {gt: 99.5, field: rows}
`)
	r, c := set.Rules()[0], set.Correlations()[0]
	rows, _ := fields().Field("rows")
	key, _ := fields().Field("actor.key")
	source, _ := fields().Field("source")
	if r.Alerts || !r.Correlated {
		t.Errorf("the rule alerts: %v, feeds a correlation: %v", r.Alerts, r.Correlated)
	}
	if c.Type != rules.ValueSum || c.Timespan != 15*time.Minute || !slices.Equal(c.Bounds, []rules.Bound{{Op: rules.GT, Threshold: 99.5}}) ||
		!slices.Equal(c.FieldNames, []string{"rows"}) || c.Generate || len(c.Inputs) != 1 || c.Inputs[0].Rule != r || c.Inputs[0].Values[0] != rows {
		t.Errorf("correlation is %+v", c)
	}
	if diff := cmp.Diff([]string{"actor.key", "source"}, c.GroupBy); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]rules.Field{key, source}, c.Inputs[0].GroupBy); diff != "" {
		t.Error(diff)
	}
	if c.Holds(99.5) || !c.Holds(100) {
		t.Error("gt 99.5 holds for 99.5 or not for 100")
	}
}

func TestTimespansAndGenerate(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1s": time.Second, "5m": 5 * time.Minute, "24h": 24 * time.Hour, "7d": 7 * 24 * time.Hour,
		"2w": 14 * 24 * time.Hour, "1M": 2629746 * time.Second, "1y": 31556952 * time.Second,
	} {
		set := mustLoad(t, base+`title: many
id: 00000000-0000-4000-8000-000000000002
correlation: {type: event_count, rules: exports, group-by: [actor.id], timespan: `+text+`, condition: {gte: 1}, generate: true}
`)
		if c := set.Correlations()[0]; c.Timespan != want || !c.Generate || !set.Rules()[0].Alerts {
			t.Errorf("%s is %v, generate %v", text, c.Timespan, c.Generate)
		}
	}
}

func TestFilters(t *testing.T) {
	filter := func(rest string) string {
		return base + "title: known\nlogsource: {product: crm}\nfilter:\n  selection: {app: backup}\n  " + rest + "\n"
	}
	backup, other := newRecord("action", "export", "app", "backup"), newRecord("action", "export", "app", "web")
	for _, tt := range []struct {
		filter        string
		backup, other bool
	}{
		// A filter is taken literally: the rule, and the filter's condition.
		{filter("rules: [exports]\n  condition: not selection"), false, true},
		{filter("rules: any\n  condition: not selection"), false, true},
		{filter("rules: [00000000-0000-4000-8000-000000000001]\n  condition: selection"), true, false},
		{strings.Replace(filter("rules: any\n  condition: not selection"), "logsource: {product: crm}\nfilter", "logsource: {product: windows}\nfilter", 1), true, true},
		{strings.Replace(filter("rules: any\n  condition: not selection"), "logsource: {product: crm}\nfilter", "logsource: {category: audit}\nfilter", 1), false, true},
	} {
		set := mustLoad(t, tt.filter)
		if names(set, backup) != nil != tt.backup || names(set, other) != nil != tt.other {
			t.Errorf("%s\nbackup %v, other %v", tt.filter, names(set, backup), names(set, other))
		}
	}
	plain, narrowed := mustLoad(t, base), mustLoad(t, filter("rules: any\n  condition: not selection"))
	if plain.Rules()[0].Version == narrowed.Rules()[0].Version {
		t.Error("a filter does not change the version of its rule")
	}
}

func TestVersion(t *testing.T) {
	const text = `title: exports
id: 00000000-0000-4000-8000-000000000001
name: exports
level: low
logsource: {product: crm}
detection:
  s: {action: export, rows|gte: 1000}
  f: [{app: a}, {app: b}]
  condition: s and not f
---
title: many
id: 00000000-0000-4000-8000-000000000002
correlation: {type: event_count, rules: [exports], group-by: [actor.id], timespan: 1h, condition: {gte: 5}}
`
	first := mustLoad(t, text)
	// Pinned: a version that changes by itself would make every finding new.
	golden(t, "testdata/versions.txt", first.Rules()[0].Version+"\n"+first.Correlations()[0].Version+"\n"+first.Version()+"\n")
	for _, tt := range []struct {
		name, old, new          string
		rule, correlation, sets bool // whether the versions stay
	}{
		{"title", "title: exports", "title: any export", true, true, true},
		{"level", "level: low", "level: high\nstatus: test", true, true, true},
		{"comment", "  s: {", "  # why\n  s: {", true, true, true},
		{"key order", "{action: export, rows|gte: 1000}", "{rows|gte: 1000, action: export}", true, true, true},
		{"style", "{action: export, rows|gte: 1000}", "\n    action: 'export'\n    rows|gte: 1_000", true, true, true},
		{"category", "{product: crm}", "{category: audit, product: crm}", true, true, true},
		{"response", "level: low", "level: low\ncrmwatch: {response: freeze}", true, true, true},
		{"what is for people", "level: low", "level: low\ncrmwatch: {reason: x, runbook: {en: x}, requires: [{crm: zoho}], tests: {match: [{name: x, events: [{}]}]}}", true, true, true},
		{"suppression", "level: low", "level: low\ncrmwatch: {suppress: 1h}", false, false, false},
		{"lateness", "level: low", "level: low\ncrmwatch: {lateness: 1h}", false, false, false},
		{"suppression of a correlation", "correlation: {", "crmwatch: {suppress: 1h}\ncorrelation: {", true, false, false},
		{"reference by id", "rules: [exports]", "rules: [00000000-0000-4000-8000-000000000001]", true, true, true},
		{"generate", "condition: {gte: 5}", "condition: {gte: 5}, generate: true", true, true, true},
		{"value", "export,", "view,", false, false, false},
		{"value's type", "export,", "[export],", false, false, false},
		{"order of a list", "[{app: a}, {app: b}]", "[{app: b}, {app: a}]", false, false, false},
		{"condition", "s and not f", "s", false, false, false},
		{"product", "{product: crm}", "{product: crm, category: audit} ", true, true, true},
		{"threshold", "gte: 5", "gte: 6", true, false, false},
		{"timespan", "1h", "2h", true, false, false},
		{"id", "000000000002", "000000000003", true, true, false},
	} {
		changed := strings.Replace(text, tt.old, tt.new, 1)
		if changed == text {
			t.Fatalf("%s changes nothing", tt.name)
		}
		set := mustLoad(t, changed)
		if same := set.Rules()[0].Version == first.Rules()[0].Version; same != tt.rule {
			t.Errorf("%s: the rule's version stays: %v", tt.name, same)
		}
		if same := set.Correlations()[0].Version == first.Correlations()[0].Version; same != tt.correlation {
			t.Errorf("%s: the correlation's version stays: %v", tt.name, same)
		}
		if same := set.Version() == first.Version(); same != tt.sets {
			t.Errorf("%s: the set's version stays: %v", tt.name, same)
		}
	}
}

func TestSetVersionIgnoresFiles(t *testing.T) {
	a := strings.TrimSuffix(base, "---\n")
	b := strings.ReplaceAll(strings.ReplaceAll(a, "0001", "0002"), "exports", "b")
	one, err := rules.Load(fstest.MapFS{"x.yml": {Data: []byte(a + "---\n" + b)}}, fields(), options)
	if err != nil {
		t.Fatal(err)
	}
	two, err := rules.Load(fstest.MapFS{"x.yml": {Data: []byte(b)}, "y/z.yml": {Data: []byte(a)}}, fields(), options)
	if err != nil {
		t.Fatal(err)
	}
	if one.Version() != two.Version() {
		t.Error("the version of the set depends on the files")
	}
}

func TestReadmeExample(t *testing.T) {
	data, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(data), "```yaml\n")
	text, _, _ = strings.Cut(text, "```")
	set := mustLoad(t, text)
	if got := names(set, newRecord("action", "export", "object.type", "PriceBook", "rows", 100)); len(got) != 1 {
		t.Errorf("%v match", got)
	}
}

// The rules of the benchmark.
func TestBenchRules(t *testing.T) {
	set, err := rules.Load(os.DirFS("testdata/bench"), fields(), options)
	if err != nil {
		t.Fatal(err)
	}
	if len(set.Rules()) != 9 || len(set.Correlations()) != 6 {
		t.Errorf("%d rules and %d correlations", len(set.Rules()), len(set.Correlations()))
	}
}

func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/errors/*/*.yml", "testdata/bench/*.yml", "pack/*/*.yml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(data))
		}
	}
	for _, c := range corpus(f) {
		f.Add(c.Rules)
	}
	f.Add(three() + corr(1, "type: temporal\nrules: [a, b]\ngroup-by: [who]\ntimespan: 5m\ncondition: a and not b\naliases: {who: {a: actor.id, b: actor.key}}"))
	f.Add(three() + corr(2, "type: value_count\nrules: [c1]\ngroup-by: [actor.id]\ntimespan: 1h\ncondition: {gte: 2, lt: 9, field: [app]}") +
		corr(1, "type: event_count\nrules: [a]\ngroup-by: [actor.id, app]\ntimespan: 5m\ncondition: {lt: 3}"))
	f.Add(rule(`s: {actor.name|contains|expand: ["%managers%x%staff.mail%", '\%']}` + "\ncondition: s"))
	p, err := rules.ParsePipeline("p.yml", []byte("transformations: [{type: field_name_mapping, mapping: {app: [app, type], rows: bytes}}, {type: add_condition, conditions: {app: x}}]"))
	if err != nil {
		f.Fatal(err)
	}
	rec := newRecord("action", "export", "rows", 5, "app", "x")
	f.Fuzz(func(t *testing.T, text string) {
		set, err := load(text)
		if (set == nil) == (err == nil) {
			t.Fatalf("set %v with error %v", set, err)
		}
		if set != nil {
			set.Matcher().Match(rec)
			checkCorrelations(t, set)
		}
		files := lookups("")
		files["rules.yml"] = &fstest.MapFile{Data: []byte(text)}
		set, err = rules.Load(files, open{}, rules.Options{AnyLogsource: true, Pipelines: []*rules.Pipeline{p}})
		if (set == nil) == (err == nil) {
			t.Fatalf("set %v with error %v, as foreign rules", set, err)
		}
		if set != nil {
			checkCorrelations(t, set)
		}
	})
}

// checkCorrelations checks what holds for all correlations that load.
func checkCorrelations(t *testing.T, set *rules.Set) {
	t.Helper()
	for i, c := range set.Correlations() {
		if len(c.Inputs) == 0 || len(c.Inputs) > rules.MaxInputs || (len(c.Bounds) == 0) == (c.Clauses == nil) || c.Timespan <= 0 || c.Index != i {
			t.Errorf("correlation is %+v", c)
		}
		for _, in := range c.Inputs {
			if (in.Rule == nil) == (in.Correlation == nil) || len(in.GroupBy) != len(c.GroupBy) || len(in.Values) != len(c.FieldNames) {
				t.Errorf("input is %+v of %+v", in, c)
			}
			if in.Correlation != nil && in.Correlation.Index >= i {
				t.Errorf("%s comes after %s", in.Correlation.Name, c.Name)
			}
		}
		for _, cl := range c.Clauses {
			if cl.With == 0 || cl.With&cl.Without != 0 || (cl.With|cl.Without)>>len(c.Inputs) != 0 {
				t.Errorf("clause %+v of %+v", cl, c)
			}
		}
	}
}
