package detect

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crmwatch/crmwatch/alert"
	"github.com/crmwatch/crmwatch/detect/window"
	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/internal/stream"
	"github.com/crmwatch/crmwatch/rules"
)

const (
	batchSize = 2_000
	// batchWait is short, because an alert waits for it.
	batchWait = 2 * time.Millisecond
	// keptFor is how long the state of a partition that was given up is kept in
	// memory, in case that it comes back when the partitions are shared out anew.
	keptFor = 30 * time.Second
)

// Deps are what a Detector works with.
type Deps struct {
	Events   stream.Group  // of the event topic
	Findings stream.Writer // to the alert topic, OCSF Detection Findings
	State    stream.Ledger // compacted, partitioned like the event topic
	Dead     stream.Writer // dead letters
	// Rules are the rules in force now, never nil. Each partition asks before a batch.
	Rules   func() *rules.Set
	People  People
	Logger  *slog.Logger
	Metrics prometheus.Registerer
	// Limit, where set, is told when events begin to go uncounted because too many
	// windows are kept, and when that is over. It must not block.
	Limit func(reached bool)
	Now   func() time.Time // for dead letters and durations; events bring their own
}

// Detector is the stage that runs one Engine per partition of the event topic.
//
// Its guarantee: what a detector finds that crashes, is paused, or loses its
// partitions to another one is what an undisturbed one finds. Whatever follows
// from an event, the changed state, the findings and the offset, becomes durable
// at once, in a partition that only its owner can write to (see save). Findings
// are published from there, and published again after a crash.
type Detector struct {
	cfg Config
	Deps
	metrics *metrics
	limit   *limit

	mu   sync.Mutex
	kept map[int]*partition // partitions that were given up a moment ago
}

// New returns a Detector.
func New(cfg Config, deps Deps) *Detector {
	return &Detector{cfg: cfg, Deps: deps, metrics: newMetrics(deps.Metrics), limit: &limit{tell: deps.Limit}, kept: map[int]*partition{}}
}

// Run detects until ctx ends, then makes a last checkpoint of each partition.
func (d *Detector) Run(ctx context.Context) error {
	return d.Events.Run(ctx, func(ctx context.Context, c stream.Claim) error {
		p, err := d.open(ctx, c)
		if err != nil {
			return fmt.Errorf("restore partition %d: %w", c.Partition(), err)
		}
		defer d.metrics.forget(p.label)
		return p.run(ctx)
	})
}

// partition is one claim with its engine.
type partition struct {
	*Detector
	claim   stream.Claim
	owned   stream.Owned
	engine  *Engine
	decoder *event.Decoder
	label   string
	next    int64           // offset after the last event taken in
	counted window.Counters // what the metrics know of
	outbox  outbox
	saved   int64 // offset of the last checkpoint that was begun
	savedAt time.Time
	saving  *save // under way, nil where there is none
}

// open takes the partition over, and restores its engine from its last checkpoint
// or from memory, where nobody has had it in between.
func (d *Detector) open(ctx context.Context, c stream.Claim) (*partition, error) {
	began := d.Now()
	owned, err := d.State.Own(ctx, c.Partition())
	if err != nil {
		return nil, err
	}
	if p := d.keptPartition(c.Partition()); p != nil && owned.Follows(p.owned) {
		p.claim, p.owned = c, owned
		c.StartAt(p.next)
		d.Logger.Info("partition resumed", "partition", c.Partition(), "offset", p.next, "windows", p.engine.Groups())
		return p, nil
	}
	p := &partition{
		Detector: d, claim: c, owned: owned, engine: NewEngine(d.cfg, d.Rules(), d.People),
		decoder: event.NewDecoder(), label: strconv.Itoa(c.Partition()), savedAt: began,
	}
	m, err := p.restore(ctx)
	if err != nil {
		return nil, err
	}
	if err := p.republish(ctx); err != nil {
		return nil, err
	}
	// The state alone says where to go on: the group's offset is for lag tools.
	c.StartAt(m.Next)
	p.next, p.saved = m.Next, m.Next
	d.metrics.restored.Set(d.Now().Sub(began).Seconds())
	d.Logger.Info("partition restored", "partition", c.Partition(), "offset", m.Next, "windows", p.engine.Groups(),
		"republished", len(p.outbox.published))
	return p, nil
}

