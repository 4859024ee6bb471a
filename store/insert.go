package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// insertTimeout bounds one try of an insert; the outcome of one that runs out is
// unknown, and the token makes the next try harmless.
const insertTimeout = time.Minute

// insertRows sends one block to ClickHouse and returns once it is in the table.
// Types are those of the columns, nil to ask for them.
func (db *DB) insertRows(ctx context.Context, table string, columns []string, token string, types []clickhouse.ColumnNameAndType, fill func(driver.Batch) error) error {
	ctx, cancel := context.WithTimeout(ctx, insertTimeout)
	defer cancel()
	// Asynchronous inserts are the default of newer servers, and ignore tokens.
	opts := []clickhouse.QueryOption{clickhouse.WithSettings(clickhouse.Settings{
		"async_insert": 0, "insert_deduplication_token": token,
	})}
	if types != nil {
		opts = append(opts, clickhouse.WithColumnNamesAndTypes(types))
	}
	batch, err := db.conn.PrepareBatch(clickhouse.Context(ctx, opts...),
		fmt.Sprintf("INSERT INTO %s (%s)", table, strings.Join(columns, ", ")))
	if err != nil {
		return failed("begin", err)
	}
	if err := fill(batch); err != nil {
		return failed("fill", errors.Join(err, batch.Abort()))
	}
	return failed("send", batch.Send())
}

// inserter puts rows into one table, and keeps at it until they are in.
type inserter[T any] struct {
	db      *DB
	table   string // the view's name: label, log value
	columns []column[T]
	names   []string
	// types of the columns as the server has them; asked for once, and again after
	// an error, which a change of the schema may have caused.
	types atomic.Pointer[[]clickhouse.ColumnNameAndType]
	// slots bounds the inserts at one time, over all tables and partitions: each
	// makes a part that ClickHouse has to merge.
	slots chan struct{}
	state condition
}

func newInserter[T any](db *DB, t table[T], slots chan struct{}) *inserter[T] {
	in := &inserter[T]{db: db, table: t.name, columns: t.allColumns(), slots: slots}
	for _, c := range in.columns {
		in.names = append(in.names, c.name)
	}
	return in
}

// insert returns nil when the rows are in the table, and an error only when the
// context ends first. In between it tries again: with the rows it was given and
// the token they had, because a batch of the client library is spent by a
// failure even if the server did take it.
func (in *inserter[T]) insert(ctx context.Context, rows []row[T]) error {
	token := token(in.table, rows)
	wait := backoff{max: 5 * time.Second}
	for {
		err := in.try(ctx, rows, token)
		if ctx.Err() != nil && err != nil {
			return fmt.Errorf("insert into %s: %w", in.table, context.Cause(ctx))
		}
		in.report(err)
		if err == nil {
			in.db.metrics.rows.WithLabelValues(in.table).Add(float64(len(rows)))
			return nil
		}
		in.types.Store(nil)
		if !wait.sleep(ctx) {
			return fmt.Errorf("insert into %s: %w", in.table, context.Cause(ctx))
		}
	}
}

func (in *inserter[T]) try(ctx context.Context, rows []row[T], token string) error {
	select {
	case in.slots <- struct{}{}:
		defer func() { <-in.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	types, err := in.columnTypes(ctx)
	if err != nil {
		return err
	}
	start := time.Now()
	err = in.db.insertRows(ctx, in.table+"_log", in.names, token, types, func(b driver.Batch) error {
		for i, c := range in.columns {
			if err := b.Column(i).Append(c.fill(rows)); err != nil {
				return fmt.Errorf("column %s: %w", c.name, err)
			}
		}
		return nil
	})
	if err == nil {
		in.db.metrics.seconds.WithLabelValues(in.table).Observe(time.Since(start).Seconds())
	}
	return err
}

// report counts a failure and logs the first of a row of them, and the end.
func (in *inserter[T]) report(err error) {
	in.db.metrics.up.Set(upValue(err))
	if err != nil {
		in.db.metrics.errors.WithLabelValues(in.table).Inc()
	}
	switch in.state.change(err != nil) {
	case began:
		in.db.log.Warn("clickhouse does not take rows, waiting", "table", in.table, "error", err)
	case ended:
		in.db.log.Info("clickhouse takes rows again", "table", in.table)
	case same:
	}
}

func (in *inserter[T]) columnTypes(ctx context.Context) ([]clickhouse.ColumnNameAndType, error) {
	if types := in.types.Load(); types != nil {
		return *types, nil
	}
	known, err := in.db.columnTypes(ctx, in.table+"_log")
	if err != nil {
		return nil, err
	}
	types := make([]clickhouse.ColumnNameAndType, 0, len(in.names))
	for _, name := range in.names {
		if known[name] == "" {
			return nil, fmt.Errorf("table %s_log has no column %s: is the schema migrated?", in.table, name)
		}
		types = append(types, clickhouse.ColumnNameAndType{Name: name, Type: known[name]})
	}
	in.types.Store(&types)
	return types, nil
}

// columnTypes gives the type of every column of a table by its name, none where
// there is no such table.
func (db *DB) columnTypes(ctx context.Context, table string) (map[string]string, error) {
	var cols []struct {
		Name string `ch:"name"`
		Type string `ch:"type"`
	}
	err := db.conn.Select(ctx, &cols, "SELECT name, type FROM system.columns WHERE database = ? AND table = ?", db.cfg.Database, table)
	types := make(map[string]string, len(cols))
	for _, c := range cols {
		types[c.Name] = c.Type
	}
	return types, failed("read columns of "+table, err)
}

// condition is something wrong that goes on for a while, seen by several
// goroutines.
type condition struct {
	mu  sync.Mutex
	bad bool // guarded by mu
}

type change int

const (
	same change = iota
	began
	ended
)

func (c *condition) change(bad bool) change {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.bad
	c.bad = bad
	switch {
	case bad && !was:
		return began
	case was && !bad:
		return ended
	default:
		return same
	}
}
