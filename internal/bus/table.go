package bus

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/crmwatch/crmwatch/internal/stream"
)

// Table is a compacted topic, read and written partition by partition. Safe for
// concurrent use.
type Table struct {
	client *Client
	topic  string
}

// Load implements stream.Table. It waits for brokers that cannot be reached until
// ctx ends, and returns the error of ctx or of fn as it is.
func (t *Table) Load(ctx context.Context, partition int, fn func(stream.Record) error) error {
	return t.load(ctx, partition, math.MaxInt64, fn)
}

// load is Load of the records before an offset.
func (t *Table) load(ctx context.Context, partition int, before int64, fn func(stream.Record) error) error {
	at, err := t.ends(ctx, partition)
	if err != nil {
		return err
	}
	end := min(before, at.Next)
	r := t.client.reader(t.topic, "", partition, at.First)
	defer r.trouble.end()
	for r.next < end {
		p, err := r.read(ctx)
		if err != nil {
			return err
		}
		if err := t.each(p, end, fn); err != nil {
			return err
		}
	}
	return nil
}

// Follow implements stream.Follower. It returns nil when ctx ends, also when that
// is before caught was called, and otherwise the error of fn.
func (t *Table) Follow(ctx context.Context, partition int, fn func(stream.Record) error, caught func()) error {
	err := t.follow(ctx, partition, fn, caught)
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

func (t *Table) follow(ctx context.Context, partition int, fn func(stream.Record) error, caught func()) error {
	at, err := t.ends(ctx, partition)
	if err != nil {
		return err
	}
	r := t.client.reader(t.topic, "", partition, at.First)
	defer r.trouble.end()
	for behind := true; ; {
		if behind && r.next >= at.Next {
			behind = false
			caught()
		}
		p, err := r.read(ctx)
		if err != nil {
			return err
		}
		if err := t.each(p, math.MaxInt64, fn); err != nil {
			return err
		}
	}
}

// each calls fn for the records of the page that lie before end.
func (t *Table) each(p page, end int64, fn func(stream.Record) error) error {
	n := 0
	for ; n < len(p.recs) && p.recs[n].Offset < end; n++ {
		if err := fn(p.recs[n]); err != nil {
			return err
		}
	}
	t.client.metrics.read.WithLabelValues(t.topic, "").Add(float64(n))
	return nil
}

// ends returns where the log begins and ends, waiting for the brokers.
func (t *Table) ends(ctx context.Context, partition int) (at PartitionOffsets, err error) {
	err = t.client.outages.insist(ctx, "read "+t.topic, func() error {
		ends, err := t.client.logEnds(ctx, t.topic, partition)
		at = ends[partition]
		return err
	})
	if err != nil && ctx.Err() != nil {
		return at, ctx.Err()
	}
	if err != nil {
		return at, fmt.Errorf("read %q: %w", t.topic, err)
	}
	return at, nil
}

// Append implements stream.Table: the records go out as one record batch, which a
// broker appends whole or not at all. It is tried until it succeeds or ctx ends;
// after an error it is not known whether the batch is there, and when an answer
// was lost it is there twice in a row, which changes nothing in a table.
func (t *Table) Append(ctx context.Context, partition int, recs ...stream.Record) error {
	if len(recs) == 0 {
		return nil
	}
	err := t.client.outages.insist(ctx, "write "+t.topic, func() error { return t.client.produce(ctx, t.topic, partition, recs) })
	if err != nil {
		return fmt.Errorf("append %d records to %q partition %d: %w", len(recs), t.topic, partition, err)
	}
	return nil
}
