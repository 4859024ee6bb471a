package record

import (
	"bytes"
	"io"
)

// Lines cuts a stream at its line ends, LF or CRLF. Empty lines are no records.
type Lines struct{ w window }

// NewLines returns the lines of r.
func NewLines(r io.Reader) *Lines { return &Lines{newWindow(r, Limit)} }

// Next returns the next line, io.EOF after the last one, or the error of the
// reader.
func (l *Lines) Next() (Record, error) {
	for {
		rec, err := l.line()
		if err != nil || rec.Problem != "" || len(bytes.TrimSpace(rec.Data)) > 0 {
			return rec, err
		}
	}
}

func (l *Lines) line() (Record, error) {
	w, seen := &l.w, 0
	for {
		data := w.data()
		if i := bytes.IndexByte(data[seen:], '\n'); i >= 0 {
			return w.record(seen+i+1, ""), nil
		}
		seen = len(data)
		if w.more() {
			continue
		}
		switch err := w.failed(); {
		case w.full():
			return w.oversize()
		case err != nil:
			return Record{}, err
		case seen == 0:
			return Record{}, io.EOF
		}
		return w.record(seen, ""), nil
	}
}
