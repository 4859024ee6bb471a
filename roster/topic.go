package roster

import (
	"bytes"
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/crmwatch/crmwatch/internal/stream"
)

// Run keeps the book equal to the topic of people, which has that many
// partitions, until ctx ends; then it returns nil. It calls ready once, when the
// book has everything that was on the topic as Run began. A message that is not a
// person is logged, without its content, and left out.
func (b *Book) Run(ctx context.Context, table stream.Follower, partitions int, ready func()) error {
	in := inbox{wake: make(chan struct{}, 1), behind: partitions}
	g, gctx := errgroup.WithContext(ctx)
	for p := range partitions {
		g.Go(func() error {
			if err := table.Follow(gctx, p, in.put, in.caught); err != nil {
				return fmt.Errorf("follow roster partition %d: %w", p, err)
			}
			return nil
		})
	}
	g.Go(func() error {
		b.apply(gctx, &in, ready)
		return nil
	})
	if err := g.Wait(); ctx.Err() == nil {
		return err
	}
	return nil
}

// apply applies what comes in, all that has come since the last time at once,
// because applying one message costs as much as applying many.
func (b *Book) apply(ctx context.Context, in *inbox, ready func()) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-in.wake:
		}
		recs, whole := in.take()
		if err := b.Apply(recs...); err != nil {
			b.log.Warn("left out messages of the roster topic that are not people", "error", err)
		}
		if whole && ready != nil {
			ready()
			ready = nil
		}
	}
}

// inbox collects what the followers of all partitions read.
type inbox struct {
	wake chan struct{} // has one element when there is something to take

	mu     sync.Mutex // guards what follows
	recs   []stream.Record
	behind int // partitions that have not caught up
}

func (in *inbox) put(rec stream.Record) error {
	in.mu.Lock()
	in.recs = append(in.recs, rec)
	in.mu.Unlock()
	in.ring()
	return nil
}

func (in *inbox) caught() {
	in.mu.Lock()
	in.behind--
	in.mu.Unlock()
	in.ring()
}

func (in *inbox) ring() {
	select {
	case in.wake <- struct{}{}:
	default:
	}
}

// take empties the inbox; whole says that nothing older is still to come.
func (in *inbox) take() (recs []stream.Record, whole bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	recs, in.recs = in.recs, nil
	return recs, in.behind == 0
}

// A batch of people is written whole or not at all, and Kafka takes at most a
// megabyte at once.
const (
	batchPeople = 500
	batchBytes  = 256 << 10
)

// Publish writes the people to the topic of people, which has that many
// partitions, as far as they are not there already in the same form, and returns
// how many it wrote. People on the topic who are not among them stay: a file that
// is short of somebody is no reason to forget an account. All people are checked
// before the first is written.
func Publish(ctx context.Context, table stream.Table, partitions int, people []Person) (written int, err error) {
	parts := make([][]stream.Record, partitions)
	for i := range people {
		p := &people[i]
		if err := p.Validate(); err != nil {
			return 0, fmt.Errorf("check person %d of %d: %w", i+1, len(people), err)
		}
		rec, err := p.Record()
		if err != nil {
			return 0, err
		}
		n := partition(rec.Key, partitions)
		parts[n] = append(parts[n], rec)
	}
	for n, recs := range parts {
		changed, err := changes(ctx, table, n, recs)
		if err != nil {
			return written, fmt.Errorf("load roster partition %d: %w", n, err)
		}
		for batch := range batches(changed) {
			if err := table.Append(ctx, n, batch...); err != nil {
				return written, fmt.Errorf("write roster partition %d: %w", n, err)
			}
			written += len(batch)
		}
	}
	return written, nil
}

// changes returns those of the records that the table does not have.
func changes(ctx context.Context, table stream.Table, partition int, recs []stream.Record) ([]stream.Record, error) {
	if len(recs) == 0 {
		return nil, nil
	}
	have := map[string][]byte{}
	if err := table.Load(ctx, partition, func(r stream.Record) error {
		have[string(r.Key)] = r.Value
		return nil
	}); err != nil {
		return nil, err
	}
	var changed []stream.Record
	for _, r := range recs {
		if value, ok := have[string(r.Key)]; !ok || !bytes.Equal(value, r.Value) {
			changed = append(changed, r)
		}
	}
	return changed, nil
}

// batches cuts the records into what one Append takes.
func batches(recs []stream.Record) func(yield func([]stream.Record) bool) {
	return func(yield func([]stream.Record) bool) {
		start, size := 0, 0
		for i, r := range recs {
			if i > start && (i-start == batchPeople || size+len(r.Value) > batchBytes) {
				if !yield(recs[start:i]) {
					return
				}
				start, size = i, 0
			}
			size += len(r.Value)
		}
		if start < len(recs) {
			yield(recs[start:])
		}
	}
}
