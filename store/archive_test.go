package store

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/internal/stream"
)

// collected is now to the millisecond: the server's clock counts the retention.
var collected = time.Now().UTC().Truncate(time.Millisecond)

// export is an event like many others; n makes it one of its own.
func export(n int) event.Event {
	return event.Event{
		ID: fmt.Sprintf("e%05d", n), Time: collected.Add(-time.Duration(n) * time.Minute), Collected: collected,
		Tenant: "acme", Source: "salesforce", Type: "ReportExport", Action: event.Export,
		Actor: event.Actor{ID: fmt.Sprintf("u%d", n%7), Person: fmt.Sprintf("p%d", n%7)}, Rows: int64(n),
	}
}

func record(e event.Event) stream.Record {
	return stream.Record{Key: e.Key(), Value: e.AppendJSON(nil), Time: e.Collected}
}

func exports(from, to int) []stream.Record {
	var recs []stream.Record
	for n := from; n < to; n++ {
		recs = append(recs, record(export(n)))
	}
	return recs
}

func TestArchiveOfManyPartitions(t *testing.T) {
	db := migrated(t)
	tp := newTopic(0, exports(0, 1000), exports(1000, 3000), nil, exports(3000, 3001))
	drain(t, tp, testArchive(db, &graveyard{}).Events(tp))
	wantCount(t, db, "events", 3001)
	if n, err := db.CountEvents(t.Context()); n != 3001 || err != nil {
		t.Errorf("CountEvents: %d, %v", n, err)
	}
	if got := testutil.ToFloat64(db.metrics.rows.WithLabelValues("events")); got != 3001 {
		t.Errorf("rows_inserted_total is %v", got)
	}
	if got := testutil.ToFloat64(db.metrics.up); got != 1 {
		t.Errorf("up is %v", got)
	}
	if n := testutil.CollectAndCount(db.metrics.seconds); n != 1 {
		t.Errorf("%d histograms of the duration", n)
	}
}

// After a crash the same offsets come again, cut at other places.
func TestRedeliveryInOtherBatches(t *testing.T) {
	db := migrated(t)
	a := testArchive(db, &graveyard{})
	for _, cut := range []int{100, 1, 33, 20_000, 100} {
		tp := newTopic(50, exports(0, 100))
		tp.cut = func() int { return cut }
		drain(t, tp, a.Events(tp))
		wantCount(t, db, "events", 100)
	}
}

// The first line: a block that comes again as it was makes no second part.
func TestRetriedBlockIsNotInsertedTwice(t *testing.T) {
	db := migrated(t)
	a := testArchive(db, &graveyard{})
	for range 3 {
		tp := newTopic(7, exports(0, 10))
		drain(t, tp, a.Events(tp))
	}
	wantCount(t, db, "events_log", 10)
}

// A topic that was deleted and made again has the same offsets, with other
// records that must not be taken for copies.
func TestTopicMadeAgain(t *testing.T) {
	db := migrated(t)
	a := testArchive(db, &graveyard{})
	for i := range 3 {
		tp := newTopic(0, exports(10*i, 10*i+10))
		drain(t, tp, a.Events(tp))
	}
	wantCount(t, db, "events", 30)
}

func TestDuplicatesAnywhere(t *testing.T) {
	db := migrated(t)
	a := testArchive(db, &graveyard{})
	first, second := export(1), export(1)
	second.Collected = collected.AddDate(0, -3, 0) // so that the order of months is not that of writing
	second.Actor.Person, second.Rows = "p-known-later", 99
	older, newer := record(first), record(second)
	older.Time, newer.Time = collected.Add(-time.Hour), collected
	// Twice in one batch, once in another, in two months and two partitions.
	tp := newTopic(0, []stream.Record{older, older, record(export(2))}, []stream.Record{older})
	drain(t, tp, a.Events(tp))
	wantCount(t, db, "events", 2)
	tp = newTopic(100, []stream.Record{newer})
	drain(t, tp, a.Events(tp))
	wantCount(t, db, "events", 2)
	if n := one[uint64](t, db, "SELECT uniqExact(_partition_id) FROM events_log"); n != 2 {
		t.Fatalf("the copies are in %d partitions, the test wants 2", n)
	}
	// The old copy comes once more, after the new one.
	tp = newTopic(3, []stream.Record{older})
	drain(t, tp, a.Events(tp))
	wantCount(t, db, "events", 2)
	if got := one[int64](t, db, "SELECT rows FROM events WHERE id = 'e00001'"); got != 99 {
		t.Errorf("rows is %d, want those of the last write", got)
	}
	if got := one[uint64](t, db, "SELECT count() FROM events WHERE actor_person = 'p1'"); got != 0 {
		t.Errorf("the old copy is found by its person")
	}
	// Not even a careless setting brings the copies back.
	if got := one[uint64](t, db, "SELECT count() FROM events SETTINGS do_not_merge_across_partitions_select_final = 1"); got != 2 {
		t.Errorf("count() with partitions apart is %d", got)
	}
}

