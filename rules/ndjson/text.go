package ndjson

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// plainRun returns the index of the first quote, backslash or control character
// from i on, or the end, and a number with a top bit of a byte set if there may
// be characters beyond ASCII before. It looks at eight bytes at a time: of a byte
// below 0x80, the subtractions set the top bit where it is one of the three, and
// they can only disturb bytes above one for which they did.
func plainRun(b []byte, i int) (end int, high uint64) {
	const ones, tops, gather = 0x0101010101010101, 0x8080808080808080, 0x0102040810204080
	for ; i+16 <= len(b); i += 16 {
		v, w := words(b, i)
		high |= v | w
		first := ((v - ones*0x20) | ((v ^ ones*'"') - ones) | ((v ^ ones*'\\') - ones)) &^ v & tops
		second := ((w - ones*0x20) | ((w ^ ones*'"') - ones) | ((w ^ ones*'\\') - ones)) &^ w & tops
		// One bit a byte, so that it costs no branch in which of the words the first is:
		// lengths of texts are what a processor cannot guess.
		if at := first>>7*gather>>56 | second>>7*gather>>56<<8; at != 0 {
			return i + bits.TrailingZeros64(at), high & tops
		}
	}
	for ; i < len(b) && b[i] >= ' ' && b[i] != '"' && b[i] != '\\'; i++ {
		high |= uint64(b[i])
	}
	return i, high & tops
}

// words are the 16 bytes from i on, which b must have.
func words(b []byte, i int) (uint64, uint64) {
	w := (*[16]byte)(b[i : i+16])
	return binary.LittleEndian.Uint64(w[:8]), binary.LittleEndian.Uint64(w[8:])
}

// skipText passes over the text at i.
func (s *Scanner) skipText(i int) int {
	i, _ = plainRun(s.data, i+1)
	for s.is(i, '\\') {
		if i = s.skipEscape(i); i < 0 {
			return -1
		}
		i, _ = plainRun(s.data, i)
	}
	return s.endText(i)
}

// endText passes over the quote at the end of a text.
func (s *Scanner) endText(i int) int {
	if s.is(i, '"') {
		return i + 1
	}
	if i < len(s.data) {
		return s.fail(i, "a control character is in a text")
	}
	return s.fail(i, "the end of a text is missing")
}

// skipEscape passes over an escape.
func (s *Scanner) skipEscape(i int) int {
	switch {
	case i+1 >= len(s.data):
		return s.fail(i+1, "the end of a text is missing")
	case escapes[s.data[i+1]] != 0:
		return i + 2
	case unit(s.data, i) < 0:
		return s.fail(i, "an unknown escape is in a text")
	default:
		return i + len(`\u0000`)
	}
}

// text reads the text at i. It is part of the line, or of s.scratch where it is
// written otherwise there.
func (s *Scanner) text(i int) (string, int) {
	start := i + 1
	i, high := plainRun(s.data, start)
	if !s.is(i, '"') || high != 0 && !utf8.Valid(s.data[start:i]) {
		return s.decoded(start)
	}
	return alias(s.data[start:i]), i + 1
}

// alias is a text in the memory of b, which must not change while it is used.
func alias(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // a copy of each text would be most of the work
}

// decoded reads a text with escapes or faults.
func (s *Scanner) decoded(i int) (string, int) {
	begin := len(s.scratch)
	for {
		end, _ := plainRun(s.data, i)
		s.scratch = appendValid(s.scratch, s.data[i:end])
		if !s.is(end, '\\') {
			return alias(s.scratch[begin:]), s.endText(end)
		}
		if i = s.skipEscape(end); i < 0 {
			return "", -1
		}
		i = s.escape(end, i)
	}
}

// appendValid appends the text with a U+FFFD for each byte that is no UTF-8.
func appendValid(dst, text []byte) []byte {
	if utf8.Valid(text) {
		return append(dst, text...)
	}
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		dst, text = utf8.AppendRune(dst, r), text[size:]
	}
	return dst
}

// escapes are the characters that a backslash stands before, except u.
var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escape appends to s.scratch what the escape between i and end stands for. It
// returns the end of it, which is further on where it is half of a surrogate
// pair. A half without the other becomes U+FFFD.
func (s *Scanner) escape(i, end int) int {
	if c := escapes[s.data[i+1]]; c != 0 {
		s.scratch = append(s.scratch, c)
		return end
	}
	r := unit(s.data, i)
	if utf16.IsSurrogate(r) {
		if r = utf16.DecodeRune(r, unit(s.data, end)); r != utf8.RuneError {
			end += len(`\u0000`)
		}
	}
	s.scratch = utf8.AppendRune(s.scratch, r)
	return end
}

// unit reads the \u escape at i, or returns -1.
func unit(b []byte, i int) rune {
	if i+6 > len(b) || b[i] != '\\' || b[i+1] != 'u' {
		return -1
	}
	var r rune
	for _, c := range b[i+2 : i+6] {
		switch {
		case c-'0' <= 9:
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return -1
		}
	}
	return r
}
