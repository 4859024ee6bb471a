package alert_test

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/crmwatch/crmwatch/internal/stream"
)

// topic is a partitioned log in memory with one consumer group: what the
// contracts of package stream promise, and nothing more.
type topic struct {
	mu         sync.Mutex
	partitions [][]stream.Record // guarded by mu
	committed  []int64           // guarded by mu
	more       chan struct{}     // closed when a record is added; guarded by mu
	// onCommit, where it is set, is asked before a commit.
	onCommit func(partition int, next int64) error
}

func newTopic(partitions int) *topic {
	return &topic{partitions: make([][]stream.Record, partitions), committed: make([]int64, partitions), more: make(chan struct{})}
}

func (t *topic) add(partition int, recs ...stream.Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range recs {
		r.Partition, r.Offset = partition, int64(len(t.partitions[partition]))
		t.partitions[partition] = append(t.partitions[partition], r)
	}
	close(t.more)
	t.more = make(chan struct{})
}

func (t *topic) records(partition int) []stream.Record {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]stream.Record(nil), t.partitions[partition]...)
}

func (t *topic) position(partition int) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.committed[partition]
}

// forget takes the commits back, as when they never reached the broker.
func (t *topic) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.committed)
}

// Run makes a topic a stream.Group.
func (t *topic) Run(ctx context.Context, handle func(context.Context, stream.Claim) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(t.partitions))
	var wg sync.WaitGroup
	for p := range t.partitions {
		wg.Go(func() {
			err := handle(ctx, &claim{topic: t, partition: p, next: t.position(p)})
			if err != nil && ctx.Err() == nil { // afterwards it only says that it was stopped
				errs[p] = err
				cancel()
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

type claim struct {
	topic     *topic
	partition int
	next      int64
	lag       int64
}

func (c *claim) Partition() int       { return c.partition }
func (c *claim) Committed() int64     { return c.topic.position(c.partition) }
func (c *claim) StartAt(offset int64) { c.next = offset }
func (c *claim) Lag() int64           { return c.lag }

func (c *claim) Next(ctx context.Context, most int, wait time.Duration) ([]stream.Record, error) {
	for {
		c.topic.mu.Lock()
		all, more := c.topic.partitions[c.partition], c.topic.more
		c.topic.mu.Unlock()
		if int64(len(all)) > c.next {
			recs := all[c.next:min(int64(len(all)), c.next+int64(most))]
			c.next += int64(len(recs))
			c.lag = int64(len(all)) - c.next
			return recs, nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (c *claim) Commit(_ context.Context, next int64) error {
	if c.topic.onCommit != nil {
		if err := c.topic.onCommit(c.partition, next); err != nil {
			return err
		}
	}
	c.topic.mu.Lock()
	defer c.topic.mu.Unlock()
	c.topic.committed[c.partition] = next
	return nil
}

// table is a stream.Table over a topic.
type table struct {
	*topic
	// onAppend, where it is set, is asked before records are appended.
	onAppend func() error
}

func (t *table) Load(_ context.Context, partition int, fn func(stream.Record) error) error {
	for _, r := range t.records(partition) {
		if err := fn(r); err != nil {
			return err
		}
	}
	return nil
}

func (t *table) Append(_ context.Context, partition int, recs ...stream.Record) error {
	if t.onAppend != nil {
		if err := t.onAppend(); err != nil {
			return err
		}
	}
	t.add(partition, recs...)
	return nil
}

// live is what is left of a partition of the table: its keys.
func (t *table) live(partition int) map[string]bool {
	keys := map[string]bool{}
	for _, r := range t.records(partition) {
		if r.Value == nil {
			delete(keys, string(r.Key))
		} else {
			keys[string(r.Key)] = true
		}
	}
	return keys
}

// writer is a stream.Writer over the first partition of a topic.
type writer struct{ *topic }

func (w writer) Write(_ context.Context, recs ...stream.Record) error {
	w.add(0, recs...)
	return nil
}
