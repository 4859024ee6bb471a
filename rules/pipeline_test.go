package rules_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/rules"
)

// windows is a rule of another product.
const windows = `title: w
id: 00000000-0000-4000-8000-000000000001
name: w
logsource: {product: windows, category: file}
detection:
  %s
`

func pipeline(t *testing.T, steps string) *rules.Pipeline {
	t.Helper()
	p, err := rules.ParsePipeline("p.yml", []byte("name: p\npriority: 10\ntransformations:\n"+steps))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func loadThrough(text string, list ...*rules.Pipeline) (*rules.Set, open, error) {
	schema := open{}
	set, err := rules.Load(fstest.MapFS{"rules.yml": {Data: []byte(text)}}, schema, rules.Options{AnyLogsource: true, Pipelines: list})
	return set, schema, err
}

// matches reports whether the first rule matches a record of these pairs.
func matches(set *rules.Set, schema open, pairs ...string) bool {
	rec := &rules.Record{Values: make([]event.Value, len(schema)+1)}
	for i := 0; i < len(pairs); i += 2 {
		if f, ok := schema[pairs[i]]; ok {
			rec.Values[f] = event.StringValue(pairs[i+1])
		}
	}
	return slices.Contains(set.Matcher().Match(rec), set.Rules()[0])
}

func TestPipelines(t *testing.T) {
	const rename = "- {type: field_name_mapping, mapping: {User: actor.name, Path: [file, dir]}}\n"
	for _, tt := range []struct {
		name, detection, steps string
		record                 []string
		want                   bool
	}{
		{"one to one", "s: {User: ann}\n  condition: s", rename, []string{"actor.name", "ann"}, true},
		{"the old name", "s: {User: ann}\n  condition: s", rename, []string{"User", "ann"}, false},
		{"another field", "s: {user: ann}\n  condition: s", rename, []string{"user", "ann"}, true},
		{"one to many, the first", "s: {Path|endswith: x}\n  condition: s", rename, []string{"file", "/x"}, true},
		{"one to many, the second", "s: {Path|endswith: x}\n  condition: s", rename, []string{"dir", "/x"}, true},
		{"one to many, neither", "s: {Path|endswith: x}\n  condition: s", rename, []string{"dir", "/y"}, false},
		{"one to many, negated", "s: {Path|neq: x}\n  condition: s", rename, []string{"file", "x", "dir", "y"}, false},
		{"one to many, negated, neither", "s: {Path|neq: x}\n  condition: s", rename, []string{"file", "z", "dir", "y"}, true},
		{"a field to compare with", "s: {User|fieldref: Path}\n  condition: s", rename, []string{"actor.name", "x", "dir", "x"}, true},
		{"list of maps", "s: [{User: ann}, {User: bob}]\n  condition: s", rename, []string{"actor.name", "bob"}, true},
		{"prefix", "s: {User: ann}\n  condition: s", "- {type: field_name_prefix, prefix: 'w.'}\n", []string{"w.User", "ann"}, true},
		{"mapped, then prefixed", "s: {User: ann}\n  condition: s", rename + "- {type: field_name_prefix, prefix: 'w.'}\n", []string{"w.actor.name", "ann"}, true},
		{"only some fields", "s: {User: ann, Path: x}\n  condition: s", "- {type: field_name_prefix, prefix: 'w.', field_name_conditions: [{type: include_fields, fields: [Path]}]}\n", []string{"User", "ann", "w.Path", "x"}, true},
		{"all but some fields", "s: {User: ann, Path: x}\n  condition: s", "- {type: field_name_prefix, prefix: 'w.', field_name_conditions: [{type: exclude_fields, fields: [Path]}]}\n", []string{"w.User", "ann", "Path", "x"}, true},
		{"not some fields", "s: {User: ann, Path: x}\n  condition: s", "- {type: field_name_prefix, prefix: 'w.', field_name_cond_not: true, field_name_conditions: [{type: include_fields, fields: [Path]}]}\n", []string{"w.User", "ann", "Path", "x"}, true},
		{"one or the other field", "s: {User: ann, Path: x}\n  condition: s", "- {type: field_name_prefix, prefix: 'w.', field_name_cond_op: or, field_name_conditions: [{type: include_fields, fields: [Path]}, {type: include_fields, fields: [User], mode: plain}]}\n", []string{"w.User", "ann", "w.Path", "x"}, true},
		{"of this log source", "s: {User: ann}\n  condition: s", "- {type: field_name_prefix, prefix: 'w.', rule_conditions: [{type: logsource, product: windows}]}\n", []string{"w.User", "ann"}, true},
		{"of another log source", "s: {User: ann}\n  condition: s", "- {type: field_name_prefix, prefix: 'w.', rule_conditions: [{type: logsource, product: windows, category: dns}]}\n", []string{"User", "ann"}, true},
		{"not of another log source", "s: {User: ann}\n  condition: s", "- {type: field_name_prefix, prefix: 'w.', rule_cond_not: true, rule_conditions: [{type: logsource, product: linux}]}\n", []string{"w.User", "ann"}, true},
		{"of one or the other", "s: {User: ann}\n  condition: s", "- {type: field_name_prefix, prefix: 'w.', rule_cond_op: or, rule_conditions: [{type: logsource, product: linux}, {type: logsource, category: file}]}\n", []string{"w.User", "ann"}, true},
		{"of the new log source", "s: {User: ann}\n  condition: s", "- {type: change_logsource, product: crm}\n- {type: field_name_prefix, prefix: 'w.', rule_conditions: [{type: logsource, product: crm}]}\n", []string{"w.User", "ann"}, true},
		{"condition added", "s: {User: ann}\n  condition: s", "- {type: add_condition, conditions: {Channel: [a, b]}}\n", []string{"User", "ann", "Channel", "b"}, true},
		{"condition added, not met", "s: {User: ann}\n  condition: s", "- {type: add_condition, conditions: {Channel: [a, b]}}\n", []string{"User", "ann", "Channel", "c"}, false},
		{"condition added to alternatives", "s: {User: ann}\n  f: {User: bob}\n  condition: [s, f]", "- {type: add_condition, conditions: {Channel: a}}\n", []string{"User", "bob", "Channel", "c"}, false},
		{"opposite added", "s: {User: ann}\n  condition: s", "- {type: add_condition, negated: true, conditions: {Channel: a}}\n", []string{"User", "ann", "Channel", "a"}, false},
		{"what is added is none of them", "s: {User: ann}\n  condition: not 1 of them", "- {type: add_condition, conditions: {Channel: a}}\n", []string{"User", "bob", "Channel", "a"}, true},
		{"what is added is none of a pattern", "_s: {User: ann}\n  condition: all of _*", "- {type: add_condition, negated: true, conditions: {Channel: a}}\n", []string{"User", "ann"}, true},
		{"item dropped", "s: {User: ann, Path: x}\n  condition: s", "- {type: drop_detection_item, field_name_conditions: [{type: include_fields, fields: [Path]}]}\n", []string{"User", "ann"}, true},
		{"keywords stay", "s: [ann]\n  f: {User: ann, Path: x}\n  condition: f and not s", "- {type: drop_detection_item, field_name_conditions: [{type: exclude_fields, fields: [User]}]}\n", []string{"User", "ann"}, true},
	} {
		set, schema, err := loadThrough(strings.Replace(windows, "%s", tt.detection, 1), pipeline(t, tt.steps))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got := matches(set, schema, tt.record...); got != tt.want {
			t.Errorf("%s: %v matches: %v", tt.name, tt.record, got)
		}
	}
}

// A rule of another product that a pipeline makes one of ours applies, and its
// fields are checked.
func TestPipelineMakesRulesOurs(t *testing.T) {
	p := pipeline(t, "- {type: field_name_mapping, mapping: {User: actor.name}}\n- {type: change_logsource, product: crm, category: audit}\n")
	opts := options
	opts.Pipelines = []*rules.Pipeline{p}
	text := strings.Replace(windows, "%s", "s: {User: ann}\n  condition: s", 1)
	set, err := rules.Load(fstest.MapFS{"rules.yml": {Data: []byte(text)}}, fields(), opts)
	if err != nil {
		t.Fatal(err)
	}
	if got := names(set, newRecord("actor.name", "Ann")); len(got) != 1 {
		t.Errorf("%v match", got)
	}
	_, err = rules.Load(fstest.MapFS{"rules.yml": {Data: []byte(strings.Replace(text, "User", "Usr", 1))}}, fields(), opts)
	if err == nil || err.Error() != `rules.yml:6:7: field "Usr" is not known` {
		t.Errorf("error is %v", err)
	}
}

func TestPipelinesAreOrderedByPriority(t *testing.T) {
	first, err := rules.ParsePipeline("a", []byte("priority: 1\ntransformations: [{type: field_name_mapping, mapping: {User: name}}]"))
	if err != nil {
		t.Fatal(err)
	}
	second, err := rules.ParsePipeline("b", []byte("priority: 2\ntransformations: [{type: field_name_prefix, prefix: 'w.'}]"))
	if err != nil {
		t.Fatal(err)
	}
	if first.Name != "a" || first.Priority != 1 {
		t.Errorf("pipeline is %q with priority %d", first.Name, first.Priority)
	}
	text := strings.Replace(windows, "%s", "s: {User: ann}\n  condition: s", 1)
	set, schema, err := loadThrough(text, second, first)
	if err != nil {
		t.Fatal(err)
	}
	if !matches(set, schema, "w.name", "ann") {
		t.Error("the pipeline with the lesser priority is not the first")
	}
	plain, _, err := loadThrough(text)
	if err != nil {
		t.Fatal(err)
	}
	if plain.Rules()[0].Version == set.Rules()[0].Version {
		t.Error("a pipeline does not change the version of its rule")
	}
}

func TestPipelineOnCorrelationsAndFilters(t *testing.T) {
	p := pipeline(t, "- {type: field_name_mapping, mapping: {User: actor.name, Host: [a, b], Size: bytes}, rule_conditions: [{type: logsource, product: windows}]}\n")
	base := strings.Replace(windows, "%s", "s: {User: ann}\n  condition: s", 1)
	filter := "---\ntitle: f\nlogsource: {product: windows}\nfilter: {rules: any, s: {User|endswith: n, Size: 5}, condition: not s}\n---\n"
	text := base + filter + corr(1, "type: value_sum\nrules: [w]\ngroup-by: [User, who]\ntimespan: 1h\ncondition: {gte: 5, field: Size}\naliases: {who: {w: User}}")
	set, schema, err := loadThrough(text, p)
	if err != nil {
		t.Fatal(err)
	}
	in, name := set.Correlations()[0].Inputs[0], schema["actor.name"]
	if in.GroupBy[0] != name || in.GroupBy[1] != name || in.Values[0] != schema["bytes"] {
		t.Errorf("input is %+v of %v", in, schema)
	}
	if got := set.Correlations()[0].GroupBy; got[0] != "User" || got[1] != "who" {
		t.Errorf("groups are called %v", got)
	}
	if matches(set, schema, "actor.name", "ann", "bytes", "5") || !matches(set, schema, "actor.name", "ann", "bytes", "6") {
		t.Error("the filter's fields are not those of its rule")
	}
	_, _, err = loadThrough(strings.Replace(text, "[User, who]", "[Host, who]", 1), p)
	if err == nil || !strings.Contains(err.Error(), `group-by has the field "Host", which a pipeline maps to a and b; a correlation needs one field`) {
		t.Errorf("error is %v", err)
	}
}

func TestPipelineRefusals(t *testing.T) {
	for _, tt := range []struct{ detection, steps, want string }{
		{"s: {User: ann}\n  condition: s", "- {type: rule_failure, message: too old, rule_conditions: [{type: logsource, category: file}]}\n", `rules.yml:1:1: pipeline "p" refuses the rule: too old`},
		{"s: {User: ann}\n  condition: s", "- {type: drop_detection_item, field_name_conditions: [{type: include_fields, fields: [User]}]}\n", `pipeline "p" drops all that the selection "s" looks for`},
		{"s: [{User: ann}, {Path: x}]\n  condition: s", "- {type: drop_detection_item, field_name_conditions: [{type: include_fields, fields: [User]}]}\n", `pipeline "p" drops all that the selection "s" looks for`},
	} {
		_, _, err := loadThrough(strings.Replace(windows, "%s", tt.detection, 1), pipeline(t, tt.steps))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.steps, err, tt.want)
		}
	}
}

