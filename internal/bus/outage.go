package bus

import (
	"log/slog"
	"sync"
	"time"
)

// outages turns the many failed tries of many goroutines into one log line when
// something stops working and one when it works again.
type outages struct {
	log *slog.Logger

	mu    sync.Mutex
	down  map[string]int // how many goroutines see it down
	since map[string]time.Time
}

func newOutages(log *slog.Logger) *outages {
	return &outages{log: log, down: map[string]int{}, since: map[string]time.Time{}}
}

// watch returns one goroutine's view of what, such as "read events".
func (o *outages) watch(what string) *outage { return &outage{all: o, what: what} }

// outage belongs to one goroutine.
type outage struct {
	all  *outages
	what string
	down bool
}

// failed notes a failed try.
func (o *outage) failed(err error) {
	if o.down {
		return
	}
	o.down = true
	o.all.mu.Lock()
	defer o.all.mu.Unlock()
	o.all.down[o.what]++
	if o.all.down[o.what] == 1 {
		o.all.since[o.what] = time.Now()
		o.all.log.Warn("kafka is failing, will keep trying", "doing", o.what, "err", err)
	}
}

// works notes that it worked.
func (o *outage) works() { o.leave(true) }

// end takes the goroutine out of the count, without a word about recovery.
func (o *outage) end() { o.leave(false) }

func (o *outage) leave(recovered bool) {
	if !o.down {
		return
	}
	o.down = false
	o.all.mu.Lock()
	defer o.all.mu.Unlock()
	o.all.down[o.what]--
	if o.all.down[o.what] == 0 && recovered {
		o.all.log.Info("kafka works again", "doing", o.what, "after", time.Since(o.all.since[o.what]).Round(time.Millisecond))
	}
}
