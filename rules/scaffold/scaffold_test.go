package scaffold_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/crmwatch/crmwatch/detect"
	"github.com/crmwatch/crmwatch/detect/ruletest"
	"github.com/crmwatch/crmwatch/rules"
	"github.com/crmwatch/crmwatch/rules/scaffold"
)

var day = time.Date(2026, 11, 24, 23, 59, 0, 0, time.UTC)

// counted makes UUIDs that differ.
func counted() func() string {
	n := 0
	return func() string { n++; return fmt.Sprintf("5f0c2a0e-7f3f-4d3c-9d0b-%012d", n) }
}

// What is written loads as it stands, and what it says of itself holds: three
// tests that match and three that do not.
func TestWhatIsWrittenIsARule(t *testing.T) {
	for _, typ := range scaffold.Types() {
		for _, level := range []string{"low", "critical"} {
			t.Run(typ+"/"+level, func(t *testing.T) {
				text, err := scaffold.Render(scaffold.Rule{Name: "price_list_export", Type: typ, Level: level, Date: day, ID: counted()})
				if err != nil {
					t.Fatal(err)
				}
				set, err := rules.Load(fstest.MapFS{"r.yml": {Data: text}}, detect.NewSchema(), rules.Options{GroupByOneOf: rules.PersonFields()})
				if err != nil {
					t.Fatalf("%v\n%s", err, text)
				}
				m := find(t, set, "price_list_export")
				if m.Title != "Price list export" || m.Level != level || m.Date != "2026-11-24" || m.Runbook.English == "" || m.Runbook.Chinese == "" {
					t.Errorf("%+v", m)
				}
				if typ != "event" && string(set.Correlations()[0].Type) != typ {
					t.Errorf("the type is %s", set.Correlations()[0].Type)
				}
				hold(t, set, m)
			})
		}
	}
}

func hold(t *testing.T, set *rules.Set, m *rules.Meta) {
	t.Helper()
	matching := 0
	for _, test := range m.Tests {
		res, err := ruletest.Run(set, test, m)
		if err != nil || (res.Found > 0) != test.Matches {
			t.Errorf("%s: %q: found %d (%s), %v", test.Pos, test.Name, res.Found, res, err)
		}
		if test.Matches {
			matching++
		}
	}
	if matching != 3 || len(m.Tests) != 6 {
		t.Errorf("%d tests, %d of which match", len(m.Tests), matching)
	}
}

func find(t *testing.T, set *rules.Set, name string) *rules.Meta {
	t.Helper()
	for _, m := range set.Metas() {
		if m.Name == name {
			return m
		}
	}
	t.Fatalf("there is no rule %s", name)
	return nil
}

func TestIDsDiffer(t *testing.T) {
	text, err := scaffold.Render(scaffold.Rule{Name: "x", Type: "temporal", Level: "low", Date: day, ID: counted()})
	if err != nil {
		t.Fatal(err)
	}
	ids := regexp.MustCompile(`(?m)^id: .*$`).FindAllString(string(text), -1)
	if len(ids) != 3 || ids[0] == ids[1] || ids[1] == ids[2] {
		t.Errorf("%q", ids)
	}
}

func TestNames(t *testing.T) {
	for name, ok := range map[string]bool{
		"a": true, "mass_export_2": true, strings.Repeat("a", scaffold.MaxName): true,
		"": false, "Mass": false, "mass-export": false, "mass__export": false, "_mass": false, "mass_": false, "../x": false, "x.yml": false, "出口": false,
		strings.Repeat("a", scaffold.MaxName+1): false,
	} {
		_, err := scaffold.Render(scaffold.Rule{Name: name, Type: "event", Level: "low", Date: day, ID: counted()})
		if (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := scaffold.Render(scaffold.Rule{Name: "x", Type: "bogus", ID: counted()}); err == nil {
		t.Error("a type that does not exist is rendered")
	}
}
