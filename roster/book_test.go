package roster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/crmwatch/crmwatch/internal/bus"
	"github.com/crmwatch/crmwatch/internal/stream"
	"github.com/crmwatch/crmwatch/internal/testkit"
)

func TestPersonOf(t *testing.T) {
	b := book(t, Defaults{},
		Person{ID: "1", Tenant: "acme", Email: "Lin.Wei@acme.example", Accounts: []Account{{Source: "salesforce", ID: "0055A"}, {Source: "zoho", ID: "Lin@Zoho.example"}}},
		Person{ID: "2", Tenant: "acme", Email: "bo@acme.example", Accounts: []Account{{Source: "salesforce", ID: "0055a"}, {Source: "jiandaoyun", ID: "bo"}}},
		Person{ID: "1", Tenant: "other", Email: "lin.wei@acme.example", Accounts: []Account{{Source: "salesforce", ID: "0055A"}}},
		Person{ID: "9", Tenant: "other"},
	)
	tests := []struct {
		name                                   string
		tenant, source, id, login, email, want string
	}{
		{"by account id", "acme", "salesforce", "0055A", "bo", "bo@acme.example", "1"},
		{"ids differ by case", "acme", "salesforce", "0055a", "", "", "2"},
		{"not at another source", "acme", "zoho", "0055A", "", "", ""},
		{"not in another tenant", "third", "salesforce", "0055A", "", "lin.wei@acme.example", ""},
		{"by login name", "acme", "jiandaoyun", "unknown", "bo", "", "2"},
		{"login name before e-mail", "acme", "jiandaoyun", "", "bo", "lin.wei@acme.example", "2"},
		{"login name that is an address, in any case", "acme", "zoho", "", "lin@zoho.example", "", "1"},
		{"by e-mail", "acme", "yonyou", "x", "y", "bo@acme.example", "2"},
		{"by e-mail, in any case", "acme", "yonyou", "x", "y", "LIN.WEI@ACME.EXAMPLE", "1"},
		{"by a login name that is the e-mail", "acme", "yonyou", "", "BO@acme.example", "", "2"},
		{"of another tenant", "other", "yonyou", "", "", "lin.wei@acme.example", "1"},
		{"unknown", "acme", "yonyou", "x", "y", "z@acme.example", ""},
		{"nothing", "acme", "salesforce", "", "", "", ""},
	}
	for _, tt := range tests {
		got, ok := b.PersonOf(tt.tenant, tt.source, tt.id, tt.login, tt.email)
		if got != tt.want || ok != (tt.want != "") {
			t.Errorf("%s: got %q, %t, want %q", tt.name, got, ok, tt.want)
		}
	}
}

func TestAccount(t *testing.T) {
	b := book(t, Defaults{}, wei)
	if a, ok := b.Account("acme", "salesforce", "0055g000001AbCdEAA"); !ok || !a.LastActive.Equal(wei.Accounts[0].LastActive) {
		t.Errorf("got %+v, %t", a, ok)
	}
	if a, ok := b.Account("acme", "zoho", "LIN.WEI@acme.example"); !ok || a.ID != "lin.wei@acme.example" || !a.LastActive.IsZero() {
		t.Errorf("got %+v, %t", a, ok)
	}
	if a, ok := b.Account("other", "zoho", "lin.wei@acme.example"); ok {
		t.Errorf("got %+v", a)
	}
}

// TestClaims has two people for one account and one address: the outcome is the
// same in whichever order they come.
func TestClaims(t *testing.T) {
	claim := func(id string, first, last Day) Person {
		return Person{ID: id, Tenant: "acme", Email: "lin@acme.example", FirstDay: first, LastDay: last, Accounts: []Account{{Source: "zoho", ID: "z1"}}}
	}
	tests := []struct {
		name string
		p, q Person
		want string
	}{
		{"who stays", claim("1", 20240101, 0), claim("2", 20200101, 20231231), "1"},
		{"who leaves later", claim("1", 0, 20261031), claim("2", 0, 20261101), "2"},
		{"who began later", claim("1", 20240101, 0), claim("2", 20240102, 0), "2"},
		{"whose id is first", claim("1", 0, 0), claim("2", 0, 0), "1"},
	}
	for _, tt := range tests {
		for _, people := range [][]Person{{tt.p, tt.q}, {tt.q, tt.p}} {
			b := book(t, Defaults{}, people...)
			byAccount, _ := b.PersonOf("acme", "zoho", "z1", "", "")
			byEmail, _ := b.PersonOf("acme", "zoho", "", "", "lin@acme.example")
			if byAccount != tt.want || byEmail != tt.want {
				t.Errorf("%s: got %q and %q, want %q", tt.name, byAccount, byEmail, tt.want)
			}
			// Without the heir the claim is the other's again.
			if err := b.Apply(stream.Record{Key: []byte("acme/" + tt.want)}); err != nil {
				t.Fatal(err)
			}
			if got, ok := b.PersonOf("acme", "zoho", "z1", "", ""); !ok || got == tt.want || b.Len() != 1 {
				t.Errorf("%s: after the removal %q, %t of %d", tt.name, got, ok, b.Len())
			}
		}
	}
}

