// Package native reads crmwatch's own form of an event, for sources that no
// format of its own exists for: as JSON, one object per line, and as CSV, with
// the JSON paths as the header.
package native

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/ingest"
	"github.com/crmwatch/crmwatch/ingest/record"
)

// Format is the native form. An event without an id gets one from its content;
// then equal records of one input are told apart by their order.
func Format() ingest.Format {
	return ingest.Format{
		Name: "native",
		Expect: []string{
			`native events as JSON (objects with "time" and "action")`,
			"native events as CSV (a header row with time and action)",
		},
		Columns: columns,
		Claims:  claims,
		Objects: objects,
	}
}

// claims takes objects that look meant as native events, so that they are
// rejected with what they lack rather than as something unknown.
func claims(keys record.Keys) bool {
	found := 0
	for _, name := range []string{"time", "action", "id", "source", "tenant", "actor"} {
		if keys.Has(name) {
			found++
		}
	}
	return found >= 2 && (keys.Has("time") || keys.Has("action")) && !keys.Has("event_type")
}

// mapper decodes the events of one input.
type mapper struct {
	decoder  *event.Decoder
	ordinals ingest.Ordinals
}

func objects() ingest.MapObject {
	m := &mapper{decoder: event.NewDecoder()}
	return m.object
}

func (m *mapper) object(data []byte, e *event.Event) error {
	if err := m.decoder.Decode(data, e); err != nil {
		return reject(err)
	}
	if e.ID == "" {
		e.ID = m.ordinals.ID(event.Hash("native", string(bytes.TrimSpace(data))))
	}
	foreign := e.Action != "" && !e.Action.Valid()
	if foreign {
		// A word that crmwatch does not have yet is no reason to lose the event.
		e.Type, e.Action = cmp.Or(e.Type, string(e.Action)), event.Other
	}
	if e.Raw == "" && (foreign || m.decoder.Unknown()) {
		return keep(data, e)
	}
	return nil
}

// keep puts the record into Raw, because it says more than the event can.
func keep(data []byte, e *event.Event) error {
	var raw bytes.Buffer
	if err := json.Compact(&raw, data); err != nil {
		return ingest.Reject("", event.BadJSON, "the record is not JSON; write it again with a JSON encoder")
	}
	if raw.Len() > event.MaxRaw {
		return ingest.Reject("raw", ingest.TooLarge, fmt.Sprintf("the record has attributes that an event does not have, and is larger than the %d KiB that are kept of one; leave them out", event.MaxRaw>>10))
	}
	e.Raw = raw.String()
	return nil
}

func reject(err error) error {
	d, ok := errors.AsType[*event.DecodeError](err)
	if !ok {
		return err
	}
	what := "the field "
	if d.Field == "" {
		what = fmt.Sprintf("the record, at byte %d, ", d.Offset)
	}
	return ingest.Reject(d.Field, d.Reason, what+d.Msg+"; correct it and send it again (docs/event.md lists the fields)")
}

// columns maps the rows of a CSV file whose header names paths of the event.
func columns(header []string) (ingest.MapRow, error) {
	if !slices.Contains(header, "time") || !slices.Contains(header, "action") {
		return nil, nil
	}
	row := &row{mapper: mapper{decoder: event.NewDecoder()}}
	if err := row.plan(header); err != nil {
		return nil, err
	}
	return row.apply, nil
}

// row writes a CSV row as JSON, so that there is one reader of events.
type row struct {
	mapper
	cells []cell
	buf   []byte
}

// cell is one column: where its value is in the row, and how to write it.
type cell struct {
	column int
	group  string // the object it is in, or empty
	key    string
	number bool
}

func (r *row) plan(header []string) error {
	known := map[string]event.Kind{}
	for _, f := range event.Fields {
		known[f.Path] = f.Kind
	}
	for i, path := range header {
		kind, ok := known[path]
		if !ok {
			return fmt.Errorf("the column %.100q is no field of an event; remove it or use the names in docs/event.md", path)
		}
		if slices.Contains(header[:i], path) {
			return fmt.Errorf("the column %q is there twice; remove one", path)
		}
		group, key, nested := strings.Cut(path, ".")
		if !nested {
			group, key = "", path
		}
		r.cells = append(r.cells, cell{column: i, group: group, key: key, number: kind == event.Int})
	}
	slices.SortStableFunc(r.cells, func(a, b cell) int { return strings.Compare(a.group, b.group) })
	return nil
}

func (r *row) apply(fields []string, e *event.Event) error {
	b := append(r.buf[:0], '{')
	group := ""
	for _, c := range r.cells {
		value := fields[c.column]
		if value == "" {
			continue
		}
		if c.group != group {
			if group != "" {
				b = append(b, '}')
			}
			b = append(appendKey(b, c.group), '{')
			group = c.group
		}
		b = appendKey(b, c.key)
		if c.number {
			b = append(b, number(value)...)
		} else {
			b = appendText(b, value)
		}
	}
	if group != "" {
		b = append(b, '}')
	}
	r.buf = append(b, '}')
	return r.object(r.buf, e)
}

func appendKey(b []byte, key string) []byte {
	if last := b[len(b)-1]; last != '{' {
		b = append(b, ',')
	}
	b = append(append(append(b, '"'), key...), '"', ':')
	return b
}

// number passes on what looks like one, and anything else as a text, which the
// decoder refuses by the field's name.
func number(value string) []byte {
	if json.Valid([]byte(value)) && strings.Trim(value, "+-0123456789.eE") == "" {
		return []byte(value)
	}
	return appendText(nil, value)
}

func appendText(b []byte, value string) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // a string can always be encoded
	}
	return append(b, text...)
}
