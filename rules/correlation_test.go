package rules_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/crmwatch/crmwatch/rules"
)

// three are the rules a, b and c.
func three() string {
	var b strings.Builder
	for i, name := range []string{"a", "b", "c"} {
		fmt.Fprintf(&b, "title: %s\nid: 00000000-0000-4000-8000-00000000000%d\nname: %s\nlogsource: {product: crm}\ndetection: {s: {action: %s}, condition: s}\n---\n", name, i+1, name, name)
	}
	return b.String()
}

// corr is a correlation, given as the lines of its body. Its number makes its id
// and its name.
func corr(n int, body string) string {
	return fmt.Sprintf("title: c%d\nid: 00000000-0000-4000-8000-0000000001%02d\nname: c%d\ncorrelation:\n  ", n, n, n) +
		strings.ReplaceAll(strings.TrimSpace(body), "\n", "\n  ") + "\n---\n"
}

// open is a schema that knows every field.
type open map[string]rules.Field

func (o open) Field(path string) (rules.Field, bool) {
	if _, ok := o[path]; !ok {
		o[path] = rules.Field(len(o))
	}
	return o[path], true
}

func (o open) Paths() []string { return nil }

func loadOpen(text string) (*rules.Set, open, error) {
	schema := open{}
	set, err := rules.Load(fstest.MapFS{"rules.yml": {Data: []byte(text)}}, schema, rules.Options{AnyLogsource: true})
	return set, schema, err
}

func mustLoadOpen(t *testing.T, text string) (*rules.Set, open) {
	t.Helper()
	set, schema, err := loadOpen(text)
	if err != nil {
		t.Fatal(err)
	}
	return set, schema
}

// What a correlation of each type becomes.
func TestCorrelationTypes(t *testing.T) {
	type want struct {
		Type       rules.Type
		Bounds     []rules.Bound
		FieldNames []string
		Percentile float64
		Inputs     int
	}
	for _, tt := range []struct {
		body string
		want want
	}{
		{"type: event_count\nrules: a\ncondition: {gte: 5}", want{rules.EventCount, bounds(rules.GTE, 5.0), nil, 0, 1}},
		{"type: event_count\nrules: [a, b]\ncondition: {lt: 3}", want{rules.EventCount, bounds(rules.LT, 3.0), nil, 0, 2}},
		{"type: event_count\nrules: [a]\ncondition: {gt: 10, lte: 20}", want{rules.EventCount, bounds(rules.GT, 10.0, rules.LTE, 20.0), nil, 0, 1}},
		{"type: event_count\nrules: [a]\ncondition: {lt: 20, gte: 10.5}", want{rules.EventCount, bounds(rules.LT, 20.0, rules.GTE, 10.5), nil, 0, 1}},
		{"type: event_count\nrules: [a]\ncondition: {eq: 3}", want{rules.EventCount, bounds(rules.EQ, 3.0), nil, 0, 1}},
		{"type: value_count\nrules: [a]\ncondition: {gte: 5, field: x}", want{rules.ValueCount, bounds(rules.GTE, 5.0), []string{"x"}, 0, 1}},
		{"type: value_count\nrules: [a]\ncondition: {lte: 0, field: x}", want{rules.ValueCount, bounds(rules.LTE, 0.0), []string{"x"}, 0, 1}},
		{"type: value_count\nrules: [a]\ncondition: {neq: 5, field: [x, y]}", want{rules.ValueCount, bounds(rules.NEQ, 5.0), []string{"x", "y"}, 0, 1}},
		{"type: value_sum\nrules: [a]\ncondition: {gt: 2.5, field: [x]}", want{rules.ValueSum, bounds(rules.GT, 2.5), []string{"x"}, 0, 1}},
		{"type: value_avg\nrules: [a]\ncondition: {gte: 0, field: x}", want{rules.ValueAvg, bounds(rules.GTE, 0.0), []string{"x"}, 0, 1}},
		{"type: value_median\nrules: [a]\ncondition: {gt: -5.25, field: x}", want{rules.ValueMedian, bounds(rules.GT, -5.25), []string{"x"}, 50, 1}},
		{"type: value_percentile\nrules: [a]\ncondition: {gt: 5, field: x}", want{rules.ValuePercentile, bounds(rules.GT, 5.0), []string{"x"}, 50, 1}},
		{"type: value_percentile\nrules: [a]\ncondition: {gt: 5, field: x, percentile: 99.9}", want{rules.ValuePercentile, bounds(rules.GT, 5.0), []string{"x"}, 99.9, 1}},
		{"type: temporal\nrules: [a, b, c]", want{rules.Temporal, bounds(rules.GTE, 3.0), nil, 0, 3}},
		{"type: temporal\nrules: [a, b, c]\ncondition: {gte: 1, lt: 3}", want{rules.Temporal, bounds(rules.GTE, 1.0, rules.LT, 3.0), nil, 0, 3}},
		{"type: temporal_ordered\nrules: [c, a]", want{rules.TemporalOrdered, bounds(rules.GTE, 2.0), nil, 0, 2}},
		{"type: temporal_ordered\nrules: [a, b, c]\ncondition: {gte: 2}", want{rules.TemporalOrdered, bounds(rules.GTE, 2.0), nil, 0, 3}},
	} {
		set, _ := mustLoadOpen(t, three()+corr(1, tt.body+"\ntimespan: 5m\ngroup-by: [u]"))
		c := set.Correlations()[0]
		got := want{c.Type, c.Bounds, c.FieldNames, c.Percentile, len(c.Inputs)}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.body, diff)
		}
		if c.Clauses != nil || c.Timespan != 5*time.Minute || !c.Alerts {
			t.Errorf("%s: %+v", tt.body, c)
		}
	}
}

