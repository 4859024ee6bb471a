package bus

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/crmwatch/crmwatch/internal/stream"
)

// claim is one partition of one generation of a group. The handler's goroutine
// uses it, beside the one that fetches ahead.
type claim struct {
	group     *Group
	gen       *kafka.Generation
	partition int
	committed int64           // offset of the next record by the last commit, -1 for none
	owned     context.Context // ends when the claim does
	lose      context.CancelCauseFunc

	start int64 // where to begin to read
	pages chan page
	final error // why pages was closed
	ahead page  // what is left of the page in hand
	begun bool
	next  atomic.Int64 // offset after the last record returned
	high  atomic.Int64 // end of the log as of the last fetch
}

func (g *Group) newClaim(owned context.Context, lose context.CancelCauseFunc, gen *kafka.Generation, a kafka.PartitionAssignment) *claim {
	return &claim{
		group: g, gen: gen, partition: a.ID, committed: max(-1, a.Offset),
		owned: owned, lose: lose,
		start: a.Offset, // kafka.FirstOffset when there was no commit
		// One page in hand, one waiting and one being fetched: enough to keep both
		// sides busy, and the bound on memory.
		pages: make(chan page, 1),
	}
}

// Partition implements stream.Claim.
func (c *claim) Partition() int { return c.partition }

// Committed implements stream.Claim.
func (c *claim) Committed() int64 { return c.committed }

// StartAt implements stream.Claim.
func (c *claim) StartAt(offset int64) { c.start = offset }

// Lag implements stream.Claim.
func (c *claim) Lag() int64 { return max(0, c.high.Load()-c.next.Load()) }

// Next implements stream.Claim. It returns a *BeyondEndError when the log ends
// before the offset asked for.
func (c *claim) Next(ctx context.Context, most int, wait time.Duration) ([]stream.Record, error) {
	if !c.begun {
		c.begun = true
		c.group.readers.Go(c.fetchAhead)
	}
	if err := c.first(ctx); err != nil {
		return nil, err
	}
	recs := c.take(most)
	if len(recs) < most {
		recs = c.fill(ctx, recs, most, wait)
	}
	c.next.Store(recs[len(recs)-1].Offset + 1)
	c.group.client.metrics.read.WithLabelValues(c.group.topic, c.group.group).Add(float64(len(recs)))
	c.showLag()
	return recs, nil
}

// first waits until there is a record in hand.
func (c *claim) first(ctx context.Context) error {
	for len(c.ahead.recs) == 0 {
		if c.owned.Err() != nil {
			return c.lost()
		}
		select {
		case p, ok := <-c.pages:
			if !ok {
				return c.final
			}
			c.ahead = p
		case <-ctx.Done():
			if c.owned.Err() == nil {
				return ctx.Err()
			}
		case <-c.owned.Done():
		}
	}
	if c.owned.Err() != nil {
		return c.lost()
	}
	return nil
}

// take returns up to most records of the page in hand.
func (c *claim) take(most int) []stream.Record {
	n := min(most, len(c.ahead.recs))
	recs := c.ahead.recs[:n:n]
	c.ahead.recs = c.ahead.recs[n:]
	return recs
}

// fill adds to recs what comes within wait.
func (c *claim) fill(ctx context.Context, recs []stream.Record, most int, wait time.Duration) []stream.Record {
	timer := time.NewTimer(max(0, wait))
	defer timer.Stop()
	for len(recs) < most {
		select {
		case p, ok := <-c.pages:
			if !ok {
				return recs // the reason is told by the next call
			}
			c.ahead = p
			recs = append(recs, c.take(most-len(recs))...)
		case <-timer.C:
			return recs
		case <-ctx.Done():
			return recs
		case <-c.owned.Done():
			return recs
		}
	}
	return recs
}

// fetchAhead reads pages until the claim ends or reading cannot go on.
func (c *claim) fetchAhead() {
	defer close(c.pages)
	g := c.group
	r := g.client.reader(g.topic, g.group, c.partition, c.start)
	defer r.trouble.end()
	for {
		p, err := r.read(c.owned)
		if err != nil {
			c.final = err
			if c.owned.Err() != nil {
				c.final = c.lost()
			}
			return
		}
		c.high.Store(p.high)
		if len(p.recs) > 0 {
			// A handler that hangs must not hide what piles up before it.
			c.next.CompareAndSwap(0, p.recs[0].Offset)
			c.showLag()
		}
		if len(p.recs) == 0 {
			continue
		}
		select {
		case c.pages <- p:
		case <-c.owned.Done():
			c.final = c.lost()
			return
		}
	}
}

// lost says why the claim ended.
func (c *claim) lost() error {
	return fmt.Errorf("%q partition %d of group %q: %w", c.group.topic, c.partition, c.group.group, context.Cause(c.owned))
}

// Commit implements stream.Claim. The broker refuses it when the partition has
// been given to another member since. Any failure ends the claims of this
// generation: what was not committed is delivered again.
//
// It works for a short while after the claim's context has ended, for the last
// commit of a handler that lets go.
func (c *claim) Commit(ctx context.Context, next int64) error {
	if next == c.committed {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("commit %q partition %d: %w", c.group.topic, c.partition, err)
	}
	err := c.gen.CommitOffsets(map[string]map[int]int64{c.group.topic: {c.partition: next}})
	if err != nil {
		c.lose(fmt.Errorf("%w: %w", ErrClaimLost, err))
		return fmt.Errorf("commit %q partition %d: %w: %w", c.group.topic, c.partition, ErrClaimLost, err)
	}
	c.committed = next
	return nil
}

func (c *claim) showLag() {
	c.group.client.metrics.lag.WithLabelValues(c.group.topic, c.group.group, strconv.Itoa(c.partition)).Set(float64(c.Lag()))
}

// end forgets the lag, which is another member's to show from now on.
func (c *claim) end() {
	c.group.client.metrics.lag.DeleteLabelValues(c.group.topic, c.group.group, strconv.Itoa(c.partition))
}
