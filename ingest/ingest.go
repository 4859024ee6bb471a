// Package ingest takes what CRMs recorded and turns it into events on Kafka.
//
// A Format knows how one vendor writes events down. A Reader cuts a stream into
// records and asks the formats for their meaning, and every record comes out of
// it as an event or as a rejection. A Pipeline makes both durable: events on one
// topic, rejected records, whole and with the reason, on another. Files
// (Pipeline.IngestFile) and HTTP (NewHandler) are two mouths of one pipeline.
package ingest

import (
	"fmt"

	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/ingest/record"
)

// Format is how one vendor writes events down, as CSV, as JSON, or both. What
// it returns belongs to one input and one goroutine.
type Format struct {
	// Name is what people call it: "Salesforce".
	Name string
	// Expect lists by what a file of the format is known, for the message about
	// a file that no format knows.
	Expect []string
	// Columns returns what maps the rows under a CSV header, nil where the header
	// is not of this format, and an error where it is but cannot be used.
	Columns func(header []string) (MapRow, error)
	// Claims reports whether a JSON object with these keys is of this format. No
	// two formats claim the same object.
	Claims func(keys record.Keys) bool
	// Objects returns what maps the JSON objects of one input.
	Objects func() MapObject
}

// MapRow makes the event of one CSV row, which has as many fields as the
// header. It fills e, whose previous content is lost; an error is a *Rejection.
// It leaves Tenant, Collected and Actor.Person to the pipeline.
type MapRow func(fields []string, e *event.Event) error

// MapObject is MapRow for one JSON object. The event does not keep data.
type MapObject func(data []byte, e *event.Event) error

// People finds the person behind an account. It must be safe for concurrent
// use and must not block.
type People interface {
	// PersonOf returns the person's id, by the account's id, its name or its
	// e-mail address, and false where nobody is known.
	PersonOf(tenant, source, accountID, accountName, email string) (person string, ok bool)
}

// The reasons why a record is rejected, fit for a metric label. Those of
// package event are used as well.
const (
	TooLarge          = "too_large"
	NULByte           = "nul_byte"
	UnterminatedQuote = "unterminated_quote"
	BadQuote          = "bad_quote"
	BadColumns        = "bad_columns"
	RepeatedHeader    = "repeated_header"
	Truncated         = "truncated"
	UnknownFormat     = "unknown_format"
	NotAnEvent        = "not_an_event"
	WrongTenant       = "wrong_tenant"
)

// reasons are those of this package.
var reasons = []string{TooLarge, NULByte, UnterminatedQuote, BadQuote, BadColumns, RepeatedHeader, Truncated, UnknownFormat, NotAnEvent, WrongTenant}

// Rejection says why a record is not an event. It never repeats the record's
// content.
type Rejection struct {
	// Field is the column or the JSON path at fault, empty where it is the record
	// as a whole.
	Field string
	// Reason is one of the constants, fit for a metric label.
	Reason string
	// Detail is a sentence that says what is wrong and what to do about it.
	Detail string
}

func (r *Rejection) Error() string {
	if r.Field == "" {
		return r.Detail
	}
	return fmt.Sprintf("field %q: %s", r.Field, r.Detail)
}

// Reject returns a *Rejection as an error.
func Reject(field, reason, detail string) error {
	return &Rejection{Field: field, Reason: reason, Detail: detail}
}

// MaxRecord is the size of a record beyond which it is rejected without being
// parsed, in bytes. It is that of the largest event.
const MaxRecord = 4 << 20
