package rules_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/crmwatch/crmwatch/rules"
)

// lookups are the files of a rules directory with tables of all forms.
func lookups(detection string) fstest.MapFS {
	return fstest.MapFS{
		"rules.yml":            {Data: []byte(rule(detection))},
		"lookups/managers.yml": {Data: []byte("- ann\n- bob*\n- 7\n- ann\n")},
		"lookups/more.yaml":    {Data: []byte("admins: [root, 'a\\b']\nnone: []\nnets: [10.0.0.0/8, '2001:db8::/32']\n")},
		"lookups/staff.csv":    {Data: []byte("\xEF\xBB\xBFlogin,mail\ncarl,c@x.com\ndora,\n\"eve, jr\",e@x.com\n")},
		"lookups/README.md":    {Data: []byte("not: [a table")},
	}
}

func TestExpand(t *testing.T) {
	for _, tt := range []struct {
		item, field, value string
		want               bool
	}{
		{`actor.name|expand: "%managers%"`, "actor.name", "ANN", true},
		{`actor.name|expand: "%managers%"`, "actor.name", "7", true},
		{`actor.name|expand: "%managers%"`, "actor.name", "carl", false},
		// What stands in a table is no pattern.
		{`actor.name|expand: "%managers%"`, "actor.name", "bob*", true},
		{`actor.name|expand: "%managers%"`, "actor.name", "bobby", false},
		{`actor.name|expand: "%admins%"`, "actor.name", `a\b`, true},
		{`actor.name|expand: ["%admins%", zoe]`, "actor.name", "zoe", true},
		{`actor.name|expand: "%staff%"`, "actor.name", "eve, jr", true},
		{`actor.name|expand: "%staff.mail%"`, "actor.name", "c@x.com", true},
		{`actor.name|expand: "%staff.mail%"`, "actor.name", "", false},
		// Around a placeholder everything is as ever.
		{`actor.name|expand: "crm-%managers%-*"`, "actor.name", "crm-ann-1", true},
		{`actor.name|expand: "crm-%managers%-?"`, "actor.name", "crm-bob*-12", false},
		{`actor.name|expand: "%managers%:%admins%"`, "actor.name", "bob*:root", true},
		{`actor.name|expand: "%managers%:%admins%"`, "actor.name", "root:ann", false},
		{`actor.name|contains|expand: "%managers%"`, "actor.name", "my ann is", true},
		{`actor.name|expand|endswith: "%managers%"`, "actor.name", "my ann is", false},
		{`actor.name|expand|cased: "%managers%"`, "actor.name", "Ann", false},
		{`actor.name|expand|neq: "%managers%"`, "actor.name", "ann", false},
		{`actor.name|expand|neq: "%managers%"`, "actor.name", "carl", true},
		{`actor.name|contains|all|expand: "%admins%"`, "actor.name", `a\b root`, true},
		{`actor.name|contains|all|expand: "%admins%"`, "actor.name", "root", false},
		{`actor.name|re|expand: "^%managers%[0-9]$"`, "actor.name", "bob*5", true},
		{`actor.name|re|expand: "^%managers%[0-9]$"`, "actor.name", "bobb5", false},
		{`src_ip|cidr|expand: "%nets%"`, "src_ip", "10.1.2.3", true},
		{`src_ip|cidr|expand: "%nets%"`, "src_ip", "2001:db8::5", true},
		{`actor.name|expand|base64: "%managers%"`, "actor.name", "YW5u", true},
		{`"|expand": "%managers%"`, "app", "what ann did", true},
		// A percent sign that is none of a placeholder.
		{`actor.name|expand: ['\%managers\%', "%managers%"]`, "actor.name", "%managers%", true},
		{`actor.name|expand: ['\%managers%', "%managers%"]`, "actor.name", "%managers%", true},
		{`actor.name|expand: ["100%", "%managers%"]`, "actor.name", "100%", true},
		{`actor.name|expand: ["5% of 6%", "%managers%"]`, "actor.name", "5% of 6%", true},
		{`actor.name: "%managers%"`, "actor.name", "%managers%", true},
		// A table without values has nothing that is equal.
		{`actor.name|expand: "%none%"`, "actor.name", "", false},
		{`actor.name|expand|neq: "%none%"`, "actor.name", "ann", true},
	} {
		set, err := rules.Load(lookups("s: {"+tt.item+"}\ncondition: s"), fields(), options)
		if err != nil {
			t.Errorf("%s: %v", tt.item, err)
			continue
		}
		if got := names(set, newRecord(tt.field, tt.value)) != nil; got != tt.want {
			t.Errorf("%s matches %q: %v", tt.item, tt.value, got)
		}
		if diff := cmp.Diff([]string{"admins", "managers", "nets", "none", "staff", "staff.mail"}, set.Lookups()); diff != "" {
			t.Error(diff)
		}
	}
}

