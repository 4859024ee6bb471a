package alert

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/crmwatch/crmwatch/internal/stream"
)

// Receipt says that a finding was sent: the value of its id on the compacted
// topic of what was sent.
type Receipt struct {
	Time time.Time `json:"time"`
	Sink string    `json:"sink"`
	Ref  Ref       `json:"ref"`
	// Digest is the id of the digest that the finding was sent in, empty where it
	// had a message of its own.
	Digest string `json:"digest,omitempty"`
}

// ledger knows which findings of one partition were sent, and when. It belongs
// to the goroutine of its claim.
type ledger struct {
	table     stream.Table
	partition int
	memory    time.Duration
	sent      map[string]time.Time
	pruned    time.Time
}

// pruneEvery is how often what is too old is forgotten.
const pruneEvery = 24 * time.Hour

func openLedger(ctx context.Context, table stream.Table, partition int, memory time.Duration) (*ledger, error) {
	l := &ledger{table: table, partition: partition, memory: memory, sent: map[string]time.Time{}}
	if err := table.Load(ctx, partition, l.learn); err != nil {
		return nil, fmt.Errorf("load what was sent in partition %d: %w", partition, err)
	}
	return l, nil
}

// learn takes a record of the table. One that cannot be read still says that
// the finding was sent.
func (l *ledger) learn(rec stream.Record) error {
	if rec.Value == nil {
		delete(l.sent, string(rec.Key))
		return nil
	}
	var r Receipt
	if err := json.Unmarshal(rec.Value, &r); err != nil || r.Time.IsZero() {
		r.Time = rec.Time
	}
	l.sent[string(rec.Key)] = r.Time
	return nil
}

func (l *ledger) has(id string) bool {
	_, ok := l.sent[id]
	return ok
}

// record makes it durable that the findings were sent.
func (l *ledger) record(ctx context.Context, r Receipt, ids ...string) error {
	value, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode receipt: %w", err)
	}
	recs := make([]stream.Record, len(ids))
	for i, id := range ids {
		recs[i] = stream.Record{Key: []byte(id), Value: value, Time: r.Time}
	}
	if err := l.table.Append(ctx, l.partition, recs...); err != nil {
		return fmt.Errorf("record what was sent in partition %d: %w", l.partition, err)
	}
	for _, id := range ids {
		l.sent[id] = r.Time
	}
	return nil
}

// prune forgets, here and in the table, what was sent so long ago that its alert
// is not on the topic any more.
func (l *ledger) prune(ctx context.Context, now time.Time) error {
	if now.Sub(l.pruned) < pruneEvery {
		return nil
	}
	l.pruned = now
	var old []stream.Record
	for id, at := range l.sent {
		if now.Sub(at) > l.memory {
			old = append(old, stream.Record{Key: []byte(id), Time: now})
		}
	}
	for len(old) > 0 {
		n := min(len(old), 1000)
		if err := l.table.Append(ctx, l.partition, old[:n]...); err != nil {
			return fmt.Errorf("forget what was sent in partition %d: %w", l.partition, err)
		}
		for _, rec := range old[:n] {
			delete(l.sent, string(rec.Key))
		}
		old = old[n:]
	}
	return nil
}
