package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"time"

	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/internal/stream"
)

// Pipeline makes what Readers read durable. It is safe for concurrent use.
type Pipeline struct {
	cfg     Config
	deps    Deps
	metrics *metrics
}

// New returns a pipeline and registers its metrics.
func New(cfg Config, deps Deps) (*Pipeline, error) {
	if err := errors.Join(cfg.Validate(), deps.validate()); err != nil {
		return nil, fmt.Errorf("new pipeline: %w", err)
	}
	m, err := newMetrics(deps.Registerer)
	if err != nil {
		return nil, fmt.Errorf("new pipeline: %w", err)
	}
	return &Pipeline{cfg: cfg, deps: deps, metrics: m}, nil
}

// Summary is what became of one input. Everything it counts is durable.
type Summary struct {
	// Read is the number of records, Accepted + RejectedTotal().
	Read     int64
	Accepted int64
	// Rejected counts by reason.
	Rejected map[string]int64
	// First are the records that were rejected first: at most 20 of a file.
	First []Refused
	// Other counts the accepted events that crmwatch has no action for, by the
	// source's type; at most 100 types, the rest under "(more)".
	Other map[string]int64
	// Bytes is the size of the records, without compression.
	Bytes int64
	// Line is where the last of the records begins.
	Line    int64
	Elapsed time.Duration
}

// RejectedTotal is the number of rejected records.
func (s *Summary) RejectedTotal() int64 {
	var total int64
	for n := range maps.Values(s.Rejected) {
		total += n
	}
	return total
}

const maxOtherTypes = 100

func (s *Summary) add(b *batch) {
	s.Read += b.tally.read
	s.Accepted += int64(len(b.events))
	s.Bytes += b.tally.bytes
	s.Line = b.line
	s.First = append(s.First, b.first[:min(len(b.first), b.keep-len(s.First))]...)
	for reason, n := range b.tally.rejected {
		s.Rejected[reason] += n
	}
	for typ, n := range b.tally.types {
		if _, known := s.Other[typ]; !known && len(s.Other) >= maxOtherTypes {
			typ = "(more)"
		}
		s.Other[typ] += n
	}
}

// run reads r to its end and makes everything durable, by the batch: the next
// one is read while the last one is written. durable is called after every
// batch. On an error the summary says how far it came, and doing it again does
// no harm.
func (p *Pipeline) run(ctx context.Context, r *Reader, b *batch, durable func(*Summary)) (Summary, error) {
	s := Summary{Rejected: map[string]int64{}, Other: map[string]int64{}}
	f := flight{p: p, summary: &s, started: p.deps.Clock(), durable: durable}
	err := p.read(ctx, r, b, &f)
	if landed := f.land(); err == nil {
		err = landed
	}
	if err != nil {
		return s, stopped(&s, err)
	}
	return s, nil
}

// read gives every full batch, and at the end the rest, to the flight.
func (p *Pipeline) read(ctx context.Context, r *Reader, b *batch, f *flight) error {
	for {
		item, err := r.Next()
		if errors.Is(err, io.EOF) {
			return f.launch(ctx, b)
		}
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		b.add(&item)
		if !b.full() {
			continue
		}
		if err := f.launch(ctx, b); err != nil {
			return err
		}
		b = b.next()
	}
}

// flight is the batch that is being written. There is one at most, so that
// batches become durable in their order.
type flight struct {
	p       *Pipeline
	summary *Summary
	started time.Time
	durable func(*Summary)
	batch   *batch
	done    chan error
}

// launch waits for the last batch, and begins to write the next one.
func (f *flight) launch(ctx context.Context, b *batch) error {
	if err := f.land(); err != nil {
		return err
	}
	f.batch, f.done = b, make(chan error, 1)
	go func() { f.done <- f.p.flush(ctx, b) }()
	return nil
}

// land waits until the batch in flight, if there is one, is durable, and then
// counts it.
func (f *flight) land() error {
	if f.batch == nil {
		return nil
	}
	b := f.batch
	f.batch = nil
	if err := <-f.done; err != nil {
		return err
	}
	f.p.metrics.add(&b.tally)
	f.summary.add(b)
	f.summary.Elapsed = f.p.deps.Clock().Sub(f.started)
	f.durable(f.summary)
	return nil
}

