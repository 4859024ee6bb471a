package vary_test

import (
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/crmwatch/crmwatch/rules"
	"github.com/crmwatch/crmwatch/rules/vary"
)

const text = `# 规则
title: exports
id: 00000000-0000-4000-8000-000000000001
name: exports
logsource: {product: crm, category: audit}
detection:
  s: {action: export}
  condition: s
---
title: many
id: 00000000-0000-4000-8000-000000000002
name: many
correlation:
  type: event_count
  rules: [exports]
  group-by: [actor.id]
  timespan: 1h # 一小时
  condition: {gte: 5} # 5 of them
---
title: 中文 quoted
id: 00000000-0000-4000-8000-000000000003
name: quoted
correlation: {rules: [exports], type: value_sum, group-by: [actor.id], timespan: "1h", condition: {field: rows, gt: 1_000}}
---
title: range
id: 00000000-0000-4000-8000-000000000004
name: range
correlation: {rules: [exports], type: event_count, group-by: [actor.id], timespan: &span 1h, condition: {gte: 5, lt: 9}}
---
title: together
id: 00000000-0000-4000-8000-000000000005
name: together
correlation: {rules: [exports, many], type: temporal, group-by: [actor.id], timespan: 1h}
`

var schema = rules.FieldList{"action", "actor.id", "rows"}

func load(t *testing.T, fsys fstest.MapFS) map[string]*rules.Meta {
	t.Helper()
	set, err := rules.Load(fsys, schema, rules.Options{})
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]*rules.Meta{}
	for _, m := range set.Metas() {
		byName[m.Name] = m
	}
	return byName
}

func TestFiles(t *testing.T) {
	fsys := fstest.MapFS{"d/r.yml": {Data: []byte(text)}, "other.yml": {Data: []byte("# nothing\n")}}
	before := load(t, fsys)
	for _, c := range []struct {
		rule, what, value string
		bound             rules.Bound
		span              time.Duration
	}{
		{"many", "threshold", "50", rules.Bound{Op: rules.GTE, Threshold: 50}, time.Hour},
		{"many", "gte", "5", rules.Bound{Op: rules.GTE, Threshold: 5}, time.Hour},
		{"many", "timespan", "2d", rules.Bound{Op: rules.GTE, Threshold: 5}, 48 * time.Hour},
		{"quoted", "threshold", "7.5", rules.Bound{Op: rules.GT, Threshold: 7.5}, time.Hour},
		{"quoted", "timespan", "30m", rules.Bound{Op: rules.GT, Threshold: 1000}, 30 * time.Minute},
		{"range", "lt", "6", rules.Bound{Op: rules.LT, Threshold: 6}, time.Hour},
	} {
		varied, err := vary.Files(fsys, before[c.rule], c.what, c.value)
		if err != nil {
			t.Errorf("%+v: %v", c, err)
			continue
		}
		set, err := rules.Load(varied, schema, rules.Options{})
		if err != nil {
			t.Errorf("%+v: %v", c, err)
			continue
		}
		for _, corr := range set.Correlations() {
			changed := corr.Version != before[corr.Name].Version
			if last := corr.Bounds[len(corr.Bounds)-1]; corr.Name == c.rule && (last != c.bound || corr.Timespan != c.span) {
				t.Errorf("%+v: bounds %v, timespan %v", c, corr.Bounds, corr.Timespan)
			} else if corr.Name != c.rule && changed && corr.Name != "together" {
				t.Errorf("%+v changes %s, too", c, corr.Name)
			}
		}
	}
	if after := load(t, fsys); after["many"].Version != before["many"].Version {
		t.Error("the author's file has changed")
	}
}

// A value that cannot be is the usual mistake, at the usual place.
func TestMistakesAreThoseOfTheRule(t *testing.T) {
	fsys := fstest.MapFS{"d/r.yml": {Data: []byte(text)}}
	for value, want := range map[string]string{"many": "d/r.yml:18:", "-1": "d/r.yml:18:", "{": "d/r.yml:"} {
		varied, err := vary.Files(fsys, load(t, fsys)["many"], vary.Threshold, value)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := rules.Load(varied, schema, rules.Options{}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("threshold %s: %v, want %s", value, err, want)
		}
	}
}

func TestRefused(t *testing.T) {
	fsys := fstest.MapFS{"d/r.yml": {Data: []byte(text)}}
	metas := load(t, fsys)
	for _, c := range []struct{ rule, what, value, want string }{
		{"exports", "threshold", "5", "vary threshold of exports: it is a rule of single events"},
		{"range", "threshold", "5", "its condition has not one number but 2; name one of gte, lt"},
		{"range", "eq", "5", "its condition has gte and lt"},
		{"range", "timespan", "5h", "write it as a plain value at d/r.yml:28:"},
		{"together", "threshold", "5", "its condition has no number"},
		{"many", "rows", "5", "it is none of threshold, timespan, gt,"},
		{"many", "threshold", "5\n", "must be one line"},
	} {
		if _, err := vary.Files(fsys, metas[c.rule], c.what, c.value); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	fsys["d/r.yml"] = &fstest.MapFile{Data: []byte("# new\n" + text)}
	if _, err := vary.Files(fsys, metas["many"], vary.Threshold, "5"); err == nil || !strings.Contains(err.Error(), "d/r.yml has changed since it was read") {
		t.Errorf("a changed file: %v", err)
	}
	delete(fsys, "d/r.yml")
	if _, err := vary.Files(fsys, metas["many"], vary.Threshold, "5"); err == nil {
		t.Error("a file that is gone")
	}
}
