package store

import (
	"fmt"
	"strings"
	"time"

	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/internal/stream"
)

func eventTable() table[event.Event] {
	return table[event.Event]{
		name:    "events",
		columns: eventColumns(),
		decoder: eventDecoder,
		counted: func(e *event.Event) time.Time { return e.Collected },
		batch:   20_000,
	}
}

// eventColumns has a column for every field there is, so that no field can be
// forgotten here.
func eventColumns() []column[event.Event] {
	times := map[string]func(*event.Event) time.Time{
		"time":      func(e *event.Event) time.Time { return e.Time },
		"collected": func(e *event.Event) time.Time { return instant(e.Collected) },
	}
	cols := make([]column[event.Event], 0, len(event.Fields))
	for _, f := range event.Fields {
		name := strings.ReplaceAll(f.Path, ".", "_")
		switch {
		case times[f.Path] != nil:
			cols = append(cols, of(name, times[f.Path]))
		case f.Kind == event.String:
			cols = append(cols, of(name, func(e *event.Event) string { return f.Get(e).Str }))
		default:
			cols = append(cols, of(name, func(e *event.Event) int64 { return f.Get(e).Int }))
		}
	}
	return cols
}

func eventDecoder() decoder[event.Event] {
	d := event.NewDecoder()
	return func(rec stream.Record) (event.Event, error) {
		var e event.Event
		if err := d.Decode(rec.Value, &e); err != nil {
			return e, fmt.Errorf("decode event: %w", err)
		}
		if err := e.Validate(); err != nil {
			return e, fmt.Errorf("invalid event: %w", err)
		}
		if e.Collected.IsZero() { // Kafka had it at that time
			e.Collected = rec.Time
		}
		return e, nil
	}
}