// Any history of deliveries ends in the set of the events, by an oracle that
// knows nothing of blocks.
func TestAnyDeliveryEndsInTheSet(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	rnd := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	db := migrated(t)
	a := testArchive(db, &graveyard{})
	var log []stream.Record
	want := map[string]int64{}
	for range 400 {
		e := export(rnd.IntN(150))
		e.Collected = collected.AddDate(0, 0, -rnd.IntN(100))
		log = append(log, record(e))
		want[e.ID] = e.Rows
	}
	for range 8 { // each a process that begins somewhere and dies somewhere
		from := rnd.IntN(len(log))
		if rnd.IntN(3) == 0 {
			from = 0
		}
		tp := newTopic(int64(from), log[from:])
		tp.cut = func() int { return 1 + rnd.IntN(120) }
		drain(t, tp, a.Events(tp))
	}
	tp := newTopic(0, log)
	drain(t, tp, a.Events(tp))
	var rows []struct {
		ID   string `ch:"id"`
		Rows int64  `ch:"rows"`
	}
	if err := db.conn.Select(t.Context(), &rows, "SELECT id, rows FROM events"); err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for _, r := range rows {
		got[r.ID] = r.Rows
	}
	if diff := gocmp.Diff(want, got); diff != "" || len(rows) != len(want) {
		t.Errorf("%d rows for %d events: %s", len(rows), len(want), diff)
	}
}

// Claims of any time of collection, two a month for as long as times are
// believed, would be 1,200 partitions.
func TestHostileTimesDoNotPoisonABatch(t *testing.T) {
	db := migrated(t)
	var recs []stream.Record
	for i := range 1200 {
		e := export(i)
		e.Time = event.Earliest.AddDate(0, i, 0)
		e.Collected = e.Time
		recs = append(recs, record(e))
	}
	edge := export(2000)
	edge.Time = event.Latest.Add(-time.Millisecond)
	tp := newTopic(0, append(recs, record(edge)))
	drain(t, tp, testArchive(db, &graveyard{}).Events(tp))
	wantCount(t, db, "events", 1201)
	if got := one[time.Time](t, db, "SELECT max(time) FROM events"); !got.Equal(edge.Time) {
		t.Errorf("the last time is %v, want %v", got, edge.Time)
	}
	if got := one[time.Time](t, db, "SELECT min(collected) FROM events"); !got.Equal(event.Earliest) {
		t.Errorf("the claimed collection is %v, want %v", got, event.Earliest)
	}
	if n := one[uint64](t, db, "SELECT uniqExact(_partition_id) FROM events_log"); n > 9 {
		t.Errorf("%d partitions", n)
	}
}

func TestPoisonGoesToTheDeadLetters(t *testing.T) {
	db := migrated(t)
	late := export(5)
	late.Time = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	bad := [][]byte{[]byte("{"), []byte("\xff\xfe"), nil, []byte(`{"id":"secret customer"}`), late.AppendJSON(nil)}
	recs := exports(0, 3)
	for i, v := range bad {
		recs = append(recs, stream.Record{Value: v, Time: collected}, record(export(10+i)))
	}
	dead := &graveyard{fail: 1}
	a := testArchive(db, dead)
	tp := newTopic(40, recs)
	drain(t, tp, a.Events(tp))
	wantCount(t, db, "events", 3+len(bad))
	if len(dead.recs) != len(bad) {
		t.Fatalf("%d dead letters, want %d", len(dead.recs), len(bad))
	}
	for i, rec := range dead.recs {
		var d event.DeadLetter
		if err := json.Unmarshal(rec.Value, &d); err != nil {
			t.Fatal(err)
		}
		if d.Stage != "archive" || d.Origin != "events/0" || d.Line != int64(43+2*i) || string(d.Record) != string(bad[i]) ||
			d.Size != int64(len(bad[i])) || d.Reason == "" || string(rec.Key) != d.ID {
			t.Errorf("dead letter %d: %+v", i, d)
		}
		if strings.Contains(d.Detail, "secret") {
			t.Errorf("detail repeats the record: %s", d.Detail)
		}
	}
	// The dead letters themselves go the same way, and again without a copy.
	for first := range int64(2) {
		tp = newTopic(first, dead.recs)
		drain(t, tp, a.DeadLetters(tp))
	}
	wantCount(t, db, "dead_letters", len(bad))
}

func TestRedeliveredPoisonHasTheSameID(t *testing.T) {
	db := migrated(t)
	dead := &graveyard{}
	a := testArchive(db, dead)
	for range 2 {
		tp := newTopic(9, []stream.Record{{Value: []byte("no")}})
		drain(t, tp, a.Events(tp))
	}
	if string(dead.recs[0].Key) != string(dead.recs[1].Key) {
		t.Error("the same record has two ids")
	}
}

func overNetwork(t *testing.T) (*network, *DB) {
	t.Helper()
	cfg := testConfig(t)
	n := newNetwork(t, cfg.Addrs[0])
	cfg.Addrs = []string{n.addr()}
	db := openDB(t, cfg)
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return n, db
}

