package eval_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/crmwatch/crmwatch/detect/detecttest/workload"
	"github.com/crmwatch/crmwatch/detect/eval"
)

// meter is events that notes how much was allocated when most of them were read.
type meter struct {
	io.Reader
	left   int
	before uint64
}

func (m *meter) Read(b []byte) (int, error) {
	n, err := m.Reader.Read(b)
	if m.left > 0 && n >= m.left {
		m.before = allocations()
	}
	m.left -= n
	return n, err
}

func allocations() uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.Mallocs
}

// Once all people are known, events are read, matched, counted and told of in
// memory that is there already, but for the few windows that are larger than any
// before.
func TestEventsDoNotAllocate(t *testing.T) {
	load := workload.Config{Events: 60_000, Users: 20, Span: 10 * time.Hour, Seed: 5}
	var events bytes.Buffer
	if err := load.Write(&events); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := workload.WriteRules(dir, 30); err != nil {
		t.Fatal(err)
	}
	cfg := eval.DefaultConfig()
	cfg.Rules, cfg.Every = os.DirFS(dir), true
	set, schema, err := cfg.Load()
	if err != nil {
		t.Fatal(err)
	}
	m := &meter{Reader: &events, left: events.Len() / 4 * 3}
	stats, err := eval.Run(context.Background(), cfg, set, schema, m, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	after := allocations()
	if stats.Events != int64(load.Events) || stats.Matches < 5_000 || m.before == 0 {
		t.Fatalf("%+v", stats)
	}
	if perEvent := float64(after-m.before) / float64(load.Events/4); perEvent > 0.02 {
		t.Errorf("%.3f allocations an event, of which %d matched", perEvent, stats.Matches)
	}
}
