package detect

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/crmwatch/crmwatch/detect/window"
)

// A flood is one incident, however many events of it find no room, and it is over
// when there was room for all for a while.
func TestLimitIsToldOnce(t *testing.T) {
	var told []bool
	l := limit{tell: func(reached bool) { told = append(told, reached) }}
	var before, now window.Counters
	for minute, lost := range []int64{0, 3, 0, 2, 1, 0, 0} {
		before = now
		now.Refused += lost
		now.Evicted += lost
		now.Late++
		l.note(&before, &now, monday.Add(time.Duration(minute)*time.Minute))
	}
	l.note(&now, &now, monday.Add(4*time.Minute+limitQuiet))
	if !slices.Equal(told, []bool{true, false}) {
		t.Errorf("told %v", told)
	}
}

// What a flood of new persons costs is counted, and told.
func TestFloodIsCountedAndTold(t *testing.T) {
	reg := prometheus.NewRegistry()
	w := &world{crash: calm}
	for i := range 20 {
		e := export(fmt.Sprint("e", i), time.Duration(i)*time.Second, 1)
		e.Actor.ID = fmt.Sprint("new", i)
		w.put(e)
	}
	cfg := DefaultConfig()
	cfg.Groups = 5
	var told []bool
	d := New(cfg, Deps{
		Events: &onePartition{world: w, batch: func() int { return 4 }}, Findings: findingLog{w}, State: stateLedger{w}, Dead: deadLog{w},
		Rules: fixed(load(t, anyExport, correlation("event_count", "gte: 3"))), People: nobody{}, Logger: slog.New(slog.DiscardHandler),
		Metrics: reg, Now: func() time.Time { return monday }, Limit: func(reached bool) { told = append(told, reached) },
	})
	if err := d.Run(t.Context()); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if !slices.Equal(told, []bool{true}) {
		t.Errorf("told %v", told)
	}
	want := `
# HELP crmwatch_detect_windows_evicted_total Windows of a single event that had to go for others, because there were too many.
# TYPE crmwatch_detect_windows_evicted_total counter
crmwatch_detect_windows_evicted_total 15
# HELP crmwatch_detect_windows_refused_total Times an event was not counted by a rule because there were too many windows, all of groups with a history.
# TYPE crmwatch_detect_windows_refused_total counter
crmwatch_detect_windows_refused_total 0
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "crmwatch_detect_windows_evicted_total", "crmwatch_detect_windows_refused_total"); err != nil {
		t.Error(err)
	}
}
