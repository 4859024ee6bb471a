package bus_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/crmwatch/crmwatch/internal/bus"
	"github.com/crmwatch/crmwatch/internal/stream"
	"github.com/crmwatch/crmwatch/internal/testkit"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// backend is a Kafka to run the suite over.
type backend struct {
	addr string
	// compact makes the broker clean its compacted topics now, if it has to be
	// told.
	compact func()
}

func (b backend) client(t *testing.T, change ...func(*bus.Config, *bus.Deps)) *bus.Client {
	t.Helper()
	cfg := bus.Config{Brokers: []string{b.addr}}
	var deps bus.Deps
	for _, f := range change {
		f(&cfg, &deps)
	}
	c, err := bus.New(cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// The suite: what every Kafka must do for the rest of the house to stand.
var suite = map[string]func(*testing.T, backend){
	"order and partition":    testOrder,
	"commit and resume":      testResume,
	"start at":               testStartAt,
	"next gathers":           testNext,
	"next is cut short":      testNextCutShort,
	"rebalance":              testRebalance,
	"fenced commit":          testFencedCommit,
	"handler fails":          testHandlerFails,
	"fenced handler":         testFencedHandler,
	"graceful stop":          testGracefulStop,
	"table":                  testTable,
	"table append is atomic": testAtomicAppend,
	"ledger":                 testLedger,
	"ledger fences":          testLedgerFences,
	"ledger appends once":    testLedgerAppendsOnce,
	"compaction":             testCompaction,
	"compacted tail":         testCompactedTail,
	"too large":              testTooLarge,
	"10 MB record":           testLargeRecord,
	"empty topic":            testEmptyTopic,
	"lost replies":           testLostReplies,
	"retention gap":          testGap,
	"beyond the end":         testBeyondEnd,
	"ensure topics":          testEnsureTopics,
	"context ends":           testContextEnds,
	"offsets":                testOffsets,
}

func TestConformance(t *testing.T) {
	t.Run("kfake", func(t *testing.T) {
		c, err := kfake.NewCluster(kfake.NumBrokers(3), kfake.GroupMinSessionTimeout(500*time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		runSuite(t, backend{addr: c.ListenAddrs()[0], compact: c.Compact})
	})
	t.Run("apache", func(t *testing.T) {
		if testing.Short() {
			t.Skip("the real Kafka takes its time")
		}
		runSuite(t, backend{addr: testkit.ApacheKafka(t), compact: func() {}})
	})
}

func runSuite(t *testing.T, b backend) {
	for name, test := range suite {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, b)
		})
	}
}

// topic makes a topic of the test's own.
func topic(t *testing.T, c *bus.Client, want bus.Topic) string {
	t.Helper()
	want.Name = "t-" + strings.ToLower(rand.Text())
	if want.Partitions == 0 {
		want.Partitions = 1
	}
	if err := c.EnsureTopics(within(t, 30*time.Second), want); err != nil {
		t.Fatal(err)
	}
	return want.Name
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// records makes n records "0", "1", … over some keys.
func records(from, to, keys int) []stream.Record {
	var recs []stream.Record
	for i := from; i < to; i++ {
		recs = append(recs, stream.Record{Key: []byte(fmt.Sprintf("key %d", i%keys)), Value: []byte(strconv.Itoa(i))})
	}
	return recs
}

func write(t *testing.T, c *bus.Client, topic string, recs ...stream.Record) {
	t.Helper()
	if err := c.Writer(topic).Write(within(t, 30*time.Second), recs...); err != nil {
		t.Fatal(err)
	}
}

// member is a running member of a group.
type member struct {
	stop func()
	err  chan error
}

func run(t *testing.T, g *bus.Group, handle func(context.Context, stream.Claim) error) *member {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	m := &member{stop: cancel, err: make(chan error, 1)}
	var done sync.WaitGroup
	done.Go(func() { m.err <- g.Run(ctx, handle) })
	t.Cleanup(func() {
		cancel()
		done.Wait()
	})
	return m
}

// wait returns what Run returned.
func (m *member) wait(t *testing.T) error {
	t.Helper()
	select {
	case err := <-m.err:
		return err
	case <-time.After(30 * time.Second):
		t.Fatal("the group does not stop")
		return nil
	}
}

// collect reads n records of the topic by a new group and leaves.
func collect(t *testing.T, c *bus.Client, topic string, n int) []stream.Record {
	t.Helper()
	var mu sync.Mutex
	var got []stream.Record
	full := make(chan struct{})
	m := run(t, c.Group(topic, "g-"+rand.Text()), func(ctx context.Context, cl stream.Claim) error {
		for {
			recs, err := cl.Next(ctx, 1000, 0)
			if err != nil {
				return err
			}
			mu.Lock()
			before := len(got)
			got = append(got, recs...)
			if before < n && len(got) >= n {
				close(full)
			}
			mu.Unlock()
		}
	})
	select {
	case <-full:
	case <-time.After(30 * time.Second):
		mu.Lock()
		defer mu.Unlock()
		t.Fatalf("read %d of %d records", len(got), n)
	}
	m.stop()
	if err := m.wait(t); err != nil {
		t.Fatal(err)
	}
	return got
}

func values(recs []stream.Record) []string {
	var vs []string
	for _, r := range recs {
		vs = append(vs, string(r.Value))
	}
	return vs
}

func testOrder(t *testing.T, b backend) {
	c := b.client(t)
	name := topic(t, c, bus.Topic{Partitions: 5})
	const n = 2000
	var writers sync.WaitGroup
	for k := range 4 { // each goroutine has keys of its own, in order
		writers.Go(func() {
			for i := range n / 4 / 50 {
				var recs []stream.Record
				for j := range 50 {
					recs = append(recs, stream.Record{
						Key:   []byte(fmt.Sprintf("key %d/%d", k, j%7)),
						Value: []byte(strconv.Itoa(i*50 + j)),
					})
				}
				if err := c.Writer(name).Write(t.Context(), recs...); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	write(t, c, name, stream.Record{Value: []byte("no key")}, stream.Record{Key: []byte{}, Value: nil})
	got := collect(t, c, name, n+2)
	if len(got) != n+2 {
		t.Errorf("read %d records, wrote %d", len(got), n+2)
	}
	last := map[string]int{}
	next := map[int]int64{}
	partitioner := kgo.StickyKeyPartitioner(nil).ForTopic(name)
	for _, r := range got {
		if r.Offset != next[r.Partition] {
			t.Fatalf("partition %d: offset %d after %d", r.Partition, r.Offset, next[r.Partition]-1)
		}
		next[r.Partition]++
		if time.Since(r.Time).Abs() > time.Hour {
			t.Errorf("record has the time %v", r.Time)
		}
		if len(r.Key) == 0 {
			continue
		}
		if want := partitioner.Partition(&kgo.Record{Key: r.Key}, 5); r.Partition != want {
			t.Errorf("key %q is in partition %d, another client would look in %d", r.Key, r.Partition, want)
		}
		v, _ := strconv.Atoi(string(r.Value))
		if before, seen := last[string(r.Key)]; seen && v <= before {
			t.Errorf("key %q: %d came after %d", r.Key, v, before)
		}
		last[string(r.Key)] = v
	}
}

func testResume(t *testing.T, b backend) {
	c := b.client(t)
	name := topic(t, c, bus.Topic{})
	group := "g-" + rand.Text()
	write(t, c, name, records(0, 100, 3)...)
	first := run(t, c.Group(name, group), func(ctx context.Context, cl stream.Claim) error {
		if cl.Committed() != -1 {
			t.Errorf("committed %d before any commit", cl.Committed())
		}
		recs, err := cl.Next(ctx, 40, time.Second)
		if err != nil {
			return err
		}
		if len(recs) != 40 || recs[0].Offset != 0 {
			t.Errorf("read %d records from offset %d", len(recs), recs[0].Offset)
		}
		if err := cl.Commit(ctx, 40); err != nil {
			return err
		}
		return errEnough
	})
	if err := first.wait(t); !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	second := run(t, c.Group(name, group), func(ctx context.Context, cl stream.Claim) error {
		recs, err := cl.Next(ctx, 100, 0)
		if err != nil {
			return err
		}
		if cl.Committed() != 40 || recs[0].Offset != 40 || string(recs[0].Value) != "40" {
			t.Errorf("committed %d, and it goes on at %d", cl.Committed(), recs[0].Offset)
		}
		return errEnough
	})
	if err := second.wait(t); !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
}

var errEnough = errors.New("enough")

func testStartAt(t *testing.T, b backend) {
	c := b.client(t)
	name := topic(t, c, bus.Topic{})
	write(t, c, name, records(0, 50, 3)...)
	for _, at := range []int64{0, 17, 49} {
		m := run(t, c.Group(name, "g-"+rand.Text()), func(ctx context.Context, cl stream.Claim) error {
			cl.StartAt(at)
			recs, err := cl.Next(ctx, 1, 0)
			if err != nil {
				return err
			}
			if recs[0].Offset != at || string(recs[0].Value) != strconv.Itoa(int(at)) {
				t.Errorf("start at %d read %d", at, recs[0].Offset)
			}
			return errEnough
		})
		if err := m.wait(t); !errors.Is(err, errEnough) {
			t.Fatal(err)
		}
	}
}

// testNextCutShort: who waits for records and for something else, too, comes back
// and has missed none.
func testNextCutShort(t *testing.T, b backend) {
	c := b.client(t)
	name := topic(t, c, bus.Topic{})
	began := make(chan struct{})
	m := run(t, c.Group(name, "g-"+rand.Text()), func(ctx context.Context, cl stream.Claim) error {
		cut, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		if recs, err := cl.Next(cut, 10, 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("next of an empty topic: %d records, %v", len(recs), err)
		}
		close(began)
		for read := 0; read < 10; {
			cut, cancel := context.WithTimeout(ctx, time.Millisecond)
			recs, err := cl.Next(cut, 3, 0)
			cancel()
			if err != nil && !errors.Is(err, context.DeadlineExceeded) {
				return err
			}
			for _, r := range recs {
				if r.Offset != int64(read) {
					t.Errorf("offset %d came after %d records", r.Offset, read)
				}
				read++
			}
		}
		return errEnough
	})
	<-began
	write(t, c, name, records(0, 10, 3)...)
	if err := m.wait(t); !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
}

func testNext(t *testing.T, b backend) {
	c := b.client(t)
	name := topic(t, c, bus.Topic{})
	write(t, c, name, records(0, 10, 3)...)
	read := make(chan []stream.Record)
	run(t, c.Group(name, "g-"+rand.Text()), func(ctx context.Context, cl stream.Claim) error {
		for _, most := range []int{4, 100, 2} {
			recs, err := cl.Next(ctx, most, 3*time.Second)
			if err != nil {
				return err
			}
			if most == 4 && cl.Lag() != 6 {
				t.Errorf("lag %d after 4 of 10", cl.Lag())
			}
			read <- recs
		}
		return nil
	})
	if got := values(<-read); !slices.Equal(got, []string{"0", "1", "2", "3"}) {
		t.Errorf("at most 4: %v", got)
	}
	// The second call waits for more than the six that are there.
	write(t, c, name, records(10, 12, 3)...)
	if got := values(<-read); len(got) != 8 || got[7] != "11" {
		t.Errorf("within three seconds: %v", got)
	}
	write(t, c, name, records(12, 15, 3)...)
	if got := values(<-read); !slices.Equal(got, []string{"12", "13"}) {
		t.Errorf("at most 2: %v", got)
	}
}

func testTooLarge(t *testing.T, b backend) {
	c := b.client(t)
	name := topic(t, c, bus.Topic{Partitions: 2, MaxMessageBytes: 100_000})
	stranger := b.client(t) // has not been told the limit, and learns it the hard way
	for what, c := range map[string]*bus.Client{"known limit": c, "unknown limit": stranger} {
		start := offsets(t, c, name)
		recs := records(0, 20, 7)
		for _, i := range []int{3, 11} {
			recs[i].Value = noise(150_000)
		}
		err := c.Writer(name).Write(within(t, 30*time.Second), recs...)
		var large *bus.TooLargeError
		if !errors.As(err, &large) || !slices.Equal(large.Records, []int{3, 11}) || !large.Permanent() {
			t.Errorf("%s: %v", what, err)
		}
		if n := offsets(t, c, name) - start; n != 18 {
			t.Errorf("%s: %d of the other 18 records were written", what, n)
		}
	}
	if err := c.Table(name).Append(within(t, 30*time.Second), 0, stream.Record{Value: noise(200_000)}); err == nil {
		t.Error("append of too much succeeded")
	}
}

// offsets returns how many records the topic has had.
func offsets(t *testing.T, c *bus.Client, topic string) (n int64) {
	t.Helper()
	all, err := c.Offsets(within(t, 10*time.Second), topic, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range all {
		n += o.Next
	}
	return n
}

// noise cannot be compressed.
func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

func testLargeRecord(t *testing.T, b backend) {
	c := b.client(t)
	name := topic(t, c, bus.Topic{MaxMessageBytes: 32 << 20})
	big := noise(10 << 20)
	recs := append(records(0, 3, 1), stream.Record{Key: []byte("key 0"), Value: big})
	write(t, c, name, append(recs, records(4, 7, 1)...)...)
	got := collect(t, c, name, 7)
	slices.SortFunc(got, func(a, b stream.Record) int { return cmp.Compare(a.Offset, b.Offset) })
	if len(got) != 7 || !bytes.Equal(got[3].Value, big) || string(got[6].Value) != "6" {
		t.Errorf("read %d records, or not the same", len(got))
	}
}
