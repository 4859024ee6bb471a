package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"

	"github.com/crmwatch/crmwatch/internal/embedded"
)

func startKafka(t *testing.T, cfg embedded.KafkaConfig) *embedded.Kafka {
	t.Helper()
	cfg.Logger = quiet()
	k, err := embedded.StartKafka(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
	return k
}

// client is a kafka-go client whose connections end with the test.
func client(t *testing.T, addr string, mechanism sasl.Mechanism) *kafka.Client {
	t.Helper()
	transport := &kafka.Transport{SASL: mechanism}
	t.Cleanup(transport.CloseIdleConnections)
	return &kafka.Client{Addr: kafka.TCP(addr), Transport: transport, Timeout: 10 * time.Second}
}

func createTopic(ctx context.Context, c *kafka.Client, name string, partitions int, settings ...kafka.ConfigEntry) error {
	resp, err := c.CreateTopics(ctx, &kafka.CreateTopicsRequest{
		Topics: []kafka.TopicConfig{{Topic: name, NumPartitions: partitions, ReplicationFactor: 1, ConfigEntries: settings}},
	})
	if err != nil {
		return err
	}
	return resp.Errors[name]
}

func produce(ctx context.Context, c *kafka.Client, topic string, values ...string) error {
	w := &kafka.Writer{
		Addr: c.Addr, Transport: c.Transport, Topic: topic, Balancer: kafka.Murmur2Balancer{},
		RequiredAcks: kafka.RequireAll, BatchTimeout: 5 * time.Millisecond, BatchBytes: 64 << 20, MaxAttempts: 1,
	}
	messages := make([]kafka.Message, len(values))
	for i, v := range values {
		messages[i] = kafka.Message{Key: []byte("k"), Value: []byte(v), Headers: []kafka.Header{{Key: "h", Value: []byte("v")}}}
	}
	err := w.WriteMessages(ctx, messages...)
	var each kafka.WriteErrors // which hides them from errors.Is
	if errors.As(err, &each) {
		err = errors.Join(each...)
	}
	return errors.Join(err, w.Close())
}

// consume reads a partition from its start, until it has n records.
func consume(t *testing.T, addr, topic string, n int) (values []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{addr}, Topic: topic, MaxWait: 100 * time.Millisecond})
	defer func() { _ = r.Close() }()
	for range n {
		m, err := r.ReadMessage(ctx)
		if err != nil {
			t.Fatalf("read %s: %v", topic, err)
		}
		values = append(values, string(m.Value))
	}
	return values
}

