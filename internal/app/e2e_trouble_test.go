package app

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/ingest"
	"github.com/crmwatch/crmwatch/internal/testkit"
)

func serveRoutes(t *testing.T, l *life) (url string) {
	t.Helper()
	s := httptest.NewServer(l.routes())
	t.Cleanup(s.Close)
	return s.URL
}

// acknowledged are the ids of the events that somebody was told are safe.
type acknowledged struct {
	mu   sync.Mutex // guards ids
	ids  []string
	some chan struct{} // closed at the hundredth
}

func (a *acknowledged) add(ids ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	before := len(a.ids)
	a.ids = append(a.ids, ids...)
	if before < 100 && len(a.ids) >= 100 {
		close(a.some)
	}
}

// crmwatch is told to stop while events pour in from two sides.
func storyStop(t *testing.T, w *world) {
	l := w.start(t)
	byHTTP, byFile := &acknowledged{some: make(chan struct{})}, &acknowledged{some: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var senders sync.WaitGroup
	for s := range 3 {
		senders.Go(func() { pourHTTP(t.Context(), l, fmt.Sprintf("h%d-", s), byHTTP) })
	}
	senders.Go(func() { pourFile(ctx, t, l, byFile) })
	for _, a := range []*acknowledged{byHTTP, byFile} {
		select {
		case <-a.some:
		case <-time.After(patience):
			t.Fatal("nobody is told that the events are safe")
		}
	}
	// As the process does it: the stages end, then the files that are being read.
	l.end()
	cancel()
	senders.Wait()
	l.stop(t)

	inKafka := map[string]event.Event{}
	var sent int
	for _, r := range w.topic(t, topicEvents) {
		var e event.Event
		if err := event.Decode(r.Value, &e); err != nil {
			t.Fatal(err)
		}
		inKafka[e.ID] = e
		if strings.HasPrefix(e.ID, "h") {
			sent++
		}
	}
	if sent != len(byHTTP.ids) {
		t.Errorf("%d events by HTTP are in Kafka, and %d were acknowledged: a request that was under way was not finished", sent, len(byHTTP.ids))
	}
	for _, id := range slices.Concat(byHTTP.ids, byFile.ids) {
		if e, ok := inKafka[id]; !ok || e.Rows != rowsOf(id) || !e.Time.Equal(monday) || e.Actor.Name != "gao.min" {
			t.Fatalf("event %s was acknowledged, and in Kafka is %+v", id, e)
		}
	}
	t.Logf("%d events by HTTP and %d of a file were acknowledged; Kafka holds %d", len(byHTTP.ids), len(byFile.ids), len(inKafka))

	l = w.start(t)
	l.drained(t)
	w.holds(t, map[string]int{"events": len(inKafka), "dead_letters": 0})
}

// rowsOf gives every event a number of its own, small enough for no alert.
func rowsOf(id string) int64 { return int64(id[len(id)-1]-'0') % 2 }

func pourHTTP(ctx context.Context, l *life, prefix string, safe *acknowledged) {
	for n := 0; ; n += 20 {
		var lines, ids []string
		for i := range 20 {
			id := fmt.Sprint(prefix, n+i)
			ids = append(ids, id)
			lines = append(lines, native(id, monday, int(rowsOf(id)), ""))
		}
		code, _, err := send(ctx, "POST", l.url+"/v1/events", strings.Join(lines, "\n"), asSender...)
		if err != nil {
			return // crmwatch has stopped
		}
		if code == 200 {
			safe.add(ids...)
		}
	}
}

// pourFile takes in a file that does not end.
func pourFile(ctx context.Context, t *testing.T, l *life, safe *acknowledged) {
	r, w := io.Pipe()
	go func() {
		for n := 0; ; n++ {
			id := fmt.Sprint("f-", n)
			if _, err := io.WriteString(w, native(id, monday, int(rowsOf(id)), "")+"\n"); err != nil {
				return
			}
		}
	}()
	var told int64
	s, err := l.Pipeline.Ingest(ctx, r, "endless.ndjson", 0, func(p ingest.Progress) {
		for ; told < p.Rows; told++ {
			safe.add(fmt.Sprint("f-", told))
		}
	})
	_ = r.Close()
	if err == nil || s.RejectedTotal() != 0 || s.Accepted != told {
		t.Errorf("the file has no end, and yet: %+v, %v", s, err)
	}
}

// door forwards connections to ClickHouse from the moment it is opened.
type door struct{ addr, to string }

// newDoor returns a door where nobody listens yet.
func newDoor(t *testing.T, to string) *door {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return &door{addr: l.Addr().String(), to: to}
}

func (d *door) open(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", d.addr)
	if err != nil {
		t.Fatal(err)
	}
	var open sync.WaitGroup
	open.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", d.to)
			if err != nil {
				_ = in.Close()
				continue
			}
			// Either end's closing closes the other.
			open.Go(func() { _, _ = io.Copy(out, in); _ = out.Close(); _ = in.Close() })
			open.Go(func() { _, _ = io.Copy(in, out); _ = in.Close(); _ = out.Close() })
		}
	})
	t.Cleanup(func() { _ = l.Close(); open.Wait() })
}