// keep holds on to a partition that was given up, for a while.
func (d *Detector) keep(p *partition) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := p.claim.Partition()
	d.kept[n] = p
	after(context.Background(), keptFor, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.kept[n] == p {
			delete(d.kept, n)
		}
	})
}

func (d *Detector) keptPartition(n int) *partition {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.kept[n]
	delete(d.kept, n)
	return p
}

func (p *partition) restore(ctx context.Context) (m marker, err error) {
	err = p.owned.Load(ctx, func(r stream.Record) error {
		switch key := string(r.Key); {
		case strings.HasPrefix(key, outboxPrefix):
			return p.outbox.restore(key, r.Value)
		case key != markerKey:
			return p.engine.restore(key, r.Value)
		}
		if err := json.Unmarshal(r.Value, &m); err != nil {
			return fmt.Errorf("decode marker: %w", err)
		}
		if m.Codec > codecVersion || m.Codec < oldestCodec {
			return fmt.Errorf("the state was written in form %d and this crmwatch reads forms %d to %d: run the version that wrote it, or delete the state topic to start afresh", m.Codec, oldestCodec, codecVersion)
		}
		return nil
	})
	p.engine.resume(&m)
	return m, err
}

func (p *partition) run(claimed context.Context) error {
	saves, stop := outlive(claimed, flushWithin)
	defer p.abandon()
	defer stop()
	ctx, fail := context.WithCancelCause(claimed)
	defer fail(nil)
	for {
		recs, err := p.claim.Next(ctx, batchSize, batchWait)
		if err != nil {
			return p.leave(saves, cmp.Or(context.Cause(ctx), err))
		}
		p.follow()
		for len(recs) > 0 {
			n, err := p.take(ctx, recs)
			if err != nil {
				return err
			}
			if recs = recs[n:]; !p.due() {
				continue
			}
			if err := p.settle(ctx); err != nil {
				return p.leave(saves, err)
			}
			if err := p.checkpoint(saves, fail); err != nil {
				return err
			}
		}
	}
}

// take folds events, as many as one checkpoint can hold, and says how many.
func (p *partition) take(ctx context.Context, recs []stream.Record) (n int, err error) {
	for n < len(recs) && !p.full() {
		r := recs[n]
		n++
		var e event.Event
		if err := p.decode(r, &e); err != nil {
			if err := p.bury(ctx, r, err); err != nil {
				return n, err
			}
			continue
		}
		for _, f := range p.engine.Apply(&e) {
			msg, err := alert.EncodeOCSF(f)
			if err != nil {
				return n, fmt.Errorf("encode finding %s: %w", f.ID, err)
			}
			p.outbox.put(stream.Record{Key: []byte(f.Tenant + "/" + f.Subject.Key), Value: msg})
			if f.Revision == 0 {
				p.metrics.findings.WithLabelValues(f.Rule.Name, string(f.Rule.Level)).Inc()
			}
		}
	}
	p.next = recs[n-1].Offset + 1
	p.observe(n)
	return n, nil
}

// decode reads an event and checks it: whoever may write to the topic can claim
// anything, and one event of the year 2999 would make all later ones of its
// person too late.
func (p *partition) decode(r stream.Record, e *event.Event) error {
	if err := p.decoder.Decode(r.Value, e); err != nil {
		return err
	}
	return e.Validate()
}

func (p *partition) observe(events int) {
	p.metrics.events.Add(float64(events))
	p.metrics.watermark.WithLabelValues(p.label).Set(float64(p.engine.newest) / 1000)
	p.metrics.groups.WithLabelValues(p.label).Set(float64(p.engine.Groups()))
	now := p.engine.Counters()
	p.limit.note(&p.counted, &now, p.Now())
	p.metrics.count(&p.counted, now)
}

// bury puts a message that is no event on the dead-letter topic.
func (p *partition) bury(ctx context.Context, r stream.Record, cause error) error {
	p.metrics.poison.Inc()
	key, value := event.NewDeadLetter(event.Place{Stage: "detect", Origin: fmt.Sprintf("events/%d", r.Partition), Line: r.Offset}, r.Value, cause, p.Now()).Message()
	if err := p.Dead.Write(ctx, stream.Record{Key: key, Value: value}); err != nil {
		return fmt.Errorf("write dead letter: %w", err)
	}
	return nil
}
