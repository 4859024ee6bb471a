package bus_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// lossy drops a connection instead of a reply, every so many reads.
type lossy struct {
	every int64
	reads atomic.Int64
	lost  atomic.Int64
}

func newLossy(every int64) *lossy { return &lossy{every: every} }

func (l *lossy) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &lossyConn{Conn: c, all: l}, nil
}

type lossyConn struct {
	net.Conn
	all *lossy
}

// Read waits for the reply, so that the broker has done its work, and loses it.
func (c *lossyConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.all.reads.Add(1)%c.all.every == 0 {
		c.all.lost.Add(1)
		_ = c.Close()
		return 0, errors.New("reply lost")
	}
	return n, err
}

// ask sends requests that kafka-go has no call for.
func ask(t *testing.T, addr string, do func(context.Context, *kgo.Client) error) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := do(within(t, 30*time.Second), client); err != nil {
		t.Fatal(err)
	}
}

// deleteBefore deletes the records of partition 0 before an offset, as retention
// does in its time.
func deleteBefore(t *testing.T, addr, topic string, offset int64) {
	t.Helper()
	ask(t, addr, func(ctx context.Context, c *kgo.Client) error {
		req := kmsg.NewPtrDeleteRecordsRequest()
		part := kmsg.NewDeleteRecordsRequestTopicPartition()
		part.Offset = offset
		top := kmsg.NewDeleteRecordsRequestTopic()
		top.Topic, top.Partitions = topic, append(top.Partitions, part)
		req.Topics = append(req.Topics, top)
		req.TimeoutMillis = 10_000
		res, err := req.RequestWith(ctx, c)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(res.Topics[0].Partitions[0].ErrorCode)
	})
}

// createEager creates a compacted topic that the broker cleans as soon as it can.
func createEager(t *testing.T, addr, topic string) {
	t.Helper()
	ask(t, addr, func(ctx context.Context, c *kgo.Client) error {
		req := kmsg.NewPtrCreateTopicsRequest()
		top := kmsg.NewCreateTopicsRequestTopic()
		top.Topic, top.NumPartitions, top.ReplicationFactor = topic, 1, -1
		for name, value := range map[string]string{
			"cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.0001",
			"min.compaction.lag.ms": "0", "delete.retention.ms": "0",
			"max.message.bytes": "33554432",
		} {
			entry := kmsg.NewCreateTopicsRequestTopicConfig()
			entry.Name, entry.Value = name, kmsg.StringPtr(value)
			top.Configs = append(top.Configs, entry)
		}
		req.Topics = append(req.Topics, top)
		req.TimeoutMillis = 10_000
		res, err := req.RequestWith(ctx, c)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(res.Topics[0].ErrorCode)
	})
}

func mustAddr(t *testing.T, addr string) netip.AddrPort {
	t.Helper()
	a, err := netip.ParseAddrPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
