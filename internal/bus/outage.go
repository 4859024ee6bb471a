package bus

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// outages turns the many failed tries of many goroutines into one log line when
// something stops working and one when it works again.
type outages struct {
	log *slog.Logger

	mu     sync.Mutex
	states map[string]*outageState // by what is being done
}

// insist does something until it succeeds, until it fails for good, or until ctx
// ends: then the error is that of ctx, with the last one.
func (o *outages) insist(ctx context.Context, what string, do func() error) error {
	trouble := o.watch(what)
	defer trouble.end()
	for try := 1; ; try++ {
		err := do()
		switch {
		case err == nil:
			trouble.works()
			return nil
		case permanent(err):
			return err
		}
		if ctx.Err() == nil {
			trouble.failed(err)
		}
		if !pause(ctx, try) {
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		}
	}
}

// outageState is shared by the goroutines that do the same thing.
type outageState struct {
	open atomic.Bool // told, and not over yet

	// Guarded by outages.mu.
	failing int // goroutines whose last try failed
	since   time.Time
}

func newOutages(log *slog.Logger) *outages {
	return &outages{log: log, states: map[string]*outageState{}}
}

// watch returns one goroutine's view of what, such as "read events".
func (o *outages) watch(what string) *outage {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.states[what]
	if s == nil {
		s = &outageState{}
		o.states[what] = s
	}
	return &outage{all: o, state: s, what: what}
}

// outage belongs to one goroutine.
type outage struct {
	all   *outages
	state *outageState
	what  string
	down  bool
}

// failed notes a failed try.
func (o *outage) failed(err error) {
	if o.down {
		return
	}
	o.down = true
	o.all.mu.Lock()
	defer o.all.mu.Unlock()
	o.state.failing++
	if !o.state.open.Swap(true) {
		o.state.since = time.Now()
		o.all.log.Warn("kafka is failing, will keep trying", "doing", o.what, "err", err)
	}
}

// works notes a try that worked. The outage is over when nobody else sees it any
// more.
func (o *outage) works() {
	if !o.state.open.Load() {
		return
	}
	o.end()
	o.all.mu.Lock()
	defer o.all.mu.Unlock()
	if o.state.failing == 0 && o.state.open.Swap(false) {
		o.all.log.Info("kafka works again", "doing", o.what, "after", time.Since(o.state.since).Round(time.Millisecond))
	}
}

// end is called by a goroutine that will try no more. Whether it would have worked
// by then is for another to find out.
func (o *outage) end() {
	if !o.down {
		return
	}
	o.down = false
	o.all.mu.Lock()
	defer o.all.mu.Unlock()
	o.state.failing--
}
