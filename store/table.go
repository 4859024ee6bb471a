package store

import (
	"crypto/sha256"
	"fmt"
	"iter"
	"time"

	"github.com/crmwatch/crmwatch/internal/stream"
)

// table says how the records of one topic become rows of one table.
type table[T any] struct {
	// name is the name of the view; the rows go to name_log.
	name    string
	columns []column[T]
	// decoder makes a decoder for one goroutine.
	decoder func() decoder[T]
	// counted is the time from which the retention of a row counts; nil where rows
	// are kept for good.
	counted func(*T) time.Time
	// batch is how many records are taken at once.
	batch int
}

// decoder makes the row of a record. An error is the record's own fault and
// names the field, never the content.
type decoder[T any] func(stream.Record) (T, error)

// row is a decoded record.
type row[T any] struct {
	rec stream.Record
	val T
	// keptFrom is the believable part of table.counted.
	keptFrom time.Time
}

// column is one column: how to fill it, for all rows at once.
type column[T any] struct {
	name string
	fill func(rows []row[T]) any
}

// of makes a column of what get finds in each record.
func of[T, V any](name string, get func(*T) V) column[T] {
	return ofRow(name, func(r *row[T]) V { return get(&r.val) })
}

func ofRow[T, V any](name string, get func(*row[T]) V) column[T] {
	return column[T]{name, func(rows []row[T]) any {
		vs := make([]V, len(rows))
		for i := range rows {
			vs[i] = get(&rows[i])
		}
		return vs
	}}
}

// allColumns adds to the columns of the record what every table has: where the
// record was in Kafka, which copy wins, and when its retention began.
func (t *table[T]) allColumns() []column[T] {
	cols := append(t.columns[:len(t.columns):len(t.columns)],
		ofRow("kafka_partition", func(r *row[T]) int32 { return int32(r.rec.Partition) }),
		ofRow("kafka_offset", func(r *row[T]) int64 { return r.rec.Offset }),
		ofRow("version", func(r *row[T]) uint64 { return version(r.rec) }),
	)
	if t.counted != nil {
		cols = append(cols, ofRow("kept_from", func(r *row[T]) time.Time { return r.keptFrom }))
	}
	return cols
}

// version orders the copies of a record: the one that was written to Kafka last
// wins, of those written in one millisecond the one with the higher offset. It
// is a function of the record alone, so that a redelivery decides nothing anew.
// Time comes first because offsets begin again when a topic is made again.
func version(rec stream.Record) uint64 {
	const offsetBits = 20
	ms := max(rec.Time.UnixMilli(), 0)
	return uint64(ms)<<offsetBits | uint64(rec.Offset)&(1<<offsetBits-1)
}

// Retention counts from the time of collection, as far as it can be believed.
// Anyone who may write to the topic can claim any time; believed, a claim of
// long ago would make the row vanish at once, one far ahead would keep it for
// good, and a batch of many would touch more partitions than ClickHouse takes in
// one insert. Kafka keeps no record for as long as believedAge.
const (
	believedAge  = MinRetentionDays * 24 * time.Hour
	believedSkew = 24 * time.Hour
)

// keptFrom is the time from which retention counts, given what the record says.
func keptFrom(claimed, now time.Time) time.Time {
	if claimed.Before(now.Add(-believedAge)) || claimed.After(now.Add(believedSkew)) {
		return now.UTC()
	}
	return claimed.UTC()
}

// token names a block of rows by their place in the topic and by their content.
// ClickHouse drops a second block of the same token, which is how a retry of an
// insert with an unknown outcome does no harm. The content is part of it because
// places come again when a topic is made again, and those rows must not be
// dropped.
func token[T any](table string, rows []row[T]) string {
	h := sha256.New()
	for i := range rows {
		fmt.Fprintf(h, "%d %d ", rows[i].rec.Offset, len(rows[i].rec.Value))
		h.Write(rows[i].rec.Value)
	}
	first, last := rows[0].rec, rows[len(rows)-1].rec
	return fmt.Sprintf("%s:%d:%d-%d:%x", table, first.Partition, first.Offset, last.Offset, h.Sum(nil)[:8])
}

// maxBlock bounds the memory of one insert, in bytes of records.
const maxBlock = 64 << 20

// blocks cuts rows into blocks of at most limit bytes, or one row.
func blocks[T any](rows []row[T], limit int) iter.Seq[[]row[T]] {
	return stream.Cut(rows, limit, func(r *row[T]) int { return len(r.rec.Value) })
}
