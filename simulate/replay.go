package simulate

import (
	"context"
	"fmt"
	"iter"
	"time"
)

// Clock is what a Replay goes by.
type Clock interface {
	Now() time.Time
	// Sleep returns after d, or earlier with the context's error.
	Sleep(ctx context.Context, d time.Duration) error
}

// Replay plays records at their time of delivery, faster or slower than it was.
type Replay struct {
	Clock Clock
	// Start is the time in the play at which it begins.
	Start time.Time
	// Speed is how many seconds of the play pass in one of the clock's; without
	// bound if zero.
	Speed float64
	// Tick is how long records gather for a batch, by the clock; 50 ms if zero.
	Tick time.Duration
	// Batch is the most records that a batch has; 1,000 if zero.
	Batch int
}

// Play hands the records over in batches, none before its time. A receiver that
// takes too long makes the play late, not slower: what has become due meanwhile
// follows at once. The batch is valid until the receiver returns, its lines
// beyond. Play returns the first error of the receiver, or the context's.
func (p Replay) Play(ctx context.Context, records iter.Seq[Record], receive func(context.Context, []Record) error) error {
	if p.Tick <= 0 {
		p.Tick = 50 * time.Millisecond
	}
	if p.Batch <= 0 {
		p.Batch = 1000
	}
	began := p.Clock.Now()
	batch := make([]Record, 0, p.Batch)
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		err := receive(ctx, batch)
		batch = batch[:0]
		return err
	}
	for r := range records {
		if err := ctx.Err(); err != nil {
			return err
		}
		if wait := p.due(began, r.At); wait > 0 || len(batch) == p.Batch {
			if err := flush(); err != nil {
				return fmt.Errorf("hand over records: %w", err)
			}
			if err := p.sleep(ctx, began, r.At); err != nil {
				return err
			}
		}
		batch = append(batch, r)
	}
	if err := flush(); err != nil {
		return fmt.Errorf("hand over records: %w", err)
	}
	return nil
}

// due is how long it is until the record's time has come.
func (p Replay) due(began, at time.Time) time.Duration {
	if p.Speed <= 0 {
		return 0
	}
	return time.Duration(float64(at.Sub(p.Start))/p.Speed) - p.Clock.Now().Sub(began)
}

// sleep waits until the record is due, at least a tick where it is not.
func (p Replay) sleep(ctx context.Context, began, at time.Time) error {
	wait := p.due(began, at)
	if wait <= 0 {
		return nil
	}
	return p.Clock.Sleep(ctx, max(wait, p.Tick))
}

// SystemClock is the machine's clock.
type SystemClock struct{}

// Now is the time of day.
func (SystemClock) Now() time.Time { return time.Now() }

// Sleep waits on a timer.
func (SystemClock) Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
