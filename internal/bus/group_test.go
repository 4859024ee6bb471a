package bus_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crmwatch/crmwatch/internal/bus"
	"github.com/crmwatch/crmwatch/internal/stream"
)

// ledger collects what several members of a group read.
type ledger struct {
	mu      sync.Mutex
	seen    map[string]int // by value
	owner   map[int]string // of each partition, as of its last claim
	changed chan struct{}  // capacity 1: something is new
}

func newLedger() *ledger {
	return &ledger{seen: map[string]int{}, owner: map[int]string{}, changed: make(chan struct{}, 1)}
}

func (l *ledger) update(f func()) {
	l.mu.Lock()
	f()
	l.mu.Unlock()
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// until waits until the condition holds.
func (l *ledger) until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.After(40 * time.Second)
	for {
		l.mu.Lock()
		ok := cond()
		l.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-l.changed:
		case <-deadline:
			l.mu.Lock()
			defer l.mu.Unlock()
			t.Fatalf("waited for %s; %d records seen, owners %v", what, len(l.seen), l.owner)
		}
	}
}

// owners counts the partitions of each member.
func (l *ledger) owners() map[string]int {
	n := map[string]int{}
	for _, who := range l.owner {
		n[who]++
	}
	return n
}

// handler is a stage that notes what it reads and commits it.
func (l *ledger) handler(name string) func(context.Context, stream.Claim) error {
	return func(ctx context.Context, c stream.Claim) error {
		l.update(func() { l.owner[c.Partition()] = name })
		next := c.Committed()
		for {
			recs, err := c.Next(ctx, 50, 5*time.Millisecond)
			if err != nil {
				return err
			}
			if next >= 0 && recs[0].Offset != next {
				return fmt.Errorf("offset %d follows %d", recs[0].Offset, next-1)
			}
			next = recs[len(recs)-1].Offset + 1
			l.update(func() {
				for _, r := range recs {
					l.seen[string(r.Value)]++
				}
			})
			// The last commit of a partition that is being given up is worth a try.
			if err := c.Commit(context.WithoutCancel(ctx), next); err != nil {
				return err
			}
		}
	}
}

func testRebalance(t *testing.T, b backend) {
	c := b.client(t)
	name := topic(t, c, bus.Topic{Partitions: 4})
	group := "g-" + rand.Text()
	l := newLedger()
	written := 0
	put := func() {
		write(t, c, name, records(written, written+200, 40)...)
		written += 200
	}
	put()
	first := run(t, c.Group(name, group), l.handler("first"))
	l.until(t, "the first member to own all", func() bool { return l.owners()["first"] == 4 })
	put()
	other := b.client(t) // another process
	second := run(t, other.Group(name, group), l.handler("second"))
	put()
	l.until(t, "the second to own half", func() bool { return l.owners()["second"] == 2 })
	put()
	l.until(t, "all records", func() bool { return len(l.seen) == written })
	first.stop()
	if err := first.wait(t); err != nil {
		t.Error(err)
	}
	put()
	l.until(t, "the second to own all", func() bool { return l.owners()["second"] == 4 })
	l.until(t, "all records", func() bool { return len(l.seen) == written })
	second.stop()
	if err := second.wait(t); err != nil {
		t.Error(err)
	}
	for i := range written {
		if l.seen[strconv.Itoa(i)] == 0 {
			t.Errorf("record %d is lost", i)
		}
	}
}

