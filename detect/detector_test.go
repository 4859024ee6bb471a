package detect

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/crmwatch/crmwatch/alert"
	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/internal/stream"
	"github.com/crmwatch/crmwatch/roster"
	"github.com/crmwatch/crmwatch/rules"
)

var errCrash = errors.New("crash")

// world is the durable surroundings of a detector: what survives its crashes.
// Every durable call may crash, before or after it was carried out.
type world struct {
	mu        sync.Mutex // guards all but events, which nobody changes while a detector runs
	owner     int        // of the state
	events    []stream.Record
	findings  []alert.Finding
	dead      []event.DeadLetter
	state     []stream.Record
	committed int64
	appended  int // to the state, ever
	loads     int // of it
	runs      atomic.Int64
	// checkpoint is the size of a write, where it is not the default.
	checkpoint int
	crash      func() (before, after bool)
	// pause, where set, is called before each durable call, with nothing held: others
	// may take over meanwhile.
	pause func()
}

func (w *world) call(do func()) error {
	if w.pause != nil {
		w.pause()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
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

// stateLedger is the state of the one partition.
type stateLedger struct{ *world }

func (s stateLedger) Own(context.Context, int) (stream.Owned, error) {
	var o *ownedState
	err := s.call(func() {
		s.owner++
		s.state = compacted(s.state)
		o = &ownedState{world: s.world, owner: s.owner, from: len(s.state), begun: s.appended, ended: s.appended}
	})
	return o, err
}

// compacted keeps the last record of each key, as the broker does some day. Until
// then deletions stay.
func compacted(recs []stream.Record) (kept []stream.Record) {
	last := map[string]int{}
	for i, r := range recs {
		last[string(r.Key)] = i
	}
	for i, r := range recs {
		if last[string(r.Key)] == i {
			kept = append(kept, r)
		}
	}
	return kept
}

type ownedState struct {
	*world
	owner, from  int
	begun, ended int // of appended
}

func (o *ownedState) Append(_ context.Context, recs ...stream.Record) error {
	fenced := false
	err := o.call(func() {
		if fenced = o.owner != o.world.owner; !fenced {
			o.state = append(o.state, recs...)
			o.appended += len(recs)
			o.ended = o.appended
		}
	})
	if fenced {
		return stream.ErrFenced
	}
	return err
}

func (o *ownedState) Load(_ context.Context, fn func(stream.Record) error) error {
	o.loads++
	for _, r := range o.state[:o.from] {
		if err := fn(r); err != nil {
			return err
		}
	}
	return nil
}

func (o *ownedState) Follows(before stream.Owned) bool {
	b, ok := before.(*ownedState)
	return ok && b.ended == o.begun
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
	cfg := DefaultConfig()
	cfg.Checkpoint = cmp.Or(w.checkpoint, cfg.Checkpoint)
	err := New(cfg, w.deps(batch, load(t, docs...))).Run(t.Context())
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// deps are the world as a detector sees it.
func (w *world) deps(batch func() int, set *rules.Set) Deps {
	var ticks atomic.Int64
	return Deps{
		Events: &onePartition{world: w, batch: batch}, Findings: findingLog{w}, State: stateLedger{w}, Dead: deadLog{w},
		Rules: fixed(set), People: &marrying{run: w.runs.Add(1)}, Logger: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
		Now: func() time.Time { return monday.Add(time.Duration(ticks.Add(1)) * 300 * time.Millisecond) },
	}
}

// marrying is a roster in which everybody has another name each time a detector
// is started: what a finding says is not what a replay would say.
type marrying struct {
	nobody
	run int64
}

func (m *marrying) Person(_, id string) (*roster.Person, bool) {
	if id == "" {
		return nil, false
	}
	return &roster.Person{ID: id, Name: fmt.Sprint("name ", m.run)}, true
}

func byRevision(fs []alert.Finding) map[string]string {
	m := map[string]string{}
	for _, f := range fs {
		f.Subject.Name = ""
		b, err := alert.EncodeOCSF(f)
		if err != nil {
			panic(err)
		}
		m[fmt.Sprint(f.ID, " revision ", f.Revision)] = string(b)
	}
	return m
}

var crashRules = []string{anyExport, correlation("value_sum", "gte: 100, field: rows"), bigExport}

// However often it crashes, and wherever, and however often it sleeps while another
// one takes over, and then goes on, the detector finds what an undisturbed one
// finds: nothing is missing, nothing is extra, and what is there twice is the
// same to the last byte, although people change their names at every start.
func TestCrashesChangeNothing(t *testing.T) {
	crashes, zombies := 0, 0
	for seed := range uint64(*crashSeeds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			c, z := testCrashes(t, seed, 0)
			crashes, zombies = crashes+c, zombies+z
		})
	}
	t.Logf("%d crashes, %d zombies", crashes, zombies)
	if crashes < 2**crashSeeds || zombies < *crashSeeds {
		t.Errorf("%d crashes and %d zombies prove little", crashes, zombies)
	}
}

// So it is also where checkpoints do not fit into one write, and crashes fall
// between them: only the names may differ then.
func TestCrashesWithinCheckpoints(t *testing.T) {
	for seed := range uint64(max(1, *crashSeeds/4)) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { testCrashes(t, seed, 500) })
	}
}

