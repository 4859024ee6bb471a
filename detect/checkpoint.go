package detect

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/crmwatch/crmwatch/internal/stream"
)

// Checkpoints are made as soon as a finding was made, and otherwise after this
// much time or this many changed keys.
const (
	checkpointEvery = time.Second
	checkpointKeys  = 10_000
	// flushWithin bounds the last checkpoint of a partition that is given up; a
	// missed one costs a replay and nothing else.
	flushWithin = 4 * time.Second
)

// save is a checkpoint on its way. The stream goes on meanwhile.
type save struct {
	began    time.Time
	next     int64           // offset that the state reflects
	recs     []stream.Record // findings, then state, then the offset
	findings []letter        // to be published
	done     chan struct{}
	err      error // valid after done
}

// full reports whether a checkpoint would hardly fit into one write if it were to
// hold more.
func (p *partition) full() bool {
	return p.engine.dirty() >= checkpointKeys || p.engine.windows.DirtySize()+p.outbox.size >= p.cfg.Checkpoint/2
}

func (p *partition) due() bool {
	return len(p.outbox.fresh) > 0 || p.full() || p.Now().Sub(p.savedAt) >= checkpointEvery || p.claim.Lag() == 0
}

// checkpoint begins to make durable what has changed, after the one before is
// done. It is one atomic write. Only where a single event changes more than fits
// into one, it is several, the findings in the first and the offset in the last:
// a crash in between leaves findings that are made again, with the same ids and
// revisions, and state that is ahead of its offset, in which the events in
// between are recognised as taken in.
//
// When it is durable the findings are published, and the group is told. What
// fails ends the partition, by fail.
func (p *partition) checkpoint(ctx context.Context, fail context.CancelCauseFunc) error {
	if p.next == p.saved {
		return nil
	}
	s := &save{began: p.Now(), next: p.next, done: make(chan struct{})}
	var err error
	if s.recs, err = p.changes(); err != nil {
		return err
	}
	s.findings = p.outbox.send()
	p.engine.saved()
	p.saved, p.savedAt, p.saving = p.next, s.began, s
	go func() {
		defer close(s.done)
		if s.err = p.save(ctx, s); s.err != nil {
			fail(s.err)
		} else if err := p.claim.Commit(ctx, s.next); err != nil {
			fail(fmt.Errorf("commit offset %d: %w", s.next, err))
		}
	}()
	return nil
}

// save makes a checkpoint durable and publishes its findings.
func (p *partition) save(ctx context.Context, s *save) error {
	for chunk := range stream.Cut(s.recs, p.cfg.Checkpoint, stateSize) {
		if err := p.owned.Append(ctx, chunk...); err != nil {
			return fmt.Errorf("write checkpoint at offset %d: %w", s.next, err)
		}
	}
	p.metrics.checkpoints.Observe(p.Now().Sub(s.began).Seconds())
	return p.publish(ctx, s.findings)
}

// settle waits for the checkpoint under way.
func (p *partition) settle(ctx context.Context) error {
	s := p.saving
	if s == nil {
		return nil
	}
	select {
	case <-s.done:
	case <-ctx.Done():
		<-s.done // it has a limit of its own
	}
	if s.err != nil {
		return s.err
	}
	p.saving = nil
	p.outbox.sent(s.findings)
	return nil
}

// abandon waits until nothing is under way, whatever becomes of it.
func (p *partition) abandon() {
	if p.saving != nil {
		<-p.saving.done
	}
}

func (p *partition) changes() ([]stream.Record, error) {
	changed, err := p.engine.changes()
	if err != nil {
		return nil, err
	}
	mark, err := json.Marshal(marker{Next: p.next, Watermark: p.engine.newest, Sources: p.engine.sources, Codec: codecVersion, Rules: p.engine.set.Version()})
	if err != nil {
		return nil, fmt.Errorf("encode marker: %w", err)
	}
	recs := p.outbox.changes()
	for _, c := range changed {
		recs = append(recs, stream.Record{Key: []byte(c.key), Value: c.value})
	}
	return append(recs, stream.Record{Key: []byte(markerKey), Value: mark}), nil
}

func stateSize(r *stream.Record) int { return len(r.Key) + len(r.Value) }

// leave gives the partition up for the reason given. Where only the claim has
// ended, it makes a last checkpoint, and keeps the state in case that the
// partition comes back.
func (p *partition) leave(ctx context.Context, reason error) error {
	if err := p.settle(ctx); err != nil {
		return err
	}
	failed := func(error) {}
	err := p.checkpoint(ctx, failed)
	if err == nil {
		err = p.settle(ctx)
	}
	if err != nil {
		// It costs a replay and nothing else, so it is only told.
		p.Logger.Warn("last checkpoint failed, events since the one before will be taken in again", "partition", p.claim.Partition(), "error", err)
		return reason
	}
	p.keep(p)
	return reason
}

// outlive returns a context that ends a while after another one.
func outlive(ctx context.Context, by time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { after(longer, by, cancel) })
	return longer, func() { stop(); cancel() }
}

// after calls f once the time has passed, or ctx has ended.
func after(ctx context.Context, d time.Duration, f func()) {
	ctx, cancel := context.WithTimeout(ctx, d)
	context.AfterFunc(ctx, func() { cancel(); f() })
}
