package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/ingest/record"
)

// Item is one record of an input: an event, or the reason why it is none. It is
// valid until the next one is read.
type Item struct {
	// Line is where the record begins, and Number which record it is, both from 1.
	Line, Number int64
	// Data is the record as it came, its beginning where Size is more than
	// event.MaxDeadRecord bytes.
	Data []byte
	Size int64
	// Event is nil where Rejection is not.
	Event     *event.Event
	Rejection *Rejection
}

// Reader reads one input to its end. It belongs to one goroutine and holds no
// more than one record in memory.
type Reader struct {
	rows    rows
	lines   splitter
	inner   *record.Values // the values of a line that holds several
	base    int64          // the line they are on
	objects []objects
	keys    record.Keys
	event   event.Event
	number  int64
}

type splitter interface {
	Next() (record.Record, error)
}

// objects is one format's share of the JSON objects of an input.
type objects struct {
	format Format
	apply  MapObject
}

// rows is the CSV side of a Reader.
type rows struct {
	csv    *record.CSV
	comma  byte
	format Format
	header []string
	apply  MapRow
	fields []string
	begun  bool
}

// newJSONReader reads JSON: one object per line or, as a document, one object,
// an array of them, or the answer to a query. Every object is given to the
// format that claims it, so that one input may hold objects of several.
func newJSONReader(r io.Reader, formats []Format, document bool) *Reader {
	reader := &Reader{}
	for _, f := range formats {
		if f.Claims != nil {
			reader.objects = append(reader.objects, objects{f, f.Objects()})
		}
	}
	if document {
		reader.lines = record.NewValues(r)
	} else {
		reader.lines = record.NewLines(r)
	}
	return reader
}

// newCSVReader reads CSV whose header the format has claimed.
func newCSVReader(r io.Reader, k Kind) *Reader {
	return &Reader{rows: rows{
		csv: record.NewCSV(r, k.comma), comma: k.comma, format: k.format, header: k.header, apply: k.apply,
	}}
}

// Next returns the next record, io.EOF after the last one, or the error of the
// stream, which is final.
func (r *Reader) Next() (Item, error) {
	rec, err := r.split()
	if err != nil {
		return Item{}, err
	}
	r.number++
	item := Item{Line: rec.Line, Number: r.number, Data: rec.Data, Size: rec.Size, Event: &r.event}
	if err := r.parse(rec); err != nil {
		item.Event, item.Rejection = nil, err
	}
	return item, nil
}

func (r *Reader) split() (record.Record, error) {
	if r.rows.csv != nil {
		rec, err := r.rows.csv.Next()
		if err == nil && !r.rows.begun {
			r.rows.begun = true // that was the header
			return r.rows.csv.Next()
		}
		return rec, err
	}
	for {
		if r.inner != nil {
			rec, err := r.inner.Next()
			if err == nil {
				rec.Line += r.base - 1
				return rec, nil
			}
			r.inner = nil
		}
		rec, err := r.lines.Next()
		if err != nil || rec.Problem != "" || !holdsSeveral(rec.Data) {
			return rec, err
		}
		r.inner, r.base = record.NewValues(bytes.NewReader(rec.Data)), rec.Line
	}
}

// holdsSeveral reports whether a line is an array, or the answer to a query.
func holdsSeveral(line []byte) bool {
	line = bytes.TrimLeft(line, " \t")
	return bytes.HasPrefix(line, []byte("[")) || record.IsEnvelope(line)
}

func (r *Reader) parse(rec record.Record) *Rejection {
	if rej := broken(rec); rej != nil {
		return rej
	}
	var err error
	if r.rows.csv != nil {
		err = r.rows.parse(rec, &r.event)
	} else {
		err = r.object(rec)
	}
	return asRejection(err)
}

