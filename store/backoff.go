package store

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff is the wait between two tries: from 100 ms, doubling up to max, with
// half of it by chance so that partitions do not come back all at once.
type backoff struct {
	max  time.Duration
	next time.Duration
}

// sleep waits, and reports whether the context is still alive.
func (b *backoff) sleep(ctx context.Context) bool {
	b.next = min(max(2*b.next, 100*time.Millisecond), b.max)
	t := time.NewTimer(b.next/2 + rand.N(b.next/2))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
