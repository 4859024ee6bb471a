package store

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
)

// network stands between a client and a real server, and fails on request.
type network struct {
	server string
	ln     net.Listener

	mu        sync.Mutex
	down      bool
	loseReply int // so many replies to inserts are lost after the server did its work
	conns     map[net.Conn]struct{}
	refused   chan struct{} // a token whenever a connection is refused
}

// newNetwork listens on an address of its own that leads to server.
func newNetwork(t *testing.T, server string) *network {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &network{server: server, ln: ln, conns: map[net.Conn]struct{}{}, refused: make(chan struct{}, 1)}
	go n.accept()
	t.Cleanup(func() {
		n.setDown(true)
		ln.Close()
	})
	return n
}

func (n *network) addr() string { return n.ln.Addr().String() }

func (n *network) accept() {
	for {
		client, err := n.ln.Accept()
		if err != nil {
			return
		}
		go n.carry(client)
	}
}

// setDown cuts every connection and refuses new ones, or lets them through.
func (n *network) setDown(down bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = down
	for c := range n.conns {
		c.Close()
	}
}

func (n *network) open(client net.Conn) (net.Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.down {
		select {
		case n.refused <- struct{}{}:
		default:
		}
		return nil, errors.New("down")
	}
	server, err := net.Dial("tcp", n.server)
	if err != nil {
		return nil, err
	}
	n.conns[client], n.conns[server] = struct{}{}, struct{}{}
	return server, nil
}

func (n *network) carry(client net.Conn) {
	defer client.Close()
	server, err := n.open(client)
	if err != nil {
		return
	}
	defer server.Close()
	inserting := &sniffer{}
	go func() {
		io.Copy(server, io.TeeReader(client, inserting))
		server.Close()
	}()
	buf := make([]byte, 64<<10)
	for {
		k, err := server.Read(buf)
		if err != nil || inserting.take() && n.lose() {
			return
		}
		if _, err := client.Write(buf[:k]); err != nil {
			return
		}
	}
}

func (n *network) lose() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.loseReply--
	return n.loseReply >= 0
}

// sniffer notices an insert of events in what a client sends.
type sniffer struct {
	mu   sync.Mutex
	tail []byte
	saw  bool
}

func (s *sniffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tail = append(s.tail, p...)
	if bytes.Contains(s.tail, []byte("INSERT+INTO+events_log")) {
		s.tail, s.saw = nil, true
	}
	s.tail = s.tail[max(0, len(s.tail)-100):]
	return len(p), nil
}

// take reports whether there was an insert since it was last asked.
func (s *sniffer) take() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	saw := s.saw
	s.saw = false
	return saw
}

// closed is a channel that is ready at once.
func closed() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}
