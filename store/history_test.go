package store

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/crmwatch/crmwatch/alert"
	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/internal/stream"
	"github.com/crmwatch/crmwatch/roster"
)

// past reads the events of a period whole.
func past(t *testing.T, db *DB, p Period, raw bool) (events []event.Event, places []string) {
	t.Helper()
	days, err := db.EventDays(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	for e, err := range db.Events(t.Context(), days, raw) {
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, e.Event)
		places = append(places, fmt.Sprintf("%s %d", e.ID, e.Partition))
	}
	return events, places
}

// Events come back as they were, each once, in the order of their time over days
// and partitions, and those of one time in the order in which they came in.
func TestPastEvents(t *testing.T) {
	midnight := time.Date(2026, 9, 22, 0, 0, 0, 0, time.UTC)
	at := func(id string, d time.Duration) event.Event {
		e := fullEvent()
		e.ID, e.Time = id, midnight.Add(d)
		return e
	}
	day := 24 * time.Hour
	log := [][]event.Event{
		{at("b", -time.Millisecond), at("d", 0), at("a", 0), at("too late", 2*day)},
		{at("e", day), at("before", -day-time.Millisecond), at("first", -day), at("c", -time.Millisecond)},
	}
	db := migrated(t)
	var parts [][]stream.Record
	for _, events := range log {
		var recs []stream.Record
		for _, e := range append(events, events...) {
			recs = append(recs, record(e))
		}
		parts = append(parts, recs)
	}
	tp := newTopic(5, parts...)
	drain(t, tp, testArchive(db, &graveyard{}).Events(tp))
	p := Period{midnight.Add(-day), midnight.Add(2 * day)}
	events, places := past(t, db, p, true)
	if want := []string{"first 1", "b 0", "c 1", "d 0", "a 0", "e 1"}; !slices.Equal(places, want) {
		t.Errorf("events are %q, want %q", places, want)
	}
	noon := 12 * time.Hour
	days, err := db.EventDays(t.Context(), Period{p.From.Add(noon), p.To.Add(-noon)})
	wantDays := []EventDay{
		{Period{p.From.Add(noon), midnight}, 2}, {Period{midnight, midnight.Add(day)}, 2}, {Period{midnight.Add(day), p.To.Add(-noon)}, 1},
	}
	if diff := gocmp.Diff(wantDays, days); err != nil || diff != "" {
		t.Errorf("%v, days %s", err, diff)
	}
	want := at("first", -day)
	if diff := gocmp.Diff(texts(&want), texts(&events[0])); diff != "" {
		t.Error(diff)
	}
	without, _ := past(t, db, p, false)
	want.Raw = ""
	if diff := gocmp.Diff(texts(&want), texts(&without[0])); diff != "" {
		t.Errorf("without the raw record: %s", diff)
	}
	if err := without[0].Validate(); err != nil {
		t.Error(err)
	}
	if none, _ := past(t, db, Period{p.To, p.From}, false); len(none) > 0 {
		t.Errorf("a period that ends before it begins has %d events", len(none))
	}
	for range db.Events(t.Context(), days, false) {
		break // ends the query
	}
}

// The alerts of a period are those whose last event lies in it, in their newest
// revision.
func TestAlertsOf(t *testing.T) {
	begin := collected.Truncate(time.Hour)
	found := func(id string, end time.Duration, revision int, state alert.State) stream.Record {
		f := alert.Finding{
			ID: id, Rule: alert.Rule{ID: "r", Name: "r", Version: "v", Level: alert.High}, Tenant: "acme", Subject: alert.Subject{Key: "k"},
			Start: begin.Add(-time.Hour), End: begin.Add(end), Detected: collected, Revision: revision, State: state, Count: 1, Action: event.Export,
		}
		msg, err := alert.EncodeOCSF(f)
		if err != nil {
			t.Fatal(err)
		}
		return stream.Record{Value: msg, Time: collected}
	}
	db := migrated(t)
	tp := newTopic(0, []stream.Record{
		found("at the beginning", 0, 0, alert.Closed), found("before", -time.Millisecond, 0, alert.Closed), found("at the end", time.Hour, 0, alert.Open),
		found("last", time.Hour-time.Millisecond, 0, alert.Open), found("grown out", time.Minute, 0, alert.Open), found("grown out", 2*time.Hour, 1, alert.Open),
		found("withdrawn", time.Minute, 0, alert.Open), found("withdrawn", time.Minute, 1, alert.Withdrawn),
	})
	dead := &graveyard{}
	drain(t, tp, testArchive(db, dead).Alerts(tp))
	if len(dead.recs) > 0 {
		t.Fatalf("%s", dead.recs[0].Value)
	}
	var got []string
	for f, err := range db.AlertsOf(t.Context(), Period{begin, begin.Add(time.Hour)}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, f.ID)
	}
	if want := []string{"at the beginning", "last"}; !slices.Equal(got, want) {
		t.Errorf("alerts are %q, want %q", got, want)
	}
}

func TestPeople(t *testing.T) {
	want := []roster.Person{{
		ID: "7", Tenant: "acme", Name: "王小明", Email: "w@example.com", Department: "Sales", Role: "rep", Manager: "1",
		TimeZone: "Asia/Shanghai", Hours: roster.Hours{Days: 0b0111110, From: 540, To: 1080}, FirstDay: 20200101, LastDay: 20261130,
		Accounts: []roster.Account{{Source: "salesforce", ID: "005x", LastActive: collected}, {Source: "zoho", ID: "z"}},
	}, {ID: "8", Tenant: "acme"}}
	var recs []stream.Record
	for _, p := range want {
		value, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		recs = append(recs, stream.Record{Key: p.Key(), Value: value, Time: collected})
	}
	recs = append(recs, stream.Record{Key: []byte("acme/9"), Time: collected})
	db := migrated(t)
	tp := newTopic(0, recs)
	drain(t, tp, testArchive(db, &graveyard{}).Roster(tp))
	i := 0
	for p, err := range db.People(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if i >= len(want) || !p.Equal(want[i]) {
			t.Errorf("person %d is %+v", i, p)
		}
		i++
	}
	if i != len(want) {
		t.Errorf("%d people, want %d", i, len(want))
	}
}
