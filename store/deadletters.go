package store

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/internal/stream"
)

func deadLetterTable() table[event.DeadLetter] {
	return table[event.DeadLetter]{
		name:    "dead_letters",
		columns: deadLetterColumns,
		decoder: func() decoder[event.DeadLetter] { return decodeDeadLetter },
		counted: func(d *event.DeadLetter) time.Time { return d.Time },
		batch:   500, // of up to event.MaxDeadRecord bytes each
	}
}

var deadLetterColumns = []column[event.DeadLetter]{
	of("id", func(d *event.DeadLetter) string { return d.ID }),
	of("time", func(d *event.DeadLetter) time.Time { return instant(d.Time) }),
	of("tenant", func(d *event.DeadLetter) string { return d.Tenant }),
	of("stage", func(d *event.DeadLetter) string { return d.Stage }),
	of("origin", func(d *event.DeadLetter) string { return d.Origin }),
	of("line", func(d *event.DeadLetter) int64 { return d.Line }),
	of("field", func(d *event.DeadLetter) string { return d.Field }),
	of("reason", func(d *event.DeadLetter) string { return d.Reason }),
	of("detail", func(d *event.DeadLetter) string { return d.Detail }),
	of("size", func(d *event.DeadLetter) int64 { return d.Size }),
	of("record", func(d *event.DeadLetter) string { return string(d.Record) }),
}

// errNotDeadLetter stands for the error of encoding/json, which may repeat
// what it found.
var errNotDeadLetter = errors.New("decode dead letter: not the JSON form of one")

func decodeDeadLetter(rec stream.Record) (event.DeadLetter, error) {
	var d event.DeadLetter
	if err := json.Unmarshal(rec.Value, &d); err != nil {
		return d, errNotDeadLetter
	}
	if d.ID == "" {
		return d, &event.FieldError{Field: "id", Reason: event.Missing, Msg: "is required"}
	}
	return d, checkTimes(timeField{"time", d.Time})
}
