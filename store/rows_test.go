package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/internal/stream"
	"github.com/crmwatch/crmwatch/roster"
)

// Every field of an event has a column, and every column of every table is
// filled.
func TestColumns(t *testing.T) {
	db := migrated(t)
	check := func(table string, filled []string) {
		t.Helper()
		types, err := db.columnTypes(t.Context(), table+"_log")
		if err != nil {
			t.Fatal(err)
		}
		var have []string
		for name := range types {
			have = append(have, name)
		}
		slices.Sort(have)
		slices.Sort(filled)
		if diff := gocmp.Diff(have, filled); diff != "" {
			t.Errorf("%s: columns of the table and of the archive differ: %s", table, diff)
		}
	}
	slots := make(chan struct{}, 1)
	check("events", newInserter(db, eventTable(), slots).names)
	check("alerts", newInserter(db, alertTable(), slots).names)
	check("roster", newInserter(db, rosterTable(), slots).names)
	check("rules", newInserter(db, ruleTable(), slots).names)
	check("dead_letters", newInserter(db, deadLetterTable(), slots).names)

	types, err := db.columnTypes(t.Context(), "events")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range event.Fields {
		if types[strings.ReplaceAll(f.Path, ".", "_")] == "" {
			t.Errorf("field %s has no column", f.Path)
		}
	}
}

func fullEvent() event.Event {
	return event.Event{
		ID: "id-1", Time: collected.Add(-48 * time.Hour), Collected: collected, Tenant: "acme", Source: "zoho", Type: "t",
		Action: event.Download,
		Actor: event.Actor{
			ID: "a", Name: "an", Email: "a@example.com", Person: "p", Type: event.Integration, Role: "r", Department: "d",
		},
		Object: event.Object{Type: "ot", ID: "o", Name: "on"},
		Rows:   1 << 62, Bytes: 1<<63 - 1, SrcIP: "2001:db8::1", Country: "CN", UserAgent: "ua", DeviceID: "dev", App: "app",
		Session: "s", Outcome: event.Failure, Reason: "why", Raw: `{"x":1}`,
	}
}

// stored reads every field of every event back as text, by id.
func stored(t *testing.T, db *DB) map[string]map[string]string {
	t.Helper()
	events := map[string]map[string]string{}
	for _, f := range event.Fields {
		column := strings.ReplaceAll(f.Path, ".", "_")
		switch {
		case f.Path == "time" || f.Path == "collected":
			read(t, db, events, f.Path, column, func(v time.Time) string { return v.UTC().Format(event.TimeLayout) })
		case f.Kind == event.Int:
			read(t, db, events, f.Path, column, func(v int64) string { return fmt.Sprint(v) })
		default:
			read(t, db, events, f.Path, column, func(v string) string { return v })
		}
	}
	return events
}

func read[V any](t *testing.T, db *DB, events map[string]map[string]string, path, column string, text func(V) string) {
	t.Helper()
	rows, err := db.conn.Query(t.Context(), fmt.Sprintf("SELECT id AS key, %s AS value FROM events", column))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var v V
		if err := rows.Scan(&id, &v); err != nil {
			t.Fatal(err)
		}
		if events[id] == nil {
			events[id] = map[string]string{}
		}
		events[id][path] = text(v)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

func texts(e *event.Event) map[string]string {
	want := map[string]string{}
	for _, f := range event.Fields {
		want[f.Path] = f.Get(e).Text()
	}
	return want
}

func TestEventRoundTrip(t *testing.T) {
	full := fullEvent()
	for _, f := range event.Fields {
		if f.Get(&full).Kind == event.Absent {
			t.Fatalf("the test's event has no %s", f.Path)
		}
	}
	least := event.Event{ID: "id-2", Time: event.Earliest, Collected: collected, Tenant: "acme", Source: "x", Action: event.Other}
	db := migrated(t)
	tp := newTopic(77, nil, nil, []stream.Record{record(full), record(least)})
	drain(t, tp, testArchive(db, &graveyard{}).Events(tp))
	got := stored(t, db)
	for _, e := range []event.Event{full, least} {
		if diff := gocmp.Diff(texts(&e), got[e.ID]); diff != "" {
			t.Errorf("%s: %s", e.ID, diff)
		}
	}
	if p, o := one[int32](t, db, "SELECT kafka_partition FROM events WHERE id = 'id-2'"), one[int64](t, db, "SELECT kafka_offset FROM events WHERE id = 'id-2'"); p != 2 || o != 78 {
		t.Errorf("partition %d offset %d, want 2 and 78", p, o)
	}
}

// An event that does not say when it was collected was so when Kafka had it.
func TestEventWithoutCollection(t *testing.T) {
	e := export(1)
	e.Collected = time.Time{}
	rec := stream.Record{Value: e.AppendJSON(nil), Time: collected.Add(-time.Hour)}
	db := migrated(t)
	tp := newTopic(0, []stream.Record{rec})
	drain(t, tp, testArchive(db, &graveyard{}).Events(tp))
	if got := one[time.Time](t, db, "SELECT collected FROM events"); !got.Equal(rec.Time) {
		t.Errorf("collected is %v, want %v", got, rec.Time)
	}
}

// everyRune is all of Unicode but NUL, which no field may hold, in texts of at
// most size bytes.
func everyRune(size int) []string {
	var all []string
	var b strings.Builder
	for r := rune(1); r <= utf8.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		if b.Len()+utf8.RuneLen(r) > size {
			all = append(all, b.String())
			b.Reset()
		}
		b.WriteRune(r)
	}
	return append(all, b.String())
}

