package history_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/crmwatch/crmwatch/rules"
	"github.com/crmwatch/crmwatch/rules/history"
)

var start = time.Date(2026, 9, 21, 2, 0, 0, 0, time.UTC)

func rule(name, version, text string) *rules.Meta {
	return &rules.Meta{ID: "id-" + name, Name: name, Version: version, Title: "T", Level: "low", Sources: []rules.Source{{File: name + ".yml", Line: 3, Text: text}}}
}

// told writes versions out: "name version text first last", the times since start.
func told(vs []history.Version) (lines []string) {
	for _, v := range vs {
		hour := func(t time.Time) string { return t.Sub(start).String() }
		lines = append(lines, v.Name+" "+v.Version+" "+v.Sources[0].Text+" "+hour(v.First)+" "+hour(v.Last))
	}
	slices.Sort(lines)
	return lines
}

func TestChange(t *testing.T) {
	recorded := map[string]history.Version{}
	var r history.Record
	hour := 0
	change := func(metas ...*rules.Meta) []string {
		at := start.Add(time.Duration(hour) * time.Hour)
		hour++
		out := r.Change(metas, at, recorded)
		for _, v := range out {
			recorded[v.Key()] = v
		}
		return told(out)
	}
	want := func(what string, got []string, want ...string) {
		t.Helper()
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	want("the first time", change(rule("a", "1", "x"), rule("b", "1", "x")), "a 1 x 0s 0s", "b 1 x 0s 0s")
	want("no change", change(rule("a", "1", "x"), rule("b", "1", "x")))
	want("another version", change(rule("a", "2", "y"), rule("b", "1", "x")), "a 1 x 0s 2h0m0s", "a 2 y 2h0m0s 2h0m0s")
	want("another text", change(rule("a", "2", "z"), rule("b", "1", "x")), "a 2 y 2h0m0s 3h0m0s", "a 2 z 3h0m0s 3h0m0s")
	want("back to the first", change(rule("a", "1", "x"), rule("b", "1", "x")), "a 1 x 0s 4h0m0s", "a 2 z 3h0m0s 4h0m0s")
	want("one goes", change(rule("b", "1", "x")), "a 1 x 0s 5h0m0s")
	r = history.Record{}
	want("a new start", change(rule("b", "1", "x")), "b 1 x 0s 6h0m0s")
}

func TestRoundTrip(t *testing.T) {
	v := history.Of(rule("a", "1", "名: x\n"), start)
	b, err := v.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := history.Decode(b)
	if err != nil || gocmp.Diff(v, got) != "" {
		t.Errorf("%v %s", err, gocmp.Diff(v, got))
	}
	for _, bad := range []string{"", "[]", "{", "{}", `{"id":"hunter2"}`} {
		if _, err := history.Decode([]byte(bad)); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// A table that is too long to be kept is named by its hash, and still makes
// another text.
func TestLongTexts(t *testing.T) {
	m := rule("a", "1", "short")
	m.Sources = append(m.Sources, rules.Source{File: "lookups/x.csv", Line: 1, Text: strings.Repeat("y", 9<<20)})
	v := history.Of(m, start)
	if v.Sources[0].Text != "short" || v.Sources[1].Left != 9<<20 || !strings.Contains(v.Sources[1].Text, "SHA-256") || len(v.Sources[1].Text) > 200 {
		t.Errorf("%+v", v.Sources)
	}
	m.Sources[1].Text = strings.Repeat("z", 9<<20)
	if w := history.Of(m, start); w.Key() == v.Key() {
		t.Error("another table is the same text")
	}
}
