package detect

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crmwatch/crmwatch/alert"
	"github.com/crmwatch/crmwatch/detect/window"
	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/internal/stream"
	"github.com/crmwatch/crmwatch/rules"
)

// Checkpoints are made as soon as a finding was made, and otherwise after this
// much time or this many changed keys.
const (
	checkpointEvery = time.Second
	checkpointKeys  = 10_000
	batchSize       = 2_000
	// batchWait is short, because an alert waits for it.
	batchWait = 2 * time.Millisecond
	// flushWithin bounds the last checkpoint of a partition that is given up; a
	// missed one costs a replay and nothing else.
	flushWithin = 4 * time.Second
)

// Deps are what a Detector works with.
type Deps struct {
	Events   stream.Group  // of the event topic
	Findings stream.Writer // to the alert topic, OCSF Detection Findings
	State    stream.Table  // compacted, partitioned like the event topic
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
// Its guarantee: a finding is durable before the checkpoint that knows of it,
// and a checkpoint holds the state and then the offset it reflects. After
// any crash the events since the checkpoint are taken in again by the same
// state, so they make the same findings with the same ids.
type Detector struct {
	cfg Config
	Deps
	metrics *metrics
	limit   *limit
}

// New returns a Detector.
func New(cfg Config, deps Deps) *Detector {
	return &Detector{cfg: cfg, Deps: deps, metrics: newMetrics(deps.Metrics), limit: &limit{tell: deps.Limit}}
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
	engine  *Engine
	decoder *event.Decoder
	label   string
	next    int64           // offset after the last event taken in
	saved   int64           // offset of the last checkpoint
	counted window.Counters // what the metrics know of
	savedAt time.Time
}

// open restores the partition's engine from its last checkpoint.
func (d *Detector) open(ctx context.Context, c stream.Claim) (*partition, error) {
	began := d.Now()
	p := &partition{Detector: d, claim: c, engine: NewEngine(d.cfg, d.Rules(), d.People), decoder: event.NewDecoder(), label: strconv.Itoa(c.Partition()), savedAt: began}
	m, err := p.restore(ctx)
	if err != nil {
		return nil, err
	}
	// The state alone says where to go on: the group's offset is for lag tools.
	c.StartAt(m.Next)
	p.next, p.saved = m.Next, m.Next
	d.metrics.restored.Set(d.Now().Sub(began).Seconds())
	d.Logger.Info("partition restored", "partition", c.Partition(), "offset", m.Next, "windows", p.engine.Groups())
	return p, nil
}

func (p *partition) restore(ctx context.Context) (m marker, err error) {
	err = p.State.Load(ctx, p.claim.Partition(), func(r stream.Record) error {
		if string(r.Key) != markerKey {
			return p.engine.restore(string(r.Key), r.Value)
		}
		if err := json.Unmarshal(r.Value, &m); err != nil {
			return fmt.Errorf("decode marker: %w", err)
		}
		if m.Codec != codecVersion {
			return fmt.Errorf("the state was written in form %d and this crmwatch reads form %d: run the version that wrote it, or delete the state topic to start afresh", m.Codec, codecVersion)
		}
		return nil
	})
	p.engine.resume(&m)
	return m, err
}

func (p *partition) run(ctx context.Context) error {
	for {
		recs, err := p.claim.Next(ctx, batchSize, batchWait)
		if err != nil {
			p.leave(ctx)
			return err
		}
		if err := p.take(ctx, recs); err != nil {
			// No checkpoint now: the state may know of findings that were not written.
			return err
		}
	}
}

// take folds a batch of events, writes what they complete, and makes a
// checkpoint when one is due.
func (p *partition) take(ctx context.Context, recs []stream.Record) error {
	p.follow()
	var findings []stream.Record
	for _, r := range recs {
		var e event.Event
		if err := p.decode(r, &e); err != nil {
			if err := p.bury(ctx, r, err); err != nil {
				return err
			}
			continue
		}
		for _, f := range p.engine.Apply(&e) {
			msg, err := alert.EncodeOCSF(f)
			if err != nil {
				return fmt.Errorf("encode finding %s: %w", f.ID, err)
			}
			findings = append(findings, stream.Record{Key: []byte(f.Tenant + "/" + f.Subject.Key), Value: msg, Time: f.Detected})
			if f.Revision == 0 {
				p.metrics.findings.WithLabelValues(f.Rule.Name, string(f.Rule.Level)).Inc()
			}
		}
	}
	p.next = recs[len(recs)-1].Offset + 1
	p.observe(len(recs))
	if len(findings) > 0 {
		if err := p.Findings.Write(ctx, findings...); err != nil {
			return fmt.Errorf("write %d findings: %w", len(findings), err)
		}
	}
	if len(findings) > 0 || p.due() {
		return p.checkpoint(ctx)
	}
	return nil
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

func (p *partition) due() bool {
	return p.engine.dirty() >= checkpointKeys || p.Now().Sub(p.savedAt) >= checkpointEvery || p.claim.Lag() == 0
}

// checkpoint makes the changed state durable together with the offset it
// reflects, and then tells the group. It is one atomic write, unless it is too
// large for one. Then the offset comes in the last: a crash before it leaves
// state that is ahead of its offset, and the events in between are recognised
// there as taken in already.
func (p *partition) checkpoint(ctx context.Context) error {
	if p.next == p.saved {
		return nil
	}
	began := p.Now()
	recs, err := p.changes()
	if err != nil {
		return err
	}
	for chunk := range stream.Cut(recs, p.cfg.Checkpoint, stateSize) {
		if err := p.State.Append(ctx, p.claim.Partition(), chunk...); err != nil {
			return fmt.Errorf("write checkpoint at offset %d: %w", p.next, err)
		}
	}
	p.engine.saved()
	p.saved, p.savedAt = p.next, p.Now()
	p.metrics.checkpoints.Observe(p.savedAt.Sub(began).Seconds())
	if err := p.claim.Commit(ctx, p.next); err != nil {
		return fmt.Errorf("commit offset %d: %w", p.next, err)
	}
	return nil
}

func stateSize(r *stream.Record) int { return len(r.Key) + len(r.Value) }

func (p *partition) changes() ([]stream.Record, error) {
	changed, err := p.engine.changes()
	if err != nil {
		return nil, err
	}
	mark, err := json.Marshal(marker{Next: p.next, Watermark: p.engine.newest, Sources: p.engine.sources, Codec: codecVersion, Rules: p.engine.set.Version()})
	if err != nil {
		return nil, fmt.Errorf("encode marker: %w", err)
	}
	recs := make([]stream.Record, 0, len(changed)+1)
	for _, c := range changed {
		recs = append(recs, stream.Record{Key: []byte(c.key), Value: c.value})
	}
	return append(recs, stream.Record{Key: []byte(markerKey), Value: mark}), nil
}

// leave makes a last checkpoint after the claim's context has ended. One that
// fails costs a replay and nothing else, so it is only told.
func (p *partition) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushWithin)
	defer cancel()
	if err := p.checkpoint(ctx); err != nil {
		p.Logger.Warn("last checkpoint failed, events since the one before will be taken in again", "partition", p.claim.Partition(), "error", err)
	}
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
