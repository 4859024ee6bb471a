package event

import "bytes"

// Limits on a record, so that a hostile one costs no more than its length.
const (
	MaxDepth = 32   // objects and arrays within each other, the record included
	MaxKeys  = 1024 // keys in all objects together
)

// Decode reads the JSON form of an event, its keys in any order, into e, whose
// previous content is lost. It is strict where readers of JSON differ: it
// refuses duplicate keys, text that is not UTF-8, NUL in text, numbers with a
// fraction or an exponent, times other than RFC 3339, and anything after the
// object. A null is an absent field. The error is a *DecodeError, and e is then
// the zero Event.
//
// Decode does not ask whether the event makes sense; Validate does.
func Decode(data []byte, e *Event) error {
	var d Decoder
	return d.Decode(data, e)
}

// Decoder is Decode for many records, one after the other. It belongs to one
// goroutine. The zero Decoder is ready, and NewDecoder makes one that also keeps
// one copy of the texts that events share.
type Decoder struct {
	words *words

	data []byte
	pos  int
	path string // the field being read
	err  *DecodeError

	seen    uint64   // bits of the members met
	keys    int      // in all objects
	names   [][]byte // keys of the open objects that no member has
	unknown bool

	depth   int
	scratch []byte  // the last text, if it had escapes
	short   []byte  // short texts of the event, to be allocated as one
	owners  []owner // where they belong
}

// maxShort is the longest text that is allocated together with others.
const maxShort = 256

// owner is a text of an event that ends at end in Decoder.short.
type owner struct {
	text *string
	end  int
}

// NewDecoder returns a Decoder that keeps one copy of texts such as a tenant, an
// account or a user agent for all the events it reads. Its memory is bounded:
// at most 16,384 texts of at most 256 bytes.
func NewDecoder() *Decoder { return &Decoder{words: newWords()} }

// Unknown reports whether the last record had attributes that Event has no
// field for. They are not an error, so that later versions and native sources
// may add some, but they are lost unless the caller keeps the record.
func (d *Decoder) Unknown() bool { return d.unknown }

// Decode is the function Decode with this decoder's memory.
func (d *Decoder) Decode(data []byte, e *Event) error {
	*d = Decoder{
		words: d.words, data: data,
		names: d.names[:0], scratch: d.scratch[:0], short: d.short[:0], owners: d.owners[:0],
	}
	*e = Event{}
	ok := d.record(e)
	d.data = nil
	clear(d.owners)
	if ok {
		return nil
	}
	*e = Event{}
	return d.err
}

func (d *Decoder) record(e *Event) bool {
	if !d.object(form, e) {
		return false
	}
	d.path = ""
	if d.next() != 0 || d.pos < len(d.data) {
		return d.fail(BadJSON, "has something after its end")
	}
	d.settle()
	return true
}

// settle gives the short texts to their fields, all in one allocation. Long
// ones have their own, lest an id that somebody keeps hold a vendor's record in
// memory.
func (d *Decoder) settle() {
	all, start := string(d.short), 0
	for _, o := range d.owners {
		*o.text = all[start:o.end]
		start = o.end
	}
}

// object reads an object whose keys are the members; with none, any keys.
func (d *Decoder) object(members []member, e *Event) bool {
	if d.next() != '{' {
		return d.mistyped("an object")
	}
	if !d.enter() {
		return false
	}
	d.pos++
	path, names, expected := d.path, len(d.names), 0
	for first := true; ; first = false {
		if d.next() == '}' && first {
			break
		}
		m := d.foresee(members, expected)
		if m < 0 {
			key, ok := d.key()
			if !ok {
				return false
			}
			if m = find(members, key, expected); m < 0 && !d.stranger(key, names) {
				return false
			}
		}
		if m >= 0 {
			if expected = m + 1; !d.member(&members[m], e) {
				return false
			}
		}
		d.path = path
		if c := d.next(); c == '}' {
			break
		} else if c != ',' {
			return d.fail(BadJSON, "lacks a comma or a closing brace")
		}
		d.pos++
	}
	d.pos++
	d.depth--
	clear(d.names[names:])
	d.names = d.names[:names]
	return true
}

