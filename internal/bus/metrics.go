package bus

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are labelled by topic, group and partition, all of them fixed by the
// configuration.
type metrics struct {
	written     *prometheus.CounterVec
	writeErrors *prometheus.CounterVec
	writeTime   *prometheus.HistogramVec
	read        *prometheus.CounterVec
	readErrors  *prometheus.CounterVec
	gap         *prometheus.CounterVec
	lag         *prometheus.GaugeVec
	joins       *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "crmwatch_bus_" + name, Help: help}, labels)
	}
	m := &metrics{
		written:     counter("records_written_total", "Records that are durable in Kafka.", "topic"),
		writeErrors: counter("write_errors_total", "Failed tries to write a batch, retried ones included.", "topic"),
		read:        counter("records_read_total", "Records handed to their readers; group is empty for tables.", "topic", "group"),
		readErrors:  counter("read_errors_total", "Failed tries to read, retried ones included.", "topic"),
		gap:         counter("gap_records_total", "Offsets that were deleted before they were read.", "topic", "group"),
		joins:       counter("group_joins_total", "Times this process joined its consumer group anew.", "topic", "group"),
		writeTime: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "crmwatch_bus_write_duration_seconds",
			Help:    "Time from a call to write until all its records were durable.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}, []string{"topic"}),
		lag: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "crmwatch_bus_lag_records",
			Help: "Records of an owned partition that were not handed to the handler yet, as of the last fetch.",
		}, []string{"topic", "group", "partition"}),
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{
		m.written, m.writeErrors, m.writeTime, m.read, m.readErrors, m.gap, m.lag, m.joins,
	} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics of the bus: %w", err)
		}
	}
	return m, nil
}
