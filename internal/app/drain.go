package app

import (
	"context"
	"fmt"
	"time"
)

// Drained waits until every stage has done with everything that stood in the
// topics when the stage before it was done: events are judged and stored, their
// alerts are sent and stored, and so are dead letters.
func (a *App) Drained(ctx context.Context) error {
	for _, step := range [][2]string{
		{topicEvents, groupDetect},
		{topicAlerts, groupNotify},
		{topicEvents, groupArchive + topicEvents},
		{topicAlerts, groupArchive + topicAlerts},
		{topicRoster, groupArchive + topicRoster},
		{topicRules, groupArchive + topicRules},
		{topicDead, groupArchive + topicDead},
	} {
		if err := a.caughtUp(ctx, step[0], step[1]); err != nil {
			return fmt.Errorf("wait for group %s on topic %s: %w", step[1], step[0], err)
		}
	}
	return nil
}

const askEvery = 50 * time.Millisecond

// caughtUp waits until the group has committed everything that is in the topic
// now.
func (a *App) caughtUp(ctx context.Context, topic, group string) error {
	topic, group = a.cfg.Kafka.topic(topic), a.cfg.Kafka.topic(group)
	ends, err := a.Bus.Offsets(ctx, topic, group)
	if err != nil {
		return err
	}
	ask := time.NewTicker(askEvery)
	defer ask.Stop()
	for {
		now, err := a.Bus.Offsets(ctx, topic, group)
		if err != nil {
			return err
		}
		done := true
		for partition, end := range ends {
			if end.Next > end.First && now[partition].Committed < end.Next {
				done = false
			}
		}
		if done {
			return nil
		}
		select {
		case <-ask.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
