package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/crmwatch/crmwatch/alert"
	"github.com/crmwatch/crmwatch/event"
)

// CountEvents is the number of events, each counted once.
func (db *DB) CountEvents(ctx context.Context) (int64, error) {
	var n uint64
	err := db.conn.QueryRow(ctx, "SELECT count() FROM events").Scan(&n)
	return int64(n), failed("count events", err)
}

// Alerts are the alerts detected at since or later, oldest first, each once and in
// its newest revision. An error ends the sequence.
func (db *DB) Alerts(ctx context.Context, since time.Time) iter.Seq2[alert.Finding, error] {
	const q = `SELECT ocsf FROM alerts WHERE detected >= fromUnixTimestamp64Milli(?, 'UTC') ORDER BY detected, id`
	return each(ctx, db, "read alerts", scanFinding, q, since.UnixMilli())
}

// DeadLetters are the dead letters of since or later, oldest first, each once.
// An error ends the sequence.
func (db *DB) DeadLetters(ctx context.Context, since time.Time) iter.Seq2[event.DeadLetter, error] {
	const q = `SELECT id, time, tenant, stage, origin, line, field, reason, detail, size, record
		FROM dead_letters WHERE time >= fromUnixTimestamp64Milli(?, 'UTC') ORDER BY time, id`
	return each(ctx, db, "read dead letters", func(rows driver.Rows) (d event.DeadLetter, err error) {
		err = rows.Scan(&d.ID, &d.Time, &d.Tenant, &d.Stage, &d.Origin, &d.Line, &d.Field, &d.Reason, &d.Detail, &d.Size, &d.Record)
		return d, err
	}, q, since.UnixMilli())
}

// each runs a query and yields what scan makes of each row; the query ends when
// the loop does.
func each[T any](ctx context.Context, db *DB, doing string, scan func(driver.Rows) (T, error), query string, args ...any) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		rows, err := db.conn.Query(ctx, query, args...)
		if err != nil {
			yield(none, failed(doing, db.missing(err)))
			return
		}
		defer rows.Close()
		for rows.Next() {
			v, err := scan(rows)
			if err != nil {
				yield(none, fmt.Errorf("%s: %w", doing, err))
				return
			}
			if !yield(v, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(none, failed(doing, err))
		}
	}
}

// Codes of ClickHouse.
const (
	unknownTable    = 60
	unknownDatabase = 81
)

// missing says what to do where the tables of this version are not there yet.
func (db *DB) missing(err error) error {
	var ex *clickhouse.Exception
	if errors.As(err, &ex) && (ex.Code == unknownTable || ex.Code == unknownDatabase) {
		return fmt.Errorf("%w: database %s lacks tables of this version; run crmwatch on it once, which makes them", ErrSchema, db.cfg.Database)
	}
	return err
}
