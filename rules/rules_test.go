package rules_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/rules"
)

// fields are the event's fields and those that the detector derives.
func fields() rules.FieldList {
	var list rules.FieldList
	for _, f := range event.Fields {
		list = append(list, f.Path)
	}
	return append(list, "actor.key", "person.status", "person.department", "person.role", "person.manager",
		"person.last_day", "person.days_since_last_day", "local.hour", "local.weekday", "local.off_hours", "account.idle_days")
}

// newRecord makes a record of pairs of field and value. An empty text is
// present here, unlike in an event.
func newRecord(pairs ...any) *rules.Record {
	list := fields()
	r := &rules.Record{Values: make([]event.Value, len(list))}
	for i := 0; i < len(pairs); i += 2 {
		f, ok := list.Field(pairs[i].(string))
		if !ok {
			panic(fmt.Sprintf("no field %v", pairs[i]))
		}
		switch v := pairs[i+1].(type) {
		case string:
			r.Values[f] = event.Value{Kind: event.String, Str: v}
		case int:
			r.Values[f] = event.IntValue(int64(v))
		case bool:
			r.Values[f] = event.BoolValue(v)
		}
		r.Leaves = append(r.Leaves, r.Values[f])
	}
	return r
}

// options are those of the running detector.
var options = rules.Options{GroupByOneOf: rules.PersonFields()}

// load loads one file, "rules.yml".
func load(text string) (*rules.Set, error) {
	return rules.Load(fstest.MapFS{"rules.yml": {Data: []byte(text)}}, fields(), options)
}

func mustLoad(t testing.TB, text string) *rules.Set {
	t.Helper()
	set, err := load(text)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// rule is a rule with the detection, given as the lines below "detection:".
func rule(detection string) string {
	return "title: t\nid: 00000000-0000-4000-8000-000000000001\nlogsource: {product: crm}\ndetection:\n  " +
		strings.ReplaceAll(strings.TrimSpace(detection), "\n", "\n  ") + "\n"
}

// names are the names of the rules that match.
func names(set *rules.Set, rec *rules.Record) []string {
	var list []string
	for _, r := range set.Matcher().Match(rec) {
		list = append(list, r.Name)
	}
	return list
}
