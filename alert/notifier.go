package alert

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
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
	// OnSent, where it is set, is called for every finding that was sent, with the
	// time at which the sink had taken it, from the goroutine of its partition.
	OnSent func(Finding, time.Time)
}

// Notifier is the stage from findings to people. Every finding gets one message:
// what was sent is recorded before its offset is committed, and what is recorded
// is not sent again. A finding can be sent twice only where the process dies, or
// the sink's answer is lost, between the sink's taking it and the record. None
// is ever given up: while the sink fails, its partition waits and tries again.
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
	for {
		recs, err := c.Next(ctx, n.cfg.Batch, gather)
		if err != nil {
			return fmt.Errorf("read alerts: %w", err)
		}
		if err := n.batch(ctx, c, sent, recs); err != nil {
			return err
		}
	}
}

// batch sends what the records say and then commits them.
func (n *Notifier) batch(ctx context.Context, c stream.Claim, sent *ledger, recs []stream.Record) error {
	waiting := c.Lag() + int64(len(recs))
	n.metrics.waiting(c.Partition(), waiting)
	fresh, old, err := n.sort(ctx, sent, recs)
	if err != nil {
		return err
	}
	waiting -= int64(len(recs) - len(fresh) - len(old))
	for i := range fresh {
		if err := n.alert(ctx, sent, &fresh[i]); err != nil {
			return err
		}
		waiting--
		n.metrics.waiting(c.Partition(), waiting)
	}
	if err := n.digest(ctx, sent, old); err != nil {
		return err
	}
	if err := c.Commit(ctx, recs[len(recs)-1].Offset+1); err != nil {
		return fmt.Errorf("commit alerts: %w", err)
	}
	n.metrics.waiting(c.Partition(), c.Lag())
	return n.persist(ctx, "forgetting what was sent long ago", func() error { return sent.prune(ctx, n.deps.Clock()) })
}

// sort reads the findings that were not sent yet: those that get a message of
// their own, and those that are too old for one.
func (n *Notifier) sort(ctx context.Context, sent *ledger, recs []stream.Record) (fresh, old []Finding, err error) {
	seen := map[string]bool{}
	for i := range recs {
		f, err := DecodeOCSF(recs[i].Value)
		if err != nil {
			if err := n.bury(ctx, &recs[i], err); err != nil {
				return nil, nil, err
			}
			continue
		}
		if seen[f.ID] || sent.has(f.ID) {
			n.metrics.repeats.Inc()
			continue
		}
		seen[f.ID] = true
		if !f.Detected.IsZero() && n.deps.Clock().Sub(f.Detected) > n.cfg.MaxAge {
			old = append(old, f)
		} else {
			fresh = append(fresh, f)
		}
	}
	// The worst come first, because a sink may take a second for each.
	slices.SortStableFunc(fresh, func(a, b Finding) int { return b.Rule.Level.rank() - a.Rule.Level.rank() })
	return fresh, old, nil
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

// alert sends one finding in a message of its own.
func (n *Notifier) alert(ctx context.Context, sent *ledger, f *Finding) error {
	receipt, err := n.deliver(ctx, NewMessage(f, n.cfg.ConsoleURL))
	if err != nil {
		return err
	}
	if err := n.persist(ctx, "recording a sent alert", func() error { return sent.record(ctx, receipt, f.ID) }); err != nil {
		return err
	}
	n.metrics.delivered(n.deps.Sink.Name(), f, receipt.Time)
	if n.deps.OnSent != nil {
		n.deps.OnSent(*f, receipt.Time)
	}
	return nil
}

// digest sends the old findings in one message.
func (n *Notifier) digest(ctx context.Context, sent *ledger, old []Finding) error {
	if len(old) == 0 {
		return nil
	}
	m := NewDigest(old, n.cfg.MaxAge, n.cfg.ConsoleURL)
	receipt, err := n.deliver(ctx, m)
	if err != nil {
		return err
	}
	receipt.Digest = m.ID
	ids := make([]string, len(old))
	for i := range old {
		ids[i] = old[i].ID
	}
	if err := n.persist(ctx, "recording a sent digest", func() error { return sent.record(ctx, receipt, ids...) }); err != nil {
		return err
	}
	n.metrics.digested.WithLabelValues(n.deps.Sink.Name()).Add(float64(len(old)))
	for i := range old {
		if n.deps.OnSent != nil {
			n.deps.OnSent(old[i], receipt.Time)
		}
	}
	return nil
}

// deliver sends a message until the sink takes it or ctx ends.
func (n *Notifier) deliver(ctx context.Context, m Message) (Receipt, error) {
	name := n.deps.Sink.Name()
	for attempt := 0; ; attempt++ {
		ref, err := n.deps.Sink.Send(ctx, m)
		if err == nil {
			n.recovered(name)
			return Receipt{Time: n.deps.Clock().UTC().Truncate(time.Millisecond), Sink: name, Ref: ref}, nil
		}
		if ctx.Err() != nil {
			return Receipt{}, ctx.Err()
		}
		n.metrics.failed(name, reason(err))
		pause := n.pause(attempt, err)
		n.complain(name, m.ID, err, pause)
		if err := sleep(ctx, pause); err != nil {
			return Receipt{}, err
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
