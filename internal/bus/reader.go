package bus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"github.com/crmwatch/crmwatch/internal/stream"
)

const (
	// fetchBytes is how much one answer may hold before decompression, unless a
	// single batch is larger.
	fetchBytes = 2 << 20
	// fetchWait is how long a broker holds back the answer when it has nothing.
	fetchWait = 500 * time.Millisecond
	// patience is how often in a row an offset must be found after the end of the
	// log before that is believed: a new leader may know its end a moment late.
	patience = 5
)

// reader reads one partition onwards from an offset. One goroutine uses it.
type reader struct {
	client    *Client
	topic     string
	group     string // of the claim it reads for; empty for a table
	partition int
	next      int64 // offset of the next record; kafka.FirstOffset before it is known
	trouble   *outage
	beyond    int // times in a row that next was found after the end
}

func (c *Client) reader(topic, group string, partition int, from int64) *reader {
	return &reader{
		client: c, topic: topic, group: group, partition: partition, next: from,
		trouble: c.outages.watch("read " + topic),
	}
}

// page is what one fetch brought.
type page struct {
	recs []stream.Record
	// high is the offset after the last durable record, as of the fetch.
	high int64
}

// read returns the next page, which is empty when nothing came for fetchWait. It
// tries until it succeeds; an error is final: ctx has ended, or the offset lies
// beyond the end of the log.
func (r *reader) read(ctx context.Context) (page, error) {
	for try := 1; ; try++ {
		p, err := r.try(ctx)
		if err == nil {
			r.trouble.works()
			r.beyond = 0
			return p, nil
		}
		if ctx.Err() != nil {
			return page{}, ctx.Err()
		}
		var beyond *BeyondEndError
		if errors.As(err, &beyond) && r.beyond >= patience {
			return page{}, err
		}
		r.client.metrics.readErrors.WithLabelValues(r.topic).Inc()
		r.trouble.failed(err)
		if !pause(ctx, try) {
			return page{}, ctx.Err()
		}
	}
}

func (r *reader) try(ctx context.Context) (page, error) {
	if r.next < 0 {
		if err := r.toStart(ctx); err != nil {
			return page{}, err
		}
	}
	f, err := r.fetch(ctx, r.next, fetchBytes)
	switch {
	case errors.Is(err, kafka.OffsetOutOfRange):
		return page{}, r.reposition(ctx)
	case err != nil:
		return page{}, err
	case f.covered > r.next:
		r.next = f.covered
	case f.seen && f.high > r.next:
		// Compaction took the rest of the batch that r.next falls into, and the
		// broker would send that batch for each of the offsets taken.
		if r.next, err = r.afterBatch(ctx, f.base, f.high); err != nil {
			return page{}, err
		}
	}
	return f.page, nil
}

// toStart sets next to the first offset of the log.
func (r *reader) toStart(ctx context.Context) error {
	ends, err := r.client.logEnds(ctx, r.topic, r.partition)
	if err != nil {
		return err
	}
	r.next = ends[r.partition].First
	return nil
}

// reposition finds out why the broker has no record at next. When it lies before
// the log, the records are gone: that is told, and reading goes on at the first
// one left.
func (r *reader) reposition(ctx context.Context) error {
	ends, err := r.client.logEnds(ctx, r.topic, r.partition)
	if err != nil {
		return err
	}
	at := ends[r.partition]
	switch {
	case r.next < at.First:
		r.report(Gap{Topic: r.topic, Group: r.group, Partition: r.partition, From: r.next, To: at.First})
		r.next, r.beyond = at.First, 0
		return nil
	case r.next > at.Next:
		r.beyond++
		return &BeyondEndError{Topic: r.topic, Partition: r.partition, Offset: r.next, End: at.Next}
	default:
		return kafka.OffsetOutOfRange // written or elected in between; ask again
	}
}