func commit(t *testing.T, c *kafka.Client, group, topic string, offset int64) {
	t.Helper()
	resp, err := c.OffsetCommit(t.Context(), &kafka.OffsetCommitRequest{
		GroupID: group, GenerationID: -1,
		Topics: map[string][]kafka.OffsetCommit{topic: {{Partition: 0, Offset: offset, Metadata: "note"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Topics[topic][0].Error; err != nil {
		t.Fatal(err)
	}
}

func committed(t *testing.T, c *kafka.Client, group, topic string) int64 {
	t.Helper()
	resp, err := c.OffsetFetch(t.Context(), &kafka.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{topic: {0}}})
	if err != nil {
		t.Fatal(err)
	}
	return resp.Topics[topic][0].CommittedOffset
}

func partitions(t *testing.T, c *kafka.Client, topic string) int {
	t.Helper()
	resp, err := c.Metadata(t.Context(), &kafka.MetadataRequest{Topics: []string{topic}})
	if err != nil {
		t.Fatal(err)
	}
	if resp.Topics[0].Error != nil {
		return 0
	}
	return len(resp.Topics[0].Partitions)
}

func TestKafkaSurvivesARestart(t *testing.T) {
	dir := t.TempDir()
	var want []string
	for i := range 3 {
		k := startKafka(t, embedded.KafkaConfig{Dir: dir})
		c := client(t, k.Addr(), nil)
		if i == 0 {
			if err := createTopic(t.Context(), c, "events", 3); err != nil {
				t.Fatal(err)
			}
			if err := createTopic(t.Context(), c, "log", 1, kafka.ConfigEntry{ConfigName: "cleanup.policy", ConfigValue: "compact"}); err != nil {
				t.Fatal(err)
			}
		}
		if got := partitions(t, c, "events"); got != 3 {
			t.Errorf("start %d: events has %d partitions, want 3", i+1, got)
		}
		if i > 0 {
			if got := committed(t, c, "g", "log"); got != int64(i) {
				t.Errorf("start %d: committed offset is %d, want %d", i+1, got, i)
			}
		}
		want = append(want, fmt.Sprint("value ", i))
		if err := produce(t.Context(), c, "log", want[i]); err != nil {
			t.Fatal(err)
		}
		commit(t, c, "g", "log", int64(i)+1)
		if diff := cmp.Diff(want, consume(t, k.Addr(), "log", len(want))); diff != "" {
			t.Errorf("start %d (-want +got):\n%s", i+1, diff)
		}
		if err := errors.Join(k.Close(), k.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestKafkaSurvivesAKill(t *testing.T) {
	dir := t.TempDir()
	process, addr := helper(t, "kafka", dir)
	c := client(t, addr, nil)
	if err := createTopic(t.Context(), c, "log", 1); err != nil {
		t.Fatal(err)
	}
	want := make([]string, 500)
	for i := range want {
		want[i] = fmt.Sprint("value ", i)
	}
	for batch := 0; batch < len(want); batch += 50 {
		if err := produce(t.Context(), c, "log", want[batch:batch+50]...); err != nil {
			t.Fatal(err)
		}
		commit(t, c, "g", "log", int64(batch)+50)
	}
	if err := process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = process.Wait()

	k := startKafka(t, embedded.KafkaConfig{Dir: dir})
	c = client(t, k.Addr(), nil)
	if diff := cmp.Diff(want, consume(t, k.Addr(), "log", len(want))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := committed(t, c, "g", "log"); got != 500 {
		t.Errorf("committed offset is %d, want 500", got)
	}
	if err := produce(t.Context(), c, "log", "one more"); err != nil {
		t.Error(err)
	}
}

func TestKafkaMakesNoTopicByTheWay(t *testing.T) {
	k := startKafka(t, embedded.KafkaConfig{Dir: t.TempDir()})
	c := client(t, k.Addr(), nil)
	if err := produce(t.Context(), c, "typo", "x"); !errors.Is(err, kafka.UnknownTopicOrPartition) {
		t.Errorf("got %v, want unknown topic", err)
	}
	if got := partitions(t, c, "typo"); got != 0 {
		t.Errorf("the topic has %d partitions", got)
	}
}

func TestKafkaMessageSize(t *testing.T) {
	const limit = 4 << 20
	dir := t.TempDir()
	for _, tt := range []struct {
		name         string
		limit, bytes int
		fits         bool
	}{
		{"within Kafka's own", 0, 1 << 19, true},
		{"beyond Kafka's own", 0, 2 << 20, false},
		{"within the configured", limit, limit - 1000, true},
		{"beyond the configured", limit, limit + 1, false},
		{"configured smaller again", 1 << 20, 2 << 20, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := startKafka(t, embedded.KafkaConfig{Dir: dir, MaxMessageBytes: tt.limit})
			c := client(t, k.Addr(), nil)
			if err := createTopic(t.Context(), c, "log", 1); err != nil && !errors.Is(err, kafka.TopicAlreadyExists) {
				t.Fatal(err)
			}
			err := produce(t.Context(), c, "log", strings.Repeat("x", tt.bytes))
			if fits := err == nil; fits != tt.fits {
				t.Errorf("got %v, want it to fit: %v", err, tt.fits)
			}
			if err != nil && !errors.Is(err, kafka.MessageSizeTooLarge) {
				t.Errorf("got %v, want too large", err)
			}
			if err := k.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestKafkaAsksForThePassword(t *testing.T) {
	dir := t.TempDir()
	for _, secret := range []string{"first secret", "second secret"} {
		k := startKafka(t, embedded.KafkaConfig{Dir: dir, User: "crmwatch", Password: secret})
		for _, tt := range []struct {
			name      string
			mechanism sasl.Mechanism
			ok        bool
		}{
			{"right", plain.Mechanism{Username: "crmwatch", Password: secret}, true},
			{"wrong password", plain.Mechanism{Username: "crmwatch", Password: "guess"}, false},
			{"old password", plain.Mechanism{Username: "crmwatch", Password: "first secret"}, secret == "first secret"},
			{"wrong user", plain.Mechanism{Username: "admin", Password: secret}, false},
			{"the broker's own default", plain.Mechanism{Username: "admin", Password: "admin"}, false},
			{"none", nil, false},
		} {
			c := client(t, k.Addr(), tt.mechanism)
			c.Timeout = 2 * time.Second
			_, err := c.Metadata(t.Context(), &kafka.MetadataRequest{})
			if ok := err == nil; ok != tt.ok {
				t.Errorf("%s: got %v, want it to succeed: %v", tt.name, err, tt.ok)
			}
		}
		noSecretOnDisk(t, dir, secret)
		if err := k.Close(); err != nil {
			t.Fatal(err)
		}
		noSecretOnDisk(t, dir, secret)
	}
}

func noSecretOnDisk(t *testing.T, dir, secret string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		if err == nil && strings.Contains(string(b), secret) {
			t.Errorf("%s holds the password", name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestKafkaStaysWhereItIs(t *testing.T) {
	dir := t.TempDir()
	k := startKafka(t, embedded.KafkaConfig{Dir: dir})
	addr := k.Addr()
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	k = startKafka(t, embedded.KafkaConfig{Dir: dir, Addr: addr})
	if k.Addr() != addr {
		t.Errorf("it listens on %s, want %s", k.Addr(), addr)
	}
}

func TestKafkaStartFails(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = busy.Close() }()
	used, broken := t.TempDir(), t.TempDir()
	startKafka(t, embedded.KafkaConfig{Dir: used})
	if err := os.MkdirAll(filepath.Join(broken, "broker"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(broken, "broker", "meta.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		cfg  embedded.KafkaConfig
		want string
	}{
		{"no directory", embedded.KafkaConfig{}, "no directory"},
		{"directory in use", embedded.KafkaConfig{Dir: used}, "another process uses this directory"},
		{"broken directory", embedded.KafkaConfig{Dir: broken}, "meta.json"},
		{"address in use", embedded.KafkaConfig{Dir: t.TempDir(), Addr: busy.Addr().String()}, "address already in use"},
		{"open to strangers", embedded.KafkaConfig{Dir: t.TempDir(), Addr: "0.0.0.0:0"}, "needs a password"},
		{"no user", embedded.KafkaConfig{Dir: t.TempDir(), Password: "x"}, "without a user"},
		{"negative size", embedded.KafkaConfig{Dir: t.TempDir(), MaxMessageBytes: -1}, "-1 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.cfg.Logger = quiet()
			k, err := embedded.StartKafka(tt.cfg)
			if err == nil {
				_ = k.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}
