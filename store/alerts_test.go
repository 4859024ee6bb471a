package store

import (
	"fmt"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/crmwatch/crmwatch/alert"
	"github.com/crmwatch/crmwatch/alert/alerttest"
	"github.com/crmwatch/crmwatch/internal/stream"
)

func findingRecord(t *testing.T, f alert.Finding) stream.Record {
	t.Helper()
	doc, err := alert.EncodeOCSF(f)
	if err != nil {
		t.Fatal(err)
	}
	return stream.Record{Key: []byte(f.Tenant + "/" + f.Subject.Key), Value: doc, Time: collected}
}

func TestAlertRoundTrip(t *testing.T) {
	export, ghost := alerttest.MassExport(), alerttest.GhostAccount()
	all := []alert.Finding{export, ghost}
	for i, attack := range alerttest.Attacks() {
		f := alerttest.Hostile(attack)
		f.ID = fmt.Sprintf("hostile %d", i)
		all = append(all, f)
	}
	ids := map[string]bool{}
	var recs []stream.Record
	for _, f := range all {
		ids[f.ID] = true
		recs = append(recs, findingRecord(t, f))
	}
	late := export
	late.ID, late.Detected = "late", time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	recs = append(recs, findingRecord(t, late), stream.Record{Value: []byte("{}")})
	db, dead := migrated(t), &graveyard{}
	a := testArchive(db, dead)
	for _, first := range []int64{0, 1, 5000} {
		tp := newTopic(first, recs, recs[:2])
		drain(t, tp, a.Alerts(tp))
	}
	wantCount(t, db, "alerts", len(ids))
	if len(dead.recs) != 3*2 {
		t.Errorf("%d dead letters, want 2 of each delivery", len(dead.recs))
	}
	got := map[string]alert.Finding{}
	var last time.Time
	for f, err := range db.Alerts(t.Context(), time.Time{}) {
		if err != nil {
			t.Fatal(err)
		}
		if f.Detected.Before(last) {
			t.Error("the alerts are not in the order of their detection")
		}
		last = f.Detected
		got[f.ID] = f
	}
	for _, f := range []alert.Finding{export, ghost} {
		if diff := gocmp.Diff(f, got[f.ID]); diff != "" {
			t.Error(diff[:min(len(diff), 2000)])
		}
	}
	if len(got) != len(ids) {
		t.Errorf("%d alerts, want %d", len(got), len(ids))
	}
}

func TestAlertColumns(t *testing.T) {
	db := migrated(t)
	want := alerttest.MassExport()
	tp := newTopic(0, []stream.Record{findingRecord(t, want)})
	drain(t, tp, testArchive(db, &graveyard{}).Alerts(tp))
	var got struct {
		Rule, Level, Subject, Person, Action, Response string
		Events, Rows, Threshold                        int64
		Start, End, Detected                           time.Time
		Sources, IDs, Reasons                          []string
	}
	err := db.conn.QueryRow(t.Context(), `SELECT rule_name, level, subject, person, action, response, events, rows, threshold,
		start, end, detected, sources, event_ids, reasons FROM alerts`).Scan(&got.Rule, &got.Level, &got.Subject, &got.Person, &got.Action,
		&got.Response, &got.Events, &got.Rows, &got.Threshold, &got.Start, &got.End, &got.Detected, &got.Sources, &got.IDs, &got.Reasons)
	if err != nil {
		t.Fatal(err)
	}
	if got.Rule != "mass_export_hour" || got.Level != "critical" || got.Subject != "E1047" || got.Person != "E1047" || got.Action != "export" ||
		got.Response != "freeze" || got.Events != 6 || got.Rows != 48_210 || got.Threshold != 10_000 || len(got.Sources) != 2 || len(got.IDs) != 6 ||
		got.IDs[0] != want.Events[0].ID || len(got.Reasons) != 2 || !got.Start.Equal(want.Start) || !got.End.Equal(want.End) || !got.Detected.Equal(want.Detected) {
		t.Errorf("%+v", got)
	}
}

func TestAlertsSince(t *testing.T) {
	db := migrated(t)
	early, late := alerttest.MassExport(), alerttest.MassExport()
	late.ID, late.Detected = "ffffffffffffffffffffffffffffffff", early.Detected.Add(time.Millisecond)
	tp := newTopic(0, []stream.Record{findingRecord(t, late), findingRecord(t, early)})
	drain(t, tp, testArchive(db, &graveyard{}).Alerts(tp))
	for since, want := range map[time.Time]int{early.Detected: 2, late.Detected: 1, late.Detected.Add(time.Millisecond): 0} {
		n := 0
		for _, err := range db.Alerts(t.Context(), since) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		if n != want {
			t.Errorf("%d alerts since %v, want %d", n, since, want)
		}
	}
}
