package bus_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/crmwatch/crmwatch/internal/bus"
	"github.com/crmwatch/crmwatch/internal/stream"
)

func testTable(t *testing.T, b backend) {
	c := b.client(t)
	name := topic(t, c, bus.Topic{Partitions: 2, Compact: true})
	table := c.Table(name)
	ctx := within(t, 30*time.Second)
	load := func(p int) (recs []stream.Record) {
		t.Helper()
		if err := table.Load(ctx, p, func(r stream.Record) error { recs = append(recs, r); return nil }); err != nil {
			t.Fatal(err)
		}
		return recs
	}
	if got := load(1); got != nil {
		t.Errorf("an empty table holds %v", got)
	}
	want := []stream.Record{
		{Key: []byte("a"), Value: []byte("1")}, {Key: []byte("b"), Value: []byte{}}, {Key: []byte("a"), Value: nil},
	}
	if err := table.Append(ctx, 1, want...); err != nil {
		t.Fatal(err)
	}
	if err := table.Append(ctx, 1); err != nil {
		t.Errorf("append nothing: %v", err)
	}
	same := cmpopts.IgnoreFields(stream.Record{}, "Time", "Partition", "Offset")
	if diff := gocmp.Diff(want, load(1), same); diff != "" {
		t.Error(diff)
	}
	if got := load(0); got != nil {
		t.Errorf("the other partition holds %v", got)
	}
	stop := errors.New("stop")
	if err := table.Load(ctx, 1, func(stream.Record) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("load: %v", err)
	}
	testFollow(t, table)
}

// testFollow follows a table that holds three records.
func testFollow(t *testing.T, table *bus.Table) {
	ctx, cancel := context.WithCancel(within(t, 30*time.Second))
	seen := make(chan string, 10)
	done := make(chan error, 1)
	go func() {
		done <- table.Follow(ctx, 1, func(r stream.Record) error {
			seen <- string(r.Key)
			return nil
		}, func() { seen <- "caught" })
	}()
	expect := func(want ...string) {
		t.Helper()
		for _, w := range want {
			select {
			case got := <-seen:
				if got != w {
					t.Errorf("followed %q, want %q", got, w)
				}
			case <-ctx.Done():
				t.Fatalf("waited for %q", w)
			}
		}
	}
	expect("a", "b", "a", "caught")
	if err := table.Append(ctx, 1, stream.Record{Key: []byte("c"), Value: []byte("3")}); err != nil {
		t.Fatal(err)
	}
	expect("c")
	cancel()
	if err := <-done; err != nil {
		t.Errorf("follow: %v", err)
	}
}

func testAtomicAppend(t *testing.T, b backend) {
	c := b.client(t)
	name := topic(t, c, bus.Topic{Compact: true})
	const rounds, size = 30, 400
	var writing sync.WaitGroup
	for w := range 2 {
		writing.Go(func() {
			for i := range rounds {
				var recs []stream.Record
				for k := range size {
					recs = append(recs, stream.Record{Key: []byte(strconv.Itoa(k)), Value: []byte(fmt.Sprintf("%d/%d", w, i))})
				}
				if err := c.Table(name).Append(t.Context(), 0, recs...); err != nil {
					t.Error(err)
				}
			}
		})
	}
	written := make(chan struct{})
	go func() { writing.Wait(); close(written) }()
	for more := true; more; {
		select {
		case <-written:
			more = false
		default:
		}
		var run int
		var was string
		if err := c.Table(name).Load(t.Context(), 0, func(r stream.Record) error {
			if run%size != 0 && string(r.Value) != was {
				return fmt.Errorf("round %s is torn by %s after %d", was, r.Value, run%size)
			}
			run, was = run+1, string(r.Value)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if run%size != 0 {
			t.Fatalf("a load ends within a round, after %d records", run)
		}
	}
}

func testCompaction(t *testing.T, b backend) {
	c := b.client(t)
	name := "t-" + strings.ToLower(rand.Text())
	createEager(t, b.addr, name)
	table := c.Table(name)
	want := map[string]string{}
	total := 0
	put := func(n int) {
		var recs []stream.Record
		for range n {
			// Few keys in long batches: most of each batch goes, its end too.
			r := stream.Record{Key: []byte(strconv.Itoa(total % 13)), Value: []byte(strconv.Itoa(total))}
			if total%5 == 4 {
				r.Value = nil
			}
			if want[string(r.Key)] = string(r.Value); r.Value == nil {
				delete(want, string(r.Key))
			}
			recs, total = append(recs, r), total+1
		}
		if err := table.Append(t.Context(), 0, recs...); err != nil {
			t.Fatal(err)
		}
	}
	put(500)
	deadline := time.Now().Add(60 * time.Second)
	for {
		put(97) // the newest segment is never cleaned, so there must be new ones
		b.compact()
		got, n := map[string]string{}, 0
		last := int64(-1)
		if err := table.Load(t.Context(), 0, func(r stream.Record) error {
			if r.Offset <= last {
				return fmt.Errorf("offset %d after %d", r.Offset, last)
			}
			last = r.Offset
			n++
			if got[string(r.Key)] = string(r.Value); r.Value == nil {
				delete(got, string(r.Key))
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Fatalf("after %d writes, %d of them kept: %s", total, n, diff)
		}
		if n < total/2 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the broker did not compact: %d of %d records kept", n, total)
		}
	}
}

// testCompactedTail reads a batch of which only the beginning is left, when nothing
// else fits into the same answer of the broker.
func testCompactedTail(t *testing.T, b backend) {
	c := b.client(t)
	name := "t-" + strings.ToLower(rand.Text())
	createEager(t, b.addr, name)
	table := c.Table(name)
	put := func(recs ...stream.Record) {
		t.Helper()
		if err := table.Append(within(t, 30*time.Second), 0, recs...); err != nil {
			t.Fatal(err)
		}
	}
	const n = 1000
	big := stream.Record{Key: []byte("big"), Value: noise(4 << 20)}
	put(append([]stream.Record{{Key: []byte("keep"), Value: []byte("first")}}, records(0, n, n)...)...)
	put(big)
	put(records(n, 2*n, n)...)
	deadline := time.Now().Add(60 * time.Second)
	for i := 0; ; i++ {
		put(stream.Record{Key: []byte("tick"), Value: []byte(strconv.Itoa(i))})
		b.compact()
		var got []stream.Record
		if err := table.Load(within(t, 30*time.Second), 0, func(r stream.Record) error {
			if string(r.Key) != "tick" {
				got = append(got, r)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if string(got[0].Value) != "first" || !bytes.Equal(got[len(got)-n-1].Value, big.Value) {
			t.Fatalf("what is left begins with offset %d", got[0].Offset)
		}
		if diff := gocmp.Diff(values(records(n, 2*n, n)), values(got[len(got)-n:])); diff != "" {
			t.Fatal(diff)
		}
		if len(got) == n+2 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the broker did not compact: %d records kept", len(got))
		}
	}
}