func TestHostileTexts(t *testing.T) {
	hostile := []string{
		`'; DROP TABLE events_log; --`, `"`, "`", `\`, `\'`, `\\`, "\t\r\n", "\x01\x1b[31m", "{{ttl_days}}", "{id:String}", "?", "$1", "@p1",
		"=HYPERLINK(1)", "<script>", "\u202e\ufeff\u2028", "👩‍👩‍👧", "中文", strings.Repeat("x", event.MaxField),
		strings.Repeat("\u00e9", event.MaxField/2),
	}
	var events []event.Event
	for i, s := range hostile {
		e := fullEvent()
		e.ID = fmt.Sprintf("h%d", i)
		e.Type, e.Actor.ID, e.Actor.Name, e.Actor.Email, e.Actor.Person, e.Actor.Role, e.Actor.Department = s, s, s, s, s, s, s
		e.Object = event.Object{Type: s, ID: s, Name: s}
		e.UserAgent, e.DeviceID, e.App, e.Session, e.Reason, e.Raw = s, s, s, s, s, s
		events = append(events, e)
	}
	for i, s := range append(everyRune(event.MaxRaw), strings.Repeat("r", event.MaxRaw)) {
		e := fullEvent()
		e.ID, e.Raw = fmt.Sprintf("u%d", i), s
		events = append(events, e)
	}
	var recs []stream.Record
	for _, e := range events {
		recs = append(recs, record(e))
	}
	db, dead := migrated(t), &graveyard{}
	tp := newTopic(0, recs)
	drain(t, tp, testArchive(db, dead).Events(tp))
	if len(dead.recs) > 0 {
		t.Errorf("%d are dead: %s", len(dead.recs), dead.recs[0].Value[:300])
	}
	wantCount(t, db, "events", len(events))
	got := stored(t, db)
	for _, e := range events {
		if diff := gocmp.Diff(texts(&e), got[e.ID]); diff != "" {
			t.Errorf("%s: %s", e.ID, diff[:min(len(diff), 500)])
		}
	}
}

