package ndjson

import (
	"encoding/binary"
	"math/bits"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"

	"github.com/crmwatch/crmwatch/event"
)

// scalar reads a string, number, yes or no, or null.
func (sc *Scanner) scalar(i int) (event.Value, int) {
	switch c := sc.line[i]; c {
	case '"':
		return sc.stringValue(i + 1)
	case 't':
		return event.BoolValue(true), sc.literal(i, "true")
	case 'f':
		return event.BoolValue(false), sc.literal(i, "false")
	case 'n':
		return event.NullValue(), sc.literal(i, "null")
	default:
		end, whole := sc.number(i)
		if end < 0 {
			return event.Value{}, end
		}
		return numberValue(sc.line[i:end], whole), end
	}
}

// skipScalar reads a scalar that nothing wants.
func (sc *Scanner) skipScalar(i int) int {
	switch sc.line[i] {
	case '"':
		return sc.skipString(i + 1)
	case 't':
		return sc.literal(i, "true")
	case 'f':
		return sc.literal(i, "false")
	case 'n':
		return sc.literal(i, "null")
	default:
		end, _ := sc.number(i)
		return end
	}
}

func (sc *Scanner) literal(i int, text string) int {
	if len(sc.line)-i < len(text) || string(sc.line[i:i+len(text)]) != text {
		return sc.fail(i, "neither true nor false nor null")
	}
	return i + len(text)
}

// number finds the end of a number, and whether it is an integer.
func (sc *Scanner) number(i int) (end int, whole bool) {
	line := sc.line
	if line[i] == '-' {
		i++
	}
	digits := i
	i = skipDigits(line, i)
	switch {
	case i == digits:
		return sc.fail(i, "not a value"), false
	case line[digits] == '0' && i > digits+1:
		return sc.fail(digits, "a number must not begin with 0"), false
	}
	whole = true
	if i < len(line) && line[i] == '.' {
		whole, digits = false, i+1
		if i = skipDigits(line, digits); i == digits {
			return sc.fail(i, "a number ends with its point"), false
		}
	}
	if i < len(line) && (line[i] == 'e' || line[i] == 'E') {
		whole, digits = false, i+1
		if digits < len(line) && (line[digits] == '+' || line[digits] == '-') {
			digits++
		}
		if i = skipDigits(line, digits); i == digits {
			return sc.fail(i, "a number has an empty exponent"), false
		}
	}
	return i, whole
}

// skipDigits finds the end of digits. It looks at eight bytes at once: those that
// are not digits are, with the bits of '0' flipped, above 9.
func skipDigits(line []byte, i int) int {
	for ; i+8 <= len(line); i += 8 {
		w := binary.LittleEndian.Uint64(line[i:i+8]) ^ '0'*ones
		if mask := (w + (0x7f-9)*ones | w) & highs; mask != 0 {
			return i + bits.TrailingZeros64(mask)/8
		}
	}
	for i < len(line) && line[i]-'0' <= 9 {
		i++
	}
	return i
}

// numberValue is the value of a number. One that neither an int64 nor a float64
// can hold is a String as it stands, so that rules can still compare its digits.
func numberValue(text []byte, whole bool) event.Value {
	if !whole {
		if f, err := strconv.ParseFloat(alias(text), 64); err == nil {
			return event.FloatValue(f)
		}
		return event.Value{Kind: event.String, Str: alias(text)}
	}
	digits, limit := text, uint64(1<<63-1)
	if text[0] == '-' {
		digits, limit = text[1:], 1<<63
	}
	var n uint64
	for _, c := range digits {
		n = n*10 + uint64(c-'0')
	}
	if len(digits) > 19 || n > limit { // 19 digits cannot overflow n
		return event.Value{Kind: event.String, Str: alias(text)}
	}
	if text[0] == '-' {
		n = -n
	}
	return event.IntValue(int64(n))
}

// alias is the text without a copy; see Scan for how long it is good.
func alias(text []byte) string { return unsafe.String(unsafe.SliceData(text), len(text)) } //nolint:gosec // the line outlives the record, as Scan says

