package alert

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/crmwatch/crmwatch/internal/stream"
)

// Receipt says which revision of a finding people were shown, and where: the
// value of its id on the compacted topic of what was sent. One that an earlier
// version wrote has no revision, which reads as the first.
type Receipt struct {
	// Time is when the message was sent or last edited.
	Time time.Time `json:"time"`
	Sink string    `json:"sink"`
	Ref  Ref       `json:"ref"`
	// Digest is the id of the digest that the finding was sent in, empty where it
	// had a message of its own.
	Digest   string `json:"digest,omitempty"`
	Revision int    `json:"revision,omitempty"`
	State    State  `json:"state,omitempty"`
	// Unsent marks a finding that was withdrawn before anybody was told, Gone one
	// whose message cannot be edited any more.
	Unsent bool `json:"unsent,omitempty"`
	Gone   bool `json:"gone,omitempty"`
	// MovedTo is the finding that the message shows instead, because it has replaced
	// this one.
	MovedTo string `json:"moved_to,omitempty"`
	// Told is what the first message said.
	Told Told `json:"told,omitzero"`
}

// shows reports whether there is a message of the finding's own in a sink that can
// be made to show something else.
func (r *Receipt) shows(sink string) bool {
	return r.Sink == sink && r.Digest == "" && r.MovedTo == "" && !r.Unsent && !r.Gone
}

// of is the receipt with the revision of a finding.
func (r Receipt) of(f *Finding) Receipt {
	r.Revision, r.State = f.Revision, f.State.known()
	return r
}

// entry is a record of the ledger.
type entry struct {
	id      string
	receipt Receipt
}

// ledger knows which findings of one partition were sent, and in which revision.
// It belongs to the goroutine of its claim.
type ledger struct {
	table     stream.Table
	partition int
	memory    time.Duration
	sent      map[string]Receipt
	pruned    time.Time
}

// pruneEvery is how often what is too old is forgotten.
const pruneEvery = 24 * time.Hour

func openLedger(ctx context.Context, table stream.Table, partition int, memory time.Duration) (*ledger, error) {
	l := &ledger{table: table, partition: partition, memory: memory, sent: map[string]Receipt{}}
	if err := table.Load(ctx, partition, l.learn); err != nil {
		return nil, fmt.Errorf("load what was sent in partition %d: %w", partition, err)
	}
	return l, nil
}

// learn takes a record of the table. One that cannot be read still says that
// the finding was sent, though not where.
func (l *ledger) learn(rec stream.Record) error {
	if rec.Value == nil {
		delete(l.sent, string(rec.Key))
		return nil
	}
	var r Receipt
	if err := json.Unmarshal(rec.Value, &r); err != nil {
		r = Receipt{}
	}
	if r.Time.IsZero() {
		r.Time = rec.Time
	}
	l.sent[string(rec.Key)] = r
	return nil
}

// record makes it durable what was shown of findings.
func (l *ledger) record(ctx context.Context, entries ...entry) error {
	recs := make([]stream.Record, len(entries))
	for i, e := range entries {
		value, err := json.Marshal(e.receipt)
		if err != nil {
			return fmt.Errorf("encode receipt: %w", err)
		}
		recs[i] = stream.Record{Key: []byte(e.id), Value: value, Time: e.receipt.Time}
	}
	if err := l.table.Append(ctx, l.partition, recs...); err != nil {
		return fmt.Errorf("record what was sent in partition %d: %w", l.partition, err)
	}
	for _, e := range entries {
		l.sent[e.id] = e.receipt
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
	for id, r := range l.sent {
		if now.Sub(r.Time) > l.memory {
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
