package rules

import (
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/crmwatch/crmwatch/event"
)

// operand is a value that is compared. What comparisons make of it, they make
// once; the memory for that is kept for the next value.
type operand struct {
	*event.Value
	made    uint8 // which of the following
	text    string
	folded  string
	num     number
	numOK   bool
	addr    netip.Addr // the zero one where it is no address
	at      time.Time  // in UTC
	atOK    bool
	digits  []byte
	letters []byte
}

// What was made of an operand.
const (
	madeText = 1 << iota
	madeFolded
	madeNumber
	madeAddr
	madeTime
)

func (x *operand) set(v *event.Value) { x.Value, x.made = v, 0 }

// need reports whether something is still to be made, and notes that it is.
func (x *operand) need(what uint8) bool {
	made := x.made&what != 0
	x.made |= what
	return !made
}

// isText reports whether the value is one that is compared as a text.
func (x *operand) isText() bool {
	return x.Kind == event.String || x.Kind == event.Int || x.Kind == event.Bool || x.Kind == event.Float
}

// isNull reports whether the value is what null means: absent, or there without
// content. An empty list, and an object, is something else.
func (x *operand) isNull() bool { return x.Kind == event.Absent || x.Kind == event.Null }

// asText is Value.Text without allocating.
func (x *operand) asText() string {
	if x.Kind == event.String {
		return x.Str
	}
	if x.need(madeText) {
		switch x.Kind {
		case event.Int:
			x.digits = strconv.AppendInt(x.digits[:0], x.Int, 10)
			x.text = view(x.digits)
		case event.Float:
			x.digits = strconv.AppendFloat(x.digits[:0], x.Float(), 'f', -1, 64)
			x.text = view(x.digits)
		default:
			x.text = x.Text()
		}
	}
	return x.text
}

// asFolded is the text as the indexes know it: each character folded, and what
// is no UTF-8 replaced, as it is where a pattern reads it.
func (x *operand) asFolded() string {
	if x.need(madeFolded) {
		x.folded, x.letters = foldText(x.asText(), x.letters)
	}
	return x.folded
}

// view is the bytes as a text, which is good until they change.
func view(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // a copy of each number would be garbage
}

// foldText folds a text into buf, unless it is folded.
func foldText(s string, buf []byte) (folded string, grown []byte) {
	i := 0
	for i < len(s) && s[i] < utf8.RuneSelf && (s[i] < 'A' || s[i] > 'Z') {
		i++
	}
	if i == len(s) {
		return s, buf
	}
	buf = append(buf[:0], s[:i]...)
	for ; i < len(s) && s[i] < utf8.RuneSelf; i++ {
		b := s[i]
		if 'A' <= b && b <= 'Z' {
			b += 'a' - 'A'
		}
		buf = append(buf, b)
	}
	for _, r := range s[i:] {
		buf = utf8.AppendRune(buf, fold(r))
	}
	return view(buf), buf
}

// asNumber is the value as a number: a text counts where it is one in decimal
// form.
func (x *operand) asNumber() (number, bool) {
	switch x.Kind {
	case event.Int:
		return number{whole: true, i: x.Int, f: float64(x.Int)}, true
	case event.Float:
		return number{f: x.Float()}, true
	case event.String:
		if x.need(madeNumber) {
			x.num, x.numOK = textNumber(x.Str)
		}
		return x.num, x.numOK
	default:
		return number{}, false
	}
}

// textNumber reads a number in decimal form. What is none is told apart before
// the library would make an error of it.
func textNumber(s string) (number, bool) {
	if !isDecimal(s) {
		return number{}, false
	}
	if !strings.ContainsAny(s, ".eE") {
		if i, err := strconv.ParseInt(s, 10, 64); err == nil {
			return number{whole: true, i: i, f: float64(i)}, true
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	return number{f: f}, err == nil
}

// isDecimal reports whether the text is a number as strconv reads it, without
// hexadecimal digits, underscores and infinities.
func isDecimal(s string) bool {
	s = s[signLen(s):]
	whole := digitsLen(s)
	s = s[whole:]
	fraction := 0
	if strings.HasPrefix(s, ".") {
		fraction = digitsLen(s[1:])
		s = s[1+fraction:]
	}
	if whole+fraction == 0 {
		return false
	}
	if s == "" {
		return true
	}
	if s[0] != 'e' && s[0] != 'E' {
		return false
	}
	s = s[1:]
	s = s[signLen(s):]
	return s != "" && digitsLen(s) == len(s)
}

func signLen(s string) int {
	if s != "" && (s[0] == '+' || s[0] == '-') {
		return 1
	}
	return 0
}

func digitsLen(s string) int {
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	return n
}

// asAddr is the value as an address. An IPv4 address in IPv6 form counts as what
// it is.
func (x *operand) asAddr() netip.Addr {
	if x.need(madeAddr) {
		x.addr = netip.Addr{}
		// Most texts that are no address are told apart without making an error.
		if x.Kind == event.String && strings.ContainsAny(x.Str, ".:") && strings.Trim(x.Str, "0123456789abcdefABCDEF.:") == "" {
			if addr, err := netip.ParseAddr(x.Str); err == nil {
				x.addr = addr.Unmap()
			}
		}
	}
	return x.addr
}

// asTime is the value as a time of RFC 3339, in UTC.
func (x *operand) asTime() (time.Time, bool) {
	if x.need(madeTime) {
		x.atOK = false
		if x.Kind == event.String && looksLikeTime(x.Str) {
			at, err := time.Parse(time.RFC3339, x.Str)
			x.at, x.atOK = at.UTC(), err == nil
		}
	}
	return x.at, x.atOK
}

// looksLikeTime tells texts that are no time apart without making an error.
func looksLikeTime(s string) bool {
	const form = "2006-01-02T15:04:05"
	if len(s) <= len(form) {
		return false
	}
	for i := range len(form) {
		if isDigit := '0' <= form[i] && form[i] <= '9'; isDigit && (s[i] < '0' || s[i] > '9') || !isDigit && s[i] != form[i] {
			return false
		}
	}
	return true
}