func TestOutageLosesNothing(t *testing.T) {
	n, db := overNetwork(t)
	log := &logCounter{}
	db.log = log.logger()
	n.setDown(true)
	tp := newTopic(0, exports(0, 500), exports(500, 1000))
	tp.cut = func() int { return 100 }
	stop := start(t, testArchive(db, &graveyard{}).Events(tp))
	for range 6 { // tries that found nobody
		<-n.refused
	}
	if got := testutil.ToFloat64(db.metrics.up); got != 0 {
		t.Errorf("up is %v during an outage", got)
	}
	n.setDown(false)
	wait(t, stop, tp.drained)
	wantCount(t, db, "events", 1000)
	wantCount(t, db, "events_log", 1000)
	if got := testutil.ToFloat64(db.metrics.errors.WithLabelValues("events")); got == 0 {
		t.Error("no insert error was counted")
	}
	if log.count("does not take rows") != 1 || log.count("takes rows again") != 1 {
		t.Errorf("logged %q", log.lines())
	}
}

// The server takes the rows and the answer is lost: the client cannot know.
func TestLostRepliesMakeNoCopies(t *testing.T) {
	n, db := overNetwork(t)
	n.mu.Lock()
	n.loseReply = 3
	n.mu.Unlock()
	tp := newTopic(0, exports(0, 1000))
	tp.cut = func() int { return 200 }
	drain(t, tp, testArchive(db, &graveyard{}).Events(tp))
	wantCount(t, db, "events", 1000)
	wantCount(t, db, "events_log", 1000)
	if got := testutil.ToFloat64(db.metrics.errors.WithLabelValues("events")); got < 3 {
		t.Errorf("%v insert errors, the network made 3", got)
	}
}

func TestStopDuringAnOutage(t *testing.T) {
	n, db := overNetwork(t)
	n.setDown(true)
	tp := newTopic(0, exports(0, 10))
	stop := start(t, testArchive(db, &graveyard{}).Events(tp))
	<-n.refused
	wait(t, stop, closed())
	if tp.committed[0] != -1 {
		t.Errorf("committed %d without a row", tp.committed[0])
	}
	n.setDown(false)
	wantCount(t, db, "events", 0)
}

// An archive may start before the schema is there.
func TestArchiveWaitsForTheSchema(t *testing.T) {
	db := openDB(t, testConfig(t))
	log := &logCounter{}
	db.log = log.logger()
	tp := newTopic(0, exports(0, 10))
	stop := start(t, testArchive(db, &graveyard{}).Events(tp))
	log.await(t, "is the schema migrated?")
	if err := db.Migrate(t.Context()); err != nil {
		t.Error(err)
	}
	wait(t, stop, tp.drained)
	wantCount(t, db, "events", 10)
}

func TestErrorOfACommitEndsTheStage(t *testing.T) {
	db := migrated(t)
	fenced := errors.New("fenced")
	err := (&copier[event.Event]{archive: testArchive(db, &graveyard{}), table: eventTable(), in: newInserter(db, eventTable(), make(chan struct{}, 1))}).
		run(t.Context(), &fencedClaim{claim{topic: newTopic(0, exports(0, 1))}, fenced})
	if !errors.Is(err, fenced) {
		t.Errorf("run: %v", err)
	}
}

type fencedClaim struct {
	claim
	err error
}

func (c *fencedClaim) Commit(context.Context, int64) error { return c.err }

func TestPing(t *testing.T) {
	n, db := overNetwork(t)
	if err := db.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	n.setDown(true)
	if err := db.Ping(t.Context()); err == nil {
		t.Error("Ping of nobody succeeded")
	}
	if got := testutil.ToFloat64(db.metrics.up); got != 0 {
		t.Errorf("up is %v", got)
	}
}

// An error may be logged; what was asked and the password may not.
func TestErrorsSayNothingSecret(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	for _, protocol := range []string{HTTP, Native} {
		db, err := Open(Config{Addrs: []string{ln.Addr().String()}, Protocol: protocol, Database: "x", User: "u", Password: "hunter2"},
			Deps{Logger: testLogger(t), Registerer: prometheus.NewRegistry()})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		err = cmp.Or(db.Ping(ctx), errors.New("nobody answered"))
		cancel()
		if err == nil || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "?") {
			t.Errorf("%s: %v", protocol, err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestMetricNames(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := newMetrics(reg)
	m.rows.WithLabelValues("events")
	m.errors.WithLabelValues("events")
	m.rejected.WithLabelValues("events", "bad_time")
	m.seconds.WithLabelValues("events")
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range families {
		names = append(names, f.GetName())
	}
	slices.Sort(names)
	want := []string{
		"crmwatch_store_insert_duration_seconds", "crmwatch_store_insert_errors_total",
		"crmwatch_store_records_rejected_total", "crmwatch_store_rows_inserted_total", "crmwatch_store_up",
	}
	if diff := gocmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
	problems, err := testutil.GatherAndLint(reg)
	if len(problems) > 0 || err != nil {
		t.Errorf("lint: %v, %v", problems, err)
	}
}
