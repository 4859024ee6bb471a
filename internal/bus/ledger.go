package bus

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"github.com/crmwatch/crmwatch/internal/stream"
)

// fenceKey is the key of the record that a new owner begins with. It tells
// nothing: what counts is that it is there.
const fenceKey = "\x00fence"

const (
	// renewAfter is how long a producer id is used before its epoch is raised. By
	// default brokers forget after seven days that an id was given to a name, and
	// the next owner would get another id, which fences nobody.
	renewAfter = 12 * time.Hour
	// txnTimeout is asked of every producer with a name, though none begins a
	// transaction.
	txnTimeout = time.Minute
)

// Ledger is a compacted topic whose partitions have one owner at a time.
//
// It is Kafka's idempotent producer without its transactions: the coordinator
// raises the epoch of a partition's producer for every new owner, and the
// partition's leader refuses batches of an epoch that is older than the newest
// it has appended (KIP-98, KIP-360). Leaders learn of an epoch from its first
// batch only, so a new owner begins with a record that says nothing. What the
// one before has appended until then lies before that record and is read;
// later, it appends nothing.
type Ledger struct{ table Table }

// Own implements stream.Ledger. It waits for brokers that cannot be reached until
// ctx ends.
func (l *Ledger) Own(ctx context.Context, partition int) (stream.Owned, error) {
	o := &owned{table: &l.table, partition: partition, name: fmt.Sprintf("crmwatch-%s-%d", l.table.topic, partition)}
	// -1 asks for the epoch of a new owner, whoever had the last.
	err := o.begin(ctx, -1, -1)
	if err == nil {
		err = o.fence(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("own partition %d of %q: %w", partition, l.table.topic, err)
	}
	return o, nil
}

// owned is a partition that this process owns as long as nobody takes it over.
type owned struct {
	table     *Table
	partition int
	name      string // what the producer is known by, whoever it is

	mu       sync.Mutex
	id       int64
	epoch    int16
	sequence int32
	begun    time.Time
	first    int64 // offset of the record that fenced the owner before
	next     int64 // offset after the last record appended
	dead     error // why nothing may be appended any more
}

// begin asks the coordinator for an epoch that is newer than all before, or newer
// than the one given, where nobody else has asked since.
func (o *owned) begin(ctx context.Context, id int64, epoch int16) error {
	return o.insist(ctx, func() error {
		res, err := o.table.client.kafka.InitProducerID(ctx, &kafka.InitProducerIDRequest{
			TransactionalID: o.name, TransactionTimeoutMs: int(txnTimeout.Milliseconds()),
			ProducerID: int(id), ProducerEpoch: int(epoch),
		})
		if err == nil {
			err = res.Error
		}
		if err != nil {
			return fmt.Errorf("take %q over: %w", o.name, err)
		}
		o.id, o.epoch, o.sequence = int64(res.Producer.ProducerID), int16(res.Producer.ProducerEpoch), 0
		o.begun = time.Now()
		return nil
	})
}

// fence appends the record from which on older epochs are refused.
func (o *owned) fence(ctx context.Context) error {
	at, err := o.produce(ctx, stream.Record{Key: []byte(fenceKey), Value: []byte{}})
	o.first, o.next = at, at+1
	return err
}

// Load implements stream.Owned.
func (o *owned) Load(ctx context.Context, fn func(stream.Record) error) error {
	return o.table.load(ctx, o.partition, o.first, func(r stream.Record) error {
		if string(r.Key) == fenceKey {
			return nil
		}
		return fn(r)
	})
}

// Follows implements stream.Owned.
func (o *owned) Follows(before stream.Owned) bool {
	b, ok := before.(*owned)
	if !ok || b == nil || b.table.topic != o.table.topic || b.partition != o.partition {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.dead == nil && b.next == o.first
}

// Append implements stream.Owned. It is tried until it succeeds, the partition is
// somebody else's, or ctx ends.
func (o *owned) Append(ctx context.Context, recs ...stream.Record) error {
	if len(recs) == 0 {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.dead != nil {
		return o.dead
	}
	if err := o.append(ctx, recs); err != nil {
		// Whether the batch is there is not known, so what comes next is neither.
		o.dead = fmt.Errorf("append %d records to %q partition %d: %w", len(recs), o.table.topic, o.partition, err)
		return o.dead
	}
	return nil
}

func (o *owned) append(ctx context.Context, recs []stream.Record) error {
	if time.Since(o.begun) > renewAfter {
		if err := o.begin(ctx, o.id, o.epoch); err != nil {
			return err
		}
	}
	at, err := o.produce(ctx, recs...)
	if err != nil {
		return err
	}
	o.next = at + int64(len(recs))
	return nil
}

// produce appends the records as one batch, and returns the offset of the first.
// The same bytes are sent until there is an answer: a broker that has them
// already says where.
func (o *owned) produce(ctx context.Context, recs ...stream.Record) (at int64, err error) {
	batch, err := o.encode(recs)
	if err != nil {
		return 0, err
	}
	c := o.table.client
	err = o.insist(ctx, func() error {
		res, err := c.kafka.RawProduce(ctx, &kafka.RawProduceRequest{
			Topic: o.table.topic, Partition: o.partition, RequiredAcks: kafka.RequireAll, MessageVersion: 2,
			RawRecords: protocol.RawRecordSet{Reader: bytes.NewReader(batch)},
		})
		if err == nil {
			err = res.Error
		}
		if err != nil {
			c.metrics.writeErrors.WithLabelValues(o.table.topic).Inc()
			return c.explain(ctx, o.table.topic, err)
		}
		at = res.BaseOffset
		return nil
	})
	if err != nil {
		return 0, err
	}
	o.advance(len(recs))
	c.metrics.written.WithLabelValues(o.table.topic).Add(float64(len(recs)))
	return at, nil
}

// advance counts the records that were appended. The number after the largest is
// 0 (KIP-98).
func (o *owned) advance(n int) {
	o.sequence = int32((int64(o.sequence) + int64(n)) & (1<<31 - 1))
}

// insist does something until it succeeds, the partition is somebody else's, it
// fails for good, or ctx ends.
func (o *owned) insist(ctx context.Context, do func() error) error {
	return o.table.client.outages.insist(ctx, "write "+o.table.topic, func() error {
		err := do()
		if fenced(err) {
			return fmt.Errorf("%w: %w", stream.ErrFenced, err)
		}
		return err
	})
}

// fenced reports whether the broker says that there is a newer owner, or that
// records lie between those that this one knows of.
func fenced(err error) bool {
	var code kafka.Error
	if !errors.As(err, &code) {
		return false
	}
	switch code {
	case kafka.InvalidProducerEpoch, kafka.ProducerFenced, kafka.InvalidProducerIDMapping, kafka.UnknownProducerId,
		kafka.OutOfOrderSequenceNumber, kafka.DuplicateSequenceNumber:
		return true
	default:
		return false
	}
}

// Where in a record batch things are, from the start of the batch (Kafka protocol,
// "Record Batch"). Before it stands its size in four bytes.
const (
	sizeBytes       = 4
	crcAt           = sizeBytes + 17
	checkedFrom     = sizeBytes + 21
	producerIDAt    = sizeBytes + 43
	producerEpochAt = sizeBytes + 51
	baseSequenceAt  = sizeBytes + 53
	batchHeader     = sizeBytes + 61
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encode gives the records as one batch of this owner. kafka-go makes batches of
// nobody, so who it is is written into them.
func (o *owned) encode(recs []stream.Record) ([]byte, error) {
	var b bytes.Buffer
	set := protocol.RecordSet{Version: 2, Attributes: protocol.Attributes(kafka.Lz4), Records: &batchRecords{recs: recs}}
	if _, err := set.WriteTo(&b); err != nil {
		return nil, fmt.Errorf("encode %d records: %w", len(recs), err)
	}
	batch := b.Bytes()
	if size := len(batch); size < batchHeader {
		return nil, fmt.Errorf("encode %d records: a batch of %d bytes", len(recs), size)
	}
	binary.BigEndian.PutUint64(batch[producerIDAt:], uint64(o.id))
	binary.BigEndian.PutUint16(batch[producerEpochAt:], uint16(o.epoch))
	binary.BigEndian.PutUint32(batch[baseSequenceAt:], uint32(o.sequence))
	binary.BigEndian.PutUint32(batch[crcAt:], crc32.Checksum(batch[checkedFrom:], castagnoli))
	return batch, nil
}