func TestParsePipelineErrors(t *testing.T) {
	step := func(s string) string { return "transformations:\n- " + s }
	for _, tt := range []struct{ text, want string }{
		{"", "p.yml:1:1: pipeline must be one document"},
		{"a: 1\n---\nb: 2", "pipeline must be one document"},
		{"[x]", "p.yml:1:1: pipeline must be a map"},
		{"[x", "is not YAML"},
		{"name: x", `pipeline has no "transformations"`},
		{"transformations: []", "transformations must be a list"},
		{"priority: high\ntransformations: [{type: field_name_prefix, prefix: x}]", "p.yml:1:11: priority must be a whole number"},
		{"vars: {}\ntransformations: [{type: field_name_prefix, prefix: x}]", `p.yml:1:1: pipeline has the key "vars", which crmwatch does not know; only name, priority and transformations`},
		{"transformation: []", `did you mean transformations?`},
		{step("{mapping: {a: b}}"), `transformation has no "type"; it is one of add_condition,`},
		{step("{type: set_state, key: a, val: b}"), `p.yml:2:10: transformation has the type "set_state", which crmwatch does not know; it is one of add_condition, change_logsource, drop_detection_item, field_name_mapping, field_name_prefix, rule_failure`},
		{step("{type: field_name_mapping}"), `transformation field_name_mapping has no "mapping"`},
		{step("{type: field_name_mapping, mapping: {a: []}}"), `mapping of "a" must be a list of names`},
		{step("{type: field_name_prefix, prefix: x, mapping: {}}"), `transformation field_name_prefix has the key "mapping", which crmwatch does not know`},
		{step("{type: field_name_prefix, prefix: x, detection_item_conditions: []}"), `has the key "detection_item_conditions"`},
		{step("{type: drop_detection_item}"), `transformation drop_detection_item has no "field_name_conditions"`},
		{step("{type: add_condition, conditions: [x]}"), "conditions must be a map of fields and values"},
		{step("{type: add_condition, conditions: {a|foo: x}}"), `unknown modifier "foo"`},
		{step("{type: field_name_prefix, prefix: x, rule_conditions: []}"), "rule_conditions must be a list"},
		{step("{type: field_name_prefix, prefix: x, rule_conditions: [{type: contains_field}]}"), "rule_conditions has a condition without a type that crmwatch knows; it is one of logsource"},
		{step("{type: field_name_prefix, prefix: x, rule_conditions: [{type: logsource}]}"), "condition logsource is empty"},
		{step("{type: field_name_prefix, prefix: x, rule_conditions: [{type: logsource, vendor: y}]}"), `logsource has the key "vendor", which crmwatch does not know`},
		{step("{type: field_name_prefix, prefix: x, rule_cond_op: xor}"), `rule_cond_op "xor" is not one of and, or`},
		{step("{type: field_name_prefix, prefix: x, field_name_conditions: [{type: include_fields}]}"), `condition include_fields has no "fields"`},
		{step("{type: field_name_prefix, prefix: x, field_name_conditions: [{type: include_fields, fields: [a], mode: re}]}"), `condition include_fields has the key "mode", which crmwatch does not know`},
	} {
		_, err := rules.ParsePipeline("p.yml", []byte(tt.text))
		var problem *rules.LoadError
		if err == nil || !strings.Contains(err.Error(), tt.want) || !errors.As(err, &problem) {
			t.Errorf("%q: %v, want %q", tt.text, err, tt.want)
		}
	}
}

