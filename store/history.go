package store

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/crmwatch/crmwatch/alert"
	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/roster"
)

// Period is a time of events: From belongs to it, To does not.
type Period struct{ From, To time.Time }

func (p Period) args() []any {
	return []any{clickhouse.Named("from", p.From.UnixMilli()), clickhouse.Named("to", p.To.UnixMilli())}
}

// PastEvent is an event with the partition that it came in.
type PastEvent struct {
	event.Event
	Partition int
}

// sortMemory is how much memory ClickHouse may take to sort a day's events before
// it goes on with the disk.
const sortMemory = 1 << 30

// EventDay is the part of a day that lies in a period, with its events.
type EventDay struct {
	Period
	Events int64
}

// EventDays are the days of a period that have events, in their order. Days are
// those of UTC, as they are in the sorting key.
func (db *DB) EventDays(ctx context.Context, p Period) ([]EventDay, error) {
	const q = "SELECT toDate(time) AS day, count() FROM events WHERE " + within + " GROUP BY day ORDER BY day"
	var days []EventDay
	for d, err := range each(ctx, db, "count events", scanDay, q, p.args()...) {
		if err != nil {
			return nil, err
		}
		if d.From.Before(p.From) {
			d.From = p.From
		}
		if d.To.After(p.To) {
			d.To = p.To
		}
		days = append(days, d)
	}
	return days, nil
}

func scanDay(rows driver.Rows) (d EventDay, err error) {
	var n uint64
	err = rows.Scan(&d.From, &n)
	d.From = d.From.UTC()
	d.To, d.Events = d.From.AddDate(0, 0, 1), int64(n)
	return d, err
}

// Events are the events of days, each once and in the order of their time, of
// those of one time as they came in. They are read a day at a time, so that
// neither side ever holds more. Their raw records, which are most of what is
// stored, are read only where they are asked for. An event is good until the next;
// an error ends the sequence.
func (db *DB) Events(ctx context.Context, days []EventDay, raw bool) iter.Seq2[*PastEvent, error] {
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"max_bytes_before_external_sort": sortMemory}))
	fields := readFields(raw)
	return func(yield func(*PastEvent, error) bool) {
		for _, d := range days {
			for e, err := range db.eventsOf(ctx, d.Period, fields) {
				if !yield(e, err) || err != nil {
					return
				}
			}
		}
	}
}

func readFields(raw bool) []*event.Field {
	var fields []*event.Field
	for i := range event.Fields {
		if f := &event.Fields[i]; raw || f.Path != "raw" {
			fields = append(fields, f)
		}
	}
	return fields
}

// eventsOf are the events of a part of a day.
func (db *DB) eventsOf(ctx context.Context, p Period, fields []*event.Field) iter.Seq2[*PastEvent, error] {
	columns := make([]string, len(fields))
	for i, f := range fields {
		columns[i] = strings.ReplaceAll(f.Path, ".", "_")
	}
	q := fmt.Sprintf(`SELECT kafka_partition, %s FROM events WHERE %s ORDER BY time, kafka_partition, kafka_offset`, strings.Join(columns, ", "), within)
	e, partition := &PastEvent{}, int32(0)
	dest := []any{&partition}
	for _, f := range fields {
		dest = append(dest, f.In(&e.Event))
	}
	return each(ctx, db, "read events", func(rows driver.Rows) (*PastEvent, error) {
		err := rows.Scan(dest...)
		e.Partition = int(partition)
		return e, err
	}, q, p.args()...)
}

// within is a condition on the time of events; toDate lets the sorting key help.
const within = `toDate(time) >= toDate(fromUnixTimestamp64Milli(@from, 'UTC')) AND toDate(time) <= toDate(fromUnixTimestamp64Milli(@to, 'UTC'))
	AND time >= fromUnixTimestamp64Milli(@from, 'UTC') AND time < fromUnixTimestamp64Milli(@to, 'UTC')`

// AlertsOf are the alerts whose last event lies in the period, by that event, each
// in its newest revision; those that were withdrawn are left out. An error ends
// the sequence.
func (db *DB) AlertsOf(ctx context.Context, p Period) iter.Seq2[alert.Finding, error] {
	const q = `SELECT ocsf FROM alerts
		WHERE state != 'withdrawn' AND end >= fromUnixTimestamp64Milli(@from, 'UTC') AND end < fromUnixTimestamp64Milli(@to, 'UTC') ORDER BY end, id`
	return each(ctx, db, "read alerts", scanFinding, q, p.args()...)
}

func scanFinding(rows driver.Rows) (alert.Finding, error) {
	var doc string
	if err := rows.Scan(&doc); err != nil {
		return alert.Finding{}, err
	}
	return alert.DecodeOCSF([]byte(doc))
}

// People are the people as the roster has them now. An error ends the sequence.
func (db *DB) People(ctx context.Context) iter.Seq2[roster.Person, error] {
	const q = `SELECT id, tenant, name, email, department, role, manager, time_zone, work_days, work_from, work_to, first_day, last_day,
		account_sources, account_ids, account_active FROM roster ORDER BY tenant, id`
	return each(ctx, db, "read people", scanPerson, q)
}

func scanPerson(rows driver.Rows) (p roster.Person, err error) {
	var from, to, first, last int32
	var sources, ids []string
	var active []time.Time
	err = rows.Scan(&p.ID, &p.Tenant, &p.Name, &p.Email, &p.Department, &p.Role, &p.Manager, &p.TimeZone, &p.Hours.Days, &from, &to, &first, &last,
		&sources, &ids, &active)
	p.Hours.From, p.Hours.To = int(from), int(to)
	p.FirstDay, p.LastDay = roster.Day(first), roster.Day(last)
	for i := range sources {
		a := roster.Account{Source: sources[i], ID: ids[i]}
		if active[i].Unix() != 0 {
			a.LastActive = active[i].UTC()
		}
		p.Accounts = append(p.Accounts, a)
	}
	return p, err
}
