package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/crmwatch/crmwatch/internal/stream"
)

const (
	heartbeat   = time.Second
	joinBackoff = time.Second
	// commitBackoff is the try number whose pause follows a failed commit: about
	// a second.
	commitBackoff = 5
)

// errStopped is the cause of claims that end because Run does.
var errStopped = fmt.Errorf("%w: the group is being left", ErrClaimLost)

// errRebalance is the cause of claims that end because the broker shares the
// partitions out anew, or cannot be reached any more.
var errRebalance = fmt.Errorf("%w: the partitions are being shared out anew", ErrClaimLost)

// Group is a consumer group over one topic. Members that come and go, and brokers
// that do, cost a moment of waiting but no record. Each partition stays with its
// member where it can.
type Group struct {
	client  *Client
	topic   string
	group   string
	readers sync.WaitGroup
}

// Run implements stream.Group. One Run at a time.
//
// When a handler returns nil, its partition rests until the partitions are shared
// out anew. A handler whose context ended has half of the session timeout to
// finish and commit; if it takes longer than the session timeout, another member
// may have started with the partition, and the commit is refused.
func (g *Group) Run(ctx context.Context, handle func(ctx context.Context, c stream.Claim) error) error {
	if !g.awaitTopic(ctx) {
		return nil
	}
	sticky := &stickyBalancer{topic: g.topic}
	members, err := g.join(sticky)
	if err != nil {
		return fmt.Errorf("join group %q: %w", g.group, err)
	}
	defer g.readers.Wait()
	defer func() { _ = members.Close() }()
	trouble := g.client.outages.watch("join " + g.group)
	defer trouble.end()
	for {
		gen, err := members.Next(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			trouble.failed(err)
			continue
		}
		trouble.works()
		sticky.own(gen.ID, gen.Assignments[g.topic])
		if done, err := g.serve(ctx, members, gen, handle); done {
			return err
		}
	}
}

// awaitTopic waits until the topic exists: joining before would assign nothing,
// and nobody would look again.
func (g *Group) awaitTopic(ctx context.Context) bool {
	trouble := g.client.outages.watch("join " + g.group)
	defer trouble.end()
	for try := 1; ; try++ {
		_, err := g.client.partitions(ctx, g.topic)
		if err == nil {
			trouble.works()
			return true
		}
		if ctx.Err() != nil {
			return false // which is why it failed
		}
		trouble.failed(err)
		if !pause(ctx, try) {
			return false
		}
	}
}

func (g *Group) join(balancer kafka.GroupBalancer) (*kafka.ConsumerGroup, error) {
	cfg := g.client.cfg
	return kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: g.group, Brokers: cfg.Brokers, Dialer: g.client.dialer, Topics: []string{g.topic},
		GroupBalancers:    []kafka.GroupBalancer{balancer, kafka.RangeGroupBalancer{}},
		HeartbeatInterval: min(heartbeat, cfg.SessionTimeout/3),
		SessionTimeout:    cfg.SessionTimeout,
		RebalanceTimeout:  cfg.SessionTimeout,
		JoinGroupBackoff:  joinBackoff,
		Timeout:           cfg.RequestTimeout,
		StartOffset:       kafka.FirstOffset,
	})
}

// serve handles the partitions of one generation until it ends. It returns true
// when Run is over: ctx has ended, or a handler failed.
func (g *Group) serve(ctx context.Context, members *kafka.ConsumerGroup, gen *kafka.Generation,
	handle func(context.Context, stream.Claim) error,
) (bool, error) {
	g.client.metrics.joins.WithLabelValues(g.topic, g.group).Inc()
	g.client.deps.Logger.Info("joined consumer group", "topic", g.topic, "group", g.group,
		"generation", gen.ID, "partitions", len(gen.Assignments[g.topic]))
	var failure error
	var over bool
	done := make(chan struct{})
	// Within Start, so that the group does not join anew before the handlers of
	// this generation have let go.
	gen.Start(func(ended context.Context) {
		defer close(done)
		failure, over = g.own(ctx, ended, gen, handle)
		if over {
			// Only a group that is being closed leaves instead of joining anew
			// when its generation ends, so the closing has to begin before.
			go func() { _ = members.Close() }()
			<-ended.Done()
		}
	})
	<-done
	return over, failure
}

// own runs a handler for each partition of the generation and waits for them.
func (g *Group) own(ctx, ended context.Context, gen *kafka.Generation,
	handle func(context.Context, stream.Claim) error,
) (failure error, over bool) {
	owned, lose := context.WithCancelCause(ctx)
	defer lose(errStopped)
	defer context.AfterFunc(ended, func() { lose(errRebalance) })()
	released := make(chan struct{})
	go g.watchRelease(owned, released)
	defer close(released)

	var handlers sync.WaitGroup
	for _, a := range gen.Assignments[g.topic] {
		c := g.newClaim(owned, lose, gen, a)
		handlers.Go(func() {
			defer c.end()
			if err := handle(owned, c); err != nil {
				g.failed(owned, lose, c, err)
			}
		})
	}
	handlers.Wait()
	<-owned.Done()
	var fault *handlerError
	switch cause := context.Cause(owned); {
	case errors.As(cause, &fault):
		return fault.err, true
	case ctx.Err() != nil:
		return nil, true
	case ended.Err() == nil:
		// A commit failed while the group believes that all is well. Joining again
		// at once would spin while the reason lasts.
		pause(ctx, commitBackoff)
	}
	return nil, ctx.Err() != nil
}

// handlerError ends the claims of all when the handler of one failed.
type handlerError struct{ err error }

func (e *handlerError) Error() string { return e.err.Error() }

// failed ends everything when a handler failed while the partition was still its
// own. Otherwise the failure is a consequence of having to let go. A partition
// that was taken over is somebody else's, and the group has to find out whose.
func (g *Group) failed(owned context.Context, lose context.CancelCauseFunc, c *claim, err error) {
	switch {
	case owned.Err() != nil:
	case errors.Is(err, stream.ErrFenced):
		g.client.deps.Logger.Warn("partition was taken over by another process", "topic", g.topic, "group", g.group, "partition", c.partition)
		lose(fmt.Errorf("%w: %w", ErrClaimLost, err))
		return
	default:
		lose(&handlerError{err})
		return
	}
	if !errors.Is(err, ErrClaimLost) && !errors.Is(err, context.Canceled) {
		g.client.deps.Logger.Warn("handler failed while it let go of its partition",
			"topic", g.topic, "group", g.group, "partition", c.partition, "err", err)
	}
}

// watchRelease logs when handlers are slow to let go of their partitions.
func (g *Group) watchRelease(owned context.Context, released <-chan struct{}) {
	<-owned.Done()
	grace := time.NewTimer(g.client.cfg.SessionTimeout / 2)
	defer grace.Stop()
	select {
	case <-released:
	case <-grace.C:
		g.client.deps.Logger.Warn("handler is slow to let go of its partition", "topic", g.topic, "group", g.group)
	}
}
