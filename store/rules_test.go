package store

import (
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/crmwatch/crmwatch/internal/stream"
	"github.com/crmwatch/crmwatch/rules/history"
)

// Versions of rules are there once, however often they are delivered and noted,
// and as they were noted last.
func TestRuleRoundTrip(t *testing.T) {
	first := history.Version{
		RuleID: "r1", Version: "aaaaaaaaaaaa", Text: "111111111111", Name: "exports", Title: "Exports", Level: "low", First: collected, Last: collected,
		Sources: []history.Source{{File: "a.yml", Line: 7, Text: "title: Exports # '名'\n"}, {File: "lookups/x.csv", Line: 1, Text: "# left out", Left: 9 << 20}},
	}
	again := first
	again.Last = collected.Add(time.Hour)
	renamed := first
	renamed.Text, renamed.Title, renamed.First, renamed.Last = "222222222222", "All exports", again.Last, again.Last
	other := history.Version{RuleID: "r2", Version: "aaaaaaaaaaaa", Text: "333333333333", Name: "views", First: collected, Last: collected}
	var recs []stream.Record
	for i, v := range []history.Version{first, again, renamed, other} {
		value, err := v.Encode()
		if err != nil {
			t.Fatal(err)
		}
		recs = append(recs, stream.Record{Key: []byte(v.Key()), Value: value, Time: collected.Add(time.Duration(i) * time.Second)})
	}
	recs = append(recs, stream.Record{Value: []byte("hunter2")}, stream.Record{Value: []byte(`{"id":"x","version":"v","text":"t","first":"9999-01-01T00:00:00Z"}`)})
	db, dead := migrated(t), &graveyard{}
	for range 2 {
		tp := newTopic(0, recs)
		drain(t, tp, testArchive(db, dead).Rules(tp))
	}
	if len(dead.recs) != 2*2 || strings.Contains(string(dead.recs[0].Key), "hunter2") {
		t.Errorf("%d dead letters, want 2 of each delivery", len(dead.recs))
	}
	wantCount(t, db, "rules", 3)
	for rule, want := range map[string][]history.Version{
		"": {again, renamed, other}, "r1": {again, renamed}, "exports": {again, renamed}, "views": {other}, "none": nil, "' OR 1=1 --": nil,
	} {
		var got []history.Version
		for v, err := range db.RuleVersions(t.Context(), rule) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, v)
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("versions of %q: %s", rule, diff)
		}
	}
}
