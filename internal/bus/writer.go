package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/crmwatch/crmwatch/internal/stream"
)

const (
	// batchBytes is the size, before compression, at which a batch is closed. It
	// stays under the 1 MiB that brokers take by default.
	batchBytes = 1000 << 10
	// batchOverhead is more than the frame of a batch with one record takes.
	batchOverhead = 128
	// recordOverhead is more than the frame of a record within a batch takes.
	recordOverhead = 32
	// maxRecordBytes is what is tried when the limit of the topic is not known;
	// brokers close the connection at requests of 100 MiB, without a reason.
	maxRecordBytes = 64 << 20
)

// Writer appends to one topic. Records with a key go where the Java clients would
// put them (murmur2), others anywhere. The time of a record is that of writing:
// Kafka refuses times far in the future and deletes by age, so the times that
// events claim have no place there.
//
// There is no delay to fill batches. While one is on its way to a partition, the
// records of all calls that come meanwhile gather for the next, so batches are
// small when there is time and large when there is load.
type Writer struct {
	client *Client
	topic  string

	mu    sync.Mutex
	lanes map[int]*lane // by partition
}

// Write implements stream.Writer. It waits for brokers that cannot be reached
// until ctx ends. Records that are too large do not hold up the others: see
// TooLargeError. Keys and values must not be changed while Write runs, nor after
// it returned an error.
func (w *Writer) Write(ctx context.Context, recs ...stream.Record) error {
	if len(recs) == 0 {
		return nil
	}
	start := time.Now()
	parcels, large, err := w.sort(ctx, recs)
	if err != nil {
		return fmt.Errorf("write %d records to %q: %w", len(recs), w.topic, err)
	}
	for p, parcel := range parcels {
		w.lane(p).put(parcel)
	}
	for _, parcel := range parcels {
		select {
		case <-parcel.done:
			large = append(large, parcel.large...)
			err = errors.Join(err, parcel.err)
		case <-ctx.Done():
			return fmt.Errorf("write %d records to %q: %w", len(recs), w.topic, ctx.Err())
		}
	}
	w.client.metrics.writeTime.WithLabelValues(w.topic).Observe(time.Since(start).Seconds())
	if err != nil {
		err = fmt.Errorf("write %d records to %q: %w", len(recs), w.topic, err)
	}
	return joinTooLarge(err, w.topic, large)
}

// sort puts every record into the parcel of its partition, in order, and sets
// those aside that are too large to try.
func (w *Writer) sort(ctx context.Context, recs []stream.Record) (map[int]*parcel, []int, error) {
	partitions, err := w.partitions(ctx)
	if err != nil {
		return nil, nil, err
	}
	limit := w.client.recordLimit(w.topic)
	parcels := map[int]*parcel{}
	var large []int
	for i, rec := range recs {
		if size(rec) > limit {
			large = append(large, i)
			continue
		}
		p := kafka.Murmur2Balancer{}.Balance(kafka.Message{Key: rec.Key}, partitions...)
		if parcels[p] == nil {
			parcels[p] = &parcel{ctx: ctx, done: make(chan struct{})}
		}
		parcels[p].recs = append(parcels[p].recs, rec)
		parcels[p].index = append(parcels[p].index, i)
	}
	return parcels, large, nil
}

// partitions returns the partition numbers of the topic, waiting for the brokers
// until ctx ends.
func (w *Writer) partitions(ctx context.Context) ([]int, error) {
	n := 0
	err := w.client.outages.insist(ctx, "write "+w.topic, func() (err error) {
		if n, err = w.client.partitions(ctx, w.topic); err != nil && w.client.life.Err() != nil {
			return ErrClosed
		}
		return err
	})
	return upTo(n), err
}

func upTo(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

func (w *Writer) lane(partition int) *lane {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.lanes[partition]
	if l == nil {
		l = &lane{client: w.client, topic: w.topic, partition: partition, limit: batchBytes}
		w.lanes[partition] = l
	}
	return l
}

// size is what a record takes of a batch, at most.
func size(rec stream.Record) int { return len(rec.Key) + len(rec.Value) + recordOverhead }
