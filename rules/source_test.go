package rules_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/crmwatch/crmwatch/rules"
)

// layered are rules in which everything bears on the last correlation that can:
// rules, a correlation below it, a filter, look-up tables of both, and a pipeline.
func layered() (fstest.MapFS, *rules.Options) {
	opts := options
	opts.Pipelines = nil
	return fstest.MapFS{
		"a.yml": {Data: []byte(`# The first document begins with its comment.
title: exports
id: 00000000-0000-4000-8000-000000000001
name: exports
logsource: {product: crm, category: audit}
detection:
  s: {action: export, app|expand: "%apps%"}
  condition: s
--- # between
title: views
id: 00000000-0000-4000-8000-000000000002
name: views
description: |
  A line in a text is no mark:
   --- not here
logsource: {product: crm, category: audit}
detection:
  s: {action: view}
  condition: s
`)},
		"b/c.yml": {Data: []byte(`--- {title: many, id: 00000000-0000-4000-8000-000000000003, name: many, correlation: {type: event_count, rules: [exports], group-by: [actor.id], timespan: 1h, condition: {gte: 5}}}
---
title: both
id: 00000000-0000-4000-8000-000000000004
name: both
correlation:
  type: temporal
  rules: [many, views]
  aliases: {who: {many: actor.id, views: actor.id}}
  group-by: [who]
  timespan: 2h
`)},
		"f.yml": {Data: []byte(`title: not the office
logsource: {product: crm, category: audit}
filter:
  rules: [views]
  s: {src_ip|cidr|expand: "%office%"}
  condition: not s
`)},
		"unrelated.yml":      {Data: []byte(strings.NewReplacer("exports", "others", "000000000001", "000000000009").Replace(base))},
		"lookups/apps.yml":   {Data: []byte("apps: [a, b]\nother: [x]\n")},
		"lookups/office.csv": {Data: []byte("office\n192.0.2.0/24\n")},
		"lookups/unused.csv": {Data: []byte("unused\nx\n")},
	}, &opts
}

func loadLayered(t *testing.T, change func(fstest.MapFS, *rules.Options)) map[string]*rules.Meta {
	t.Helper()
	fsys, opts := layered()
	if change != nil {
		change(fsys, opts)
	}
	set, err := rules.Load(fsys, fields(), *opts)
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]*rules.Meta{}
	for _, m := range set.Metas() {
		byName[m.Name] = m
	}
	return byName
}

// Whatever changes the verdict of a rule changes its version, however far below it
// stands, and nothing else does.
func TestVersionFollowsFromAllThatIsMatched(t *testing.T) {
	replace := func(file, old, text string) func(fstest.MapFS, *rules.Options) {
		return func(fsys fstest.MapFS, _ *rules.Options) {
			changed := strings.Replace(string(fsys[file].Data), old, text, 1)
			if changed == string(fsys[file].Data) {
				t.Fatalf("%s does not have %q", file, old)
			}
			fsys[file] = &fstest.MapFile{Data: []byte(changed)}
		}
	}
	before := loadLayered(t, nil)
	for name, c := range map[string]struct {
		change  func(fstest.MapFS, *rules.Options)
		changed []string
	}{
		"a rule":                   {replace("a.yml", "{action: view}", "{action: [view]}"), []string{"both", "views"}},
		"a rule two levels below":  {replace("a.yml", "action: export,", "action: download,"), []string{"both", "exports", "many"}},
		"a correlation below":      {replace("b/c.yml", "gte: 5", "gte: 6"), []string{"both", "many"}},
		"a correlation":            {replace("b/c.yml", "timespan: 2h", "timespan: 3h"), []string{"both"}},
		"its alias":                {replace("b/c.yml", "views: actor.id", "views: actor.key"), []string{"both"}},
		"how its windows are kept": {replace("b/c.yml", "name: both", "name: both\ncrmwatch: {suppress: 5h}"), []string{"both"}},
		"a filter":                 {replace("f.yml", "not s", "s"), []string{"both", "views"}},
		"a filter for all":         {replace("f.yml", "[views]", "any"), []string{"both", "exports", "many", "others"}}, // views have it already
		"a filter that goes":       {func(f fstest.MapFS, _ *rules.Options) { delete(f, "f.yml") }, []string{"both", "views"}},
		"a table of a rule":        {replace("lookups/apps.yml", "[a, b]", "[a, b, c]"), []string{"both", "exports", "many"}},
		"a table of a filter":      {replace("lookups/office.csv", "192", "198"), []string{"both", "views"}},
		"a table from elsewhere": {func(_ fstest.MapFS, o *rules.Options) {
			o.Lookups = fstest.MapFS{"apps.csv": {Data: []byte("app\nz\n")}}
		}, []string{"both", "exports", "many"}},
		"a pipeline":                 {func(_ fstest.MapFS, o *rules.Options) { o.Pipelines = []*rules.Pipeline{adding(t)} }, []string{"both", "exports", "many", "others", "views"}},
		"a table beside it":          {replace("lookups/apps.yml", "[x]", "[x, y]"), nil},
		"a table that nobody uses":   {replace("lookups/unused.csv", "\nx", "\ny"), nil},
		"a comment, a title, a file": {replace("a.yml", "title: views", "# why\ntitle: looks\nlevel: high"), nil},
	} {
		var changed []string
		for rule, m := range loadLayered(t, c.change) {
			if m.Version != before[rule].Version {
				changed = append(changed, rule)
			}
		}
		slices.Sort(changed)
		if diff := gocmp.Diff(c.changed, changed); diff != "" {
			t.Errorf("%s: rules of another version: %s", name, diff)
		}
	}
}

