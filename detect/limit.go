package detect

import (
	"sync"
	"time"

	"github.com/crmwatch/crmwatch/detect/window"
)

// limitQuiet is how long nothing may have been lost at the limit of windows until
// the incident is over.
const limitQuiet = 15 * time.Minute

// limit knows whether the windows of any partition have reached their limit. A
// flood loses something with every event; it is one incident.
type limit struct {
	tell func(reached bool) // nil where nobody wants to know

	mu      sync.Mutex // guards the rest: partitions run at once
	reached bool
	last    time.Time
}

// note takes in what a partition has counted since the last time, and tells when
// an incident begins and when it is over.
func (l *limit) note(before, now *window.Counters, at time.Time) {
	lost := now.Refused+now.Evicted > before.Refused+before.Evicted
	l.mu.Lock()
	defer l.mu.Unlock()
	if lost {
		l.last = at
	}
	if reached := lost || l.reached && at.Sub(l.last) < limitQuiet; reached != l.reached {
		l.reached = reached
		if l.tell != nil {
			l.tell(reached)
		}
	}
}
