package bus

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"sync"

	"github.com/segmentio/kafka-go"

	"github.com/crmwatch/crmwatch/internal/stream"
)

// parcel is the part of one Write that goes to one partition. The lane owns it
// from put until done is closed.
type parcel struct {
	ctx   context.Context // of the call; when it ends nobody waits any more
	recs  []stream.Record
	index []int // position of each record in the call
	sent  int   // records that are durable or refused

	done  chan struct{}
	err   error // valid after done
	large []int // positions that the broker refused for their size
}

func (p *parcel) finish(err error) {
	p.err = err
	close(p.done)
}

// lane writes to one partition, one batch at a time, so that records keep their
// order also when a batch has to be sent again.
type lane struct {
	client    *Client
	topic     string
	partition int

	mu    sync.Mutex
	queue []*parcel
	busy  bool // a goroutine is emptying the queue

	limit int // bytes of a batch; used by that goroutine only
}

// put adds a parcel to the queue and sees to it that somebody empties it.
func (l *lane) put(p *parcel) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue = append(l.queue, p)
	if l.busy {
		return
	}
	l.busy = l.client.spawn(l.run)
	if !l.busy {
		l.queue = nil
		p.finish(ErrClosed)
	}
}

// run sends batches until the queue is empty.
func (l *lane) run() {
	trouble := l.client.outages.watch("write " + l.topic)
	defer trouble.end()
	for try := 1; ; {
		batch := l.cut()
		if len(batch) == 0 {
			return
		}
		err := l.client.produce(l.client.life, l.topic, l.partition, batch)
		switch {
		case err == nil:
			trouble.works()
			l.settle(len(batch), nil)
			l.limit, try = batchBytes, 1
		case l.client.life.Err() != nil:
			l.settle(len(batch), ErrClosed)
		case tooLarge(err) && len(batch) > 1:
			// Less than known limits allow; the culprit is found by halving.
			l.limit = max(1, total(batch)/2)
		case tooLarge(err) || permanent(err):
			l.settle(len(batch), err)
		default:
			trouble.failed(err)
			pause(l.client.life, try)
			try++
		}
	}
}

// cut returns the records of the next batch, at least one, without taking them
// out of the queue: until they are durable, their calls may give up.
func (l *lane) cut() []stream.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue = slices.DeleteFunc(l.queue, func(p *parcel) bool {
		gone := p.ctx.Err() != nil
		if gone {
			p.finish(p.ctx.Err())
		}
		return gone
	})
	var batch []stream.Record
	bytes := batchOverhead
	for _, p := range l.queue {
		for _, rec := range p.recs[p.sent:] {
			bytes += size(rec)
			if len(batch) > 0 && bytes > l.limit {
				return batch
			}
			batch = append(batch, rec)
		}
	}
	l.busy = len(batch) > 0
	return batch
}

// settle notes the outcome for the first n records of the queue, and ends the
// parcels that are through. A parcel that was refused is given up whole; a record
// that was refused for its size costs its parcel only that record.
func (l *lane) settle(n int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for n > 0 {
		p := l.queue[0]
		part := min(n, len(p.recs)-p.sent)
		n -= part
		switch {
		case err == nil:
			p.sent += part
		case tooLarge(err):
			p.large = append(p.large, p.index[p.sent])
			p.sent++
		default:
			p.err = err
			p.sent = len(p.recs)
		}
		if p.sent == len(p.recs) {
			p.finish(p.err)
			l.queue = l.queue[1:]
		}
	}
}

func total(batch []stream.Record) int {
	n := batchOverhead
	for _, rec := range batch {
		n += size(rec)
	}
	return n
}

func tooLarge(err error) bool {
	return errors.Is(err, kafka.MessageSizeTooLarge) || errors.Is(err, kafka.RecordListTooLarge)
}

// joinTooLarge adds a TooLargeError for the records to err, if there are any.
func joinTooLarge(err error, topic string, records []int) error {
	if len(records) == 0 {
		return err
	}
	slices.Sort(records)
	large := &TooLargeError{Topic: topic, Records: records}
	if err == nil {
		return large
	}
	return errors.Join(err, large)
}

// produce sends the records as one batch, once, and returns nil when all replicas
// in sync have it.
func (c *Client) produce(ctx context.Context, topic string, partition int, recs []stream.Record) error {
	res, err := c.kafka.Produce(ctx, &kafka.ProduceRequest{
		Topic: topic, Partition: partition, RequiredAcks: kafka.RequireAll,
		Compression: kafka.Lz4, Records: &batchRecords{recs: recs},
	})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		c.metrics.writeErrors.WithLabelValues(topic).Inc()
		return c.explain(ctx, topic, err)
	}
	c.metrics.written.WithLabelValues(topic).Add(float64(len(recs)))
	return nil
}

// batchRecords shows records to kafka-go one by one without copying them. They
// carry no time, which kafka-go fills in.
type batchRecords struct {
	recs       []stream.Record
	next       int
	rec        kafka.Record
	key, value view
}

func (b *batchRecords) ReadRecord() (*kafka.Record, error) {
	if b.next == len(b.recs) {
		return nil, io.EOF
	}
	from := b.recs[b.next]
	b.next++
	b.rec = kafka.Record{}
	if from.Key != nil {
		b.key.Reset(from.Key)
		b.rec.Key = &b.key
	}
	if from.Value != nil {
		b.value.Reset(from.Value)
		b.rec.Value = &b.value
	}
	return &b.rec, nil
}

type view struct{ bytes.Reader }

func (*view) Close() error { return nil }
