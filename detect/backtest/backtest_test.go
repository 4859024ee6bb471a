package backtest_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/crmwatch/crmwatch/alert"
	"github.com/crmwatch/crmwatch/detect"
	"github.com/crmwatch/crmwatch/detect/backtest"
	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/roster"
	"github.com/crmwatch/crmwatch/rules"
)

var shanghai = time.FixedZone("Asia/Shanghai", 8*60*60)

// monday is 10:00 on a Monday in Shanghai.
var monday = time.Date(2026, 11, 23, 10, 0, 0, 0, shanghai)

type nobody struct{}

func (nobody) Person(string, string) (*roster.Person, bool)           { return nil, false }
func (nobody) Len() int                                               { return 0 }
func (nobody) Local(*roster.Person, time.Time) (t time.Time, ok bool) { return t, false }
func (nobody) OffHours(*roster.Person, time.Time) (off, ok bool)      { return false, false }

func load(t *testing.T, text string) *rules.Set {
	t.Helper()
	set, err := rules.Load(fstest.MapFS{"r.yml": {Data: []byte(text)}}, detect.NewSchema(), rules.Options{GroupByOneOf: rules.PersonFields()})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

const burst = `title: any export
id: 20000000-0000-4000-8000-000000000001
name: any_export
logsource: {product: crm, category: audit}
detection: {sel: {action: export}, condition: sel}
---
title: burst
id: 30000000-0000-4000-8000-000000000001
name: burst
correlation:
  type: value_sum
  rules: [any_export]
  group-by: [actor.key]
  timespan: 1h
  condition: {gte: 100, field: rows}
`

func export(id, user string, after time.Duration, rows int64) *event.Event {
	return &event.Event{
		ID: id, Time: monday.Add(after), Collected: monday.Add(after + time.Minute), Tenant: "t", Source: "zoho", Action: event.Export,
		Actor: event.Actor{ID: user}, Rows: rows, Outcome: event.Success,
	}
}

// A partition sees nothing of the others, and an alert that grows is one hit, told
// when it was first told.
func TestRun(t *testing.T) {
	r := backtest.New(detect.DefaultConfig(), load(t, burst), nobody{})
	for _, e := range []struct {
		partition int
		*event.Event
	}{
		{0, export("a", "1", 0, 60)},
		{1, export("b", "1", time.Minute, 60)},
		{0, export("c", "2", 2*time.Minute, 100)},
		{0, export("d", "1", 3*time.Minute, 50)},
		{0, export("e", "1", 30*time.Minute, 50)},
	} {
		r.Apply(e.partition, e.Event)
	}
	var got []string
	for _, h := range r.Hits() {
		got = append(got, fmt.Sprint(h.Rule, " ", h.User, " ", h.At.Sub(monday), " ", h.Start.Sub(monday), " ", h.End.Sub(monday), " ", h.Measured, " ", h.Revision, " ", h.State))
	}
	want := []string{"burst zoho:2 2m0s 2m0s 2m0s 100 0 open", "burst zoho:1 3m0s 0s 30m0s 160 1 open"}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func hit(id, user string, at, length time.Duration) backtest.Hit {
	return backtest.Hit{ID: id, Rule: "r", Tenant: "t", User: user, At: monday.Add(at), Start: monday.Add(at - length), End: monday.Add(at)}
}

func TestTally(t *testing.T) {
	const day = 24 * time.Hour
	midnight := monday.Add(-10 * time.Hour)
	hits := []backtest.Hit{
		hit("warm", "1", -10*time.Hour-time.Millisecond, time.Minute), // just before
		hit("a", "1", -10*time.Hour, 0),
		hit("b", "1", 14*time.Hour-time.Millisecond, 0),
		hit("c", "2", 14*time.Hour, time.Hour),
		hit("d", "3", 2*day+14*time.Hour, 0), // just after
	}
	others := []backtest.Hit{
		hit("a", "9", 0, 0), // by its id, though about somebody else
		hit("x", "2", 13*time.Hour+30*time.Minute, time.Minute),
		hit("y", "2", 14*time.Hour+time.Minute, 0), // a minute too late
		hit("z", "1", -10*time.Hour-time.Minute, 0),
		{ID: "o", Tenant: "other", User: "2", Start: monday.Add(14 * time.Hour), End: monday.Add(14 * time.Hour)},
	}
	got := backtest.Tally(hits, others, midnight, midnight.Add(3*day))
	want := backtest.Outcome{
		Alerts: 3, Users: 2,
		PerDay: []backtest.Count{{Name: "2026-11-23", Alerts: 2}, {Name: "2026-11-24", Alerts: 1}, {Name: "2026-11-25"}},
		ByUser: []backtest.Count{{Name: "t/1", Alerts: 2}, {Name: "t/2", Alerts: 1}},
		ByRule: []backtest.Count{{Name: "r", Alerts: 3}},
		Same:   2, Missed: []backtest.Hit{others[0], others[2], others[4]}, New: 2,
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got.Rate() != 1 {
		t.Errorf("%v alerts a day", got.Rate())
	}
}

func TestWarmUp(t *testing.T) {
	chain := burst + `---
title: twice
id: 30000000-0000-4000-8000-000000000002
name: twice
correlation: {type: event_count, rules: [burst], group-by: [actor.key], timespan: 1d, condition: {gte: 2}}
crmwatch: {suppress: 3d}
`
	for name, c := range map[string]struct {
		text string
		want time.Duration
	}{
		"a rule of one event":    {burst[:strings.Index(burst, "---\n")], 0},
		"one that is suppressed": {burst[:strings.Index(burst, "---\n")] + "crmwatch: {suppress: 2h}\n", 2 * time.Hour},
		"a correlation":          {burst, 2 * time.Hour},
		"a chain":                {chain, 2*time.Hour + 4*24*time.Hour},
		"an account's history":   {strings.Replace(burst, "action: export", "account.idle_days|gte: 60", 1), 100 * 24 * time.Hour},
	} {
		if got := backtest.WarmUp(load(t, c.text)); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestHitOf(t *testing.T) {
	f := alert.Finding{ID: "i", Rule: alert.Rule{ID: "r", Name: "n"}, Tenant: "t", Subject: alert.Subject{Key: "k", Name: "a name"}, Start: monday, End: monday.Add(time.Hour), Count: 3, Measured: 4, Revision: 5, State: alert.Closed}
	want := backtest.Hit{ID: "i", RuleID: "r", Rule: "n", Tenant: "t", User: "k", At: f.End, Start: f.Start, End: f.End, Events: 3, Measured: 4, Revision: 5, State: alert.Closed}
	if diff := gocmp.Diff(want, backtest.HitOf(&f)); diff != "" {
		t.Error(diff)
	}
}