// broken rejects what no parser needs to see.
func broken(rec record.Record) *Rejection {
	switch {
	case rec.Problem != "":
		return problems[rec.Problem]
	case rec.Size > MaxRecord:
		return problems[record.TooLarge]
	case bytes.IndexByte(rec.Data, 0) >= 0:
		return &Rejection{Reason: NULByte, Detail: "the record holds a NUL byte, so it is damaged or not text; export it anew"}
	case !utf8.Valid(rec.Data):
		return &Rejection{Reason: event.BadUTF8, Detail: "the record is not UTF-8; convert the file, for example with iconv -f GB18030 -t UTF-8"}
	}
	return nil
}

var problems = map[record.Problem]*Rejection{
	record.TooLarge: {
		Reason: TooLarge,
		Detail: fmt.Sprintf("the record is larger than an event can be (%d MiB); shorten its longest fields", MaxRecord>>20),
	},
	record.UnterminatedQuote: {
		Reason: UnterminatedQuote,
		Detail: "a quoted field has no closing quote; the file may have been cut off, so export it anew",
	},
	record.BadQuote: {
		Reason: BadQuote,
		Detail: "a quote stands where RFC 4180 allows none; quote the field and double the quotes inside it",
	},
	record.Truncated: {
		Reason: Truncated,
		Detail: "the input ends in the middle of the record; ingest it again when it is complete",
	},
	record.Broken: {
		Reason: event.BadJSON,
		Detail: `a text holds a line break; write it as \n`,
	},
}

// object gives a JSON object to the format that claims it.
func (r *Reader) object(rec record.Record) error {
	r.keys = record.AppendKeys(r.keys[:0], rec.Data)
	for i := range r.objects {
		if o := &r.objects[i]; o.format.Claims(r.keys) {
			err := o.apply(rec.Data, &r.event)
			if err != nil && rec.Last && !record.Complete(rec.Data) {
				return problems[record.Truncated]
			}
			return err
		}
	}
	switch {
	case !record.Complete(rec.Data):
		if rec.Last {
			return problems[record.Truncated]
		}
		return Reject("", event.BadJSON, "the record is not a JSON object; write one object per line")
	default:
		return Reject("", UnknownFormat, "the keys are those of no known event; expected "+strings.Join(expectations(r.formats()), ", or "))
	}
}

func (r *Reader) formats() []Format {
	var formats []Format
	for _, o := range r.objects {
		formats = append(formats, o.format)
	}
	return formats
}

func (r *rows) parse(rec record.Record, e *event.Event) error {
	var ok bool
	if r.fields, ok = record.Fields(r.fields[:0], string(rec.Data), r.comma); !ok {
		return problems[record.BadQuote]
	}
	if repeated, err := r.repeated(); repeated {
		return err
	}
	if len(r.fields) != len(r.header) {
		return Reject("", BadColumns, fmt.Sprintf("the row has %s, the header %d; check its quotes and commas, or export it anew",
			plural(len(r.fields), "column"), len(r.header)))
	}
	return r.apply(r.fields, e)
}

// repeated reports whether the row is a header once more, as in files that were
// put one behind the other. The rows after it are then read by it.
func (r *rows) repeated() (bool, error) {
	if !slices.ContainsFunc(r.header, func(name string) bool { return strings.EqualFold(name, r.fields[0]) }) {
		return false, nil
	}
	if !slices.Equal(r.fields, r.header) {
		apply, err := r.format.Columns(r.fields)
		if isHeader := apply != nil && err == nil; !isHeader {
			return false, nil
		}
		r.header, r.apply = slices.Clone(r.fields), apply
	}
	return true, Reject("", RepeatedHeader, "the row is a header, not an event; the rows after it are read by it, so nothing is lost")
}

func asRejection(err error) *Rejection {
	if err == nil {
		return nil
	}
	if rej, ok := errors.AsType[*Rejection](err); ok {
		return rej
	}
	field, reason, ok := event.Cause(err)
	if !ok {
		reason = event.BadValue
	}
	return &Rejection{Field: field, Reason: reason, Detail: "the record " + err.Error()}
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

func itoa(n int) string { return strconv.Itoa(n) }
