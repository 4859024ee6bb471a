package bus_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/crmwatch/crmwatch/internal/bus"
	"github.com/crmwatch/crmwatch/internal/stream"
	"github.com/crmwatch/crmwatch/internal/testkit"
)

func TestConfigMistakes(t *testing.T) {
	for name, c := range map[string]struct {
		cfg  bus.Config
		want []string
	}{
		"nothing":       {bus.Config{}, []string{"at least one address"}},
		"no port":       {bus.Config{Brokers: []string{"a:1", "b", ":"}}, []string{`"b"`, `":"`}},
		"mechanism":     {bus.Config{Brokers: []string{"a:1"}, SASL: bus.SASL{Mechanism: "magic"}}, []string{`"magic"`}},
		"negative time": {bus.Config{Brokers: []string{"a:1"}, DialTimeout: -1}, []string{"dial timeout"}},
		"bad password": {
			bus.Config{Brokers: []string{"a:1"}, SASL: bus.SASL{Mechanism: "scram-sha-256", User: "u", Password: "hush\a"}},
			[]string{"forbids"},
		},
		"all at once": {bus.Config{SASL: bus.SASL{Mechanism: "x"}, SessionTimeout: -1}, []string{"address", "session", `"x"`}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := bus.New(c.cfg, bus.Deps{})
			if err == nil {
				t.Fatal("no error")
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q does not say %q", err, w)
				}
			}
			if strings.Contains(err.Error(), "hush") {
				t.Error("the error shows the password")
			}
		})
	}
}

func TestPasswordIsNotPrinted(t *testing.T) {
	cfg := bus.Config{SASL: bus.SASL{Mechanism: "plain", User: "u", Password: "hush"}}
	var out bytes.Buffer
	fmt.Fprintf(&out, "%v %+v %#v %s", cfg, cfg, cfg, cfg.SASL)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "sasl", cfg.SASL)
	if strings.Contains(out.String(), "hush") {
		t.Error(out.String())
	}
}

func TestLogIn(t *testing.T) {
	cert, pool := selfSigned(t)
	for _, mechanism := range []string{"plain", "scram-sha-256", "scram-sha-512"} {
		t.Run(mechanism, func(t *testing.T) {
			cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(),
				kfake.Superuser(strings.ToUpper(mechanism), "crm", "right, =secret"),
				kfake.TLS(&tls.Config{Certificates: []tls.Certificate{cert}}))
			if err != nil {
				t.Fatal(err)
			}
			defer cluster.Close()
			b := backend{addr: cluster.ListenAddrs()[0]}
			with := func(password string, roots *x509.CertPool) func(*bus.Config, *bus.Deps) {
				return func(c *bus.Config, _ *bus.Deps) {
					c.TLS = &tls.Config{RootCAs: roots}
					c.SASL = bus.SASL{Mechanism: mechanism, User: "crm", Password: password}
				}
			}
			c := b.client(t, with("right, =secret", pool))
			name := topic(t, c, bus.Topic{})
			write(t, c, name, records(0, 10, 1)...)
			if got := collect(t, c, name, 10); len(got) != 10 {
				t.Errorf("read %d records", len(got))
			}
			err = b.client(t, with("wrong secret", pool)).Ping(within(t, 10*time.Second))
			if err == nil || strings.Contains(err.Error(), "wrong secret") {
				t.Errorf("wrong password: %v", err)
			}
			if err := b.client(t, with("right, =secret", x509.NewCertPool())).Ping(within(t, 10*time.Second)); err == nil {
				t.Error("a certificate of nobody's was trusted")
			}
		})
	}
}

func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func TestMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	with := func(_ *bus.Config, d *bus.Deps) { d.Registerer = reg }
	b := backend{addr: testkit.Kafka(t)}
	c := b.client(t, with)
	name := topic(t, c, bus.Topic{MaxMessageBytes: 1 << 20})
	write(t, c, name, records(0, 12, 3)...)
	m := run(t, c.Group(name, "group"), func(ctx context.Context, cl stream.Claim) error {
		if _, err := cl.Next(ctx, 5, time.Second); err != nil {
			return err
		}
		want := fmt.Sprintf(`
			# HELP crmwatch_bus_lag_records Records of an owned partition that were not handed to the handler yet, as of the last fetch.
			# TYPE crmwatch_bus_lag_records gauge
			crmwatch_bus_lag_records{group="group",partition="0",topic=%[1]q} 7
			# HELP crmwatch_bus_records_read_total Records handed to their readers; group is empty for tables.
			# TYPE crmwatch_bus_records_read_total counter
			crmwatch_bus_records_read_total{group="group",topic=%[1]q} 5
			# HELP crmwatch_bus_records_written_total Records that are durable in Kafka.
			# TYPE crmwatch_bus_records_written_total counter
			crmwatch_bus_records_written_total{topic=%[1]q} 12
			# HELP crmwatch_bus_group_joins_total Times this process joined its consumer group anew.
			# TYPE crmwatch_bus_group_joins_total counter
			crmwatch_bus_group_joins_total{group="group",topic=%[1]q} 1
		`, name)
		if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "crmwatch_bus_lag_records",
			"crmwatch_bus_records_read_total", "crmwatch_bus_records_written_total", "crmwatch_bus_group_joins_total"); err != nil {
			t.Error(err)
		}
		return errEnough
	})
	if err := m.wait(t); !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	if n, err := testutil.GatherAndCount(reg, "crmwatch_bus_lag_records"); n != 0 || err != nil {
		t.Errorf("the lag of %d partitions is shown after they were given up, %v", n, err)
	}
	if n, err := testutil.GatherAndCount(reg, "crmwatch_bus_write_duration_seconds"); n != 1 || err != nil {
		t.Errorf("%d write histograms, %v", n, err)
	}
	if _, err := bus.New(bus.Config{Brokers: []string{"a:1"}}, bus.Deps{Registerer: reg}); err == nil {
		t.Error("the same metrics were registered twice")
	}
}

