package roster

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	people prometheus.Gauge
	bad    prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		people: prometheus.NewGauge(prometheus.GaugeOpts{Name: "crmwatch_roster_people", Help: "People in the roster."}),
		bad:    prometheus.NewCounter(prometheus.CounterOpts{Name: "crmwatch_roster_bad_records_total", Help: "Messages on the topic of people that were not people and were left out."}),
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.people, m.bad} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register roster metrics: %w", err)
		}
	}
	return m, nil
}