func TestRosterRoundTrip(t *testing.T) {
	wang := roster.Person{
		ID: "7", Tenant: "acme", Name: "王小明", Email: "w@example.com", Department: "Sales", Role: "rep", Manager: "1",
		TimeZone: "Asia/Shanghai", Hours: roster.Hours{Days: 0b0111110, From: 540, To: 1080}, FirstDay: 20200101, LastDay: 20261130,
		Accounts: []roster.Account{{Source: "salesforce", ID: "005x", LastActive: collected}, {Source: "zoho", ID: "z"}},
	}
	put := func(p roster.Person) stream.Record {
		value, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		return stream.Record{Key: []byte(p.Tenant + "/" + p.ID), Value: value, Time: collected}
	}
	bare, gone := roster.Person{ID: "8", Tenant: "acme"}, roster.Person{ID: "9/x", Tenant: "acme"}
	moved := wang
	moved.Department = "Support"
	recs := []stream.Record{
		put(wang), put(bare), put(gone), put(moved),
		{Key: []byte("acme/9/x"), Time: collected},
		{Key: []byte("no slash"), Time: collected},
		{Key: []byte("acme/"), Time: collected},
		{Key: []byte("acme/5"), Value: []byte("[]"), Time: collected},
		put(roster.Person{Tenant: "acme"}),
	}
	db, dead := migrated(t), &graveyard{}
	for range 2 {
		tp := newTopic(0, recs)
		drain(t, tp, testArchive(db, dead).Roster(tp))
	}
	wantCount(t, db, "roster", 2)
	if len(dead.recs) != 2*4 {
		t.Errorf("%d dead letters, want 4 of each delivery", len(dead.recs))
	}
	var got []struct {
		Name     string      `ch:"name"`
		Dept     string      `ch:"department"`
		Zone     string      `ch:"time_zone"`
		Days     uint8       `ch:"work_days"`
		From     int32       `ch:"work_from"`
		To       int32       `ch:"work_to"`
		First    int32       `ch:"first_day"`
		Last     int32       `ch:"last_day"`
		Sources  []string    `ch:"account_sources"`
		Accounts []string    `ch:"account_ids"`
		Active   []time.Time `ch:"account_active"`
	}
	err := db.conn.Select(t.Context(), &got, `SELECT name, department, time_zone, work_days, work_from, work_to, first_day, last_day,
		account_sources, account_ids, account_active FROM roster WHERE id = '7'`)
	if err != nil || len(got) != 1 {
		t.Fatalf("%d rows, %v", len(got), err)
	}
	g := got[0]
	if g.Name != wang.Name || g.Dept != "Support" || g.Zone != wang.TimeZone || g.Days != wang.Hours.Days || g.From != 540 || g.To != 1080 ||
		g.First != 20200101 || g.Last != 20261130 || !slices.Equal(g.Sources, []string{"salesforce", "zoho"}) ||
		!slices.Equal(g.Accounts, []string{"005x", "z"}) || !g.Active[0].Equal(collected) || g.Active[1].Unix() != 0 {
		t.Errorf("%+v", g)
	}
}

func TestDeadLetterRoundTrip(t *testing.T) {
	want := event.DeadLetter{
		ID: "d1", Time: collected, Tenant: "acme", Stage: "ingest", Origin: "a.csv", Line: 12, Field: "rows", Reason: "bad_number",
		Detail: "is not a whole number", Size: 4, Record: []byte{0xff, 0, '\'', '\\'},
	}
	big := event.DeadLetter{ID: "d2", Time: collected.Add(time.Second), Stage: "ingest", Record: make([]byte, 10<<20), Size: 10 << 20}
	old := event.DeadLetter{ID: "d0", Time: collected.AddDate(0, 0, -10)}
	late := event.DeadLetter{ID: "d3", Time: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}
	var recs []stream.Record
	for _, d := range []event.DeadLetter{want, big, old, {}, late} {
		value, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		recs = append(recs, stream.Record{Value: value, Time: collected})
	}
	recs = append(recs, stream.Record{Value: []byte("{")})
	db, dead := migrated(t), &graveyard{}
	for _, first := range []int64{0, 1000} {
		tp := newTopic(first, recs)
		drain(t, tp, testArchive(db, dead).DeadLetters(tp))
	}
	wantCount(t, db, "dead_letters", 3)
	if len(dead.recs) != 2*3 {
		t.Errorf("%d dead letters of dead letters, want 3 of each delivery", len(dead.recs))
	}
	var got []event.DeadLetter
	for d, err := range db.DeadLetters(t.Context(), collected) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, d)
	}
	if len(got) != 2 || got[1].ID != big.ID || !bytes.Equal(got[1].Record, big.Record) {
		t.Fatalf("%d dead letters, want the two of today, whole", len(got))
	}
	if diff := gocmp.Diff(want, got[0]); diff != "" {
		t.Error(diff)
	}
}

func TestQueriesEndWithTheirLoop(t *testing.T) {
	db := migrated(t)
	var recs []stream.Record
	for i := range 50 {
		value, err := json.Marshal(event.DeadLetter{ID: fmt.Sprint(i), Time: collected})
		if err != nil {
			t.Fatal(err)
		}
		recs = append(recs, stream.Record{Value: value})
	}
	tp := newTopic(0, recs)
	drain(t, tp, testArchive(db, &graveyard{}).DeadLetters(tp))
	for range 30 { // more than there are connections
		for range db.DeadLetters(t.Context(), time.Time{}) {
			break
		}
	}
	if err := db.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestQueriesReportErrors(t *testing.T) {
	db := openDB(t, testConfig(t)) // no schema
	if _, err := db.CountEvents(t.Context()); err == nil {
		t.Error("CountEvents: no error")
	}
	n := 0
	for _, err := range db.Alerts(t.Context(), time.Time{}) {
		n++
		if !errors.Is(err, ErrSchema) || !strings.Contains(err.Error(), "run crmwatch on it once") {
			t.Errorf("Alerts: %v", err)
		}
	}
	if n != 1 {
		t.Errorf("%d errors, want one", n)
	}
}
