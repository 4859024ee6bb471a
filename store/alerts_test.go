package store

import (
	"fmt"
	"testing"
	"testing/fstest"
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

// revisions are a finding's, from when it was told to when it was over.
func revisions() []alert.Finding {
	all := []alert.Finding{alerttest.MassExport()}
	return append(all, alerttest.Amended()[:4]...)
}

// TestAlertsAreTheNewestRevision: whatever order the revisions come in, how often,
// in which months, and what is merged in between.
func TestAlertsAreTheNewestRevision(t *testing.T) {
	all := revisions()
	newest := all[len(all)-1]
	orders := map[string][]int{
		"in order": {0, 1, 2, 3, 4}, "backwards": {4, 3, 2, 1, 0}, "again and again": {0, 4, 1, 4, 0, 3, 2, 3, 4, 0},
		"a replay after the end": {0, 1, 2, 3, 4, 0, 1, 2},
	}
	for name, order := range orders {
		for _, apart := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, apart %v", name, apart), func(t *testing.T) {
				db := migrated(t)
				a := testArchive(db, &graveyard{})
				var recs []stream.Record
				for i, n := range order {
					rec := findingRecord(t, all[n])
					rec.Time = rec.Time.Add(time.Duration(i) * time.Hour)
					recs = append(recs, rec)
				}
				if !apart {
					tp := newTopic(0, recs)
					drain(t, tp, a.Alerts(tp))
				}
				for i := range recs {
					if !apart {
						break
					}
					tp := newTopic(int64(i), recs[i:i+1])
					drain(t, tp, a.Alerts(tp))
					exec(t, db, "OPTIMIZE TABLE alerts_log FINAL")
				}
				var got []alert.Finding
				for f, err := range db.Alerts(t.Context(), time.Time{}) {
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, f)
				}
				if diff := gocmp.Diff([]alert.Finding{newest}, got); diff != "" {
					t.Error(diff[:min(len(diff), 2000)])
				}
				if n := one[uint64](t, db, "SELECT count() FROM alerts_log FINAL"); int(n) != len(all) {
					t.Errorf("the log has %d revisions, not %d", n, len(all))
				}
				if n := one[uint64](t, db, "SELECT count() FROM alerts WHERE state = 'open' OR events = 6"); n != 0 {
					t.Error("a condition finds a revision that is not the newest")
				}
			})
		}
	}
}

// TestAlertsFromBeforeRevisions: the tables of an earlier version have rows, which
// are first revisions, and go on being amended.
func TestAlertsFromBeforeRevisions(t *testing.T) {
	db := openDB(t, testConfig(t))
	files := realFiles(t)
	earlier := fstest.MapFS{}
	for name, file := range files {
		if name < "0009" {
			earlier[name] = file
		}
	}
	if err := db.migrate(t.Context(), earlier); err != nil {
		t.Fatal(err)
	}
	f := alerttest.MassExport()
	doc := string(findingRecord(t, f).Value)
	for _, day := range []string{"2026-10-31", "2026-11-23"} { // delivered twice, kept in two months
		exec(t, db, "INSERT INTO alerts_log (id, tenant, detected, ocsf, version, kept_from) VALUES (?, ?, ?, ?, 1152921504606846976, ?)", f.ID, f.Tenant, f.Detected, doc, day)
	}
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := one[string](t, db, "SELECT state || ' ' || toString(revision) FROM alerts"); got != "open 0" {
		t.Errorf("the row from before is %s", got)
	}
	tp := newTopic(0, []stream.Record{findingRecord(t, alerttest.Amended()[3])})
	drain(t, tp, testArchive(db, &graveyard{}).Alerts(tp))
	if got := one[string](t, db, "SELECT state || ' ' || toString(revision) FROM alerts"); got != "closed 4" {
		t.Errorf("the newest revision is %s", got)
	}
}

func exec(t *testing.T, db *DB, statement string, args ...any) {
	t.Helper()
	if err := db.conn.Exec(t.Context(), statement, args...); err != nil {
		t.Fatal(err)
	}
}

func TestAlertColumns(t *testing.T) {
	db := migrated(t)
	want := alerttest.MassExport()
	want.Revision, want.State, want.Uncertainty = 7, alert.Closed, 0.02
	want.Replaces, want.ReplacedBy = []string{"a", "b"}, "c"
	tp := newTopic(0, []stream.Record{findingRecord(t, want)})
	drain(t, tp, testArchive(db, &graveyard{}).Alerts(tp))
	var got struct {
		Rule, Level, Subject, Person, Action, Response string
		Events, Rows, Threshold                        int64
		Start, End, Detected                           time.Time
		Sources, IDs, Reasons                          []string

		Revision          uint32
		State, ReplacedBy string
		Replaces          []string
		Uncertainty       float64
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
	err = db.conn.QueryRow(t.Context(), `SELECT revision, state, replaces, replaced_by, uncertainty FROM alerts`).
		Scan(&got.Revision, &got.State, &got.Replaces, &got.ReplacedBy, &got.Uncertainty)
	if err != nil {
		t.Fatal(err)
	}
	if got.Revision != 7 || got.State != "closed" || len(got.Replaces) != 2 || got.ReplacedBy != "c" || got.Uncertainty != 0.02 {
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
