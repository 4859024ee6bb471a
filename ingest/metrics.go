package ingest

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crmwatch/crmwatch/event"
)

type metrics struct {
	events   *prometheus.CounterVec
	unknown  *prometheus.CounterVec
	rejected *prometheus.CounterVec
	bytes    prometheus.Counter
	failures *prometheus.CounterVec
	requests *prometheus.CounterVec
	duration prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		events:   counter("events_total", "Events that are durable.", "source", "action"),
		unknown:  counter("unknown_types_total", "Events among them of a type that crmwatch has no action for.", "source"),
		rejected: counter("rejected_total", "Records that were rejected and are durable as dead letters.", "reason"),
		bytes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "crmwatch_ingest_read_bytes_total", Help: "Bytes of records that were read, without compression.",
		}),
		failures: counter("write_failures_total", "Writes that failed and were tried again or given up.", "topic"),
		requests: counter("http_requests_total", "Requests for events that were answered.", "code"),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "crmwatch_ingest_write_duration_seconds", Help: "Time until a batch was durable.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 9),
		}),
	}
	for _, c := range []prometheus.Collector{m.events, m.unknown, m.rejected, m.bytes, m.failures, m.requests, m.duration} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	// They exist before the first rejection, so that a rate sees it.
	for _, reason := range reasons {
		m.rejected.WithLabelValues(reason)
	}
	for _, r := range event.Reasons {
		m.rejected.WithLabelValues(r.Word)
	}
	return m, nil
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "crmwatch_ingest_" + name, Help: help}, labels)
}

// sourceLabel bounds a label: a native event may name any source.
func sourceLabel(source string) string {
	if slices.Contains([]string{"salesforce", "zoho", "jiandaoyun", "yonyou"}, source) {
		return source
	}
	return "other"
}

// tally is what a batch will add to the metrics and the summary once it is
// durable.
type tally struct {
	events   map[[2]string]int64 // by source label and action
	types    map[string]int64    // of events with no action
	rejected map[string]int64    // by reason
	read     int64
	bytes    int64
}

func newTally() tally {
	return tally{events: map[[2]string]int64{}, types: map[string]int64{}, rejected: map[string]int64{}}
}

func (t *tally) event(e *event.Event) {
	t.events[[2]string{sourceLabel(e.Source), string(e.Action)}]++
	if e.Action == event.Other {
		t.types[e.Type]++
	}
}

func (m *metrics) add(t *tally) {
	for k, n := range t.events {
		m.events.WithLabelValues(k[0], k[1]).Add(float64(n))
		if k[1] == string(event.Other) {
			m.unknown.WithLabelValues(k[0]).Add(float64(n))
		}
	}
	for reason, n := range t.rejected {
		m.rejected.WithLabelValues(reason).Add(float64(n))
	}
	m.bytes.Add(float64(t.bytes))
}
