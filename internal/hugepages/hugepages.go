// Package hugepages asks the kernel to back the Go heap with huge pages.
//
// The windows of a million people are read in no order: with pages of 4 KiB
// much of the time of a look-up goes into finding the page. Most systems give
// huge pages only to who asks (transparent_hugepage=madvise), and the Go
// runtime does not ask.
package hugepages

import (
	"context"
	"time"
)

// every is how often the heap is looked at for growth.
const every = 100 * time.Millisecond

// Keep asks for huge pages as the heap grows, until the context ends. Where
// the system has none or refuses them it does nothing: it is about speed only.
func Keep(ctx context.Context) {
	h, ok := find()
	if !ok {
		return
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := h.advise(); err != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
