package rules_test

import (
	"slices"
	"testing"

	"github.com/crmwatch/crmwatch/rules"
)

// A part of a set matches what the rules in it match, and nothing else.
func TestOnly(t *testing.T) {
	fsys, opts := layered()
	set, err := rules.Load(fsys, fields(), *opts)
	if err != nil {
		t.Fatal(err)
	}
	const exports, views, many, both = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002", "00000000-0000-4000-8000-000000000003", "00000000-0000-4000-8000-000000000004"
	export, view := newRecord("action", "export", "app", "a"), newRecord("action", "view", "src_ip", "198.51.100.1")
	for name, c := range map[string]struct {
		only           []string
		exports, views bool
		correlations   []string
	}{
		"a rule":                  {[]string{views}, false, true, nil},
		"a correlation":           {[]string{many}, true, false, []string{"many"}},
		"one that measures it":    {[]string{both}, true, true, []string{"many", "both"}},
		"several":                 {[]string{many, views}, true, true, []string{"many"}},
		"none that there is":      {[]string{"x"}, false, false, nil},
		"a rule that is measured": {[]string{exports}, true, false, nil},
	} {
		part := set.Only(c.only...)
		if got := slices.Contains(names(part, export), "exports"); got != c.exports {
			t.Errorf("%s: matches an export: %v", name, got)
		}
		if got := slices.Contains(names(part, view), "views"); got != c.views {
			t.Errorf("%s: matches a view: %v", name, got)
		}
		var correlations []string
		for i, corr := range part.Correlations() {
			correlations = append(correlations, corr.Name)
			if corr.Index != i {
				t.Errorf("%s: %s has the index %d", name, corr.Name, corr.Index)
			}
			for _, in := range corr.Inputs {
				if in.Correlation != nil && !slices.Contains(part.Correlations(), in.Correlation) {
					t.Errorf("%s: %s measures a correlation of another set", name, corr.Name)
				}
			}
		}
		if !slices.Equal(correlations, c.correlations) {
			t.Errorf("%s: correlations are %v, want %v", name, correlations, c.correlations)
		}
	}
	app, _ := fields().Field("app")
	if !set.Uses(app) || !set.Only(many).Uses(app) || set.Only(views).Uses(app) {
		t.Error("a part of a set reads what its rules read, and nothing else")
	}
	if len(names(set, export)) == 0 || len(set.Correlations()) != 2 {
		t.Error("the set itself has changed")
	}
}