func TestApply(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	b, err := NewBook(Defaults{}, Deps{Registerer: reg})
	if err != nil {
		t.Fatal(err)
	}
	moved := wei
	moved.Accounts, moved.Department = []Account{{Source: "zoho", ID: "new"}}, "IT"
	if err := b.Apply(records(t, wei, moved, Person{ID: "2", Tenant: "acme"})...); err != nil {
		t.Fatal(err)
	}
	if p, ok := b.Person("acme", wei.ID); !ok || !p.Equal(moved) || b.Len() != 2 {
		t.Errorf("got %+v, %t of %d", p, ok, b.Len())
	}
	if _, ok := b.PersonOf("acme", "salesforce", wei.Accounts[0].ID, "", ""); ok {
		t.Error("an account that the person had is still there")
	}
	err = b.Apply(stream.Record{Key: []byte("acme/3"), Value: []byte("hunter2"), Partition: 4, Offset: 17}, stream.Record{Key: []byte("acme/2")}, stream.Record{Key: []byte("acme/never")})
	if err == nil || !strings.Contains(err.Error(), "partition 4 offset 17") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error is %v", err)
	}
	if b.Len() != 1 {
		t.Errorf("%d people", b.Len())
	}
	if err := testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP crmwatch_roster_bad_records_total Messages on the topic of people that were not people and were left out.
