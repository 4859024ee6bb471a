package detect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/crmwatch/crmwatch/alert"
	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/internal/stream"
)

var errCrash = errors.New("crash")

// world is the durable surroundings of a detector: what survives its crashes.
// Every durable call may crash, before or after it was carried out.
type world struct {
	events    []stream.Record
	findings  []alert.Finding
	dead      []event.DeadLetter
	state     []stream.Record
	committed int64
	crash     func() (before, after bool)
}

func (w *world) call(do func()) error {
	before, after := w.crash()
	if before {
		return errCrash
	}
	do()
	if after {
		return errCrash
	}
	return nil
}

func calm() (bool, bool) { return false, false }

type findingLog struct{ *world }

func (l findingLog) Write(_ context.Context, recs ...stream.Record) error {
	return l.call(func() {
		for _, r := range recs {
			f, err := alert.DecodeOCSF(r.Value)
			if err != nil {
				panic(err)
			}
			l.findings = append(l.findings, f)
		}
	})
}

type deadLog struct{ *world }

func (l deadLog) Write(_ context.Context, recs ...stream.Record) error {
	return l.call(func() {
		for _, r := range recs {
			var d event.DeadLetter
			if err := json.Unmarshal(r.Value, &d); err != nil {
				panic(err)
			}
			l.dead = append(l.dead, d)
		}
	})
}

type stateTable struct{ *world }

func (s stateTable) Append(_ context.Context, _ int, recs ...stream.Record) error {
	return s.call(func() { s.state = append(s.state, recs...) })
}

func (s stateTable) Load(_ context.Context, _ int, fn func(stream.Record) error) error {
	for _, r := range s.state {
		if err := fn(r); err != nil {
			return err
		}
	}
	return nil
}

// onePartition is a group over one partition of a log in memory.
type onePartition struct {
	*world
	batch func() int
	next  int64
}

func (g *onePartition) Run(ctx context.Context, handle func(context.Context, stream.Claim) error) error {
	return handle(ctx, g)
}
func (g *onePartition) Partition() int       { return 0 }
func (g *onePartition) Committed() int64     { return g.committed }
func (g *onePartition) StartAt(offset int64) { g.next = offset }
func (g *onePartition) Lag() int64           { return int64(len(g.events)) - g.next }
func (g *onePartition) Next(context.Context, int, time.Duration) ([]stream.Record, error) {
	if g.Lag() == 0 {
		return nil, io.EOF
	}
	n := min(int64(g.batch()), g.Lag())
	recs := g.events[g.next : g.next+n]
	g.next += n
	return recs, nil
}

func (g *onePartition) Commit(_ context.Context, next int64) error {
	return g.call(func() { g.committed = next })
}

func (w *world) put(events ...*event.Event) {
	for _, e := range events {
		w.events = append(w.events, stream.Record{Key: e.Key(), Value: e.AppendJSON(nil), Offset: int64(len(w.events))})
	}
}

// run runs a new detector until the log ends or it crashes.
func (w *world) run(t *testing.T, batch func() int, docs ...string) error {
	t.Helper()
	now := monday
	cfg := DefaultConfig()
	cfg.Checkpoint = 500 // so that most checkpoints take several writes, and crashes fall between them
	d := New(cfg, Deps{
		Events: &onePartition{world: w, batch: batch}, Findings: findingLog{w}, State: stateTable{w}, Dead: deadLog{w},
		Rules: fixed(load(t, docs...)), People: nobody{}, Logger: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
		Now: func() time.Time { now = now.Add(300 * time.Millisecond); return now },
	})
	err := d.Run(t.Context())
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func byRevision(fs []alert.Finding) map[string]string {
	m := map[string]string{}
	for _, f := range fs {
		b, err := alert.EncodeOCSF(f)
		if err != nil {
			panic(err)
		}
		m[fmt.Sprint(f.ID, " revision ", f.Revision)] = string(b)
	}
	return m
}

var crashRules = []string{anyExport, correlation("value_sum", "gte: 100, field: rows"), bigExport}

// However often it crashes, and wherever, the detector finds what an undisturbed
// one finds: nothing is missing, nothing is extra, and what is there twice is the
// same to the last byte.
func TestCrashesChangeNothing(t *testing.T) {
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 2))
		var events []*event.Event
		for i := range 400 {
			e := export(fmt.Sprint("e", i), time.Duration(i)*3*time.Minute-time.Duration(rng.IntN(40))*time.Minute, int64(rng.IntN(30)))
			e.Actor.ID = fmt.Sprint(rng.IntN(3))
			if rng.IntN(40) == 0 {
				e.Rows = 5000
			}
			events = append(events, e)
		}
		batch := func() int { return 1 + rng.IntN(20) }
		calmly := &world{crash: calm}
		calmly.put(events...)
		if err := calmly.run(t, batch, crashRules...); err != nil {
			t.Fatal(err)
		}
		stormy := &world{crash: func() (bool, bool) { return rng.IntN(25) == 0, rng.IntN(25) == 0 }}
		stormy.put(events...)
		crashes := 0
		for err := errCrash; err != nil; {
			if err = stormy.run(t, batch, crashRules...); err != nil && !errors.Is(err, errCrash) {
				t.Fatal(err)
			}
			crashes++
		}
		want, got := byRevision(calmly.findings), byRevision(stormy.findings)
		if len(want) == 0 || crashes < 3 {
			t.Fatalf("seed %d: %d findings and %d crashes prove nothing", seed, len(want), crashes)
		}
		if len(got) != len(want) {
			t.Errorf("seed %d: %d findings after %d crashes, want %d", seed, len(got), crashes, len(want))
		}
		for _, f := range stormy.findings {
			if b, _ := alert.EncodeOCSF(f); string(b) != want[fmt.Sprint(f.ID, " revision ", f.Revision)] {
				t.Errorf("seed %d: finding %s differs:\n%s\n%s", seed, f.ID, b, want[fmt.Sprint(f.ID, " revision ", f.Revision)])
			}
		}
	}
}