func FuzzParsePipeline(f *testing.F) {
	f.Add("name: p\npriority: 1\ntransformations:\n- {type: field_name_mapping, mapping: {a: [b, c]}, rule_conditions: [{type: logsource, product: x}]}\n")
	f.Add("transformations:\n- {type: add_condition, negated: true, conditions: {a|contains: [x]}}\n- {type: drop_detection_item, field_name_conditions: [{type: exclude_fields, fields: [s]}]}\n")
	text := strings.Replace(windows, "%s", "s: {a: 1, b: 2}\n  k: [x]\n  condition: s or 1 of them", 1)
	f.Fuzz(func(t *testing.T, data string) {
		p, err := rules.ParsePipeline("p.yml", []byte(data))
		if (p == nil) == (err == nil) {
			t.Fatalf("pipeline %v with error %v", p, err)
		}
		if p == nil {
			return
		}
		if set, _, err := loadThrough(text, p); (set == nil) == (err == nil) {
			t.Fatalf("set %v with error %v", set, err)
		}
	})
}

// The pipeline that the documentation shows is one, and does what it says.
func TestDocumentedPipeline(t *testing.T) {
	data, err := os.ReadFile("../docs/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(data), "```yml\nname: ")
	text, _, _ = strings.Cut(text, "```")
	p, err := rules.ParsePipeline("docs", []byte("name: "+text))
	if err != nil {
		t.Fatal(err)
	}
	opts := options
	opts.Pipelines = []*rules.Pipeline{p}
	foreign := "title: x\nid: 00000000-0000-4000-8000-000000000001\nlogsource: {product: m365, service: audit}\ndetection: {s: {Operation: FileDownloaded, eventName: x}, condition: s}\n"
	set, err := rules.Load(fstest.MapFS{"rules.yml": {Data: []byte(foreign)}}, fields(), opts)
	if err != nil {
		t.Fatal(err)
	}
	if got := names(set, newRecord("type", "FileDownloaded", "action", "x")); len(got) != 1 {
		t.Errorf("%v match", got)
	}
}