# TYPE crmwatch_roster_bad_records_total counter
crmwatch_roster_bad_records_total 1
# HELP crmwatch_roster_people People in the roster.
# TYPE crmwatch_roster_people gauge
crmwatch_roster_people 1
`)); err != nil {
		t.Error(err)
	}
	if _, err := NewBook(Defaults{}, Deps{Registerer: reg}); err == nil {
		t.Error("two books register the same metrics")
	}
}

func TestLookUpsDoNotAllocate(t *testing.T) {
	b := book(t, Defaults{TimeZone: "Asia/Shanghai"}, wei, Person{ID: "2", Tenant: "acme", TimeZone: "Mars/Olympus"})
	now := at(t, "2026-11-24T03:00:00Z")
	if got := testing.AllocsPerRun(100, func() {
		for _, id := range []string{"0012345", "2", "3"} {
			p, _ := b.Person("acme", id)
			b.Local(p, now)
			b.OffHours(p, now)
			if p != nil {
				p.StatusAt(now)
				p.DaysSinceLastDay(now)
			}
		}
		b.PersonOf("acme", "zoho", "x", "lin.wei@acme.example", "")
		b.PersonOf("acme", "yonyou", "x", "y", "lin.wei@acme.example")
		b.Account("acme", "zoho", "lin.wei@acme.example")
	}); got > 0 {
		t.Errorf("%v allocations", got)
	}
}

// TestReadersSeeWholeStates has readers beside a writer that moves one account
// between two people: it is always somebody's.
func TestReadersSeeWholeStates(t *testing.T) {
	owner := func(n int) Person {
		return Person{ID: "1", Tenant: "acme", Name: fmt.Sprint(n), Accounts: []Account{{Source: "zoho", ID: "z"}}}
	}
	b := book(t, Defaults{}, owner(0))
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if id, ok := b.PersonOf("acme", "zoho", "z", "", ""); !ok || id != "1" {
					t.Errorf("got %q, %t", id, ok)
					return
				}
			}
		})
	}
	for n := range 200 {
		if err := b.Apply(records(t, owner(n))...); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	readers.Wait()
}

const partitions = 3

func rosterTable(t *testing.T) *bus.Table {
	t.Helper()
	c, err := bus.New(bus.Config{Brokers: []string{testkit.Kafka(t)}}, bus.Deps{Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.EnsureTopics(t.Context(), bus.Topic{Name: "roster", Partitions: partitions, Compact: true}); err != nil {
		t.Fatal(err)
	}
	return c.Table("roster")
}

// await polls until the condition holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("%s: not within 30 s", what)
		case <-tick.C:
		}
	}
}

func crowd(n int) []Person {
	people := make([]Person, n)
	for i := range people {
		people[i] = Person{ID: fmt.Sprint("E", i), Tenant: "acme", Email: fmt.Sprintf("e%d@acme.example", i), Accounts: []Account{{Source: "zoho", ID: fmt.Sprint("z", i)}}}
	}
	return people
}

func TestPublishAndRun(t *testing.T) {
	table, people := rosterTable(t), crowd(1200)
	publish := func(want int, people ...Person) {
		t.Helper()
		if got, err := Publish(t.Context(), table, partitions, people); err != nil || got != want {
			t.Fatalf("wrote %d, %v, want %d", got, err, want)
		}
	}
	publish(len(people), people...)
	publish(0, people...)

	b := book(t, Defaults{})
	ctx, cancel := context.WithCancel(t.Context())
	ready, done := make(chan int, 10), make(chan error, 1)
	go func() { done <- b.Run(ctx, table, partitions, func() { ready <- b.Len() }) }()
	if got := <-ready; got != len(people) {
		t.Errorf("ready with %d people of %d", got, len(people))
	}

	// Only what changed is written, and those who are missing stay.
	people[3].LastDay = 20261031
	people[4].Accounts = nil
	publish(2, people[:10]...)
	await(t, "the changes", func() bool {
		p, _ := b.Person("acme", "E3")
		_, ok := b.PersonOf("acme", "zoho", "z4", "", "")
		return p.LastDay == 20261031 && !ok
	})
	if b.Len() != len(people) {
		t.Errorf("%d people", b.Len())
	}

	// A removal, and a message that is nobody's, which does no harm.
	key := people[5].Key()
	if err := table.Append(ctx, partition(key, partitions), stream.Record{Key: key}, stream.Record{Key: []byte("acme/x"), Value: []byte("{")}); err != nil {
		t.Fatal(err)
	}
	await(t, "the removal", func() bool { return b.Len() == len(people)-1 })
	publish(1, people[5])
	await(t, "the return", func() bool { return b.Len() == len(people) })

	cancel()
	if err := <-done; err != nil {
		t.Errorf("run ended with %v", err)
	}
	if len(ready) > 0 {
		t.Error("ready was called again")
	}
}

func TestRunOnAnEmptyTopic(t *testing.T) {
	b, ready := book(t, Defaults{}), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx, rosterTable(t), partitions, func() { close(ready) }) }()
	<-ready
	cancel()
	if err := <-done; err != nil || b.Len() != 0 {
		t.Errorf("%d people, %v", b.Len(), err)
	}
}

// lostPartition is a topic of which one partition fails for good.
type lostPartition struct {
	*bus.Table
	partition int
}

var errLost = errors.New("no such partition")

func (l lostPartition) Follow(ctx context.Context, partition int, fn func(stream.Record) error, caught func()) error {
	if partition == l.partition {
		return errLost
	}
	return l.Table.Follow(ctx, partition, fn, caught)
}

func TestRunReportsALostPartition(t *testing.T) {
	ready := func() { t.Error("ready without a partition") }
	err := book(t, Defaults{}).Run(t.Context(), lostPartition{rosterTable(t), 1}, partitions, ready)
	if !errors.Is(err, errLost) || err.Error() != "follow roster partition 1: no such partition" {
		t.Errorf("error is %v", err)
	}
}

func TestRunLogsBadMessages(t *testing.T) {
	var log bytes.Buffer
	b, err := NewBook(Defaults{}, Deps{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	table := rosterTable(t)
	if err := table.Append(t.Context(), 0, stream.Record{Key: []byte("acme/1"), Value: []byte("hunter2")}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := b.Run(ctx, table, partitions, cancel); err != nil {
		t.Error(err)
	}
	if got := log.String(); !strings.Contains(got, "partition 0 offset 0") || strings.Contains(got, "hunter2") {
		t.Errorf("log is %s", got)
	}
}

func TestPublishChecksFirst(t *testing.T) {
	table, people := rosterTable(t), crowd(5)
	people[4].Tenant = ""
	if n, err := Publish(t.Context(), table, partitions, people); n != 0 || err == nil || !strings.Contains(err.Error(), `check person 5 of 5: field "tenant" is required`) {
		t.Errorf("wrote %d, %v", n, err)
	}
	for p := range partitions {
		if err := table.Load(t.Context(), p, func(stream.Record) error { t.Error("something was written"); return nil }); err != nil {
			t.Error(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Publish(ctx, table, partitions, crowd(5)); err == nil {
		t.Error("a cancelled context is not noticed")
	}
}

func TestBatches(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		recs := make([]stream.Record, r.IntN(3*batchPeople))
		for i := range recs {
			recs[i] = stream.Record{Offset: int64(i), Value: make([]byte, r.IntN(batchBytes/20))}
		}
		next := int64(0)
		for batch := range batches(recs) {
			size := 0
			for _, rec := range batch {
				if size += len(rec.Value); rec.Offset != next {
					t.Fatalf("record %d comes after %d", rec.Offset, next-1)
				}
				next++
			}
			if len(batch) == 0 || len(batch) > batchPeople || size > batchBytes {
				t.Fatalf("a batch of %d and %d bytes", len(batch), size)
			}
		}
		if int(next) != len(recs) {
			t.Fatalf("%d of %d records", next, len(recs))
		}
	}
}

func BenchmarkApplyOneOfManyPeople(b *testing.B) {
	people := crowd(20_000)
	full := book(b, Defaults{}, people...)
	one := records(b, people[7])
	for b.Loop() {
		if err := full.Apply(one...); err != nil {
			b.Fatal(err)
		}
	}
}