// logLines collects log messages.
type logLines struct {
	mu    sync.Mutex
	lines []string
}

// into has a client log here.
func (l *logLines) into(_ *bus.Config, d *bus.Deps) { d.Logger = slog.New(slog.NewTextHandler(l, nil)) }

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(p))
	return len(p), nil
}

func (l *logLines) count(part string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if strings.Contains(line, part) {
			n++
		}
	}
	return n
}

// until waits until each of the parts was logged.
func (l *logLines) until(t *testing.T, parts ...string) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for _, part := range parts {
		for l.count(part) == 0 {
			select {
			case <-tick.C:
			case <-deadline:
				t.Fatalf("%s was not logged, but %q", part, l.lines)
			}
		}
	}
}

// TestBrokerRestart takes the broker away while a group reads and a writer writes,
// and brings it back with its data and the same port.
func TestBrokerRestart(t *testing.T) {
	dir := t.TempDir()
	start := func(port int) (*kfake.Cluster, error) {
		return kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(port), kfake.DataDir(dir), kfake.SyncWrites(),
			kfake.GroupMinSessionTimeout(500*time.Millisecond))
	}
	cluster, err := start(0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { cluster.Close() }()
	addr := cluster.ListenAddrs()[0]
	port := net.TCPAddrFromAddrPort(mustAddr(t, addr)).Port

	var logs logLines
	b := backend{addr: addr}
	c := b.client(t, logs.into, func(c *bus.Config, _ *bus.Deps) { c.SessionTimeout = 2 * time.Second })
	name := topic(t, c, bus.Topic{Partitions: 3})
	l := newLedger()
	m := run(t, c.Group(name, "group"), l.handler("only"))
	write(t, c, name, records(0, 300, 30)...)
	l.until(t, "what was written before", func() bool { return len(l.seen) == 300 })

	cluster.Close()
	if err := c.Ping(within(t, 2*time.Second)); err == nil {
		t.Error("a stopped broker answers")
	}
	wrote := make(chan error, 1)
	go func() { wrote <- c.Writer(name).Write(t.Context(), records(300, 600, 30)...) }()
	logs.until(t, "doing=\"write ", "doing=\"join ")
	select {
	case err := <-wrote:
		t.Fatalf("written without a broker: %v", err)
	default:
	}
	if cluster, err = start(port); err != nil {
		t.Fatal(err)
	}
	if err := <-wrote; err != nil {
		t.Fatal(err)
	}
	l.until(t, "what was written after", func() bool { return len(l.seen) == 600 })
	m.stop()
	if err := m.wait(t); err != nil {
		t.Error(err)
	}
	// Each is told once, however often it was tried. What was being read belongs to
	// the group, and may have been given up before the outage was noticed.
	for what, least := range map[string]int{"write ": 1, "join ": 1, "read ": 0} {
		failing := logs.count("kafka is failing, will keep trying\" doing=\"" + what)
		works := logs.count("kafka works again\" doing=\"" + what)
		if failing < least || failing > 1 || works != failing {
			t.Errorf("%s: %d lines about the outage, %d about its end: %s", what, failing, works, strings.Join(logs.lines, ""))
		}
	}
}

// A partition that changes its leader just now is asked for again: whoever waits
// for a group to catch up must not fail because of it.
func TestOffsetsWaitForALeader(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "events"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	var refused atomic.Bool
	cluster.ControlKey(int16(kmsg.ListOffsets), func(req kmsg.Request) (kmsg.Response, error, bool) {
		list := req.(*kmsg.ListOffsetsRequest)
		res := list.ResponseKind().(*kmsg.ListOffsetsResponse)
		for _, topic := range list.Topics {
			answer := kmsg.NewListOffsetsResponseTopic()
			answer.Topic = topic.Topic
			for _, p := range topic.Partitions {
				part := kmsg.NewListOffsetsResponseTopicPartition()
				part.Partition, part.ErrorCode = p.Partition, kerr.NotLeaderForPartition.Code
				answer.Partitions = append(answer.Partitions, part)
			}
			res.Topics = append(res.Topics, answer)
		}
		refused.Store(true)
		return res, nil, true
	})
	c := backend{addr: cluster.ListenAddrs()[0]}.client(t)
	at, err := c.Offsets(within(t, 10*time.Second), "events", "g")
	if err != nil || len(at) != 2 || at[0].Committed != -1 {
		t.Errorf("%+v, %v", at, err)
	}
	if !refused.Load() {
		t.Error("the broker was never asked")
	}
}
