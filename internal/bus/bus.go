// Package bus carries records through Kafka: it satisfies the contracts of
// package stream and is the only one that imports kafka-go.
//
// What it promises. A write that returned nil is durable (acks=all) and in order
// per key; it may be there twice when an answer was lost. A partition of a Group
// is handled by one goroutine of one process at a time, commits of a former owner
// are refused by the broker, and whatever was not committed is delivered again.
// While brokers cannot be reached everything waits and goes on by itself; one
// line is logged when that begins and one when it ends. Records that retention
// deleted before they were read are never skipped silently (Gap). A partition of a
// Ledger is written by one owner: what was appended is there once, and a former
// owner can append nothing.
//
// Topics written with transactions are read as if uncommitted; their control
// records are left out, aborted ones are not.
package bus

import (
	"context"
	"fmt"
	"sync"

	"github.com/segmentio/kafka-go"

	"github.com/crmwatch/crmwatch/internal/stream"
)

// The contracts this package exists for.
var (
	_ stream.Writer   = (*Writer)(nil)
	_ stream.Group    = (*Group)(nil)
	_ stream.Claim    = (*claim)(nil)
	_ stream.Follower = (*Table)(nil)
	_ stream.Ledger   = (*Ledger)(nil)
	_ stream.Owned    = (*owned)(nil)
)

// Client is one process's connection to a Kafka cluster, to be shared by all of
// it. Safe for concurrent use.
type Client struct {
	cfg     Config
	deps    Deps
	kafka   *kafka.Client
	dialer  *kafka.Dialer
	wires   *wires
	dials   *dials
	metrics *metrics
	outages *outages

	life context.Context // ends with Close
	end  context.CancelFunc
	work sync.WaitGroup // the goroutines that write

	mu      sync.Mutex
	writers map[string]*Writer
	limits  map[string]int // bytes of the largest record, by topic
	closed  bool
}

// New checks cfg and returns a Client. It opens no connection yet: that is
// Ping's to try.
func New(cfg Config, deps Deps) (*Client, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("configure kafka: %w", err)
	}
	deps = deps.withDefaults(cfg)
	login, err := cfg.SASL.mechanism()
	if err != nil {
		return nil, fmt.Errorf("configure kafka: %w", err)
	}
	m, err := newMetrics(deps.Registerer)
	if err != nil {
		return nil, err
	}
	c := &Client{
		cfg: cfg, deps: deps, metrics: m,
		outages: newOutages(deps.Logger),
		dials:   &dials{dial: deps.Dial, open: map[*dialed]struct{}{}},
		writers: map[string]*Writer{},
		limits:  map[string]int{},
	}
	c.dialer = &kafka.Dialer{
		ClientID: cfg.ClientID, DialFunc: c.dials.connect, Timeout: cfg.DialTimeout,
		TLS: cfg.TLS, SASLMechanism: login,
	}
	c.life, c.end = context.WithCancel(context.Background())
	c.wires = &wires{template: func(topics []string) *kafka.Transport {
		return &kafka.Transport{
			Dial: c.dials.connect, DialTimeout: cfg.DialTimeout, ClientID: cfg.ClientID,
			TLS: cfg.TLS, SASL: login, MetadataTTL: metadataTTL, MetadataTopics: topics,
		}
	}}
	c.kafka = &kafka.Client{Addr: kafka.TCP(cfg.Brokers...), Timeout: cfg.RequestTimeout, Transport: c.wires}
	return c, nil
}

// Ping asks a broker for an answer, once, and returns why there is none.
func (c *Client) Ping(ctx context.Context) error {
	if _, err := c.kafka.ApiVersions(ctx, &kafka.ApiVersionsRequest{}); err != nil {
		return fmt.Errorf("ping kafka: %w", err)
	}
	return nil
}

// Close ends all that is being written, waits for it, and closes the
// connections. Groups and followers should have ended before, by the contexts that
// they were started with; they find no broker any more.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.end()
	c.work.Wait()
	c.wires.close()
	c.dials.close()
	return nil
}

// Writer returns the writer of a topic, the same one each time.
func (c *Client) Writer(topic string) *Writer {
	c.wires.use(topic)
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.writers[topic]
	if w == nil {
		w = &Writer{client: c, topic: topic, lanes: map[int]*lane{}}
		c.writers[topic] = w
	}
	return w
}

// Group returns the named consumer group over a topic.
func (c *Client) Group(topic, group string) *Group {
	c.wires.use(topic)
	return &Group{client: c, topic: topic, group: group}
}

// Table returns a compacted topic as a table.
func (c *Client) Table(topic string) *Table {
	c.wires.use(topic)
	return &Table{client: c, topic: topic}
}

// Ledger returns a compacted topic as a ledger.
func (c *Client) Ledger(topic string) *Ledger { return &Ledger{*c.Table(topic)} }

// spawn runs f in a goroutine that Close waits for. It returns false, and does
// not run f, once the client is closed.
func (c *Client) spawn(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.work.Go(f)
	return true
}

// recordLimit is the size in bytes above which a record of the topic is not even
// tried.
func (c *Client) recordLimit(topic string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := c.limits[topic]; n > 0 {
		return n
	}
	return maxRecordBytes
}
