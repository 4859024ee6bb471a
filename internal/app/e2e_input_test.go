package app

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// monday is 10 in the morning of a working day in Shanghai: whatever the clock
// says when the tests run, no rule on off-hours has a say.
var monday = time.Date(2026, 9, 21, 2, 0, 0, 0, time.UTC)

// logColumns are those of an event log file of the type Report that matter here,
// and one that crmwatch does not know.
var logColumns = []string{
	"EVENT_TYPE", "TIMESTAMP", "REQUEST_ID", "ORGANIZATION_ID", "USER_ID", "URI", "REQUEST_STATUS", "DISPLAY_TYPE", "RENDERING_TYPE",
	"REPORT_ID", "ROW_COUNT", "AVERAGE_ROW_SIZE", "ORIGIN", "TIMESTAMP_DERIVED", "USER_ID_DERIVED", "CLIENT_IP", "REPORT_ID_DERIVED", "NOTE__C",
}

// report is one row of it: a report of so many rows, exported by the user.
type report struct {
	at   time.Time
	user string // 15 characters
	rows int
	note string
	// looked is a report that was looked at and not exported.
	looked bool
}

func (r report) row() []string {
	origin := "ReportExported"
	if r.looked {
		origin = "ReportRunFromLightning"
	}
	at := r.at.UTC()
	return []string{
		"Report", at.Format("20060102150405.000"), fmt.Sprintf("TID:%x", at.UnixMilli()), "00DKD0000004Wq7", r.user, "/aura", "S", "D", "",
		"00OKD0000031Zp5", fmt.Sprint(r.rows), "412", origin, at.Format("2006-01-02T15:04:05.000Z"), r.user + "EYA", "198.51.100.24", "00OKD0000031Zp5MAC", r.note,
	}
}

// logFile writes an event log file.
func logFile(t *testing.T, reports ...report) (path string) {
	t.Helper()
	var b strings.Builder
	w := csv.NewWriter(&b)
	rows := [][]string{logColumns}
	for _, r := range reports {
		rows = append(rows, r.row())
	}
	if err := w.WriteAll(rows); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "2026-09-21_Report.csv")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// small are n exports of so many rows each, a minute apart, from the minute on.
func small(user string, rows, from, n int) (all []report) {
	for i := range n {
		all = append(all, report{at: monday.Add(time.Duration(from+i) * time.Minute), user: user, rows: rows})
	}
	return all
}

// native is an event in its native form; more is put into the object as it is.
func native(id string, at time.Time, rows int, more string) string {
	return fmt.Sprintf(`{"id":%q,"time":%q,"source":"zoho","type":"export_leads","action":"export","actor":{"id":"77","name":"gao.min"},"rows":%d%s}`,
		id, at.Format(time.RFC3339Nano), rows, more)
}

// ingest takes in a file whole.
func (l *life) ingest(t *testing.T, path string, accepted int64) {
	t.Helper()
	s, err := l.Pipeline.IngestFile(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.Accepted != accepted || s.RejectedTotal() != 0 {
		t.Fatalf("%d events were accepted and %v rejected, want %d and none", s.Accepted, s.Rejected, accepted)
	}
}