// keep gives the field its text.
func (d *Decoder) keep(f *Field, text *string, b []byte) {
	switch {
	case f.shared && d.words != nil && len(b) <= maxWord:
		*text = d.words.get(b)
	case len(b) > maxShort:
		*text = string(b)
	default:
		d.short = append(d.short, b...)
		d.owners = append(d.owners, owner{text, len(d.short)})
	}
}

// foresee passes over a key that is written and placed as AppendJSON does it,
// without scanning it, and returns the index of its member, or -1.
func (d *Decoder) foresee(members []member, expected int) int {
	rest := d.data[d.pos:]
	for i := expected; i < min(expected+4, len(members)); i++ {
		if open := members[i].open; len(rest) >= len(open) && string(rest[:len(open)]) == open {
			d.pos += len(open)
			d.keys++
			return i
		}
	}
	return -1
}

// find returns the index of the member with the key, or -1. The search begins
// where the canonical order expects it.
func find(members []member, key []byte, expected int) int {
	for i := expected; i < len(members); i++ {
		if members[i].key == string(key) {
			return i
		}
	}
	for i := range min(expected, len(members)) {
		if members[i].key == string(key) {
			return i
		}
	}
	return -1
}

// key reads a key and its colon. The result is valid until the next text.
func (d *Decoder) key() ([]byte, bool) {
	if d.next() != '"' {
		return nil, d.fail(BadJSON, "lacks a key")
	}
	if d.keys++; d.keys > MaxKeys {
		return nil, d.fail(TooManyKeys, "has too many keys")
	}
	key, ok := d.string()
	if !ok {
		return nil, false
	}
	if d.next() != ':' {
		return nil, d.fail(BadJSON, "lacks a colon after a key")
	}
	d.pos++
	return key, true
}

// member reads the value of a known key.
func (d *Decoder) member(m *member, e *Event) bool {
	d.path = m.path
	if d.seen&m.bit != 0 {
		return d.fail(DuplicateKey, "is there twice")
	}
	d.seen |= m.bit
	if d.next() == 'n' {
		return d.literal("null")
	}
	switch f := m.field; {
	case f == nil:
		return d.object(m.members, e)
	case f.text != nil:
		b, ok := d.text()
		if ok {
			d.keep(f, f.text(e), b)
		}
		return ok
	case f.number != nil:
		n, ok := d.integer()
		*f.number(e) = n
		return ok
	default:
		start := d.pos
		b, ok := d.text()
		if !ok {
			return false
		}
		if *f.moment(e), ok = parseTime(b); !ok {
			d.pos = start
			return d.fail(BadTime, "is not an RFC 3339 time such as 2026-01-31T09:30:00.000Z")
		}
		return true
	}
}

// stranger reads the value of a key that no member has. names is where the keys
// of its object begin in d.names.
func (d *Decoder) stranger(key []byte, names int) bool {
	d.unknown, d.path = true, ""
	for _, name := range d.names[names:] {
		if bytes.Equal(name, key) {
			return d.fail(DuplicateKey, "has the same key twice in one object")
		}
	}
	if len(d.scratch) > 0 { // the key had escapes and will be overwritten
		key = bytes.Clone(key)
	}
	d.names = append(d.names, key)
	return d.skip()
}

// skip reads a value of any type and forgets it.
func (d *Decoder) skip() bool {
	switch c := d.next(); {
	case c == '{':
		return d.object(nil, nil)
	case c == '[':
		return d.array()
	case c == '"':
		_, ok := d.string()
		return ok
	case c == 't':
		return d.literal("true")
	case c == 'f':
		return d.literal("false")
	case c == 'n':
		return d.literal("null")
	case c == '-' || isDigit(c):
		return d.number()
	default:
		return d.fail(BadJSON, "lacks a value")
	}
}

func (d *Decoder) array() bool {
	if !d.enter() {
		return false
	}
	d.pos++
	for first := true; ; first = false {
		if d.next() == ']' && first {
			break
		}
		if !d.skip() {
			return false
		}
		if c := d.next(); c == ']' {
			break
		} else if c != ',' {
			return d.fail(BadJSON, "lacks a comma or a closing bracket")
		}
		d.pos++
	}
	d.pos++
	d.depth--
	return true
}

func (d *Decoder) enter() bool {
	if d.depth++; d.depth > MaxDepth {
		return d.fail(TooDeep, "is nested too deep")
	}
	return true
}
