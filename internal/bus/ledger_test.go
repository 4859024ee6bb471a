package bus_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/crmwatch/crmwatch/internal/bus"
	"github.com/crmwatch/crmwatch/internal/stream"
)

func own(t *testing.T, l *bus.Ledger, partition int) stream.Owned {
	t.Helper()
	o, err := l.Own(within(t, 60*time.Second), partition)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// appendTo appends records that no compaction takes out, whoever asks for it.
func appendTo(t *testing.T, o stream.Owned, values ...string) {
	t.Helper()
	var recs []stream.Record
	for _, v := range values {
		recs = append(recs, stream.Record{Key: []byte(v), Value: []byte(v)})
	}
	if err := o.Append(within(t, 30*time.Second), recs...); err != nil {
		t.Fatal(err)
	}
}

// found are the values of all records that an owner finds.
func found(t *testing.T, o stream.Owned) (all []string) {
	t.Helper()
	if err := o.Load(within(t, 30*time.Second), func(r stream.Record) error {
		all = append(all, string(r.Value))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

func wantFound(t *testing.T, o stream.Owned, want ...string) {
	t.Helper()
	if got := found(t, o); !slices.Equal(got, want) {
		t.Errorf("the owner finds %q, want %q", got, want)
	}
}

func testLedger(t *testing.T, b backend) {
	l := b.client(t).Ledger(topic(t, b.client(t), bus.Topic{Partitions: 2, Compact: true}))
	first := own(t, l, 1)
	wantFound(t, first)
	if first.Follows(nil) {
		t.Error("the first owner follows somebody")
	}
	appendTo(t, first, "a", "b")
	appendTo(t, first)
	appendTo(t, first, "c")

	second := own(t, l, 1)
	wantFound(t, second, "a", "b", "c")
	if !second.Follows(first) {
		t.Error("nobody came between the first and the second")
	}
	if other := own(t, l, 0); other.Follows(first) {
		t.Error("an owner of another partition follows")
	}
	appendTo(t, second, "d")
	// What was appended after the takeover is the owner's own, and not loaded.
	wantFound(t, second, "a", "b", "c")
	third := own(t, l, 1)
	if third.Follows(first) || !third.Follows(second) {
		t.Error("the third follows the first, or not the second")
	}
	wantFound(t, third, "a", "b", "c", "d")
}

// A former owner that does not know yet changes nothing, whether it tries before
// or after its successor has appended something.
func testLedgerFences(t *testing.T, b backend) {
	name := topic(t, b.client(t), bus.Topic{Compact: true})
	before := own(t, b.client(t).Ledger(name), 0)
	appendTo(t, before, "mine")
	idle := own(t, b.client(t).Ledger(name), 0) // appends nothing while it owns
	after := own(t, b.client(t).Ledger(name), 0)
	for _, o := range []stream.Owned{before, idle} {
		for range 2 {
			err := o.Append(within(t, 30*time.Second), stream.Record{Key: []byte("key"), Value: []byte("too late")})
			if !errors.Is(err, stream.ErrFenced) {
				t.Errorf("a former owner appended: %v", err)
			}
		}
	}
	appendTo(t, after, "new")
	next := own(t, b.client(t).Ledger(name), 0)
	wantFound(t, next, "mine", "new")
	if next.Follows(before) || next.Follows(idle) {
		t.Error("a fenced owner is followed")
	}
}

// Owners come and go while replies get lost on all connections: every append that
// succeeded is there once, in order, and of one that failed at most once.
func testLedgerAppendsOnce(t *testing.T, b backend) {
	name := topic(t, b.client(t), bus.Topic{Compact: true})
	loss := newLossy(9)
	lossyClient := func() *bus.Client {
		return b.client(t, func(c *bus.Config, d *bus.Deps) { d.Dial = loss.dial })
	}
	var mu sync.Mutex
	succeeded := map[string]bool{}
	var owners sync.WaitGroup
	for n := range 4 {
		l := lossyClient().Ledger(name)
		owners.Go(func() {
			for term := range 4 {
				o, err := l.Own(within(t, 2*time.Minute), 0)
				if errors.Is(err, stream.ErrFenced) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				for i := range 25 {
					v := fmt.Sprintf("%d/%d/%02d", n, term, i)
					err := o.Append(within(t, 2*time.Minute), stream.Record{Key: []byte(v), Value: []byte(v)})
					if errors.Is(err, stream.ErrFenced) {
						break
					}
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					succeeded[v] = true
					mu.Unlock()
				}
			}
		})
	}
	owners.Wait()
	if loss.lost.Load() == 0 {
		t.Error("no reply was lost")
	}
	seen := map[string]bool{}
	last := map[string]string{} // by owner's term
	for _, v := range found(t, own(t, b.client(t).Ledger(name), 0)) {
		if seen[v] {
			t.Errorf("%s was appended twice", v)
		}
		seen[v] = true
		if term := v[:3]; last[term] > v {
			t.Errorf("%s came after %s", v, last[term])
		} else {
			last[term] = v
		}
	}
	for v := range succeeded {
		if !seen[v] {
			t.Errorf("%s was appended and is not there", v)
		}
	}
}

// An append is given up: nothing can be appended after, because it is not known
// what there is.
func TestLedgerGivesUpWhole(t *testing.T) {
	cluster, b := faultCluster(t)
	name := topic(t, b.client(t), bus.Topic{Compact: true})
	o := own(t, b.client(t).Ledger(name), 0)
	fault := cluster.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.Produce}, Topic: name, Err: kerr.NotEnoughReplicasAfterAppend, Count: -1,
	})
	ctx, cancel := context.WithCancel(t.Context())
	gaveUp := make(chan error, 1)
	go func() { gaveUp <- o.Append(ctx, stream.Record{Key: []byte("key"), Value: []byte("perhaps")}) }()
	if err := fault.Wait(within(t, 20*time.Second), 2); err != nil {
		t.Fatal(err)
	}
	cancel()
	err := <-gaveUp
	if !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	fault.Remove()
	if again := o.Append(t.Context(), stream.Record{Key: []byte("key"), Value: []byte("next")}); again == nil || again.Error() != err.Error() {
		t.Errorf("then: %v, want %v", again, err)
	}
	next := own(t, b.client(t).Ledger(name), 0)
	wantFound(t, next, "perhaps")
	if next.Follows(o) {
		t.Error("somebody follows an owner that does not know how it ended")
	}
}

// Whoever may not be the producer of that name is told at once.
func TestLedgerForbidden(t *testing.T) {
	cluster, b := faultCluster(t)
	name := topic(t, b.client(t), bus.Topic{Compact: true})
	cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.InitProducerID}, Err: kerr.TransactionalIDAuthorizationFailed, Count: -1, TopLevel: true})
	_, err := b.client(t).Ledger(name).Own(within(t, 20*time.Second), 0)
	if err == nil || !strings.Contains(err.Error(), `"crmwatch-`+name+`-0"`) {
		t.Errorf("a producer that is forbidden: %v", err)
	}
}