// A message that is no event goes to the dead-letter topic, and its neighbours
// are judged.
func TestPoisonIsBuried(t *testing.T) {
	w := &world{crash: calm}
	w.put(export("a", 0, 5000))
	for _, poison := range []string{"", "{", `{"id":7}`, "\xff\xfe", strings.Repeat("[", 10_000)} {
		w.events = append(w.events, stream.Record{Value: []byte(poison), Offset: int64(len(w.events))})
	}
	future := export("c", time.Minute, 5000)
	future.Time = time.Date(2999, 1, 1, 0, 0, 0, 0, time.UTC)
	w.put(future, export("b", time.Hour, 5000))
	if err := w.run(t, func() int { return 3 }, bigExport); err != nil {
		t.Fatal(err)
	}
	if len(w.findings) != 2 || len(w.dead) != 6 || w.committed != int64(len(w.events)) {
		t.Errorf("%d findings, %d dead letters, committed %d", len(w.findings), len(w.dead), w.committed)
	}
	for i, d := range w.dead {
		if d.Stage != "detect" || d.Line != int64(i+1) || d.Origin != "events/0" || d.Reason == "" || d.ID == "" {
			t.Errorf("%+v", d)
		}
	}
}

// A state of a later form is refused, with the remedy, rather than misread.
func TestForeignStateIsRefused(t *testing.T) {
	for value, want := range map[string]string{
		`{"codec":99}`: "form 99",
		`{`:            "decode marker",
	} {
		w := &world{crash: calm, state: []stream.Record{{Key: []byte(markerKey), Value: []byte(value)}}}
		w.put(export("a", 0, 1))
		if err := w.run(t, func() int { return 1 }, bigExport); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", value, err)
		}
	}
}

// The state in the log alone decides where to go on, not what the group
// committed.
func TestStateDecidesWhereToGoOn(t *testing.T) {
	w := &world{crash: calm, committed: 2}
	w.put(export("a", 0, 60), export("b", time.Minute, 60))
	if err := w.run(t, func() int { return 1 }, crashRules...); err != nil {
		t.Fatal(err)
	}
	if len(w.findings) != 1 {
		t.Errorf("%d findings", len(w.findings))
	}
}

func TestMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	w := &world{crash: calm}
	w.put(export("a", 0, 5000), export("b", time.Minute, 1))
	d := New(DefaultConfig(), Deps{
		Events: &onePartition{world: w, batch: func() int { return 2 }}, Findings: findingLog{w}, State: stateTable{w}, Dead: deadLog{w},
		Rules: fixed(load(t, bigExport)), People: nobody{}, Logger: slog.New(slog.DiscardHandler), Metrics: reg, Now: func() time.Time { return monday },
	})
	if err := d.Run(t.Context()); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	want := `
# HELP crmwatch_detect_events_total Events that the detector took in.
# TYPE crmwatch_detect_events_total counter
crmwatch_detect_events_total 2
# HELP crmwatch_detect_findings_total Findings by rule.
# TYPE crmwatch_detect_findings_total counter
crmwatch_detect_findings_total{level="high",rule="big"} 1
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "crmwatch_detect_events_total", "crmwatch_detect_findings_total"); err != nil {
		t.Error(err)
	}
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
}

func TestChangesHoldTheMarker(t *testing.T) {
	w := &world{crash: calm}
	w.put(export("a", 0, 5000))
	if err := w.run(t, func() int { return 1 }, bigExport); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(w.state, func(r stream.Record) bool { return string(r.Key) == markerKey })
	var m marker
	if i < 0 || json.Unmarshal(w.state[i].Value, &m) != nil || m.Next != 1 || m.Codec != codecVersion {
		t.Errorf("%+v", m)
	}
}

func TestChunksKeepEveryRecordInOrder(t *testing.T) {
	var recs []stream.Record
	for i := range 50 {
		recs = append(recs, stream.Record{Key: []byte{byte(i)}, Value: make([]byte, i*7%90)})
	}
	var got []byte
	runs := 0
	for chunk := range stream.Cut(recs, 100, stateSize) {
		runs++
		size := 0
		for _, r := range chunk {
			got = append(got, r.Key...)
			size += len(r.Key) + len(r.Value)
		}
		if size > 100 && len(chunk) > 1 {
			t.Errorf("a run of %d bytes", size)
		}
	}
	for i, k := range got {
		if int(k) != i {
			t.Fatalf("record %d is out of order", k)
		}
	}
	if len(got) != 50 || runs < 10 {
		t.Errorf("%d records in %d runs", len(got), runs)
	}
}
