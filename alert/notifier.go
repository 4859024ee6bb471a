package alert

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/internal/stream"
)

// Deps is what a Notifier works with.
type Deps struct {
	Alerts stream.Group // the topic of alerts
	// Sent is the compacted topic of what was sent, partitioned like the alerts.
	Sent   stream.Table
	Dead   stream.Writer
	Sink   Sink
	Clock  func() time.Time // nil for time.Now
	Logger *slog.Logger
	// Registerer takes the metrics.
	Registerer prometheus.Registerer
	// OnSent, where it is set, is called for every finding that was sent, and not
	// for edits, with the time at which the sink had taken it, from the goroutine of
	// its partition.
	OnSent func(Finding, time.Time)
}

// Notifier is the stage from findings to people. Every finding gets one message,
// which later revisions of the finding edit: what was sent is recorded before its
// offset is committed, and what is recorded is not sent again. A finding can be
// sent twice only where the process dies, or the sink's answer is lost, between
// the sink's taking it and the record. None is ever given up: while the sink
// fails, its partition waits and tries again. Only an edit is, where the message
// is gone.
type Notifier struct {
	cfg     Config
	deps    Deps
	metrics *metrics
	// failure is the last error that no retry helps, nil while all is well.
	failure atomic.Pointer[error]
}

// New returns a Notifier that does nothing until Run. What cfg leaves at zero is
// as in DefaultConfig.
func New(cfg Config, deps Deps) *Notifier {
	if deps.Clock == nil {
		deps.Clock = time.Now
	}
	n := &Notifier{cfg: cfg.withDefaults(), deps: deps, metrics: newMetrics(deps.Registerer)}
	n.metrics.degraded.WithLabelValues(deps.Sink.Name()).Set(0)
	return n
}

// Run sends findings until ctx ends, and then returns nil.
func (n *Notifier) Run(ctx context.Context) error {
	if err := n.deps.Alerts.Run(ctx, n.claim); err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	return nil
}

// Health is nil while messages can be sent, and otherwise says what has to be
// done so that they can. Safe for concurrent use.
func (n *Notifier) Health() error {
	if err := n.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// gather is how long to wait for more findings after the first.
const gather = 20 * time.Millisecond

// claim serves one partition while it is ours.
func (n *Notifier) claim(ctx context.Context, c stream.Claim) error {
	defer n.metrics.released(c.Partition())
	sent, err := openLedger(ctx, n.deps.Sent, c.Partition(), n.cfg.Memory)
	if err != nil {
		return err
	}
	d := &desk{Notifier: n, claim: c, sent: sent, waiting: map[string]update{}}
	for {
		recs, err := d.read(ctx)
		if err != nil {
			return fmt.Errorf("read alerts: %w", err)
		}
		if err := d.batch(ctx, recs); err != nil {
			return err
		}
	}
}

// bury writes the dead letter of a record that is no finding.
func (n *Notifier) bury(ctx context.Context, rec *stream.Record, cause error) error {
	place := event.Place{Stage: "notify", Origin: fmt.Sprintf("%s/%d", n.cfg.Topic, rec.Partition), Line: rec.Offset}
	letter := event.NewDeadLetter(place, rec.Value, cause, n.deps.Clock())
	key, value := letter.Message()
	n.deps.Logger.Error("a record on the topic of alerts is no finding and goes to the dead letters",
		"partition", rec.Partition, "offset", rec.Offset, "field", letter.Field, "reason", letter.Reason)
	err := n.persist(ctx, "writing a dead letter", func() error {
		return n.deps.Dead.Write(ctx, stream.Record{Key: key, Value: value, Time: letter.Time})
	})
	if err == nil {
		n.metrics.dead.Inc()
	}
	return err
}

// deliver sends a message until the sink takes it or ctx ends.
func (n *Notifier) deliver(ctx context.Context, m Message) (Receipt, error) {
	r := Receipt{Sink: n.deps.Sink.Name()}
	err := n.insist(ctx, m.ID, func() (err error) {
		r.Ref, err = n.deps.Sink.Send(ctx, m)
		return err
	})
	r.Time = n.now()
	return r, err
}

// now is the time as receipts have it.
func (n *Notifier) now() time.Time { return n.deps.Clock().UTC().Truncate(time.Millisecond) }

// insist asks the sink for something until it is done, the message it is about
// is gone, or ctx ends.
func (n *Notifier) insist(ctx context.Context, id string, try func() error) error {
	name := n.deps.Sink.Name()
	for attempt := 0; ; attempt++ {
		err := try()
		if err == nil {
			n.recovered(name)
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		n.metrics.failed(name, reason(err))
		if gone(err) {
			return err
		}
		pause := n.pause(attempt, err)
		n.complain(name, id, err, pause)
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

func reason(err error) string {
	if e, ok := errors.AsType[*SendError](err); ok && e.Reason != "" {
		return e.Reason
	}
	return "other"
}

// pause is how long to wait after a failed attempt, the first being 0.
func (n *Notifier) pause(attempt int, err error) time.Duration {
	if Permanent(err) {
		return n.cfg.Standstill
	}
	d := n.cfg.FirstRetry << min(attempt, 20)
	if d <= 0 || d > n.cfg.LastRetry {
		d = n.cfg.LastRetry
	}
	if e, ok := errors.AsType[*SendError](err); ok {
		d = max(d, e.RetryAfter)
	}
	return d
}

// complain logs a failure; one that no retry helps only once.
func (n *Notifier) complain(sink, id string, err error, pause time.Duration) {
	if !Permanent(err) {
		n.deps.Logger.Warn("an alert could not be sent and will be tried again", "sink", sink, "alert", Plain(id, maxName), "error", err, "after", pause)
		return
	}
	n.metrics.degraded.WithLabelValues(sink).Set(1)
	before := n.failure.Swap(&err)
	if before == nil || (*before).Error() != err.Error() {
		n.deps.Logger.Error("alerts cannot be sent until somebody acts; none is lost", "sink", sink, "error", err, "every", pause)
	}
}

func (n *Notifier) recovered(sink string) {
	if n.failure.Swap(nil) != nil {
		n.metrics.degraded.WithLabelValues(sink).Set(0)
		n.deps.Logger.Info("alerts can be sent again", "sink", sink)
	}
}

// persist does what must not be given up until it is done or ctx ends: to go on
// without it would send an alert twice or lose a record.
func (n *Notifier) persist(ctx context.Context, doing string, do func() error) error {
	for attempt := 0; ; attempt++ {
		err := do()
		if err == nil || ctx.Err() != nil {
			return err
		}
		pause := n.pause(attempt, err)
		n.deps.Logger.Warn("a step of alerting failed and will be tried again", "step", doing, "error", err, "after", pause)
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
