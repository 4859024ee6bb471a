package store

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
)

// logCounter keeps what was logged.
type logCounter struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	more chan struct{}
}

func (l *logCounter) logger() *slog.Logger {
	l.more = make(chan struct{}, 1)
	return slog.New(slog.NewTextHandler(l, nil))
}

func (l *logCounter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.more <- struct{}{}:
	default:
	}
	return l.buf.Write(p)
}

func (l *logCounter) lines() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logCounter) count(s string) int { return strings.Count(l.lines(), s) }

// await waits until s was logged.
func (l *logCounter) await(t *testing.T, s string) {
	t.Helper()
	deadline := time.After(time.Minute)
	for l.count(s) == 0 {
		select {
		case <-l.more:
		case <-deadline:
			t.Fatalf("%q was not logged within a minute", s)
		}
	}
}
