package store

import (
	"context"
	"fmt"
	"time"

	"github.com/crmwatch/crmwatch/internal/stream"
)

// Archive copies topics into the tables of a DB. Each topic is a Stage with a
// consumer group of its own, so that a slow or absent ClickHouse delays nothing
// but itself.
type Archive struct {
	db    *DB
	deps  ArchiveDeps
	slots chan struct{}
}

// ArchiveDeps are what an Archive uses of its surroundings.
type ArchiveDeps struct {
	// DeadLetters takes the records that cannot be decoded.
	DeadLetters stream.Writer
	// Now is the clock against which times of collection are believed.
	Now func() time.Time
}

// maxInserts is how many inserts run at one time: ClickHouse merges every part
// that an insert makes, so more of them at once are slower, not faster.
const maxInserts = 2

// NewArchive makes the archive of a DB.
func NewArchive(db *DB, deps ArchiveDeps) *Archive {
	return &Archive{db: db, deps: deps, slots: make(chan struct{}, maxInserts)}
}

// Events copies the topic of events.
func (a *Archive) Events(g stream.Group) *Stage { return newStage(a, eventTable(), g) }

// Alerts copies the topic of findings.
func (a *Archive) Alerts(g stream.Group) *Stage { return newStage(a, alertTable(), g) }

// Roster copies the topic of people.
func (a *Archive) Roster(g stream.Group) *Stage { return newStage(a, rosterTable(), g) }

// Rules copies the topic of the versions of rules.
func (a *Archive) Rules(g stream.Group) *Stage { return newStage(a, ruleTable(), g) }

// DeadLetters copies the topic of dead letters.
func (a *Archive) DeadLetters(g stream.Group) *Stage { return newStage(a, deadLetterTable(), g) }

// Stage copies one topic into one table.
type Stage struct {
	group  stream.Group
	handle func(context.Context, stream.Claim) error
}

// Run copies until ctx ends, then returns nil. While ClickHouse is down it
// waits: nothing is lost, and nothing is committed that is not in the table.
func (s *Stage) Run(ctx context.Context) error { return s.group.Run(ctx, s.handle) }

// copier is the Stage of one type of record.
type copier[T any] struct {
	archive *Archive
	table   table[T]
	in      *inserter[T]
	burying condition
}

func newStage[T any](a *Archive, t table[T], g stream.Group) *Stage {
	c := &copier[T]{archive: a, table: t, in: newInserter(a.db, t, a.slots)}
	return &Stage{group: g, handle: c.run}
}

// maxWait is how long records wait for company before they are inserted.
const maxWait = time.Second

func (c *copier[T]) run(ctx context.Context, claim stream.Claim) error {
	decode := c.table.decoder()
	for {
		recs, err := claim.Next(ctx, c.table.batch, maxWait)
		if err != nil {
			return fmt.Errorf("archive %s: %w", c.table.name, err)
		}
		if err := c.copy(ctx, recs, decode); err != nil {
			return err
		}
		if err := claim.Commit(ctx, recs[len(recs)-1].Offset+1); err != nil {
			return fmt.Errorf("archive %s: commit: %w", c.table.name, err)
		}
	}
}

// copy makes records durable: the good ones in the table, the others on the
// topic of dead letters.
func (c *copier[T]) copy(ctx context.Context, recs []stream.Record, decode decoder[T]) error {
	rows, dead := c.sort(recs, decode)
	for block := range blocks(rows, maxBlock) {
		if err := c.in.insert(ctx, block); err != nil {
			return err
		}
	}
	return c.bury(ctx, dead)
}

// sort makes each record a row, or a dead letter where it cannot be one.
func (c *copier[T]) sort(recs []stream.Record, decode decoder[T]) (rows []row[T], dead []stream.Record) {
	now := c.archive.deps.Now()
	rows = make([]row[T], 0, len(recs))
	for _, rec := range recs {
		val, err := decode(rec)
		if err != nil {
			dead = append(dead, c.poison(rec, err, now))
			continue
		}
		r := row[T]{rec: rec, val: val}
		if c.table.counted != nil {
			r.keptFrom = keptFrom(c.table.counted(&val), now)
		}
		rows = append(rows, r)
	}
	return rows, dead
}
