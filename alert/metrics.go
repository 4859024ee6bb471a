package alert

import (
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	sent     *prometheus.CounterVec // sink, rule, level
	digested *prometheus.CounterVec // sink
	updates  *prometheus.CounterVec // sink, result
	repeats  prometheus.Counter
	dead     prometheus.Counter
	errors   *prometheus.CounterVec // sink, reason
	latency  prometheus.Histogram
	queue    *prometheus.GaugeVec // partition
	degraded *prometheus.GaugeVec // sink

	rules, reasons labels
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		sent: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "crmwatch_alert_sent_total", Help: "Findings that were sent, each in a message of its own.",
		}, []string{"sink", "rule", "level"}),
		digested: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "crmwatch_alert_digested_total", Help: "Findings that were sent in a digest, because they were older than max_age.",
		}, []string{"sink"}),
		updates: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "crmwatch_alert_updates_total",
			Help: "Later revisions of findings, by result: edited (the message shows it), superseded (a newer one came before its turn), " +
				"digest (recorded only, the finding was in a digest), gone (recorded only, the message cannot be edited any more), " +
				"unsent (withdrawn before anybody was told).",
		}, []string{"sink", "result"}),
		repeats: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "crmwatch_alert_repeats_total", Help: "Findings that were read again in a revision that had been sent, or an older one.",
		}),
		dead: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "crmwatch_alert_dead_letters_total", Help: "Records on the topic of alerts that are no findings.",
		}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "crmwatch_alert_send_errors_total", Help: "Attempts to send or to edit that failed; they are tried again, unless a message to edit is gone.",
		}, []string{"sink", "reason"}),
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "crmwatch_alert_latency_seconds", Help: "From when the event that completed a finding was collected to when the sink had taken its message.",
			Buckets: []float64{.005, .01, .02, .03, .05, .075, .1, .15, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 21600, 86400},
		}),
		queue: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "crmwatch_alert_queue_findings", Help: "Findings that wait to be sent, and later revisions of them whose turn to be shown has come.",
		}, []string{"partition"}),
		degraded: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "crmwatch_alert_degraded", Help: "1 while the sink refuses messages until somebody does something.",
		}, []string{"sink"}),
		rules: labels{limit: 500}, reasons: labels{limit: 50},
	}
	r.MustRegister(m.sent, m.digested, m.updates, m.repeats, m.dead, m.errors, m.latency, m.queue, m.degraded)
	return m
}

func (m *metrics) delivered(sink string, f *Finding, now time.Time) {
	level := string(f.Rule.Level.known())
	if level == "" {
		level = "other"
	}
	m.sent.WithLabelValues(sink, m.rules.bound(f.Rule.Name), level).Inc()
	if !f.Detected.IsZero() {
		m.latency.Observe(max(0, now.Sub(f.Detected).Seconds()))
	}
}

// What becomes of a revision that is no first message.
const (
	edited     = "edited"
	superseded = "superseded"
	inDigest   = "digest"
	tooLate    = "gone"
	unsent     = "unsent"
)

func (m *metrics) failed(sink, reason string) {
	m.errors.WithLabelValues(sink, m.reasons.bound(reason)).Inc()
}

func (m *metrics) waiting(partition int, n int64) {
	m.queue.WithLabelValues(strconv.Itoa(partition)).Set(float64(n))
}

func (m *metrics) released(partition int) {
	m.queue.DeleteLabelValues(strconv.Itoa(partition))
}

// labels bounds the values of a metric's label: the first limit that come keep
// their own, whatever comes after them is "other".
type labels struct {
	limit int

	mu   sync.Mutex
	seen map[string]bool // guarded by mu
}

func (l *labels) bound(s string) string {
	s = Plain(s, maxName)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case s == "":
		return "other"
	case l.seen[s]:
		return s
	case len(l.seen) >= l.limit:
		return "other"
	case l.seen == nil:
		l.seen = map[string]bool{}
	}
	l.seen[s] = true
	return s
}