func (r *reader) report(g Gap) {
	r.client.metrics.gap.WithLabelValues(g.Topic, g.Group).Add(float64(g.To - g.From))
	r.client.deps.Logger.Error("records were deleted before they were read",
		"topic", g.Topic, "group", g.Group, "partition", g.Partition, "from", g.From, "to", g.To)
	r.client.deps.OnGap(g)
}

// fetched is a page and what else its batches told.
type fetched struct {
	page
	seen    bool  // there was a batch in the answer
	base    int64 // offset at which the first one begins, -1 if it does not tell
	covered int64 // every record before this offset was in the answer
}

// fetch asks once for the records from an offset on.
func (r *reader) fetch(ctx context.Context, from int64, limit int64) (fetched, error) {
	res, err := r.client.kafka.Fetch(ctx, &kafka.FetchRequest{
		Topic: r.topic, Partition: r.partition, Offset: from,
		MinBytes: 1, MaxBytes: limit, MaxWait: fetchWait,
	})
	if err != nil {
		return fetched{}, r.client.explain(ctx, r.topic, err)
	}
	if res.Error != nil {
		return fetched{}, res.Error
	}
	f := fetched{page: page{high: res.HighWatermark}}
	set, ok := res.Records.(*protocol.RecordStream)
	if !ok {
		return f, nil
	}
	for i, batch := range set.Records {
		if i == 0 {
			f.seen, f.base = true, base(batch)
		}
		if err := f.add(batch, r.partition, from); err != nil {
			return fetched{}, err
		}
	}
	return f, nil
}

// add takes over the records of a batch that are not before from; the broker
// sends whole batches. Markers of transactions are not records.
func (f *fetched) add(batch protocol.RecordReader, partition int, from int64) error {
	_, control := batch.(*protocol.ControlBatch)
	for {
		rec, err := batch.ReadRecord()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("decode batch: %w", err)
		}
		f.covered = rec.Offset + 1
		if rec.Offset < from || control {
			discard(rec)
			continue
		}
		out, err := copyRecord(rec)
		if err != nil {
			return err
		}
		out.Partition = partition
		f.recs = append(f.recs, out)
	}
}

// copyRecord takes a record out of the buffers of kafka-go, which are used again.
func copyRecord(rec *kafka.Record) (stream.Record, error) {
	defer discard(rec)
	key, err := kafka.ReadAll(rec.Key)
	if err != nil {
		return stream.Record{}, fmt.Errorf("decode key: %w", err)
	}
	value, err := kafka.ReadAll(rec.Value)
	if err != nil {
		return stream.Record{}, fmt.Errorf("decode value: %w", err)
	}
	return stream.Record{Key: key, Value: value, Time: rec.Time, Offset: rec.Offset}, nil
}

// discard gives the buffers of a record back.
func discard(rec *kafka.Record) {
	if rec.Key != nil {
		_ = rec.Key.Close()
	}
	if rec.Value != nil {
		_ = rec.Value.Close()
	}
}

// base returns the offset at which a batch begins, -1 for the formats before
// Kafka 0.11, which have none.
func base(batch protocol.RecordReader) int64 {
	switch b := batch.(type) {
	case *protocol.RecordBatch:
		return b.BaseOffset
	case *protocol.ControlBatch:
		return b.BaseOffset
	}
	return -1
}

// afterBatch returns the first offset after next, high at most, that does not
// belong to the batch that begins at base. kafka-go does not say where a batch
// ends, so this looks for it by doubling and halving, with answers of one batch
// each.
func (r *reader) afterBatch(ctx context.Context, base, high int64) (int64, error) {
	if base < 0 {
		return r.next + 1, nil
	}
	inside, outside := r.next, high
	for step := int64(1); outside-inside > 1; {
		at := inside + (outside-inside)/2
		if outside == high {
			at, step = min(inside+step, high-1), step*2
		}
		f, err := r.fetch(ctx, at, 1)
		if err != nil {
			return 0, err
		}
		if f.seen && f.base == base {
			inside = at
		} else {
			outside = at
		}
	}
	return outside, nil
}
