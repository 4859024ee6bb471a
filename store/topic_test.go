package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crmwatch/crmwatch/internal/stream"
	"github.com/crmwatch/crmwatch/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// testConfig is that of an empty database.
func testConfig(t *testing.T) Config {
	t.Helper()
	addr, password, database := testkit.Database(t)
	return Config{Addrs: []string{addr}, Protocol: HTTP, Database: database, User: "default", Password: password}
}

func openDB(t *testing.T, cfg Config) *DB {
	t.Helper()
	db, err := Open(cfg, Deps{Logger: testLogger(t), Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// migrated is an empty database with the schema.
func migrated(t *testing.T) *DB {
	t.Helper()
	db := openDB(t, testConfig(t))
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

func testLogger(t *testing.T) *slog.Logger {
	w := io.Discard
	if testing.Verbose() {
		w = os.Stderr
	}
	return slog.New(slog.NewTextHandler(w, nil)).With("test", t.Name())
}

// topic is a log in memory that a group reads: the whole of it, cut at any
// places.
type topic struct {
	cut func() int // the most that Next returns; nil for what is asked for

	mu        sync.Mutex
	logs      [][]stream.Record
	committed []int64
	drained   chan struct{} // closed when everything is committed
}

// newTopic numbers the records of each partition from first.
func newTopic(first int64, partitions ...[]stream.Record) *topic {
	tp := &topic{drained: make(chan struct{})}
	for p, recs := range partitions {
		log := make([]stream.Record, len(recs))
		for i, r := range recs {
			r.Partition, r.Offset = p, first+int64(i)
			log[i] = r
		}
		tp.logs = append(tp.logs, log)
		tp.committed = append(tp.committed, -1)
	}
	return tp
}

func (tp *topic) Run(ctx context.Context, handle func(context.Context, stream.Claim) error) error {
	errs := make([]error, len(tp.logs))
	var wg sync.WaitGroup
	for p := range tp.logs {
		wg.Go(func() { errs[p] = handle(ctx, &claim{topic: tp, partition: p}) })
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return errors.Join(errs...)
}

type claim struct {
	topic     *topic
	partition int
	next      int // index in the log
}

func (c *claim) Partition() int   { return c.partition }
func (c *claim) Committed() int64 { return c.topic.committed[c.partition] }
func (c *claim) StartAt(int64)    { panic("the archive starts where the group is") }
func (c *claim) Lag() int64       { return int64(len(c.topic.logs[c.partition]) - c.next) }

func (c *claim) Next(ctx context.Context, most int, _ time.Duration) ([]stream.Record, error) {
	log := c.topic.logs[c.partition]
	if c.next == len(log) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if c.topic.cut != nil {
		c.topic.mu.Lock()
		most = min(most, c.topic.cut())
		c.topic.mu.Unlock()
	}
	recs := log[c.next:min(c.next+most, len(log))]
	c.next += len(recs)
	return recs, ctx.Err()
}

func (c *claim) Commit(_ context.Context, next int64) error {
	c.topic.mu.Lock()
	defer c.topic.mu.Unlock()
	c.topic.committed[c.partition] = next
	for p, log := range c.topic.logs {
		if len(log) > 0 && c.topic.committed[p] != log[len(log)-1].Offset+1 {
			return nil
		}
	}
	close(c.topic.drained)
	return nil
}

// drain runs a stage until it has committed the whole topic.
func drain(t *testing.T, tp *topic, stage *Stage) {
	t.Helper()
	wait(t, start(t, stage), tp.drained)
}

// start runs a stage until the returned function is called.
func start(t *testing.T, stage *Stage) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- stage.Run(ctx) }()
	return func() error {
		cancel()
		return <-done
	}
}

func wait(t *testing.T, stop func() error, what <-chan struct{}) {
	t.Helper()
	select {
	case <-what:
	case <-time.After(time.Minute):
		t.Error("did not happen within a minute")
	}
	if err := stop(); err != nil {
		t.Errorf("stage ended with %v, want nil", err)
	}
}

// graveyard is a topic of dead letters in memory.
type graveyard struct {
	mu   sync.Mutex
	recs []stream.Record
	fail int // so many writes fail first
}

func (g *graveyard) Write(_ context.Context, recs ...stream.Record) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.fail > 0 {
		g.fail--
		return errors.New("no broker")
	}
	g.recs = append(g.recs, recs...)
	return nil
}

func testArchive(db *DB, dead stream.Writer) *Archive {
	return NewArchive(db, ArchiveDeps{DeadLetters: dead, Now: time.Now})
}

// one asks for a single value.
func one[T any](t *testing.T, db *DB, query string, args ...any) T {
	t.Helper()
	var v T
	if err := db.conn.QueryRow(t.Context(), query, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

// wantCount asks as a person would who knows nothing of deliveries.
func wantCount(t *testing.T, db *DB, view string, want int) {
	t.Helper()
	if got := one[uint64](t, db, fmt.Sprintf("SELECT count() FROM %s", view)); got != uint64(want) {
		t.Errorf("count() of %s is %d, want %d", view, got, want)
	}
}
