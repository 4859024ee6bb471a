package detect

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/crmwatch/crmwatch/internal/stream"
)

// outbox holds findings between the checkpoint that makes them durable and the
// one that knows that they were published. What it holds after a crash is
// published again, byte by byte the same: whatever a finding says that a replay
// would not say again, nobody sees two versions of it.
type outbox struct {
	last      uint64   // number of the newest letter
	fresh     []letter // not in any checkpoint yet
	size      int      // of those, in bytes
	published []string // keys that the next checkpoint deletes
	// stale are letters of a checkpoint, by key, while it is being restored.
	stale map[string]letter
}

// letter is a finding as it is published, under its key in the state.
type letter struct {
	key string
	msg stream.Record
}

const outboxPrefix = "o/"

// errOutbox says that a finding of a checkpoint cannot be read.
var errOutbox = errors.New("decode finding to publish")

// put takes in a finding.
func (o *outbox) put(msg stream.Record) {
	o.last++
	o.size += len(msg.Key) + len(msg.Value)
	o.fresh = append(o.fresh, letter{fmt.Sprintf("%s%020d", outboxPrefix, o.last), msg})
}

// changes are the records of the next checkpoint, findings first.
func (o *outbox) changes() []stream.Record {
	recs := make([]stream.Record, 0, len(o.fresh)+len(o.published))
	for _, l := range o.fresh {
		value := binary.AppendUvarint(nil, uint64(len(l.msg.Key)))
		recs = append(recs, stream.Record{Key: []byte(l.key), Value: append(append(value, l.msg.Key...), l.msg.Value...)})
	}
	for _, key := range o.published {
		recs = append(recs, stream.Record{Key: []byte(key)})
	}
	return recs
}

// send returns the findings of the checkpoint that was made of changes, which it
// is to publish.
func (o *outbox) send() []letter {
	out := o.fresh
	o.fresh, o.size, o.published = nil, 0, o.published[:0]
	return out
}

// sent says that findings are published.
func (o *outbox) sent(letters []letter) {
	for _, l := range letters {
		o.published = append(o.published, l.key)
	}
}

// restore takes in a record of a checkpoint.
func (o *outbox) restore(key string, value []byte) error {
	n, err := strconv.ParseUint(strings.TrimPrefix(key, outboxPrefix), 10, 64)
	if err != nil {
		return fmt.Errorf("%w: its key is %.40q", errOutbox, key)
	}
	o.last = max(o.last, n)
	if value == nil {
		delete(o.stale, key)
		return nil
	}
	length, used := binary.Uvarint(value)
	if used <= 0 || length > uint64(len(value)-used) {
		return fmt.Errorf("%w: %.40q is cut off", errOutbox, key)
	}
	rest := value[used:]
	if o.stale == nil {
		o.stale = map[string]letter{}
	}
	o.stale[key] = letter{key, stream.Record{Key: rest[:length], Value: rest[length:]}}
	return nil
}

// publish writes findings to the alert topic.
func (d *Detector) publish(ctx context.Context, letters []letter) error {
	if len(letters) == 0 {
		return nil
	}
	recs := make([]stream.Record, len(letters))
	for i, l := range letters {
		recs[i] = l.msg
	}
	if err := d.Findings.Write(ctx, recs...); err != nil {
		return fmt.Errorf("write %d findings: %w", len(letters), err)
	}
	return nil
}

// republish publishes, in their order, the findings that a checkpoint has and that
// may not have been published.
func (p *partition) republish(ctx context.Context) error {
	var letters []letter
	for _, key := range slices.Sorted(maps.Keys(p.outbox.stale)) {
		letters = append(letters, p.outbox.stale[key])
	}
	p.outbox.stale = nil
	if err := p.publish(ctx, letters); err != nil {
		return err
	}
	p.outbox.sent(letters)
	return nil
}