func bounds(pairs ...any) (list []rules.Bound) {
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, rules.Bound{Op: pairs[i].(rules.Op), Threshold: pairs[i+1].(float64)})
	}
	return list
}

func TestCorrelationInWords(t *testing.T) {
	for _, tt := range []struct {
		rules, condition string
		inputs           string
		want             []rules.Clause
	}{
		{"", "a and b", "a b", []rules.Clause{{With: 3}}},
		{"", "b and a", "b a", []rules.Clause{{With: 3}}},
		{"[a, b]", "b and a", "a b", []rules.Clause{{With: 3}}},
		{"[a, b, c]", "(a or b) and c", "a b c", []rules.Clause{{With: 5}, {With: 6}}},
		{"[a, b, c]", "a and not (b or c)", "a b c", []rules.Clause{{With: 1, Without: 6}}},
		{"[a, b, c]", "a and not (b and c)", "a b c", []rules.Clause{{With: 1, Without: 2}, {With: 1, Without: 4}}},
		{"[a, b]", "a or b", "a b", []rules.Clause{{With: 1}, {With: 2}}},
		{"[a, b]", "a and (b or not b)", "a b", []rules.Clause{{With: 3}, {With: 1, Without: 2}}},
		{"[a, b]", "a and not a or b", "a b", []rules.Clause{{With: 2}}},
		{"[a]", "not not a", "a", []rules.Clause{{With: 1}}},
		{"[a]", "a and a or a", "a", []rules.Clause{{With: 1}}},
		{"[a, b]", "00000000-0000-4000-8000-000000000001 and b", "a b", []rules.Clause{{With: 3}}},
		{"[00000000-0000-4000-8000-000000000001, b]", "a and b", "a b", []rules.Clause{{With: 3}}},
	} {
		body := "type: temporal\ntimespan: 5m\ncondition: " + tt.condition
		if tt.rules != "" {
			body += "\nrules: " + tt.rules
		}
		set, _ := mustLoadOpen(t, three()+corr(1, body))
		c := set.Correlations()[0]
		var inputs []string
		for _, in := range c.Inputs {
			inputs = append(inputs, in.Rule.Name)
		}
		if diff := cmp.Diff(tt.want, c.Clauses); diff != "" || strings.Join(inputs, " ") != tt.inputs || c.Bounds != nil {
			t.Errorf("%s of %s (-want +got):\n%s", tt.condition, inputs, diff)
		}
	}
}

// A condition's clauses hold for exactly those rules seen for which the condition
// does.
func TestClausesMeanTheCondition(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	names := []string{"a", "b", "c"}
	var random func(depth int) (string, func(seen uint64) bool)
	random = func(depth int) (string, func(uint64) bool) {
		if depth == 0 || rng.IntN(4) == 0 {
			i := rng.IntN(3)
			return names[i], func(seen uint64) bool { return seen>>i&1 == 1 }
		}
		x, fx := random(depth - 1)
		y, fy := random(depth - 1)
		switch rng.IntN(3) {
		case 0:
			return "not (" + x + ")", func(seen uint64) bool { return !fx(seen) }
		case 1:
			return "(" + x + " and " + y + ")", func(seen uint64) bool { return fx(seen) && fy(seen) }
		default:
			return "(" + x + " or " + y + ")", func(seen uint64) bool { return fx(seen) || fy(seen) }
		}
	}
	loaded := 0
	for range 400 {
		text, want := random(4)
		// All three are named, so that input i is names[i].
		set, _, err := loadOpen(three() + corr(1, "type: temporal\ntimespan: 5m\ncondition: a and b and c and a or "+text))
		if err != nil {
			if !strings.Contains(err.Error(), "where nothing happened") {
				t.Fatalf("%s: %v", text, err)
			}
			continue
		}
		loaded++
		for seen := range uint64(8) {
			holds := false
			for _, c := range set.Correlations()[0].Clauses {
				holds = holds || seen&c.With == c.With && seen&c.Without == 0
			}
			if holds != (seen == 7 || want(seen)) {
				t.Fatalf("%s with %03b seen: clauses say %v", text, seen, holds)
			}
		}
	}
	if loaded < 50 {
		t.Errorf("only %d conditions were sound", loaded)
	}
}

