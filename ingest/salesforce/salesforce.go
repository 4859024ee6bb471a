// Package salesforce reads what Salesforce records of what its users do: event
// log files, real-time events as they are streamed and as they are stored, and
// the audit objects LoginHistory, SetupAuditTrail and VerificationHistory.
// README.md says what is mapped to what.
package salesforce

import (
	"fmt"

	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/ingest"
	"github.com/crmwatch/crmwatch/ingest/record"
)

// Source is the source of the events.
const Source = "salesforce"

// Format is what Salesforce writes, as CSV and as JSON.
func Format() ingest.Format {
	return ingest.Format{
		Name: "Salesforce",
		Expect: []string{
			"a Salesforce event log file (a header row with EVENT_TYPE and TIMESTAMP)",
			"Salesforce real-time events (JSON with EventIdentifier, or attributes.type)",
		},
		Columns: columns,
		Claims:  claims,
		Objects: objects,
	}
}

// signs are sets of columns of which one set is in every record.
var signs = [][]string{
	{"EVENT_TYPE", "TIMESTAMP"},
	{"EVENT_TYPE", "TIMESTAMP_DERIVED"},
	{"EVENT_IDENTIFIER", "EVENT_DATE"},
	{"LOGIN_TIME", "USER_ID"},
	{"VERIFICATION_TIME", "USER_ID"},
	{"ACTION", "SECTION", "CREATED_DATE"},
}

// columns maps the rows of a CSV file.
func columns(header []string) (ingest.MapRow, error) {
	f := newFields(len(header))
	for _, name := range header {
		name = canonical(name)
		if twice := !f.define(name); twice && name != "" {
			if f.known() {
				return nil, fmt.Errorf("the column %q is there twice; remove one", clip(name, 100))
			}
			return nil, nil
		}
	}
	if !f.known() {
		return nil, nil
	}
	m := mapper{fields: f, header: header, sorted: f.sorted()}
	return m.row, nil
}

// known reports whether the columns are those of a record of Salesforce.
func (f *fields) known() bool {
	for _, sign := range signs {
		if f.hasAll(sign...) {
			return true
		}
	}
	return false
}

// claims recognises an object by keys that neither another vendor nor the
// native form has.
func claims(keys record.Keys) bool {
	for _, sign := range [...][]string{
		{"attributes"},
		{"EventIdentifier"},
		{"EVENT_TYPE"},
		{"event_type"},
		{"EventType"},
		{"payload"},
		{"channel", "data"},
		{"LoginTime", "UserId"},
		{"VerificationTime", "UserId"},
		{"Action", "Section", "CreatedDate"},
		{"errorCode", "message"},
	} {
		if keys.HasAll(sign...) {
			return true
		}
	}
	return false
}

// mapper makes events of the records of one input.
type mapper struct {
	fields   *fields
	header   []string // of CSV, as it is written
	sorted   []int    // the columns of CSV by name
	ordinals ingest.Ordinals
	raw      []byte
	parts    []string
}

// event makes the event of the record that fields hold; Raw and, where the
// record has no id of its own, ID are for the caller.
func (m *mapper) event(e *event.Event) error {
	f := m.fields
	typ, k := f.kind()
	if typ == "" {
		return ingest.Reject("EVENT_TYPE", event.Missing, "the record does not say what type of event it is; export it with its EVENT_TYPE or attributes.type")
	}
	if k.refuse != "" {
		return ingest.Reject("", ingest.NotAnEvent, k.refuse)
	}
	*e = event.Event{Source: Source, Type: clip(typ, 255), Action: k.action}
	if err := f.time(&e.Time); err != nil {
		return err
	}
	f.common(e, k)
	if err := f.numbers(e, k); err != nil {
		return err
	}
	if k.refine != nil {
		k.refine(f, e)
	}
	return nil
}
