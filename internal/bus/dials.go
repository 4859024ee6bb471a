package bus

import (
	"context"
	"net"
	"sync"
)

// dials keeps the connections of a client, so that closing it leaves none behind:
// kafka-go lets those finish that wait for an answer.
type dials struct {
	dial func(ctx context.Context, network, address string) (net.Conn, error)

	mu     sync.Mutex
	open   map[*dialed]struct{}
	closed bool
}

// dialed is a connection that takes itself off the list when it is closed.
type dialed struct {
	net.Conn
	all *dials
}

func (d *dials) connect(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := d.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		_ = conn.Close()
		return nil, ErrClosed
	}
	c := &dialed{Conn: conn, all: d}
	d.open[c] = struct{}{}
	return c, nil
}

// Close implements net.Conn.
func (c *dialed) Close() error {
	c.all.mu.Lock()
	delete(c.all.open, c)
	c.all.mu.Unlock()
	return c.Conn.Close()
}

// close closes every connection, and those to come at once.
func (d *dials) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	for c := range d.open {
		_ = c.Conn.Close()
	}
	clear(d.open)
}
