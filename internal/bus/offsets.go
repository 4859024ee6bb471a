package bus

import (
	"context"
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"
)

// PartitionOffsets tell where a partition and a group in it stand.
type PartitionOffsets struct {
	// First is the offset of the oldest record that is kept.
	First int64
	// Next is the offset that the next record to be written gets.
	Next int64
	// Committed is the offset of the next record to be read by the group, -1
	// when it never committed.
	Committed int64
}

// Lag is the number of records that the group has not committed.
func (p PartitionOffsets) Lag() int64 {
	return max(0, p.Next-max(p.First, p.Committed))
}

// Offsets returns where each partition of the topic stands, as the brokers know
// it now, whoever owns it. An empty group leaves Committed at -1. It waits for a
// topic that is not there yet, for brokers that cannot be reached and for
// partitions that change their leader, until ctx ends.
func (c *Client) Offsets(ctx context.Context, topic, group string) (map[int]PartitionOffsets, error) {
	c.wires.use(topic)
	var out map[int]PartitionOffsets
	err := c.outages.insist(ctx, "ask for offsets of "+topic, func() (err error) {
		out, err = c.offsets(ctx, topic, group)
		return err
	})
	return out, err
}

func (c *Client) offsets(ctx context.Context, topic, group string) (map[int]PartitionOffsets, error) {
	n, err := c.partitions(ctx, topic)
	if err != nil {
		return nil, fmt.Errorf("offsets of %q: %w", topic, err)
	}
	all := make([]int, n)
	for p := range all {
		all[p] = p
	}
	out, err := c.logEnds(ctx, topic, all...)
	if err != nil {
		return nil, fmt.Errorf("offsets of %q: %w", topic, err)
	}
	if group == "" {
		return out, nil
	}
	if err := c.committed(ctx, topic, group, all, out); err != nil {
		return nil, fmt.Errorf("offsets of group %q in %q: %w", group, topic, err)
	}
	return out, nil
}

// committed fills in what the group has committed.
func (c *Client) committed(ctx context.Context, topic, group string, partitions []int, out map[int]PartitionOffsets) error {
	res, err := c.kafka.OffsetFetch(ctx, &kafka.OffsetFetchRequest{
		GroupID: group, Topics: map[string][]int{topic: partitions},
	})
	if err != nil {
		return err
	}
	if errors.Is(res.Error, kafka.GroupIdNotFound) {
		return nil // nobody of the group has come yet
	}
	if res.Error != nil {
		return res.Error
	}
	for _, p := range res.Topics[topic] {
		if p.Error != nil {
			return p.Error
		}
		at := out[p.Partition]
		at.Committed = max(-1, p.CommittedOffset)
		out[p.Partition] = at
	}
	return nil
}

// partitions returns how many partitions the topic has.
func (c *Client) partitions(ctx context.Context, topic string) (int, error) {
	res, err := c.kafka.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
	if err != nil {
		return 0, err
	}
	for _, t := range res.Topics {
		if t.Name != topic {
			continue
		}
		if t.Error == nil && len(t.Partitions) == 0 {
			return 0, kafka.UnknownTopicOrPartition
		}
		return len(t.Partitions), t.Error
	}
	return 0, kafka.UnknownTopicOrPartition
}

// explain returns a better reason for a failed request where there is one: when
// kafka-go cannot tell whom to ask, that is all it says, and the metadata knows
// whether the topic is missing or forbidden or no broker answers.
func (c *Client) explain(ctx context.Context, topic string, err error) error {
	if ctx.Err() != nil {
		return err
	}
	if _, why := c.partitions(ctx, topic); why != nil {
		return why
	}
	return err
}

// logEnds returns the first and next offsets of partitions.
func (c *Client) logEnds(ctx context.Context, topic string, partitions ...int) (map[int]PartitionOffsets, error) {
	out, err := c.listEnds(ctx, topic, partitions)
	if err != nil {
		return nil, c.explain(ctx, topic, err)
	}
	return out, nil
}

func (c *Client) listEnds(ctx context.Context, topic string, partitions []int) (map[int]PartitionOffsets, error) {
	var ask []kafka.OffsetRequest
	for _, p := range partitions {
		ask = append(ask, kafka.FirstOffsetOf(p), kafka.LastOffsetOf(p))
	}
	res, err := c.kafka.ListOffsets(ctx, &kafka.ListOffsetsRequest{
		Topics: map[string][]kafka.OffsetRequest{topic: ask},
	})
	if err != nil {
		return nil, err
	}
	out := map[int]PartitionOffsets{}
	for _, p := range res.Topics[topic] {
		if p.Error != nil {
			return nil, fmt.Errorf("partition %d: %w", p.Partition, p.Error)
		}
		out[p.Partition] = PartitionOffsets{First: p.FirstOffset, Next: p.LastOffset, Committed: -1}
	}
	if len(out) != len(partitions) {
		return nil, errors.New("the answer leaves out partitions")
	}
	return out, nil
}
