package simulate_test

import (
	"testing"

	"github.com/crmwatch/crmwatch/simulate"
)

func BenchmarkHistory(b *testing.B) {
	c := simulate.New(simulate.Config{})
	b.ReportAllocs()
	var n, size int
	for b.Loop() {
		for r := range c.History() {
			n++
			size += len(r.Line)
		}
	}
	b.ReportMetric(float64(n)/float64(b.N), "records")
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
	b.SetBytes(int64(size / b.N))
}