// adding is a pipeline that narrows every rule.
func adding(t *testing.T) *rules.Pipeline {
	t.Helper()
	p, err := rules.ParsePipeline("p", []byte("transformations: [{type: add_condition, conditions: {outcome: success}}]"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The sources of a rule are its own document first, and all else that its version
// follows from.
func TestSources(t *testing.T) {
	got := map[string][]string{}
	metas := loadLayered(t, nil)
	for name, m := range metas {
		for _, s := range m.Sources {
			got[name] = append(got[name], rules.Position{File: s.File, Line: s.Line}.String())
		}
	}
	want := map[string][]string{
		"exports": {"a.yml:1:0", "lookups/apps.yml:1:0"},
		"views":   {"a.yml:10:0", "f.yml:1:0", "lookups/office.csv:1:0"},
		"many":    {"b/c.yml:1:0", "a.yml:1:0", "lookups/apps.yml:1:0"},
		"both":    {"b/c.yml:3:0", "b/c.yml:1:0", "a.yml:1:0", "lookups/apps.yml:1:0", "a.yml:10:0", "f.yml:1:0", "lookups/office.csv:1:0"},
		"others":  {"unrelated.yml:1:0"},
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	first := metas["exports"].Sources[0].Text
	if !strings.HasPrefix(first, "# The first document") || !strings.HasSuffix(first, "condition: s\n") {
		t.Errorf("the first document is %q", first)
	}
	if text := metas["views"].Sources[0].Text; !strings.HasPrefix(text, "title: views") || !strings.Contains(text, "--- not here") {
		t.Errorf("the second document is %q", text)
	}
	if text := metas["many"].Sources[0].Text; !strings.HasPrefix(text, "--- {title: many") || strings.Contains(text, "title: both") {
		t.Errorf("the document in the mark is %q", text)
	}
}

// What is stored of a rule is enough to make the same version of it again.
func TestSourcesMakeTheVersionAgain(t *testing.T) {
	for name, m := range loadLayered(t, nil) {
		again := fstest.MapFS{}
		for _, s := range m.Sources {
			text := s.Text
			if old := again[s.File]; old != nil {
				text = string(old.Data) + "\n---\n" + text
			}
			again[s.File] = &fstest.MapFile{Data: []byte(text)}
		}
		set, err := rules.Load(again, fields(), options)
		if err != nil {
			t.Errorf("%s: %v of %v", name, err, slices.Sorted(maps.Keys(again)))
			continue
		}
		for _, o := range set.Metas() {
			if o.Name == name && o.Version != m.Version {
				t.Errorf("%s has the version %s, made again %s", name, m.Version, o.Version)
			}
		}
	}
}