// Alerts do not wait for ClickHouse.
func storyLateClickHouse(t *testing.T, w *world) {
	d := newDoor(t, w.addr)
	w.cfg.ClickHouse.Addrs = []string{d.addr}
	l := w.start(t)
	l.ingest(t, logFile(t, report{at: monday, user: user, rows: 15_000}), 1)
	l.next(t)
	if m := w.slack.Messages(); len(m) != 1 {
		t.Errorf("%d messages in Slack, want 1", len(m))
	}
	eventually(t, "/readyz says that ClickHouse is down", func() bool {
		code, text := l.ask(t, "GET", "/readyz", "")
		return code == 200 && strings.Contains(text, `"clickhouse":"down"`)
	})
	if tables := w.query(t, "SELECT name FROM system.tables WHERE database = '"+w.database+"'"); len(tables) != 0 {
		t.Fatalf("ClickHouse was to be out of reach, and has %v", tables)
	}
	d.open(t)
	l.drained(t)
	w.holds(t, map[string]int{"events": 1, "alerts": 1})
	if code, text := l.ask(t, "GET", "/readyz", ""); code != 200 || !strings.Contains(text, `"clickhouse":"ok"`) {
		t.Errorf("/readyz: %d %s", code, text)
	}
}

// What customers entrusted to the CRM is in no message, log, metric or answer.
func storyCanaries(t *testing.T, w *world) {
	const inName, inRaw, inColumn, inBad = "Canary-Object-QX1", "Canary-Raw-QX2", "Canary-Column-QX3", "Canary-Bad-QX4"
	l := w.start(t)
	l.ingest(t, logFile(t, report{at: monday, user: user, rows: 23_456, note: inColumn}), 1)
	body := native("n1", monday, 34_567, `,"object":{"type":"Lead","id":"L1","name":"`+inName+`"},"raw":"`+inRaw+`","extra":"`+inColumn+`"`) + "\n" +
		native("n2", monday, -1, `,"object":{"name":"`+inBad+`"}`)
	code, answer := l.ask(t, "POST", "/v1/events", body, asSender...)
	if code != 200 {
		t.Fatalf("%d %s", code, answer)
	}
	for range 2 {
		l.next(t)
	}
	l.drained(t)
	_, metrics := l.ask(t, "GET", "/metrics", "")
	l.stop(t)

	places := map[string]string{"log": w.logs.String(), "metrics": metrics, "answer": answer}
	for i, m := range w.slack.Messages() {
		places[fmt.Sprint("message ", i+1)] = fmt.Sprint(m)
	}
	for i, r := range w.topic(t, topicAlerts) {
		places[fmt.Sprint("alert ", i+1)] = string(r.Value)
	}
	if len(places) != 3+2+2 {
		t.Errorf("%d places to look at, want 2 messages and 2 alerts among them", len(places))
	}
	for place, text := range places {
		for _, secret := range []string{"Canary", "QX", w.slack.Token, httpToken, w.password} {
			if strings.Contains(text, secret) {
				t.Errorf("the %s has %q in it", place, secret)
			}
		}
	}
	// They are where they belong, or the test would prove nothing.
	stored := strings.Join(w.query(t, "SELECT concat(object_name, raw) FROM events UNION ALL SELECT record FROM dead_letters"), "\n")
	for _, canary := range []string{inName, inRaw, inColumn, inBad} {
		if !strings.Contains(stored, canary) {
			t.Errorf("%s is not in ClickHouse", canary)
		}
	}
}

// When Run has returned and Close has been called, nothing of crmwatch runs on.
func TestStopLeavesNothingBehind(t *testing.T) {
	w := newWorld(t, testkit.Kafka)
	before := goleak.IgnoreCurrent()
	l := w.start(t)
	l.ingest(t, logFile(t, report{at: monday, user: user, rows: 15_000}), 1)
	l.next(t)
	l.drained(t)
	l.stop(t)
	http.DefaultClient.CloseIdleConnections()
	goleak.VerifyNone(t, before)
}