func TestAliases(t *testing.T) {
	set, schema := mustLoadOpen(t, three()+corr(1, `
type: value_count
rules: [a, b, c]
group-by: [who, ip]
timespan: 5m
condition: {gte: 2, field: [what, size]}
aliases:
  who: {a: actor.id, b: user.name, 00000000-0000-4000-8000-000000000003: login}
  what: {b: target}`))
	c := set.Correlations()[0]
	if diff := cmp.Diff([]string{"who", "ip"}, c.GroupBy); diff != "" {
		t.Error(diff)
	}
	// An alias that misses a rule is, for that rule, the field of its name.
	for i, want := range [][]string{{"actor.id", "ip", "what", "size"}, {"user.name", "ip", "target", "size"}, {"login", "ip", "what", "size"}} {
		in := c.Inputs[i]
		var got []string
		for _, f := range append(in.GroupBy, in.Values...) {
			for path, g := range schema {
				if f == g {
					got = append(got, path)
				}
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("input %d (-want +got):\n%s", i, diff)
		}
		for _, f := range append(in.GroupBy, in.Values...) {
			if !set.Uses(f) {
				t.Errorf("the set does not use field %d of input %d", f, i)
			}
		}
	}
}

// Correlations come after what they refer to, whatever the order of the file, and
// a link of a chain is found by the name that it groups by.
func TestChains(t *testing.T) {
	outer := corr(3, "type: temporal_ordered\nrules: [c2, a]\ngroup-by: [u]\ntimespan: 1h")
	middle := corr(2, "type: event_count\nrules: [c1]\ngroup-by: [host, u]\ntimespan: 1h\ncondition: {gte: 2}\naliases: {host: {c1: h}}")
	inner := corr(1, "type: event_count\nrules: [a]\ngroup-by: [u, h]\ntimespan: 1m\ncondition: {gte: 3}")
	set, _ := mustLoadOpen(t, outer+middle+three()+inner)
	var names []string
	for i, c := range set.Correlations() {
		names = append(names, c.Name)
		if c.Index != i {
			t.Errorf("%s has the index %d, not %d", c.Name, c.Index, i)
		}
	}
	if diff := cmp.Diff([]string{"c1", "c2", "c3"}, names); diff != "" {
		t.Error(diff)
	}
	c1, c2, c3 := set.Correlations()[0], set.Correlations()[1], set.Correlations()[2]
	if c2.Inputs[0].Correlation != c1 || c2.Inputs[0].Rule != nil || c3.Inputs[0].Correlation != c2 || c3.Inputs[1].Rule != set.Rules()[0] {
		t.Error("inputs are not what the rules say")
	}
	if diff := cmp.Diff([]rules.Field{1, 0}, c2.Inputs[0].GroupBy); diff != "" {
		t.Errorf("c2 takes from c1 %s", diff)
	}
	if diff := cmp.Diff([]rules.Field{1}, c3.Inputs[0].GroupBy); diff != "" {
		t.Errorf("c3 takes from c2 %s", diff)
	}
	if c1.Alerts || c2.Alerts || !c3.Alerts || set.Rules()[0].Alerts || !set.Rules()[1].Alerts {
		t.Error("what alerts is not the end of the chain alone")
	}
	for _, tt := range []struct{ old, new string }{
		{"gte: 3", "gte: 4"}, {"action: a", "action: z"}, {"timespan: 1m", "timespan: 2m"},
	} {
		changed, _ := mustLoadOpen(t, strings.Replace(outer+middle+three()+inner, tt.old, tt.new, 1))
		if changed.Correlations()[2].Version == c3.Version {
			t.Errorf("%s of the innermost does not change the version of the outermost", tt.new)
		}
	}
}

func TestGenerateKeepsWhatIsMeasured(t *testing.T) {
	inner := corr(1, "type: event_count\nrules: [a]\ntimespan: 1m\ncondition: {gte: 3}")
	text := three() + inner + corr(2, "type: event_count\nrules: [c1, b]\ntimespan: 1h\ncondition: {gte: 2}\ngenerate: true") +
		corr(3, "type: event_count\nrules: [c1, b]\ntimespan: 1h\ncondition: {gte: 2}")
	set, _ := mustLoadOpen(t, text)
	if !set.Correlations()[0].Alerts || !set.Rules()[1].Alerts || set.Rules()[0].Alerts {
		t.Error("one correlation that says generate does not keep what it measures")
	}
	set, _ = mustLoadOpen(t, strings.Replace(text, "\n  generate: true", "", 1))
	if set.Correlations()[0].Alerts || set.Rules()[1].Alerts {
		t.Error("what is measured alerts though none says generate")
	}
	// The JSON schema has the key at the top.
	top := strings.Replace(text, "\n  generate: true", "\ngenerate: true", 1)
	if set, _ = mustLoadOpen(t, top); top == text || !set.Correlations()[0].Alerts {
		t.Error("generate at the top is not heard")
	}
}

func TestCorrelationVersions(t *testing.T) {
	body := "type: temporal\nrules: [a, b]\ngroup-by: [who]\ntimespan: 5m\ncondition: a and not b\naliases: {who: {a: x, b: y}}"
	version := func(text string) string {
		set, _ := mustLoadOpen(t, text)
		return set.Correlations()[0].Version
	}
	first := version(three() + corr(1, body))
	for _, tt := range []struct {
		old, new string
		same     bool
	}{
		{"condition: a and not b", "condition: (a) and (not b)", true},
		{"{a: x, b: y}", "{b: y, a: x}", true},
		{"{a: x, b: y}", "{a: x, b: z}", false},
		{"a and not b", "b and not a", false},
		{"timespan: 5m", "timespan: 300s", false},
	} {
		changed := strings.Replace(three()+corr(1, body), tt.old, tt.new, 1)
		if same := version(changed) == first; same != tt.same {
			t.Errorf("%s: the version stays: %v", tt.new, same)
		}
	}
	named := strings.NewReplacer("name: a", "name: aa", "[a, b]", "[aa, b]", "a and not b", "aa and not b", "{a: x", "{aa: x").Replace(three() + corr(1, body))
	if version(named) != first {
		t.Error("the name of a rule is part of the version")
	}
}

// The zero Options accept any groups, those of the detector one person's only.
func TestGroupByOneOf(t *testing.T) {
	for _, tt := range []struct {
		body string
		ok   bool
	}{
		{"group-by: [actor.key]", true},
		{"group-by: [src_ip, actor.id]", true},
		{"group-by: [src_ip]", false},
		{"", false},
		{"group-by: [who]\naliases: {who: {a: actor.key, b: actor.key}}", true},
		{"group-by: [who]\naliases: {who: {a: actor.key, b: src_ip}}", false},
		{"group-by: [who, src_ip]\naliases: {who: {a: actor.id, b: actor.person}}", true},
	} {
		text := three() + corr(1, tt.body+"\ntype: event_count\nrules: [a, b]\ntimespan: 1h\ncondition: {gte: 5}")
		if _, err := load(text); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.body, err)
		}
		if _, err := rules.Load(fstest.MapFS{"r.yml": {Data: []byte(text)}}, fields(), rules.Options{}); err != nil {
			t.Errorf("%s without a restriction: %v", tt.body, err)
		}
	}
	chain := three() + corr(1, "type: event_count\nrules: [a]\ngroup-by: [actor.key, src_ip]\ntimespan: 1h\ncondition: {gte: 5}") +
		corr(2, "type: event_count\nrules: [c1]\ngroup-by: [src_ip]\ntimespan: 1h\ncondition: {gte: 5}")
	if _, err := load(chain); err == nil || !strings.Contains(err.Error(), "rules.yml:35:14: group-by must name one of") {
		t.Errorf("a chain that leaves the person loads: %v", err)
	}
	if _, err := load(strings.Replace(chain, "[src_ip]", "[actor.key]", 1)); err != nil {
		t.Error(err)
	}
}

func TestForeignRules(t *testing.T) {
	text := "title: one\ntaxonomy: ecs\nlogsource: {product: windows}\ndetection: {s: {Event.ID: 1}, condition: s}\n---\n" +
		"title: two\nname: two\nlogsource: {category: proxy}\ndetection: {s: {Event.ID: 2}, condition: s}\n"
	set, _ := mustLoadOpen(t, text)
	one, two := set.Rules()[0], set.Rules()[1]
	if !one.Applies || !two.Applies || len(one.ID) != 12 || one.Name != one.ID || two.ID != "two" {
		t.Errorf("rules are %+v and %+v", one.Meta, two.Meta)
	}
	if _, err := load(text); err == nil || !strings.Contains(err.Error(), `taxonomy "ecs" is not known`) || !strings.Contains(err.Error(), `has no "id"`) {
		t.Errorf("our own rules need no id, or may have another taxonomy: %v", err)
	}
	again, _ := mustLoadOpen(t, "# comment\n"+text)
	if diff := cmp.Diff(one.Meta, again.Rules()[0].Meta, cmpopts.IgnoreUnexported(rules.Meta{}), cmpopts.IgnoreFields(rules.Meta{}, "Pos", "Sources")); diff != "" {
		t.Error(diff)
	}
}
