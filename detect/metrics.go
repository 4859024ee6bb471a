package detect

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/crmwatch/crmwatch/detect/window"
)

type metrics struct {
	events      prometheus.Counter
	poison      prometheus.Counter
	late        prometheus.Counter
	ungrouped   prometheus.Counter
	refused     prometheus.Counter
	evicted     prometheus.Counter
	sketched    prometheus.Counter
	findings    *prometheus.CounterVec
	watermark   *prometheus.GaugeVec
	groups      *prometheus.GaugeVec
	checkpoints prometheus.Histogram
	restored    prometheus.Gauge
}

// count adds to the metrics what an engine has counted since the last time.
func (m *metrics) count(before *window.Counters, now window.Counters) {
	m.late.Add(float64(now.Late - before.Late))
	m.ungrouped.Add(float64(now.Ungrouped - before.Ungrouped))
	m.refused.Add(float64(now.Refused - before.Refused))
	m.evicted.Add(float64(now.Evicted - before.Evicted))
	m.sketched.Add(float64(now.Sketched - before.Sketched))
	*before = now
}

// forget drops what is told of a partition that is no longer ours.
func (m *metrics) forget(partition string) {
	m.watermark.DeleteLabelValues(partition)
	m.groups.DeleteLabelValues(partition)
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		events:      prometheus.NewCounter(prometheus.CounterOpts{Name: "crmwatch_detect_events_total", Help: "Events that the detector took in."}),
		poison:      prometheus.NewCounter(prometheus.CounterOpts{Name: "crmwatch_detect_poison_total", Help: "Messages of the event topic that are no events and went to the dead-letter topic."}),
		late:        prometheus.NewCounter(prometheus.CounterOpts{Name: "crmwatch_detect_late_total", Help: "Times an event came too late to be counted by a rule."}),
		ungrouped:   prometheus.NewCounter(prometheus.CounterOpts{Name: "crmwatch_detect_ungrouped_total", Help: "Times an event was not counted by a rule because it lacks a value to group by."}),
		refused:     prometheus.NewCounter(prometheus.CounterOpts{Name: "crmwatch_detect_windows_refused_total", Help: "Times an event was not counted by a rule because there were too many windows, all of groups with a history."}),
		evicted:     prometheus.NewCounter(prometheus.CounterOpts{Name: "crmwatch_detect_windows_evicted_total", Help: "Windows of a single event that had to go for others, because there were too many."}),
		sketched:    prometheus.NewCounter(prometheus.CounterOpts{Name: "crmwatch_detect_sketched_total", Help: "Events that are counted by sketches from then on, because their window has too many."}),
		findings:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "crmwatch_detect_findings_total", Help: "Findings by rule."}, []string{"rule", "level"}),
		watermark:   prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "crmwatch_detect_watermark_timestamp_seconds", Help: "Newest event time taken in, by partition, in seconds since 1970; the watermark delay is time() minus this."}, []string{"partition"}),
		groups:      prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "crmwatch_detect_windows", Help: "Windows kept in memory, by partition."}, []string{"partition"}),
		checkpoints: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "crmwatch_detect_checkpoint_duration_seconds", Help: "How long it took to make a checkpoint durable.", Buckets: prometheus.ExponentialBuckets(0.001, 2, 14)}),
		restored:    prometheus.NewGauge(prometheus.GaugeOpts{Name: "crmwatch_detect_restore_duration_seconds", Help: "How long the last restore of a partition's state took."}),
	}
	reg.MustRegister(m.events, m.poison, m.late, m.ungrouped, m.refused, m.evicted, m.sketched, m.findings, m.watermark, m.groups, m.checkpoints, m.restored)
	return m
}