func stopped(s *Summary, err error) error {
	return fmt.Errorf("stopped after line %d (%d events and %d rejected records are durable; doing it again does no harm): %w",
		s.Line, s.Accepted, s.RejectedTotal(), err)
}

// flush makes the batch durable.
func (p *Pipeline) flush(ctx context.Context, b *batch) error {
	began := p.deps.Clock()
	if err := p.write(ctx, "events", p.deps.Events, b.events); err != nil {
		return err
	}
	if err := p.write(ctx, "dead letters", p.deps.Dead, b.dead); err != nil {
		return err
	}
	p.metrics.duration.Observe(p.deps.Clock().Sub(began).Seconds())
	return nil
}

// write tries until the records are durable, the context ends, or it is time to
// give up. An error that says Permanent is not tried again.
func (p *Pipeline) write(ctx context.Context, topic string, w stream.Writer, recs []stream.Record) error {
	if len(recs) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, p.cfg.GiveUp)
	defer cancel()
	for pause := p.cfg.RetryMin; ; pause = min(2*pause, p.cfg.RetryMax) {
		err := w.Write(ctx, recs...)
		if err == nil {
			return nil
		}
		p.metrics.failures.WithLabelValues(topic).Inc()
		if ctx.Err() != nil || permanent(err) {
			return fmt.Errorf("write %s: %w", topic, err)
		}
		p.deps.Logger.Warn("writing failed, trying again", "topic", topic, "records", len(recs), "pause", pause, "err", err)
		select {
		case <-ctx.Done():
			return fmt.Errorf("write %s: %w", topic, err)
		case <-time.After(pause):
		}
	}
}

func permanent(err error) bool {
	p, ok := errors.AsType[interface {
		error
		Permanent() bool
	}](err)
	return ok && p.Permanent()
}

// complete fills in what only the pipeline knows and says what is still wrong
// with the event.
func (p *Pipeline) complete(e *event.Event, now time.Time) *Rejection {
	if e.Tenant == "" {
		e.Tenant = p.cfg.Tenant
	} else if p.cfg.OnlyTenant && e.Tenant != p.cfg.Tenant {
		return &Rejection{Field: "tenant", Reason: WrongTenant, Detail: "the event belongs to another tenant; send it to that tenant's crmwatch, or leave the tenant out"}
	}
	e.Collected = now
	if rej := p.checkTime(e.Time, now); rej != nil {
		return rej
	}
	if e.Actor.Person == "" && p.deps.People != nil {
		if person, ok := p.deps.People.PersonOf(e.Tenant, e.Source, e.Actor.ID, e.Actor.Name, e.Actor.Email); ok {
			e.Actor.Person = person
		}
	}
	return invalid(e.Validate())
}

// checkTime is stricter than the event's own check: an event from the future
// would hold up nothing, but nothing would ever expire it either.
func (p *Pipeline) checkTime(t, now time.Time) *Rejection {
	switch {
	case t.IsZero():
		return nil // Validate says so
	case t.Before(event.Earliest) || !t.Before(event.Latest):
		return &Rejection{Field: "time", Reason: event.BadTime, Detail: fmt.Sprintf("the time is outside the years %d to %d; correct it in the source and ingest the record again",
			event.Earliest.Year(), event.Latest.Year()-1)}
	case t.After(now.Add(p.cfg.MaxAhead)):
		return &Rejection{Field: "time", Reason: event.BadTime, Detail: fmt.Sprintf("the time is more than %s ahead of the clock here; correct the source's clock or time zone, or the clock here, and ingest the record again",
			p.cfg.MaxAhead)}
	}
	return nil
}

// invalid turns all that Validate found into one rejection, named after the
// first.
func invalid(err error) *Rejection {
	if err == nil {
		return nil
	}
	field, reason, ok := event.Cause(err)
	if !ok {
		reason = event.BadValue
	}
	return &Rejection{
		Field: field, Reason: reason,
		Detail: "the event cannot be used: " + strings.ReplaceAll(err.Error(), "\n", "; ") + "; correct it and send it again",
	}
}
