package store

import (
	"context"
	"fmt"
	"time"

	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/internal/stream"
)

// poison makes the dead letter of a record that does not become a row.
func (c *copier[T]) poison(rec stream.Record, cause error, now time.Time) stream.Record {
	place := event.Place{Stage: "archive", Origin: fmt.Sprintf("%s/%d", c.table.name, rec.Partition), Line: rec.Offset}
	letter := event.NewDeadLetter(place, rec.Value, cause, now)
	c.archive.db.metrics.rejected.WithLabelValues(c.table.name, letter.Reason).Inc()
	key, value := letter.Message()
	return stream.Record{Key: key, Value: value, Time: letter.Time}
}

// bury writes dead letters, and keeps at it until they are durable or the
// context ends.
func (c *copier[T]) bury(ctx context.Context, dead []stream.Record) error {
	wait := backoff{max: 5 * time.Second}
	for len(dead) > 0 {
		err := c.archive.deps.DeadLetters.Write(ctx, dead...)
		switch c.burying.change(err != nil) {
		case began:
			c.archive.db.log.Warn("dead letters cannot be written, waiting", "table", c.table.name, "error", err)
		case ended:
			c.archive.db.log.Info("dead letters are written again", "table", c.table.name)
		case same:
		}
		if err == nil {
			return nil
		}
		if !wait.sleep(ctx) {
			return fmt.Errorf("archive %s: write dead letters: %w", c.table.name, context.Cause(ctx))
		}
	}
	return nil
}

// checkTimes refuses times that a DateTime64 column cannot sort or hold; a zero
// time is one that is not set.
func checkTimes(fields ...timeField) error {
	for _, f := range fields {
		if !f.t.IsZero() && (f.t.Before(event.Earliest) || !f.t.Before(event.Latest)) {
			return &event.FieldError{
				Field: f.name, Reason: event.BadTime,
				Msg: fmt.Sprintf("is outside %d to %d", event.Earliest.Year(), event.Latest.Year()-1),
			}
		}
	}
	return nil
}

type timeField struct {
	name string
	t    time.Time
}

// instant is a time as a column holds it: 1970 where it is not set.
func instant(t time.Time) time.Time {
	if t.IsZero() {
		return time.Unix(0, 0).UTC()
	}
	return t.UTC()
}
