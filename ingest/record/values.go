package record

import (
	"bytes"
	"io"
)

// Values cuts a stream into JSON values by their structure, wherever the lines
// break: one value after the other, the elements of a top-level array, and the
// "records" of a query response. It does not check the values themselves.
type Values struct {
	w        window
	inArray  bool
	envelope bool // the array is the "records" of an object
}

// NewValues returns the values of r.
func NewValues(r io.Reader) *Values { return &Values{w: newWindow(r, Limit)} }

// Next returns the next value, io.EOF after the last one, or the error of the
// reader.
func (v *Values) Next() (Record, error) {
	for {
		c, err := v.peek()
		if err != nil {
			return Record{}, err
		}
		switch {
		case c == ',':
			v.w.take(1)
		case c == '[' && !v.inArray:
			v.w.take(1)
			v.inArray = true
		case c == ']' && v.inArray:
			v.w.take(1)
			v.inArray = false
			if err := v.leave(); err != nil {
				return Record{}, err
			}
		case c == '{' && !v.inArray && v.enter():
		default:
			return v.value()
		}
	}
}

// peek skips white space and returns the byte behind it.
func (v *Values) peek() (byte, error) {
	w := &v.w
	for {
		data := w.data()
		n := skipSpace(data, 0)
		w.take(n)
		if n < len(data) {
			return data[n], nil
		}
		if !w.more() {
			if err := w.failed(); err != nil {
				return 0, err
			}
			return 0, io.EOF
		}
	}
}

// envelopeHead is how far into an object its "records" are looked for. The
// members of a query response before them are short.
const envelopeHead = 64 << 10

// enter goes into the records of a query response, if the object is one.
func (v *Values) enter() bool {
	w := &v.w
	for {
		data := w.data()
		if n := elements(data[:min(len(data), envelopeHead)]); n >= 0 {
			w.take(n)
			v.inArray, v.envelope = true, true
			return true
		}
		if len(data) >= envelopeHead || skipValue(data, 0) < len(data) || !w.more() {
			return false
		}
	}
}

// leave skips the rest of a query response behind its records.
func (v *Values) leave() error {
	if !v.envelope {
		return nil
	}
	v.envelope = false
	s := nesting{depth: 1}
	for {
		s.run(v.w.data())
		v.w.take(s.pos)
		s.pos = 0
		if s.done {
			return nil
		}
		if !v.w.more() {
			return v.w.failed()
		}
	}
}

func (v *Values) value() (Record, error) {
	w := &v.w
	var s nesting
	for {
		s.run(w.data())
		switch {
		case s.broken:
			return v.skipBroken(s.pos)
		case s.done:
			rec := w.record(s.pos, "")
			rec.Last = false
			return rec, nil
		case w.more():
			continue
		case w.full():
			return v.oversize(&s)
		case w.failed() != nil:
			return Record{}, w.failed()
		}
		problem := Truncated
		if s.depth == 0 && !s.inString {
			problem = "" // a number or a word, which only the end delimits
		}
		return w.record(len(w.data()), problem), nil
	}
}

// oversize takes what is in memory as the beginning of a value and drops the
// rest of it.
func (v *Values) oversize(s *nesting) (Record, error) {
	w := &v.w
	rec := Record{Line: w.line, Problem: TooLarge}
	rec.Data = bytes.Clone(w.take(w.end - w.start))
	rec.Size = int64(len(rec.Data))
	for s.pos = 0; !s.done && !s.broken; s.pos = 0 {
		if !w.more() {
			return rec, w.failed()
		}
		s.run(w.data())
		rec.Size += int64(s.pos)
		w.take(s.pos)
	}
	return rec, nil
}

// skipBroken takes a value with a line break in a string, n bytes up to that
// break, and the lines behind it up to one that looks like another value or the
// end of the array.
func (v *Values) skipBroken(n int) (Record, error) {
	w := &v.w
	for {
		data := w.data()
		i := skipSpace(data, n)
		for i < len(data) && data[i] == ',' {
			i = skipSpace(data, i+1)
		}
		if i < len(data) {
			if data[i] == '{' || data[i] == ']' {
				return w.record(n, Broken), nil
			}
			if j := bytes.IndexByte(data[i:], '\n'); j >= 0 {
				n = i + j + 1
				continue
			}
		}
		if w.more() {
			continue
		}
		if w.full() {
			return w.oversize()
		}
		return w.record(len(data), Broken), w.failed()
	}
}

// nesting follows the structure of a JSON value to its end. It can be run again
// when there is more data behind the same beginning.
type nesting struct {
	depth    int
	pos      int
	inString bool
	escaped  bool
	scalar   bool
	done     bool
	broken   bool // a line break in a string; pos is behind it
}

func (s *nesting) run(data []byte) {
	for s.pos < len(data) && !s.done && !s.broken {
		c := data[s.pos]
		if s.inString {
			s.pos++
			s.text(c)
			continue
		}
		if s.depth == 0 && s.scalar && (c == ',' || c == ']' || c == '{' || c == '[' || isSpace(c)) {
			s.done = true
			return
		}
		s.pos++
		s.structure(c)
	}
}

func (s *nesting) text(c byte) {
	switch {
	case s.escaped:
		s.escaped = false
	case c == '\\':
		s.escaped = true
	case c == '"':
		s.inString = false
		s.done = s.depth == 0 && !s.scalar
	case c == '\n':
		s.broken = true
	}
}

func (s *nesting) structure(c byte) {
	switch c {
	case '"':
		s.inString = true
	case '{', '[':
		s.depth++
	case '}', ']':
		s.depth--
		s.done = s.depth <= 0
	default:
		s.scalar = s.scalar || s.depth == 0
	}
}
