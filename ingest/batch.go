package ingest

import (
	"time"

	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/internal/stream"
)

// batch is what is written at once: the records of both topics, and what they
// will count for.
type batch struct {
	p      *Pipeline
	origin string
	keep   int       // how many rejections are to be kept in first
	first  []Refused // the rejections that were met first

	events []stream.Record
	dead   []stream.Record
	arena  []byte // the values of events
	size   int
	tally  tally
	line   int64 // of the last record
}

func (p *Pipeline) newBatch(origin string, keep int) *batch {
	return &batch{p: p, origin: origin, keep: keep, tally: newTally()}
}

// next returns an empty batch for what follows. It shares no memory with b,
// which a writer may still hold.
func (b *batch) next() *batch {
	n := b.p.newBatch(b.origin, b.keep)
	n.events = make([]stream.Record, 0, len(b.events))
	n.arena = make([]byte, 0, len(b.arena)+len(b.arena)/8)
	return n
}

func (b *batch) full() bool {
	return len(b.events)+len(b.dead) >= b.p.cfg.BatchRecords || b.size >= b.p.cfg.BatchBytes
}

// add puts the item into the batch, as an event or as a dead letter.
func (b *batch) add(item *Item) {
	b.line = item.Line
	b.tally.read++
	b.tally.bytes += item.Size
	now := b.p.deps.Clock().UTC().Truncate(time.Millisecond)
	rej := item.Rejection
	if rej == nil {
		rej = b.addEvent(item.Event, now)
	}
	if rej != nil {
		b.addDead(item, rej, now)
	}
}

// maxMessage is the size of an event's message in bytes that the topic takes
// with its envelope.
const maxMessage = MaxRecord - 64<<10

func (b *batch) addEvent(e *event.Event, now time.Time) *Rejection {
	if rej := b.p.complete(e, now); rej != nil {
		return rej
	}
	start := len(b.arena)
	b.arena = e.AppendJSON(b.arena)
	value := b.arena[start:len(b.arena):len(b.arena)]
	if len(value) > maxMessage {
		b.arena = b.arena[:start]
		return problems["too_large"]
	}
	key := e.Key()
	b.events = append(b.events, stream.Record{Key: key, Value: value, Time: now})
	b.size += len(key) + len(value)
	b.tally.event(e)
	return nil
}

func (b *batch) addDead(item *Item, rej *Rejection, now time.Time) {
	place := event.Place{Tenant: b.p.cfg.Tenant, Stage: "ingest", Origin: b.origin, Line: item.Line}
	d := event.NewDeadLetter(place, item.Data, rej, now)
	d.Field, d.Reason, d.Detail, d.Size = rej.Field, rej.Reason, rej.Detail, item.Size
	key, value := d.Message()
	b.dead = append(b.dead, stream.Record{Key: key, Value: value, Time: now})
	b.size += len(value)
	b.tally.rejected[rej.Reason]++
	if len(b.first) < b.keep {
		b.first = append(b.first, Refused{Line: item.Line, Record: item.Number, Field: rej.Field, Reason: rej.Reason, Detail: rej.Detail})
	}
}