func TestExpandErrors(t *testing.T) {
	for _, tt := range []struct{ item, want string }{
		{`actor.name|expand: "%manager%"`, `rules.yml:5:26: value of field "actor.name" has the placeholder %manager%, but there is no look-up table of that name; did you mean managers?`},
		{`actor.name|expand: "%xyz%"`, `; write it as lookups/xyz.csv, or write \% for a percent sign`},
		{`actor.name|expand: "%managers%%nothing_here%"`, `placeholder %nothing_here%`},
		{`actor.name|expand: ann`, `rules.yml:5:7: field "actor.name" has the modifier "expand", but no placeholder; write the name of a look-up table as %name%`},
		{`actor.name|expand: 5`, `but no placeholder`},
		{`actor.name|expand|all: "%none%"`, `with "all" it would match everything`},
		{`rows|gt|expand: "%managers%"`, `combines "expand" with a modifier that is not for texts`},
		{`actor.name|fieldref|expand: "%managers%"`, `combines "expand" with a modifier that is not for texts`},
		{`actor.name|exists|expand: "%managers%"`, `combines "expand" with a modifier that is not for texts`},
		{`time|hour|expand: "%managers%"`, `combines "expand" with a modifier that is not for texts`},
		{`actor.name|base64|expand: "%managers%"`, `write "expand" first`},
		{`actor.name|windash|expand: "%managers%"`, `write "expand" first`},
		{`src_ip|cidr|expand: "%managers%"`, `"ann" is no network`},
		{`actor.name|expand: "` + strings.Repeat("%managers%", 12) + `"`, `stands for 100000 texts or more; use fewer placeholders`},
	} {
		_, err := rules.Load(lookups("s: {"+tt.item+"}\ncondition: s"), fields(), options)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.item, err, tt.want)
		}
	}
}

func TestLookupFileErrors(t *testing.T) {
	for _, tt := range []struct{ file, text, want string }{
		{"lookups/a.yml", "", `lookups/a.yml:1:1: look-up table is empty; write [] for a table without values`},
		{"lookups/a.yml", "5", `lookups/a.yml:1:1: look-up table must be a list of texts, or a map of names and lists`},
		{"lookups/a.yml", "- x\n- [y]", `lookups/a.yml:2:3: entry of the look-up table "a" must be a text`},
		{"lookups/a.yml", "- x\n- null", `lookups/a.yml:2:3: entry of the look-up table "a" is empty; take it out`},
		{"lookups/a.yml", "- x\n- 007", `quote it if it is a text`},
		{"lookups/a.yml", "t: x", `lookups/a.yml:1:4: look-up table "t" must be a list of texts`},
		{"lookups/a.yml", "t t: [x]", `names are made of letters, digits`},
		{"lookups/a.yml", "t: [x]\nmanagers: [x]", `lookups/managers.yml:1:1: look-up table "managers" is there already, at lookups/a.yml:2:1`},
		{"lookups/a.yml", "[x]\n---\n[y]", `has more than one document`},
		{"lookups/a.yml", "[x", `is not YAML`},
		{"lookups/z.csv", "", `lookups/z.csv:1:1: look-up table is empty; its first row names the columns`},
		{"lookups/a.csv", "x,y\n1,2\n3\n", `lookups/a.csv:3:1: row has not as many cells as the header`},
		{"lookups/a.csv", "x\n\"1\n", `is not CSV`},
		{"lookups/a.csv", "x,y y\n", `lookups/a.csv:1:3: look-up table has the name "a.y y"`},
		{"lookups/a.csv", "x,y,y\n", `look-up table "a.y" is there already, at lookups/a.csv:1:3`},
		{"lookups/a b.csv", "x\n", `look-up table has the name "a b"`},
	} {
		fsys := lookups("s: {app: x}\ncondition: s")
		fsys[tt.file] = &fstest.MapFile{Data: []byte(tt.text)}
		_, err := rules.Load(fsys, fields(), options)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s with %q: %v, want %q", tt.file, tt.text, err, tt.want)
		}
	}
}

// What stands in a table is part of the rule that uses it, and of no other.
func TestLookupVersions(t *testing.T) {
	version := func(detection string, table string) string {
		fsys := lookups("s: {" + detection + "}\ncondition: s")
		if table != "" {
			fsys["lookups/managers.yml"] = &fstest.MapFile{Data: []byte(table)}
		}
		set, err := rules.Load(fsys, fields(), options)
		if err != nil {
			t.Fatal(err)
		}
		return set.Rules()[0].Version
	}
	const uses, usesNot = `actor.name|expand: "%managers%"`, `actor.name|expand: "%admins%"`
	if version(uses, "") == version(uses, "[ann]") {
		t.Error("a table does not change its rule's version")
	}
	if version(uses, "") != version(uses, "[7, ann, 'bob*']") {
		t.Error("the order of a table changes its rule's version")
	}
	if version(usesNot, "") != version(usesNot, "[ann]") {
		t.Error("a table changes the version of a rule that does not use it")
	}
}

func TestLookupsFromElsewhere(t *testing.T) {
	opts := options
	opts.Lookups = fstest.MapFS{"managers.csv": {Data: []byte("name\nzoe\n")}}
	set, err := rules.Load(lookups(`s: {actor.name|expand: "%managers%"}`+"\ncondition: s"), fields(), opts)
	if err != nil {
		t.Fatal(err)
	}
	if names(set, newRecord("actor.name", "zoe")) == nil || names(set, newRecord("actor.name", "ann")) != nil {
		t.Error("the table of the options does not replace that of the rules")
	}
	opts.Lookups = brokenFS{fstest.MapFS{"a.yml": {}}}
	if _, err := rules.Load(lookups("s: {app: x}\ncondition: s"), fields(), opts); err == nil || !strings.Contains(err.Error(), "read look-up tables") {
		t.Errorf("unreadable tables: %v", err)
	}
}

func TestLargeLookups(t *testing.T) {
	var b strings.Builder
	for i := range 50_000 {
		fmt.Fprintf(&b, "- u%d\n", i)
	}
	fsys := lookups(`s: {actor.name|expand: "%managers%"}` + "\ncondition: s")
	fsys["lookups/managers.yml"] = &fstest.MapFile{Data: []byte(b.String())}
	set, err := rules.Load(fsys, fields(), options)
	if err != nil {
		t.Fatal(err)
	}
	if names(set, newRecord("actor.name", "u49999")) == nil {
		t.Error("the last of many values is not found")
	}
}
