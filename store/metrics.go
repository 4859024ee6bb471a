package store

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	up       prometheus.Gauge
	rows     *prometheus.CounterVec
	rejected *prometheus.CounterVec
	errors   *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	return &metrics{
		up: f.NewGauge(prometheus.GaugeOpts{
			Name: "crmwatch_store_up",
			Help: "1 if the last insert or ping reached ClickHouse and was accepted, 0 if not.",
		}),
		rows: f.NewCounterVec(prometheus.CounterOpts{
			Name: "crmwatch_store_rows_inserted_total",
			Help: "Rows that ClickHouse accepted, deliveries of the same record counted each.",
		}, []string{"table"}),
		rejected: f.NewCounterVec(prometheus.CounterOpts{
			Name: "crmwatch_store_records_rejected_total",
			Help: "Records of Kafka that could not be decoded and went to the dead letters.",
		}, []string{"table", "reason"}),
		errors: f.NewCounterVec(prometheus.CounterOpts{
			Name: "crmwatch_store_insert_errors_total",
			Help: "Inserts that failed; each is tried again until it succeeds.",
		}, []string{"table"}),
		seconds: f.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "crmwatch_store_insert_duration_seconds",
			Help:    "Time of one insert that was accepted.",
			Buckets: prometheus.ExponentialBuckets(0.005, 2, 14),
		}, []string{"table"}),
	}
}