// testFencedCommit has a member that does not let go, as one that was paused.
func testFencedCommit(t *testing.T, b backend) {
	short := func(c *bus.Config, _ *bus.Deps) { c.SessionTimeout = time.Second }
	c := b.client(t, short)
	name := topic(t, c, bus.Topic{})
	group := "g-" + rand.Text()
	write(t, c, name, records(0, 100, 3)...)

	asleep, wake := make(chan struct{}), make(chan struct{})
	late := make(chan error, 1)
	var once sync.Once
	zombie := run(t, c.Group(name, group), func(ctx context.Context, cl stream.Claim) error {
		var err error
		once.Do(func() {
			if _, err = cl.Next(ctx, 10, time.Second); err != nil {
				return
			}
			close(asleep)
			<-wake
			err = cl.Commit(context.WithoutCancel(ctx), 1)
			late <- err
		})
		if err == nil {
			<-ctx.Done()
		}
		return err
	})
	<-asleep
	other := b.client(t, short)
	owned := make(chan struct{})
	run(t, other.Group(name, group), func(ctx context.Context, cl stream.Claim) error {
		recs, err := cl.Next(ctx, 60, time.Second)
		if err != nil {
			return err
		}
		if err := cl.Commit(ctx, recs[len(recs)-1].Offset+1); err != nil {
			return err
		}
		close(owned)
		<-ctx.Done()
		return nil
	})
	select {
	case <-owned:
	case <-time.After(30 * time.Second):
		t.Fatal("the partition of the sleeping member does not move")
	}
	close(wake)
	if err := <-late; !errors.Is(err, bus.ErrClaimLost) {
		t.Errorf("the former owner's commit: %v", err)
	}
	at, err := c.Offsets(within(t, 10*time.Second), name, group)
	if err != nil || at[0].Committed < 60 {
		t.Errorf("committed %d, %v: the former owner took it back", at[0].Committed, err)
	}
	zombie.stop()
	if err := zombie.wait(t); err != nil {
		t.Errorf("losing a claim is not a failure, but Run returned %v", err)
	}
}

func testHandlerFails(t *testing.T, b backend) {
	c := b.client(t)
	name := topic(t, c, bus.Topic{Partitions: 3})
	broken := errors.New("broken")
	var others sync.WaitGroup
	others.Add(2)
	m := run(t, c.Group(name, "g-"+rand.Text()), func(ctx context.Context, cl stream.Claim) error {
		switch cl.Partition() {
		case 0:
			return nil // rests, and nobody minds
		case 1:
			others.Done()
			defer others.Done()
			_, err := cl.Next(ctx, 1, 0)
			return err
		default:
			return fmt.Errorf("work: %w", broken)
		}
	})
	if err := m.wait(t); !errors.Is(err, broken) {
		t.Errorf("run returned %v", err)
	}
	others.Wait()
}

// Somebody else's partition is no reason to stop: the group finds out whose it is,
// and goes on.
func testFencedHandler(t *testing.T, b backend) {
	c := b.client(t)
	name := topic(t, c, bus.Topic{})
	write(t, c, name, records(0, 1, 1)...)
	again := make(chan struct{})
	var calls atomic.Int32
	m := run(t, c.Group(name, "g-"+rand.Text()), func(ctx context.Context, cl stream.Claim) error {
		if calls.Add(1) == 1 {
			return fmt.Errorf("work: %w", stream.ErrFenced)
		}
		close(again)
		<-ctx.Done()
		return ctx.Err()
	})
	select {
	case <-again:
	case <-time.After(time.Minute):
		t.Fatal("the group did not come back")
	}
	m.stop()
	if err := m.wait(t); err != nil {
		t.Errorf("run returned %v", err)
	}
}

func testGracefulStop(t *testing.T, b backend) {
	c := b.client(t)
	name := topic(t, c, bus.Topic{})
	group := "g-" + rand.Text()
	write(t, c, name, records(0, 30, 3)...)
	working := make(chan struct{})
	m := run(t, c.Group(name, group), func(ctx context.Context, cl stream.Claim) error {
		if _, err := cl.Next(ctx, 30, time.Second); err != nil {
			return err
		}
		close(working)
		<-ctx.Done() // the stop comes while there is work that is not committed
		return cl.Commit(context.WithoutCancel(ctx), 30)
	})
	<-working
	start := time.Now()
	m.stop()
	if err := m.wait(t); err != nil {
		t.Error(err)
	}
	// A member that leaves says so; the next one does not have to wait until it is
	// missed.
	write(t, c, name, records(30, 31, 1)...)
	next := run(t, c.Group(name, group), func(ctx context.Context, cl stream.Claim) error {
		recs, err := cl.Next(ctx, 10, 0)
		if err == nil && recs[0].Offset == 30 {
			err = errEnough
		}
		return err
	})
	if err := next.wait(t); !errors.Is(err, errEnough) {
		t.Error(err)
	}
	if took := time.Since(start); took > 8*time.Second {
		t.Errorf("the change took %v, as long as a session", took)
	}
}