// stringValue reads a string, from after its quote.
func (sc *Scanner) stringValue(i int) (event.Value, int) {
	end, escaped := sc.stringEnd(i)
	if end < 0 {
		return event.Value{}, end
	}
	text := sc.line[i : end-1]
	if escaped {
		if text, end = sc.unescape(i, end); end < 0 {
			return event.Value{}, end
		}
	}
	// An empty string is there, so this is not event.StringValue.
	return event.Value{Kind: event.String, Str: alias(text)}, end
}

// skipString reads a string that nothing wants, from after its quote.
func (sc *Scanner) skipString(i int) int {
	end, escaped := sc.stringEnd(i)
	if escaped && end >= 0 {
		return sc.checkEscapes(i, end)
	}
	return end
}

// Each byte of a word, and its highest bit.
const (
	ones  = 0x0101010101010101
	highs = 0x80 * ones
)

// special marks, by their highest bits, the bytes of a word that are quotes,
// backslashes or control characters. Bytes after the first mark may be marked
// wrongly, because the subtractions borrow. To flip the bit 2 puts the quote next
// to the control characters, and the space away from them, so that one comparison
// finds both.
func special(w uint64) uint64 {
	return ((w ^ 2*ones - ('"'^2+1)*ones) | (w ^ '\\'*ones - ones)) &^ w & highs
}

// plainEnd finds the first byte that is not simply part of a string: a quote, a
// backslash or a control character. It looks at sixteen bytes at once, which most
// strings do not exceed: how long they are is what a processor cannot foresee.
func plainEnd(line []byte, i int) int {
	for ; i+16 <= len(line); i += 16 {
		chunk := line[i : i+16]
		low, high := special(binary.LittleEndian.Uint64(chunk)), special(binary.LittleEndian.Uint64(chunk[8:]))
		if low|high == 0 {
			continue
		}
		first := bits.TrailingZeros64(high)/8 + 8
		if low != 0 {
			first = bits.TrailingZeros64(low) / 8
		}
		return i + first
	}
	for i < len(line) && line[i] >= ' ' && line[i] != '"' && line[i] != '\\' {
		i++
	}
	return i
}

// stringEnd finds the end of a string, from after its first quote to after its
// last, and whether it has escapes.
func (sc *Scanner) stringEnd(i int) (end int, escaped bool) {
	for {
		i = plainEnd(sc.line, i)
		switch {
		case i >= len(sc.line):
			return sc.fail(i, ""), false
		case sc.line[i] == '"':
			return i + 1, escaped
		case sc.line[i] < ' ':
			return sc.fail(i, "a control character in a string"), false
		}
		escaped = true
		i += 2
	}
}

// checkEscapes checks the escapes of a string that ends at end.
func (sc *Scanner) checkEscapes(i, end int) int {
	for i < end {
		if sc.line[i] != '\\' {
			i++
			continue
		}
		_, size := escape(sc.line[i : end-1])
		if size == 0 {
			return sc.fail(i, "no such escape in a string")
		}
		i += size
	}
	return end
}

// unescape decodes a string that ends at end into the scanner's memory, and
// returns end.
func (sc *Scanner) unescape(i, end int) ([]byte, int) {
	start := len(sc.text)
	for i < end-1 {
		if c := sc.line[i]; c != '\\' {
			sc.text = append(sc.text, c)
			i++
			continue
		}
		r, size := escape(sc.line[i : end-1])
		if size == 0 {
			return nil, sc.fail(i, "no such escape in a string")
		}
		sc.text = utf8.AppendRune(sc.text, r)
		i += size
	}
	return sc.text[start:len(sc.text):len(sc.text)], end
}

// escape decodes the escape that the text begins with. Its size is 0 where there
// is no such escape. Half of a surrogate pair is U+FFFD.
func escape(text []byte) (r rune, size int) {
	switch text[1] {
	case '"', '\\', '/':
		return rune(text[1]), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
	default:
		return 0, 0
	}
	if r = hex4(text); r < 0 {
		return 0, 0
	}
	if utf16.IsSurrogate(r) {
		if low := hex4(text[6:]); low >= 0 {
			if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
				return pair, 12
			}
		}
		r = utf8.RuneError
	}
	return r, 6
}

// hex4 is the number of an escape `\uXXXX` that the text begins with, -1 where it
// is none.
func hex4(text []byte) rune {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return -1
	}
	var r rune
	for _, c := range text[2:6] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}
