package detect

import (
	"testing"
	"time"

	"github.com/crmwatch/crmwatch/event"
)

func day(n float64) int64 { return monday.UnixMilli() + int64(n*24*float64(time.Hour.Milliseconds())) }

func TestIdleDays(t *testing.T) {
	for _, c := range []struct {
		name   string
		active []float64 // days on which there was activity, in order of arrival
		at     float64
		want   int64
	}{
		{"never seen before", []float64{0}, 0, 0},
		{"every day", []float64{0, 1, 2, 3}, 3, 0},
		{"a weekend is no silence", []float64{0, 3}, 3, 0},
		{"woken after 60 days", []float64{0, 60}, 60, 60},
		{"a login first, then a read within the day", []float64{0, 60, 60.1}, 60.1, 60},
		{"the day after it is awake", []float64{0, 60, 60.5, 61.1}, 61.1, 0},
		{"late news cuts the silence", []float64{0, 60, 30}, 60, 30},
		{"late news just before waking", []float64{0, 60, 59}, 60, 1 * 0},
		{"late news of the same time", []float64{0, 60, 60}, 60, 60},
	} {
		var a account
		for _, d := range c.active {
			a.touch(day(d))
		}
		if got := a.idleDays(day(c.at)); got != c.want {
			t.Errorf("%s: %d days, want %d", c.name, got, c.want)
		}
	}
}

// Somebody who tries passwords on a dormant account does not wake it.
func TestFailuresDoNotWake(t *testing.T) {
	en := NewEngine(DefaultConfig(), load(t, bigExport), nobody{})
	en.Apply(export("a", 0, 1))
	failed := export("b", 90*24*time.Hour, 0)
	failed.Action, failed.Outcome = event.LoginFailed, event.Failure
	en.Apply(failed)
	r := en.look(export("c", 90*24*time.Hour+time.Hour, 1))
	if got := r.derived[accountIdleDays].Int; got != 90 {
		t.Errorf("%d days", got)
	}
}
