package bus

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/crmwatch/crmwatch/internal/stream"
)

// An owner that has been one for long raises its epoch and stays the owner.
func TestRenew(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "state"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	c, err := New(Config{Brokers: cluster.ListenAddrs()}, Deps{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ledger := c.Ledger("state")
	first, err := ledger.Own(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	o := first.(*owned) //nolint:forcetypeassert // it is what Own makes
	rec := stream.Record{Key: []byte("k"), Value: []byte("v")}
	for i := range 3 {
		epoch := o.epoch
		o.begun = o.begun.Add(-renewAfter)
		if err := o.Append(ctx, rec, rec); err != nil {
			t.Fatal(err)
		}
		if o.epoch != epoch+1 {
			t.Errorf("renewal %d: epoch %d after %d", i, o.epoch, epoch)
		}
		if err := o.Append(ctx, rec); err != nil {
			t.Fatal(err)
		}
	}
	second, err := ledger.Own(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	if !second.Follows(first) {
		t.Error("the log has something that no owner has written")
	}
	if err := o.Append(ctx, rec); !errors.Is(err, stream.ErrFenced) {
		t.Errorf("a former owner appended: %v", err)
	}
}

// Sequence numbers begin anew after the largest (KIP-98).
func TestSequenceWraps(t *testing.T) {
	for _, tt := range []struct {
		before int32
		n      int
		after  int32
	}{{0, 5, 5}, {1<<31 - 3, 2, 1<<31 - 1}, {1<<31 - 1, 1, 0}, {1<<31 - 2, 4, 2}} {
		o := owned{sequence: tt.before}
		if o.advance(tt.n); o.sequence != tt.after {
			t.Errorf("%d records after %d: %d, want %d", tt.n, tt.before, o.sequence, tt.after)
		}
	}
}
