package app

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/crmwatch/crmwatch/alert"
	"github.com/crmwatch/crmwatch/alert/slack"
	"github.com/crmwatch/crmwatch/alert/slack/slacktest"
	"github.com/crmwatch/crmwatch/internal/bus"
	"github.com/crmwatch/crmwatch/internal/stream"
	"github.com/crmwatch/crmwatch/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// patience bounds every wait for a real condition.
const patience = 2 * time.Minute

// world is what outlives a crmwatch: its Kafka, its ClickHouse, the Slack
// workspace it writes to, and what it has logged.
type world struct {
	cfg   Config
	slack *slacktest.Slack
	logs  *logbook
	sink  alert.Sink
	// addr, password and database are where ClickHouse is, whatever cfg says.
	addr, password, database string
}

// httpToken is what senders of events have to show.
const httpToken = "let-me-in"

func newWorld(t *testing.T, kafka func(testing.TB) string) *world {
	t.Helper()
	w := &world{cfg: Default(), slack: slacktest.New(), logs: &logbook{}}
	w.addr, w.password, w.database = testkit.Database(t)
	w.cfg.HTTP = HTTP{Listen: "127.0.0.1:0", Token: NewSecret(httpToken)}
	w.cfg.Kafka.Brokers = []string{kafka(t)}
	w.cfg.Kafka.TopicPrefix = strings.ToLower(rand.Text()) + "."
	w.cfg.Kafka.Partitions, w.cfg.Kafka.Replication = 2, 1
	w.cfg.ClickHouse.Addrs, w.cfg.ClickHouse.Protocol = []string{w.addr}, "http"
	w.cfg.ClickHouse.Database, w.cfg.ClickHouse.Password = w.database, NewSecret(w.password)
	if problems := w.cfg.Validate(); len(problems) > 0 {
		t.Fatalf("the configuration is wrong: %v", problems)
	}
	server := httptest.NewServer(w.slack)
	t.Cleanup(server.Close)
	t.Cleanup(func() {
		for _, problem := range w.slack.Problems() {
			t.Errorf("slack refused a message: %s", problem)
		}
	})
	var err error
	w.sink, err = slack.New(slack.Config{Token: slack.Token(w.slack.Token), Channel: w.slack.Name, APIURL: server.URL, Pace: 1}, slack.Deps{Logger: slog.New(w.logs.handler())})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// life is one run of crmwatch in a world.
type life struct {
	*App
	url  string // of its HTTP listener
	sent chan sentAlert

	end  context.CancelFunc
	over chan error // takes what Run returned
}

// sentAlert is an alert that Slack has taken.
type sentAlert struct {
	alert.Finding
	at time.Time
}

// connect makes a crmwatch that runs no stage.
func (w *world) connect(t *testing.T) *life {
	t.Helper()
	l := &life{sent: make(chan sentAlert, 1000), over: make(chan error, 1)}
	a, err := New(w.cfg, Deps{
		Logger: slog.New(w.logs.handler()), Registry: prometheus.NewRegistry(), Sink: w.sink, Now: time.Now, Clock: time.Now,
		OnSent: func(f alert.Finding, at time.Time) { l.sent <- sentAlert{f, at} },
	})
	if err != nil {
		t.Fatal(err)
	}
	l.App = a
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := a.Connect(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return l
}

// start runs every stage, until stop or the end of the test.
func (w *world) start(t *testing.T) *life {
	t.Helper()
	l := w.connect(t)
	// The test's context ends before its clean-ups, so that a life which the test
	// leaves behind ends by itself.
	ctx, cancel := context.WithCancel(t.Context())
	l.end = cancel
	before := len(w.logs.String())
	go func() { l.over <- l.Run(ctx) }()
	t.Cleanup(func() { l.stop(t) })
	eventually(t, "crmwatch listens", func() bool {
		found := listening.FindStringSubmatch(w.logs.String()[before:])
		if found == nil {
			return false
		}
		l.url = found[1]
		return true
	})
	eventually(t, "crmwatch is ready", l.health.Ready)
	return l
}

var listening = regexp.MustCompile(`msg=listening url=(\S+)`)

// stop ends the life as a signal would, and waits until all is durable. The
// second time it does nothing.
func (l *life) stop(t *testing.T) {
	t.Helper()
	l.end()
	select {
	case err, first := <-l.over:
		if !first {
			return
		}
		close(l.over)
		if err != nil {
			t.Errorf("crmwatch ended with %v", err)
		}
	case <-time.After(patience):
		t.Fatal("crmwatch does not end")
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// drained waits until every stage has done everything there is.
func (l *life) drained(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := l.Drained(ctx); err != nil {
		t.Fatal(err)
	}
}

// next waits for the next alert that Slack takes.
func (l *life) next(t *testing.T) sentAlert {
	t.Helper()
	select {
	case a := <-l.sent:
		return a
	case err := <-l.over:
		t.Fatalf("crmwatch ended: %v", err)
	case <-time.After(patience):
		t.Fatal("no alert came")
	}
	return sentAlert{}
}

// ask sends a request to the life and returns the answer whole.
func (l *life) ask(t *testing.T, method, path, body string, headers ...string) (code int, answer string) {
	t.Helper()
	code, answer, err := send(t.Context(), method, l.url+path, body, headers...)
	if err != nil {
		t.Fatal(err)
	}
	return code, answer
}

func send(ctx context.Context, method, url, body string, headers ...string) (code int, answer string, err error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// eventually waits until the condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(patience); !holds(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("in %v it has not come about that %s", patience, what)
		}
	}
}

// topic reads everything that stands in a topic now, with a client of its own.
func (w *world) topic(t *testing.T, name string) (recs []stream.Record) {
	t.Helper()
	client, err := bus.New(bus.Config{Brokers: w.cfg.Kafka.Brokers, ClientID: "test"}, bus.Deps{Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, topic := range w.cfg.Kafka.topics() {
		for p := 0; topic.Name == w.cfg.Kafka.topic(name) && p < topic.Partitions; p++ {
			err := client.Table(topic.Name).Load(ctx, p, func(r stream.Record) error {
				recs = append(recs, stream.Record{Key: bytes.Clone(r.Key), Value: bytes.Clone(r.Value), Partition: r.Partition, Offset: r.Offset})
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	return recs
}

// query asks ClickHouse for rows of one text each.
func (w *world) query(t *testing.T, sql string) (rows []string) {
	t.Helper()
	db := clickhouse.OpenDB(&clickhouse.Options{
		Addr: []string{w.addr}, Protocol: clickhouse.HTTP, Auth: clickhouse.Auth{Database: w.database, Username: "default", Password: w.password},
	})
	defer db.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	res, err := db.QueryContext(ctx, sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	defer res.Close()
	for res.Next() {
		var row string
		if err := res.Scan(&row); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	if err := res.Err(); err != nil {
		t.Fatal(err)
	}
	return rows
}

// holds checks how many rows the tables have. That rows and ids are as many says
// that nothing is there twice.
func (w *world) holds(t *testing.T, want map[string]int) {
	t.Helper()
	for table, n := range want {
		got := w.query(t, "SELECT concat(toString(count()), ' ', toString(uniqExact(id))) FROM "+table)
		if both := fmt.Sprintf("%d %d", n, n); len(got) != 1 || got[0] != both {
			t.Errorf("table %s: rows and ids are %v, want %s", table, got, both)
		}
	}
}

// logbook keeps everything that is logged.
type logbook struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (l *logbook) handler() slog.Handler {
	return slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug})
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