func testEmptyTopic(t *testing.T, b backend) {
	c := b.client(t)
	name := topic(t, c, bus.Topic{})
	owned := make(chan struct{})
	m := run(t, c.Group(name, "g-"+rand.Text()), func(ctx context.Context, cl stream.Claim) error {
		close(owned)
		recs, err := cl.Next(ctx, 10, time.Hour)
		if ctx.Err() == nil || len(recs) > 0 {
			t.Errorf("an empty topic gave %v, %v", recs, err)
		}
		return err
	})
	<-owned
	m.stop()
	if err := m.wait(t); err != nil {
		t.Error(err)
	}
}

func testLostReplies(t *testing.T, b backend) {
	lossy := newLossy(50)
	c := b.client(t, func(_ *bus.Config, d *bus.Deps) { d.Dial = lossy.dial })
	name := topic(t, b.client(t), bus.Topic{Partitions: 3})
	l := newLedger()
	m := run(t, c.Group(name, "g-"+rand.Text()), l.handler("only"))
	const n = 3000
	for i := 0; i < n; i += 20 {
		write(t, c, name, records(i, i+20, 30)...)
	}
	l.until(t, "all records in spite of lost replies", func() bool { return len(l.seen) == n })
	if lossy.lost.Load() == 0 {
		t.Error("no reply was lost: the test shows nothing")
	}
	m.stop()
	if err := m.wait(t); err != nil {
		t.Error(err)
	}
	checkOrder(t, collect(t, b.client(t), name, n))
}

// checkOrder checks that the first occurrences of a key's values ascend: a batch
// may be there twice, but never after a later one.
func checkOrder(t *testing.T, recs []stream.Record) {
	t.Helper()
	high := map[string]int{}
	seen := map[string]bool{}
	for _, r := range recs {
		v, _ := strconv.Atoi(string(r.Value))
		if !seen[string(r.Value)] && v < high[string(r.Key)] {
			t.Errorf("key %q: %d came first after %d", r.Key, v, high[string(r.Key)])
		}
		seen[string(r.Value)] = true
		high[string(r.Key)] = max(high[string(r.Key)], v)
	}
}

func testGap(t *testing.T, b backend) {
	gaps := make(chan bus.Gap, 10)
	c := b.client(t, func(_ *bus.Config, d *bus.Deps) { d.OnGap = func(g bus.Gap) { gaps <- g } })
	name := topic(t, c, bus.Topic{})
	group := "g-" + rand.Text()
	write(t, c, name, records(0, 20, 3)...)
	deleteBefore(t, b.addr, name, 7)
	m := run(t, c.Group(name, group), func(ctx context.Context, cl stream.Claim) error {
		cl.StartAt(2)
		recs, err := cl.Next(ctx, 100, time.Second)
		if err != nil {
			return err
		}
		if recs[0].Offset != 7 || len(recs) != 13 {
			t.Errorf("read %d records from offset %d on", len(recs), recs[0].Offset)
		}
		return errEnough
	})
	if err := m.wait(t); !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	if got, want := <-gaps, (bus.Gap{Topic: name, Group: group, Partition: 0, From: 2, To: 7}); got != want {
		t.Errorf("told of %+v, want %+v", got, want)
	}
	// Who begins anew misses nothing.
	if got := collect(t, c, name, 13); got[0].Offset != 7 || len(gaps) != 0 {
		t.Errorf("a new group reads from %d on, and is told of %d gaps", got[0].Offset, len(gaps))
	}
}

func testBeyondEnd(t *testing.T, b backend) {
	c := b.client(t)
	name := topic(t, c, bus.Topic{})
	write(t, c, name, records(0, 5, 1)...)
	m := run(t, c.Group(name, "g-"+rand.Text()), func(ctx context.Context, cl stream.Claim) error {
		cl.StartAt(1000)
		recs, err := cl.Next(ctx, 1, 0)
		if err == nil {
			t.Errorf("read %v beyond the end", values(recs))
		}
		return err
	})
	var beyond *bus.BeyondEndError
	if err := m.wait(t); !errors.As(err, &beyond) || beyond.Offset != 1000 || beyond.End != 5 {
		t.Errorf("run returned %v", err)
	}
}

