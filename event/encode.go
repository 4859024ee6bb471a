package event

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// member is one key of the JSON form: a field, or an object of further members.
type member struct {
	key     string
	open    string // the key as it is written: `"rows":`
	bit     uint64 // its own among all members of the form
	field   *Field
	path    string
	members []member
}

// form is the JSON form: the table of fields as the tree that their paths say.
var form = makeForm(Fields)

func makeForm(fields []Field) []member {
	var top []member
	bit := uint64(1)
	add := func(list *[]member, m member) {
		m.open, m.bit = strconv.Quote(m.key)+":", bit
		bit <<= 1
		*list = append(*list, m)
	}
	for i := range fields {
		f := &fields[i]
		group, key, nested := strings.Cut(f.Path, ".")
		if !nested {
			add(&top, member{key: f.Path, path: f.Path, field: f})
			continue
		}
		last := len(top) - 1
		if last < 0 || top[last].key != group {
			add(&top, member{key: group, path: group})
			last++
		}
		add(&top[last].members, member{key: key, path: f.Path, field: f})
	}
	return top
}

// AppendJSON appends the event's JSON form: one object with the keys in the
// order of Fields, "actor" and "object" nested, times in TimeLayout, and without
// what the event does not have. Equal events have equal bytes. What it appends
// is valid JSON for any event, and Decode reads it back for a valid one.
func (e *Event) AppendJSON(dst []byte) []byte { return appendMembers(dst, form, e) }

func appendMembers(dst []byte, members []member, e *Event) []byte {
	dst = append(dst, '{')
	first := len(dst)
	for i := range members {
		m := &members[i]
		start := len(dst)
		if start > first {
			dst = append(dst, ',')
		}
		dst = append(dst, m.open...)
		value := len(dst)
		if dst = m.append(dst, e); len(dst) == value {
			dst = dst[:start]
		}
	}
	return append(dst, '}')
}

// append appends the member's value, or nothing where it is absent.
func (m *member) append(dst []byte, e *Event) []byte {
	if m.field == nil {
		start := len(dst)
		if dst = appendMembers(dst, m.members, e); len(dst) == start+len("{}") {
			return dst[:start]
		}
		return dst
	}
	switch f := m.field; {
	case f.text != nil:
		if s := *f.text(e); s != "" {
			return appendString(dst, s)
		}
	case f.number != nil:
		if n := *f.number(e); n != 0 {
			return strconv.AppendInt(dst, n, 10)
		}
	default:
		if t := *f.moment(e); !t.IsZero() {
			return append(appendTime(append(dst, '"'), t), '"')
		}
	}
	return dst
}

// plain marks the bytes that stand for themselves in a JSON string.
var plain = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf
	}
	return t
}()

// appendString appends s as a JSON string. Bytes that are not UTF-8 become
// U+FFFD: an event with such bytes is not valid, but its message still has to
// be JSON.
func appendString(dst []byte, s string) []byte {
	begin, start, ascii := len(dst), 0, true
	dst = append(dst, '"')
	for i := 0; i < len(s); i++ {
		c := s[i]
		if plain[c] {
			continue
		}
		if c >= utf8.RuneSelf {
			ascii = false
			continue
		}
		dst = append(dst, s[start:i]...)
		dst = appendEscape(dst, c)
		start = i + 1
	}
	if !ascii && !utf8.ValidString(s) {
		return appendString(dst[:begin], strings.ToValidUTF8(s, "\uFFFD"))
	}
	return append(append(dst, s[start:]...), '"')
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	default:
		const hex = "0123456789abcdef"
		return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
	}
}
