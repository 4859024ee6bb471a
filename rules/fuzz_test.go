package rules_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/crmwatch/crmwatch/detect/detecttest/conformance"
	"github.com/crmwatch/crmwatch/detect/detecttest/reference"
	"github.com/crmwatch/crmwatch/rules"
	"github.com/crmwatch/crmwatch/rules/ndjson"
)

// corpus lists the cases of the conformance corpus that were written by hand.
func corpus(tb testing.TB) []conformance.Case {
	tb.Helper()
	list, err := conformance.Written()
	if err != nil {
		tb.Fatal(err)
	}
	return list
}

// FuzzMatcher holds what rules match, as they are compiled, to the naive
// interpreter: any rules that load, over any record.
func FuzzMatcher(f *testing.F) {
	for _, c := range corpus(f) {
		for _, line := range c.Lines {
			if len(c.Lookups) == 0 {
				f.Add(c.Rules, string(line))
			}
		}
	}
	f.Fuzz(func(t *testing.T, text, line string) {
		// The naive interpreter takes time that is exponential in the stars.
		if len(text) > 2000 || len(line) > 500 || strings.Count(text, "*") > 8 || !json.Valid([]byte(line)) {
			t.Skip()
		}
		schema := &ndjson.Schema{}
		set, err := rules.Load(fstest.MapFS{"r.yml": {Data: []byte(text)}}, schema, rules.Options{AnyLogsource: true})
		if err != nil {
			t.Skip()
		}
		naive, err := reference.Load(text, nil)
		if err != nil {
			t.Fatalf("what loads is refused by the naive interpreter: %v", err)
		}
		rec, err := schema.Scanner(set.Keywords()).Scan([]byte(line))
		if err != nil {
			t.Skip()
		}
		var got []string
		for _, r := range set.Matcher().Match(rec) {
			got = append(got, r.Title)
		}
		want, err := naive.MatchOne([]byte(line))
		if err != nil {
			t.Skip()
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%v match, but by the naive interpreter %v\n%s\n%s", got, want, text, line)
		}
	})
}
