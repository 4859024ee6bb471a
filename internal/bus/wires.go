package bus

import (
	"context"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

// metadataTTL is how old the known layout of the cluster may be. A partition
// whose leader moved is found again within it.
const metadataTTL = 2 * time.Second

// wires is the one kafka.Transport of a client. The transport keeps the metadata
// of every topic of the cluster unless it is told the names beforehand, and they
// only become known as writers and groups are asked for. So it is replaced when a
// name is added, which happens a few times when a process starts.
type wires struct {
	template func(topics []string) *kafka.Transport

	mu     sync.Mutex
	topics []string
	now    *kafka.Transport // nil until used
	closed bool
}

// use adds topics to those whose metadata is kept.
func (w *wires) use(topics ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	known := len(w.topics)
	for _, t := range topics {
		if !slices.Contains(w.topics, t) {
			w.topics = append(w.topics, t)
		}
	}
	if len(w.topics) != known && w.now != nil {
		// Requests under way keep the old one alive until they are answered.
		w.now.CloseIdleConnections()
		w.now = nil
	}
}

// RoundTrip implements kafka.RoundTripper.
func (w *wires) RoundTrip(ctx context.Context, addr net.Addr, req kafka.Request) (kafka.Response, error) {
	t, err := w.transport()
	if err != nil {
		return nil, err
	}
	return t.RoundTrip(ctx, addr, req)
}

func (w *wires) transport() (*kafka.Transport, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil, ErrClosed
	}
	if w.now == nil {
		w.now = w.template(slices.Clone(w.topics))
	}
	return w.now, nil
}

func (w *wires) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	if w.now != nil {
		w.now.CloseIdleConnections()
		w.now = nil
	}
}

// pause sleeps before try number n (from 1) of something that failed: 100 ms,
// doubling to 2 s, a quarter of it random so that many do not come back at once.
// It returns false when ctx ended.
func pause(ctx context.Context, n int) bool {
	d := 100 * time.Millisecond << min(n-1, 5)
	d = min(d, 2*time.Second)
	d -= rand.N(d / 4)
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
