package window_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/crmwatch/crmwatch/detect/window"
	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/rules"
)

// given is a case of the conformance suite. The expectations were computed by
// pySigma-backend-sqlite 2.0.0.
type given struct {
	Kind     string
	Rule     string
	Events   []map[string]any
	Expected []expected
}

type expected struct {
	Group  map[string]any
	At     float64
	Value  float64
	Events []int
}

var caseFields = rules.FieldList{"t", "u", "h", "x"}

// TestCorrelationsConform runs the given cases in order and in many other orders,
// deciding at the watermark and at once.
func TestCorrelationsConform(t *testing.T) {
	data, err := os.ReadFile("testdata/correlations.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []given
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) != 60 {
		t.Fatalf("%d cases", len(cases))
	}
	for i, c := range cases {
		t.Run(fmt.Sprintf("%02d %s", i, c.Kind), func(t *testing.T) {
			set, err := rules.Load(fstest.MapFS{"r.yml": {Data: []byte(c.Rule)}}, caseFields, rules.Options{})
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for _, e := range c.Expected {
				want = append(want, line(e.Group, int64(e.At*1000), e.Value, e.Events))
			}
			slices.Sort(want)
			for seed := range uint64(8) {
				events := slices.Clone(c.Events)
				if seed > 0 {
					rand.New(rand.NewPCG(seed, 1)).Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
				}
				if got := instants(set, events, seed); !slices.Equal(got, want) {
					t.Fatalf("seed %d\n%s\ngot  %v\nwant %v", seed, c.Rule[strings.Index(c.Rule, "title: c1"):], got, want)
				}
			}
		})
	}
}

func line(group map[string]any, at int64, v float64, events []int) string {
	events = slices.Clone(events)
	slices.Sort(events)
	var g []string
	for _, k := range slices.Sorted(maps.Keys(group)) {
		g = append(g, fmt.Sprint(k, "=", group[k]))
	}
	return fmt.Sprintf("%09d %s %.9g %v", at, strings.Join(g, ","), v, events)
}

// instants are the instants at which the last correlation of the set holds.
func instants(set *rules.Set, events []map[string]any, seed uint64) (got []string) {
	last := set.Correlations()[len(set.Correlations())-1]
	e := window.New(window.Config[int]{
		Compare: cmp.Compare[int], Final: true, Every: true,
		Emit: func(a *window.Alert[int]) {
			if a.Correlation != last {
				return
			}
			group := map[string]any{}
			for i, name := range a.Correlation.GroupBy {
				group[name] = a.Group.Values[i]
			}
			got = append(got, line(group, a.Last, a.Measured, a.Events))
		},
	}, set, 0)
	m := set.Matcher()
	newest := int64(math.MinInt64)
	for _, ev := range events {
		rec := recordOf(ev)
		at, _ := time.Parse(time.RFC3339, ev["time"].(string))
		ms := at.UnixMilli() - time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
		for _, r := range m.Match(rec) {
			e.Match(r, rec, "", ms, int(ev["id"].(float64)))
		}
		if seed == 0 { // in order, the watermark can follow at once
			if ms > newest && newest > math.MinInt64 {
				e.Advance(newest)
			}
			newest = max(newest, ms)
		}
	}
	e.Close()
	slices.Sort(got)
	return got
}

func recordOf(ev map[string]any) *rules.Record {
	rec := &rules.Record{Values: make([]event.Value, len(caseFields))}
	for i, name := range caseFields {
		switch v := ev[name].(type) {
		case string:
			rec.Values[i] = event.StringValue(v)
		case float64:
			rec.Values[i] = event.FloatValue(v)
		case nil:
			rec.Values[i] = event.NullValue()
		}
	}
	return rec
}
