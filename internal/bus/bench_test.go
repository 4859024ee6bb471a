package bus_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"github.com/crmwatch/crmwatch/internal/bus"
	"github.com/crmwatch/crmwatch/internal/stream"
	"github.com/crmwatch/crmwatch/internal/testkit"
)

// BenchmarkThroughput writes and reads records of 300 bytes through 4 partitions
// of kfake and reports records per second each way.
func BenchmarkThroughput(b *testing.B) {
	c, err := bus.New(bus.Config{Brokers: []string{testkit.Kafka(b)}}, bus.Deps{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	ctx := b.Context()
	if err := c.EnsureTopics(ctx, bus.Topic{Name: "bench", Partitions: 4}); err != nil {
		b.Fatal(err)
	}
	const batch = 10_000
	recs := make([]stream.Record, batch)
	for i := range recs {
		value := fmt.Appendf(nil, `{"actor":"%s","rows":%d,"action":"export"}`, rand.Text(), i)
		recs[i] = stream.Record{Key: fmt.Appendf(nil, "tenant|%d", i%500), Value: append(value, make([]byte, 300-len(value))...)}
	}
	total := 0
	start := time.Now()
	for b.Loop() {
		if err := c.Writer("bench").Write(ctx, recs...); err != nil {
			b.Fatal(err)
		}
		total += batch
	}
	b.ReportMetric(float64(total)/time.Since(start).Seconds(), "written/s")

	ctx, cancel := context.WithCancel(ctx)
	reads := make(chan int, 100)
	done := make(chan error, 1)
	var began time.Time
	go func() {
		done <- c.Group("bench", "bench").Run(ctx, func(ctx context.Context, cl stream.Claim) error {
			for {
				recs, err := cl.Next(ctx, 1000, time.Millisecond)
				if err != nil {
					return err
				}
				reads <- len(recs)
			}
		})
	}()
	for got := 0; got < total; {
		got += <-reads
		if began.IsZero() {
			began = time.Now()
		}
	}
	b.ReportMetric(float64(total)/time.Since(began).Seconds(), "read/s")
	cancel()
	for drained := false; !drained; {
		select {
		case <-reads:
		case err = <-done:
			drained = true
		}
	}
	if err != nil {
		b.Fatal(err)
	}
}