var crashSeeds = flag.Int("detect.seeds", 12, "how many courses of crashes are tried")

func testCrashes(t *testing.T, seed uint64, checkpoint int) (crashes, zombies int) {
	rng := rand.New(rand.NewPCG(seed, 2))
	var events []*event.Event
	for i := range 400 {
		e := export(fmt.Sprint("e", i), time.Duration(i)*3*time.Minute-time.Duration(rng.IntN(40))*time.Minute, int64(rng.IntN(30)))
		e.Actor.ID = fmt.Sprint(rng.IntN(3))
		e.Actor.Person = "P" + e.Actor.ID
		if rng.IntN(40) == 0 {
			e.Rows = 5000
		}
		events = append(events, e)
	}
	calmly := &world{crash: calm}
	calmly.put(events...)
	if err := calmly.run(t, func() int { return 1 + rng.IntN(20) }, crashRules...); err != nil {
		t.Fatal(err)
	}
	var stormy *world
	stormy, crashes, zombies = storm(t, seed, checkpoint, events)
	want, got := byRevision(calmly.findings), byRevision(stormy.findings)
	if len(got) != len(want) || len(want) == 0 {
		t.Errorf("%d findings after %d crashes and %d zombies, want %d", len(got), crashes, zombies, len(want))
	}
	told := map[string]string{}
	for _, f := range stormy.findings {
		revision := fmt.Sprint(f.ID, " revision ", f.Revision)
		if got[revision] != want[revision] {
			t.Errorf("%s differs:\n%s\n%s", revision, got[revision], want[revision])
		}
		if before, twice := told[revision]; twice && before != f.Subject.Name && checkpoint == 0 {
			t.Errorf("%s was told of %q and of %q", revision, before, f.Subject.Name)
		}
		told[revision] = f.Subject.Name
	}
	return crashes, zombies
}

// storm runs detectors that crash, or sleep while others run, until one comes to
// the end.
func storm(t *testing.T, seed uint64, checkpoint int, events []*event.Event) (w *world, crashes, zombies int) {
	t.Helper()
	fate := rand.New(rand.NewPCG(seed, 3)) // used under the world's lock, and by one goroutine where it sleeps
	var mu sync.Mutex
	chance := func(oneIn int) bool {
		mu.Lock()
		defer mu.Unlock()
		return fate.IntN(oneIn) == 0
	}
	batch := func() int {
		mu.Lock()
		defer mu.Unlock()
		return 1 + fate.IntN(20)
	}
	w = &world{checkpoint: checkpoint, crash: func() (bool, bool) { return chance(50), chance(50) }}
	w.put(events...)
	var asleep, slept atomic.Int32
	w.pause = func() {
		if asleep.Load() < 2 && chance(80) {
			asleep.Add(1)
			defer asleep.Add(-1)
			slept.Add(1)
			tolerate(t, w.run(t, batch, crashRules...))
		}
	}
	for err := errCrash; err != nil; {
		if err = w.run(t, batch, crashRules...); err != nil {
			tolerate(t, err)
			crashes++
		}
	}
	return w, crashes, int(slept.Load())
}

func tolerate(t *testing.T, err error) {
	t.Helper()
	if err != nil && !errors.Is(err, errCrash) && !errors.Is(err, stream.ErrFenced) {
		t.Error(err)
	}
}

// A partition that comes back is not read again, unless somebody else has had it
// in between. Either way nothing is counted twice, and nothing is missing.
func TestPartitionsComeBack(t *testing.T) {
	for _, foreign := range []bool{false, true} {
		t.Run(fmt.Sprint("foreign ", foreign), func(t *testing.T) {
			one := func() int { return 1 }
			w := &world{crash: calm}
			d := New(DefaultConfig(), w.deps(one, load(t, crashRules...)))
			w.put(export("a", 0, 60))
			if err := d.Run(t.Context()); !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			loads := w.loads
			w.put(export("b", time.Minute, 30))
			if foreign {
				if err := w.run(t, one, crashRules...); err != nil {
					t.Fatal(err)
				}
				loads++
			}
			w.put(export("c", 2*time.Minute, 30))
			if err := d.Run(t.Context()); !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			if got := w.loads - loads; got != 0 && !foreign || got != 1 && foreign {
				t.Errorf("the state was read %d times more", got)
			}
			if len(w.findings) != 1 || w.findings[0].Rows != 120 {
				t.Errorf("%d findings: %+v", len(w.findings), w.findings)
			}
		})
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
		Events: &onePartition{world: w, batch: func() int { return 2 }}, Findings: findingLog{w}, State: stateLedger{w}, Dead: deadLog{w},
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
