package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/crmwatch/crmwatch/detect/backtest"
	"github.com/crmwatch/crmwatch/internal/app"
)

func TestBacktestProgress(t *testing.T) {
	day := time.Date(2026, 9, 21, 2, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		tty  bool
		want string
	}{
		"elsewhere": {false, "2026-09-21: 500 of 2000 events (25 %), 100 events/s, 15s left\n2026-09-21: 2000 of 2000 events (100 %), 200 events/s, 0s left\n"},
		"terminal":  {true, "\r\x1b[K2026-09-21: 500 of 2000 events (25 %), 100 events/s, 15s left\r\x1b[K2026-09-21: 2000 of 2000 events (100 %), 200 events/s, 0s left\r\x1b[K"},
	} {
		var out bytes.Buffer
		now := day
		p := &backtestProgress{w: &out, tty: c.tty, now: func() time.Time { return now }, began: day}
		p.tell(1, 2000, day) // too early
		now = day.Add(5 * time.Second)
		p.tell(500, 2000, day)
		p.tell(501, 2000, day) // too soon after
		now = day.Add(10 * time.Second)
		p.tell(2000, 2000, day)
		p.end()
		if out.String() != c.want {
			t.Errorf("%s: %q", name, out.String())
		}
	}
}

// Lists that have no bound are cut, and say so.
func TestBacktestReportIsBounded(t *testing.T) {
	v := app.BacktestResult{Version: "0123456789ab"}
	for i := range 60 {
		v.ByUser = append(v.ByUser, backtest.Count{Name: fmt.Sprint("t/user", i), Alerts: 60 - i})
		v.Missed = append(v.Missed, backtest.Hit{ID: fmt.Sprint("missed", i), Tenant: "t", User: "u"})
	}
	var out bytes.Buffer
	if err := printBacktest(&out, &app.BacktestReport{Rule: "r", Compared: 60, Variants: []app.BacktestResult{v}}); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); strings.Contains(got, "user50") || strings.Contains(got, "missed50") || strings.Count(got, "and 10 more; --json has all") != 2 {
		t.Error(got)
	}
}
