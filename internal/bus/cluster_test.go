package bus_test

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/crmwatch/crmwatch/internal/bus"
	"github.com/crmwatch/crmwatch/internal/stream"
)

// faultCluster is a cluster of three that can be made to misbehave.
func faultCluster(t *testing.T, opts ...kfake.Opt) (*kfake.Cluster, backend) {
	t.Helper()
	cluster, err := kfake.NewCluster(append(opts, kfake.NumBrokers(3), kfake.GroupMinSessionTimeout(500*time.Millisecond))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster, backend{addr: cluster.ListenAddrs()[0]}
}

// TestClusterMoves moves leaders and coordinators while records flow.
func TestClusterMoves(t *testing.T) {
	cluster, b := faultCluster(t)
	c := b.client(t)
	name := topic(t, c, bus.Topic{Partitions: 6})
	l := newLedger()
	m := run(t, c.Group(name, "group"), l.handler("only"))
	written := 0
	for range 6 {
		write(t, c, name, records(written, written+300, 30)...)
		written += 300
		cluster.ShufflePartitionLeaders()
		cluster.RehashCoordinators()
		write(t, c, name, records(written, written+300, 30)...)
		written += 300
		l.until(t, "what was written so far", func() bool { return len(l.seen) == written })
	}
	m.stop()
	if err := m.wait(t); err != nil {
		t.Error(err)
	}
	checkOrder(t, collect(t, c, name, written))
}

// TestReplicasMissing holds a write back while the broker cannot make it durable.
func TestReplicasMissing(t *testing.T) {
	cluster, b := faultCluster(t)
	c := b.client(t)
	name := topic(t, c, bus.Topic{})
	fault := cluster.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.Produce}, Topic: name, Err: kerr.NotEnoughReplicas, Count: -1,
	})
	done := make(chan error, 1)
	go func() { done <- c.Writer(name).Write(t.Context(), records(0, 10, 3)...) }()
	if err := fault.Wait(within(t, 20*time.Second), 3); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		t.Fatalf("written without replicas: %v", err)
	default:
	}
	fault.Remove()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := collect(t, c, name, 10); len(got) != 10 {
		t.Errorf("%d records", len(got))
	}
}

// TestGivenUpWrite takes a call out of the queue whose context ended, and not its
// neighbour's.
func TestGivenUpWrite(t *testing.T) {
	cluster, b := faultCluster(t)
	c := b.client(t)
	name := topic(t, c, bus.Topic{})
	fault := cluster.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.Produce}, Topic: name, Err: kerr.NotEnoughReplicas, Count: -1,
	})
	short, cancel := context.WithCancel(t.Context())
	gaveUp, done := make(chan error, 1), make(chan error, 1)
	go func() { gaveUp <- c.Writer(name).Write(short, stream.Record{Value: []byte("given up")}) }()
	if err := fault.Wait(within(t, 20*time.Second), 1); err != nil {
		t.Fatal(err)
	}
	go func() { done <- c.Writer(name).Write(t.Context(), stream.Record{Value: []byte("kept")}) }()
	cancel()
	if err := <-gaveUp; err == nil {
		t.Error("a write that was given up succeeded")
	}
	// Once more for the batch that is on its way, and once for one without it.
	if err := fault.Wait(within(t, 20*time.Second), fault.Hits()+2); err != nil {
		t.Fatal(err)
	}
	fault.Remove()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := values(collect(t, c, name, 1)); len(got) != 1 || got[0] != "kept" {
		t.Errorf("written: %q", got)
	}
}

// TestForbidden does not wait for what will not come.
func TestForbidden(t *testing.T) {
	_, b := faultCluster(t, kfake.EnableSASL(), kfake.EnableACLs(),
		kfake.Superuser("PLAIN", "root", "root"), kfake.User("PLAIN", "nobody", "nobody"))
	as := func(user string) *bus.Client {
		return b.client(t, func(c *bus.Config, _ *bus.Deps) {
			c.SASL = bus.SASL{Mechanism: "plain", User: user, Password: user}
		})
	}
	name := topic(t, as("root"), bus.Topic{})
	nobody := as("nobody")
	ctx := within(t, 20*time.Second)
	for what, do := range map[string]func() error{
		"write":  func() error { return nobody.Writer(name).Write(ctx, records(0, 1, 1)...) },
		"create": func() error { return nobody.EnsureTopics(ctx, bus.Topic{Name: "t-new", Partitions: 1}) },
		"load":   func() error { return nobody.Table(name).Load(ctx, 0, nil) },
		"append": func() error { return nobody.Table(name).Append(ctx, 0, records(0, 1, 1)...) },
	} {
		if err := do(); err == nil || ctx.Err() != nil {
			t.Errorf("%s: %v, %v", what, err, ctx.Err())
		}
	}
}

// TestWaitsForTopic joins before there is anything to share out.
func TestWaitsForTopic(t *testing.T) {
	_, b := faultCluster(t)
	var logs logLines
	c := b.client(t, logs.into)
	l := newLedger()
	m := run(t, c.Group("t-later", "group"), l.handler("only"))
	logs.until(t, "doing=\"join group\"")
	other := b.client(t)
	if err := other.EnsureTopics(within(t, 20*time.Second), bus.Topic{Name: "t-later", Partitions: 2}); err != nil {
		t.Fatal(err)
	}
	write(t, other, "t-later", records(0, 10, 5)...)
	l.until(t, "the topic to be read", func() bool { return len(l.seen) == 10 })
	m.stop()
	if err := m.wait(t); err != nil {
		t.Error(err)
	}
}
