package bus

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
)

// Topic describes a topic that must exist.
type Topic struct {
	Name string
	// Partitions is fixed for life: keys would change partition otherwise.
	Partitions int
	// Replication is the number of copies; -1 or 0 leaves it to the cluster.
	Replication int
	// Compact keeps the last value of every key for ever, instead of all records
	// for Retention.
	Compact bool
	// Retention is how long records are kept; 0 leaves it to the cluster.
	// Unused with Compact.
	Retention time.Duration
	// MaxMessageBytes is the largest batch, and so the largest record, that the
	// topic takes; 0 leaves it to the cluster.
	MaxMessageBytes int
}

// config of the topic when it is created. The compacted ones are small and read
// from the start when a process starts, so they are cleaned sooner than Kafka's
// defaults (segments of 1 GiB or a week) would.
func (t Topic) config() kafka.TopicConfig {
	entries := map[string]string{}
	if t.Compact {
		entries["cleanup.policy"] = "compact"
		entries["segment.bytes"] = strconv.Itoa(64 << 20)
		entries["segment.ms"] = ms(10 * time.Minute)
		entries["min.cleanable.dirty.ratio"] = "0.3"
		entries["delete.retention.ms"] = ms(24 * time.Hour)
	} else {
		entries["cleanup.policy"] = "delete"
		if t.Retention > 0 {
			entries["retention.ms"] = ms(t.Retention)
		}
	}
	if t.MaxMessageBytes > 0 {
		entries["max.message.bytes"] = strconv.Itoa(t.MaxMessageBytes)
	}
	replication := t.Replication
	if replication == 0 {
		replication = -1
	}
	cfg := kafka.TopicConfig{Topic: t.Name, NumPartitions: t.Partitions, ReplicationFactor: replication}
	for name, value := range entries {
		cfg.ConfigEntries = append(cfg.ConfigEntries, kafka.ConfigEntry{ConfigName: name, ConfigValue: value})
	}
	return cfg
}

func ms(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// topicName is what Kafka takes for one.
var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

// EnsureTopics creates the topics that are missing and returns when all can be
// used. A topic that exists with another number of partitions is an error, since
// keys written before are elsewhere; other settings of existing topics are the
// operator's and left alone. Waits for brokers that cannot be reached until ctx
// ends.
func (c *Client) EnsureTopics(ctx context.Context, topics ...Topic) error {
	names := make([]string, len(topics))
	for i, t := range topics {
		names[i] = t.Name
		if !topicName.MatchString(t.Name) || t.Partitions < 1 {
			return fmt.Errorf("ensure topic %q: a name of letters, digits, dots, dashes and underscores "+
				"and at least one partition are needed", t.Name)
		}
	}
	c.wires.use(names...)
	c.noteLimits(topics)
	trouble := c.outages.watch("create topics")
	defer trouble.end()
	for try := 1; ; try++ {
		ready, err := c.tryEnsure(ctx, topics)
		switch {
		case err == nil && ready:
			trouble.works()
			return nil
		case err != nil && permanent(err):
			return fmt.Errorf("ensure topics: %w", err)
		case err != nil:
			trouble.failed(err)
		}
		if !pause(ctx, try) {
			return fmt.Errorf("ensure topics: %w", errors.Join(ctx.Err(), err))
		}
	}
}

func (c *Client) noteLimits(topics []Topic) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range topics {
		if t.MaxMessageBytes > 0 {
			c.limits[t.Name] = t.MaxMessageBytes - batchOverhead
		}
	}
}

// tryEnsure creates what is missing and reports whether all topics are there
// with a leader for each partition.
func (c *Client) tryEnsure(ctx context.Context, topics []Topic) (bool, error) {
	have, err := c.layout(ctx, topics)
	if err != nil {
		return false, err
	}
	var missing []kafka.TopicConfig
	ready := true
	for _, t := range topics {
		switch n, ok := have[t.Name]; {
		case !ok:
			missing = append(missing, t.config())
		case n != t.Partitions && n > 0:
			return false, &partitionsError{topic: t.Name, want: t.Partitions, have: n}
		case n == 0:
			ready = false
		}
	}
	if len(missing) == 0 {
		return ready, nil
	}
	return false, c.create(ctx, missing)
}

// layout returns the number of partitions of every topic that exists, 0 while
// some partition has no leader. It may be as old as metadataTTL.
func (c *Client) layout(ctx context.Context, topics []Topic) (map[string]int, error) {
	names := make([]string, len(topics))
	for i, t := range topics {
		names[i] = t.Name
	}
	res, err := c.kafka.Metadata(ctx, &kafka.MetadataRequest{Topics: names})
	if err != nil {
		return nil, err
	}
	have := map[string]int{}
	for _, t := range res.Topics {
		if errors.Is(t.Error, kafka.UnknownTopicOrPartition) {
			continue
		}
		if t.Error != nil && permanent(t.Error) {
			return nil, fmt.Errorf("topic %q: %w", t.Name, t.Error)
		}
		have[t.Name] = len(t.Partitions)
		for _, p := range t.Partitions {
			if p.Error != nil || p.Leader.Host == "" {
				have[t.Name] = 0
			}
		}
	}
	return have, nil
}

func (c *Client) create(ctx context.Context, missing []kafka.TopicConfig) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.RequestTimeout)
	defer cancel()
	res, err := c.kafka.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: missing})
	if err != nil {
		return err
	}
	var errs []error
	for name, err := range res.Errors {
		// Another process may have been quicker.
		if err != nil && !errors.Is(err, kafka.TopicAlreadyExists) {
			errs = append(errs, fmt.Errorf("create topic %q: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

// partitionsError is permanent: only an operator can repartition a topic.
type partitionsError struct {
	topic      string
	want, have int
}

func (e *partitionsError) Error() string {
	return fmt.Sprintf("topic %q has %d partitions and is configured to have %d: "+
		"the number cannot change while the topic holds records", e.topic, e.have, e.want)
}
