package record

import (
	"bytes"
	"io"
	"strings"
)

// CSV cuts a stream into the rows of RFC 4180: quoted fields may hold line
// breaks, quotes in them are doubled, and rows end with LF or CRLF. A quote that
// breaks these rules costs the line it is on, not the rows after it. Empty lines
// are no rows.
type CSV struct {
	w     window
	comma byte
}

// NewCSV returns the rows of r, whose fields the comma separates.
func NewCSV(r io.Reader, comma byte) *CSV {
	return &CSV{w: newWindow(r, Limit), comma: comma}
}

// Next returns the next row, io.EOF after the last one, or the error of the
// reader.
func (c *CSV) Next() (Record, error) {
	for {
		rec, err := c.row()
		if err != nil || rec.Problem != "" || len(rec.Data) > 0 {
			return rec, err
		}
	}
}

func (c *CSV) row() (Record, error) {
	w, s := &c.w, scan{comma: c.comma}
	for {
		switch s.run(w.data()); {
		case s.state == rowDone:
			return w.record(s.pos, ""), nil
		case s.state == rowBroken:
			return c.firstLine(BadQuote)
		case w.more():
			continue
		case w.failed() != nil:
			return Record{}, w.failed()
		case w.full() && bytes.IndexByte(w.data(), '\n') < 0:
			return w.oversize()
		case s.state == inQuotes || w.full():
			return c.firstLine(UnterminatedQuote)
		case len(w.data()) == 0:
			return Record{}, io.EOF
		}
		return w.record(len(w.data()), ""), nil
	}
}

// firstLine gives up the first line of what is in memory, and only that.
func (c *CSV) firstLine(p Problem) (Record, error) {
	for {
		data := c.w.data()
		if i := bytes.IndexByte(data, '\n'); i >= 0 {
			return c.w.record(i+1, p), nil
		}
		if c.w.more() {
			continue
		}
		if err := c.w.failed(); err != nil {
			return Record{}, err
		}
		if c.w.full() {
			return c.w.oversize()
		}
		return c.w.record(len(data), p), nil
	}
}

// scan looks for the end of a row. It can be run again when there is more data
// behind the same beginning, and goes on where it stopped.
type scan struct {
	comma byte
	state scanState
	pos   int // what has been looked at; the row's end where state is rowDone
}

type scanState uint8

const (
	fieldStart scanState = iota
	unquoted
	inQuotes
	afterQuote
	rowDone
	rowBroken
)

func (s *scan) run(data []byte) {
	for s.pos < len(data) && s.state < rowDone {
		switch s.state {
		case inQuotes:
			s.skipTo(data, '"', afterQuote)
		case unquoted:
			s.unquoted(data)
		default:
			c := data[s.pos]
			s.pos++
			s.state = s.at(c, data[s.pos:])
		}
	}
}

// at is the state after c at the beginning of a field or behind a quote.
func (s *scan) at(c byte, rest []byte) scanState {
	switch {
	case c == s.comma:
		return fieldStart
	case c == '\n':
		return rowDone
	case c == '"':
		return inQuotes // opened, or the second of a doubled one
	case s.state == fieldStart:
		return unquoted
	case c == '\r' && (len(rest) == 0 || rest[0] == '\n'):
		return afterQuote
	default:
		return rowBroken
	}
}

func (s *scan) skipTo(data []byte, c byte, then scanState) {
	i := bytes.IndexByte(data[s.pos:], c)
	if i < 0 {
		s.pos = len(data)
		return
	}
	s.pos += i + 1
	s.state = then
}

func (s *scan) unquoted(data []byte) {
	for ; s.pos < len(data); s.pos++ {
		switch data[s.pos] {
		case s.comma:
			s.pos++
			s.state = fieldStart
			return
		case '\n':
			s.pos++
			s.state = rowDone
			return
		}
	}
}

// Fields appends the fields of a row that CSV has cut to dst. The fields share
// the memory of row. It reports false where a quote stands inside a field that
// is not quoted, or behind one that is.
func Fields(dst []string, row string, comma byte) ([]string, bool) {
	for {
		var field string
		var ok, last bool
		if strings.HasPrefix(row, `"`) {
			field, row, last, ok = quotedField(row, comma)
		} else {
			field, row, last = cutField(row, comma)
			ok = strings.IndexByte(field, '"') < 0
		}
		if !ok {
			return dst, false
		}
		dst = append(dst, field)
		if last {
			return dst, true
		}
	}
}

func cutField(row string, comma byte) (field, rest string, last bool) {
	i := strings.IndexByte(row, comma)
	if i < 0 {
		return row, "", true
	}
	return row[:i], row[i+1:], false
}

func quotedField(row string, comma byte) (field, rest string, last, ok bool) {
	doubled := false
	for end := 1; ; {
		i := strings.IndexByte(row[end:], '"')
		if i < 0 {
			return "", "", false, false
		}
		end += i + 1
		if end < len(row) && row[end] == '"' {
			doubled = true
			end++
			continue
		}
		field, rest = row[1:end-1], row[end:]
		break
	}
	if doubled {
		field = strings.ReplaceAll(field, `""`, `"`)
	}
	switch {
	case rest == "" || rest == "\r":
		return field, "", true, true
	case rest[0] == comma:
		return field, rest[1:], false, true
	default:
		return "", "", false, false
	}
}
