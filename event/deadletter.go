package event

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// DeadLetter is a record that could not be processed: whole, with the place and
// the reason, so that it can be repaired and replayed. Its JSON form is the
// message on the dead-letter topic; Record is base64 there, because it may be in
// any encoding.
type DeadLetter struct {
	// ID is a hash of place and content: the same record from the same place has
	// the same id.
	ID     string    `json:"id"`
	Time   time.Time `json:"time"`
	Tenant string    `json:"tenant,omitempty"`
	// Stage refused it: "ingest", "detect", "archive", "notify".
	Stage string `json:"stage"`
	// Origin is the file's base name, "http", or topic and partition.
	Origin string `json:"origin"`
	// Line is the line in the file where the record begins, from 1, or the offset
	// in the topic.
	Line int64 `json:"line"`
	// Field is the JSON path or the column at fault, empty where it is the record
	// as a whole.
	Field string `json:"field,omitempty"`
	// Reason is one of a few words, fit for a metric label: "bad_time".
	Reason string `json:"reason"`
	// Detail is a sentence for people. It never repeats the record's content.
	Detail string `json:"detail"`
	// Size is the record's length in bytes. Record is whole up to MaxDeadRecord,
	// its beginning beyond.
	Size   int64  `json:"size"`
	Record []byte `json:"record"`
}

// MaxDeadRecord is how much of a record a dead letter keeps, in bytes.
const MaxDeadRecord = 16 << 20

// maxDetail is how much of an error's text a dead letter keeps, in bytes.
const maxDetail = 1 << 10

// Place says where a record came from; see the fields of DeadLetter.
type Place struct {
	Tenant, Stage, Origin string
	Line                  int64
}

// NewDeadLetter makes the dead letter of a record that was refused at a place,
// at the time now, because of err. Field and Reason come from the DecodeError or
// FieldError in err; without one the reason is "other". The letter has its own
// copy of the record.
func NewDeadLetter(p Place, record []byte, err error, now time.Time) *DeadLetter {
	field, reason, ok := Cause(err)
	if !ok {
		reason = "other"
	}
	return &DeadLetter{
		ID:     Hash(p.Tenant, p.Stage, p.Origin, strconv.FormatInt(p.Line, 10), string(record)),
		Time:   now.UTC().Truncate(time.Millisecond),
		Tenant: p.Tenant, Stage: p.Stage, Origin: p.Origin, Line: p.Line,
		Field: field, Reason: reason, Detail: cut(err.Error(), maxDetail),
		Size:   int64(len(record)),
		Record: bytes.Clone(record[:min(len(record), MaxDeadRecord)]),
	}
}

// Message is the dead letter as a message of the topic of dead letters: its key,
// and its JSON form.
func (d *DeadLetter) Message() (key, value []byte) {
	value, err := json.Marshal(d)
	if err != nil {
		panic(err) // only a time after the year 9999, which is no clock's
	}
	return []byte(d.ID), value
}

// cut returns the first size bytes of s without splitting a character.
func cut(s string, size int) string {
	if len(s) > size {
		s = s[:size]
	}
	return strings.ToValidUTF8(s, "")
}
