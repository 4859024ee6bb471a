package event

import (
	"encoding/binary"
	"math"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// fail records what is wrong with the record and where; it returns false for
// its callers to return.
func (d *Decoder) fail(reason, msg string) bool {
	d.err = &DecodeError{Field: d.path, Offset: d.pos, Reason: reason, Msg: msg}
	return false
}

// mistyped fails at a value that is not what the field needs.
func (d *Decoder) mistyped(want string) bool {
	switch c := d.next(); {
	case c == '{', c == '[', c == '"', c == 't', c == 'f', c == 'n', c == '-', isDigit(c):
		return d.fail(WrongType, "is not "+want)
	default:
		return d.fail(BadJSON, "lacks a value")
	}
}

// next skips white space and returns the byte at d.pos, or 0 at the end.
func (d *Decoder) next() byte {
	for d.pos < len(d.data) {
		c := d.data[d.pos]
		if c > ' ' || c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			return c
		}
		d.pos++
	}
	return 0
}

func isDigit(c byte) bool { return c-'0' <= 9 }

func (d *Decoder) literal(word string) bool {
	if end := d.pos + len(word); end > len(d.data) || string(d.data[d.pos:end]) != word {
		return d.fail(BadJSON, "lacks a value")
	}
	d.pos += len(word)
	return true
}

// text reads a string that is a field's value.
func (d *Decoder) text() ([]byte, bool) {
	if d.next() != '"' {
		return nil, d.mistyped("a text")
	}
	return d.string()
}

// string reads the string that begins at d.pos. The result is part of the
// record, or of d.scratch where it had escapes, which is otherwise empty.
func (d *Decoder) string() ([]byte, bool) {
	d.scratch = d.scratch[:0]
	start, ascii := d.pos+1, true
	for i := plainRun(d.data, start); i < len(d.data); i = plainRun(d.data, i+1) {
		switch c := d.data[i]; {
		case c == '"':
			d.pos = i + 1
			return d.valid(d.data[start:i], ascii)
		case c == '\\':
			d.pos = start
			return d.escaped(ascii)
		case c >= utf8.RuneSelf:
			ascii = false
		default:
			d.pos = i
			return nil, d.fail(BadJSON, "has a control character in a text")
		}
	}
	d.pos = len(d.data)
	return nil, d.fail(BadJSON, "ends within a text")
}

// plainRun returns the index of the first byte from i on that does not stand for
// itself in a JSON string, or the end. It looks at eight bytes at a time: of a
// byte below 0x80, the subtractions set the top bit where it is a control
// character, a quote or a backslash, and they can only disturb bytes above one
// for which they did.
func plainRun(b []byte, i int) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		special := (w | (w - ones*0x20) | ((w ^ ones*'"') - ones) | ((w ^ ones*'\\') - ones)) & tops
		if special != 0 {
			return i + bits.TrailingZeros64(special)/8
		}
	}
	for i < len(b) && plain[b[i]] {
		i++
	}
	return i
}

func (d *Decoder) valid(b []byte, ascii bool) ([]byte, bool) {
	if !ascii && !utf8.Valid(b) {
		return nil, d.fail(BadUTF8, "is not valid UTF-8")
	}
	return b, true
}

// escaped is string for the rest of a string with escapes, from d.pos.
func (d *Decoder) escaped(ascii bool) ([]byte, bool) {
	start := d.pos
	for d.pos = plainRun(d.data, d.pos); d.pos < len(d.data); d.pos = plainRun(d.data, d.pos) {
		switch c := d.data[d.pos]; {
		case c == '"':
			d.scratch = append(d.scratch, d.data[start:d.pos]...)
			d.pos++
			return d.valid(d.scratch, ascii)
		case c == '\\':
			d.scratch = append(d.scratch, d.data[start:d.pos]...)
			if !d.escape() {
				return nil, false
			}
			start = d.pos
		case c >= utf8.RuneSelf:
			ascii = false
			d.pos++
		default:
			return nil, d.fail(BadJSON, "has a control character in a text")
		}
	}
	return nil, d.fail(BadJSON, "ends within a text")
}

// escapes are the characters that a backslash stands before, except u.
var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escape appends to d.scratch what the escape at d.pos stands for.
func (d *Decoder) escape() bool {
	if d.pos+1 >= len(d.data) {
		return d.fail(BadJSON, "ends within a text")
	}
	c := d.data[d.pos+1]
	if c != 'u' {
		if escapes[c] == 0 {
			return d.fail(BadJSON, "has an unknown escape in a text")
		}
		d.scratch = append(d.scratch, escapes[c])
		d.pos += 2
		return true
	}
	r, ok := d.unit(d.pos)
	if !ok {
		return d.fail(BadJSON, "has a broken \\u escape in a text")
	}
	size := len(`\u0000`)
	if utf16.IsSurrogate(r) {
		low, _ := d.unit(d.pos + size)
		if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
			return d.fail(BadUTF8, "has half of a surrogate pair in a text")
		}
		size *= 2
	}
	if r == 0 {
		return d.fail(BadText, "has a NUL in a text")
	}
	d.scratch = utf8.AppendRune(d.scratch, r)
	d.pos += size
	return true
}

// unit reads the \u escape at pos.
func (d *Decoder) unit(pos int) (rune, bool) {
	if pos+6 > len(d.data) || d.data[pos] != '\\' || d.data[pos+1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range d.data[pos+2 : pos+6] {
		switch {
		case isDigit(c):
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// integer reads a whole number of 64 bits.
func (d *Decoder) integer() (int64, bool) {
	c, start := d.next(), d.pos
	if c != '-' && !isDigit(c) {
		return 0, d.mistyped("a number")
	}
	if !d.number() {
		return 0, false
	}
	digits, limit := d.data[start:d.pos], uint64(math.MaxInt64)
	if c == '-' {
		digits, limit = digits[1:], limit+1
	}
	var n uint64
	for _, c := range digits {
		if !isDigit(c) {
			d.pos = start
			return 0, d.fail(BadNumber, "has a fraction or an exponent, and only whole numbers count")
		}
		digit := uint64(c - '0')
		if n > (limit-digit)/10 {
			d.pos = start
			return 0, d.fail(BadNumber, "does not fit into 64 bits")
		}
		n = n*10 + digit
	}
	if c == '-' {
		return -int64(n), true
	}
	return int64(n), true
}

// number passes over a number of JSON's grammar.
func (d *Decoder) number() bool {
	if d.data[d.pos] == '-' {
		d.pos++
	}
	whole := d.pos
	ok := d.digits() && (d.data[whole] != '0' || d.pos == whole+1)
	if ok && d.at('.') {
		d.pos++
		ok = d.digits()
	}
	if ok && (d.at('e') || d.at('E')) {
		d.pos++
		if d.at('+') || d.at('-') {
			d.pos++
		}
		ok = d.digits()
	}
	return ok || d.fail(BadJSON, "has a broken number")
}

func (d *Decoder) at(c byte) bool { return d.pos < len(d.data) && d.data[d.pos] == c }

// digits passes over at least one digit.
func (d *Decoder) digits() bool {
	start := d.pos
	for d.pos < len(d.data) && isDigit(d.data[d.pos]) {
		d.pos++
	}
	return d.pos > start
}