func testEnsureTopics(t *testing.T, b backend) {
	c := b.client(t)
	name := topic(t, c, bus.Topic{Partitions: 3, Retention: time.Hour})
	ctx := within(t, 30*time.Second)
	if err := c.EnsureTopics(ctx, bus.Topic{Name: name, Partitions: 3}); err != nil {
		t.Errorf("again: %v", err)
	}
	if err := c.EnsureTopics(ctx, bus.Topic{Name: name, Partitions: 6}); err == nil {
		t.Error("a topic of 3 partitions passes for one of 6")
	}
	if err := c.EnsureTopics(ctx, bus.Topic{Name: "bad name!", Partitions: 1}); err == nil {
		t.Error("a topic with an impossible name was made")
	}
	if err := c.EnsureTopics(ctx, bus.Topic{Name: name}); err == nil {
		t.Error("a topic without partitions was made")
	}
	same := bus.Topic{Name: "t-" + rand.Text(), Partitions: 2}
	var racers sync.WaitGroup
	for range 4 {
		racer := b.client(t)
		racers.Go(func() {
			if err := racer.EnsureTopics(ctx, same); err != nil {
				t.Errorf("at the same time: %v", err)
			}
		})
	}
	racers.Wait()
}

func testContextEnds(t *testing.T, b backend) {
	c := b.client(t)
	name := topic(t, c, bus.Topic{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Writer(name).Write(ctx, records(0, 1, 1)...); !errors.Is(err, context.Canceled) {
		t.Errorf("write: %v", err)
	}
	if err := c.Writer(name).Write(ctx); err != nil {
		t.Errorf("write nothing: %v", err)
	}
	if err := c.Table(name).Append(ctx, 0, records(0, 1, 1)...); !errors.Is(err, context.Canceled) {
		t.Errorf("append: %v", err)
	}
	if err := c.Table(name).Load(ctx, 0, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("load: %v", err)
	}
	if err := c.Group(name, "g-"+rand.Text()).Run(ctx, nil); err != nil {
		t.Errorf("run: %v", err)
	}
	if err := c.EnsureTopics(ctx, bus.Topic{Name: "t-" + rand.Text(), Partitions: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("ensure: %v", err)
	}
	if err := c.Ping(within(t, 10*time.Second)); err != nil {
		t.Errorf("ping: %v", err)
	}
	_ = c.Close()
	if err := c.Writer(name).Write(t.Context(), records(0, 1, 1)...); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("write after close: %v", err)
	}
}

func testOffsets(t *testing.T, b backend) {
	c := b.client(t)
	name := topic(t, c, bus.Topic{Partitions: 2})
	group := "g-" + rand.Text()
	recs := records(0, 40, 20)
	write(t, c, name, recs...)
	m := run(t, c.Group(name, group), func(ctx context.Context, cl stream.Claim) error {
		recs, err := cl.Next(ctx, 1, 0)
		if err != nil {
			return err
		}
		if cl.Partition() == 0 {
			if err := cl.Commit(ctx, recs[0].Offset+1); err != nil {
				return err
			}
			return errEnough
		}
		<-ctx.Done()
		return nil
	})
	if err := m.wait(t); !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	at, err := c.Offsets(within(t, 10*time.Second), name, group)
	if err != nil {
		t.Fatal(err)
	}
	if at[0].Committed != 1 || at[1].Committed != -1 || at[0].Next+at[1].Next != 40 || at[0].First != 0 {
		t.Errorf("offsets are %+v", at)
	}
	if at[0].Lag() != at[0].Next-1 || at[1].Lag() != at[1].Next {
		t.Errorf("lags are %d and %d of %+v", at[0].Lag(), at[1].Lag(), at)
	}
	if _, err := c.Offsets(within(t, 300*time.Millisecond), "t-missing", group); err == nil {
		t.Error("a missing topic has offsets")
	}
	parts := []int{}
	for p := range at {
		parts = append(parts, p)
	}
	slices.Sort(parts)
	if !slices.Equal(parts, []int{0, 1}) {
		t.Errorf("partitions %v", parts)
	}
}
