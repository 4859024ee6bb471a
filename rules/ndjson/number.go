package ndjson

import (
	"strconv"

	"github.com/crmwatch/crmwatch/event"
)

// plainNumber reads a number that is digits only and of less than 19 of them, as
// nearly all are, and returns i where it is none.
func plainNumber(data []byte, i int) (n int64, end int) {
	start := i
	for i < len(data) && data[i]-'0' <= 9 {
		n = n*10 + int64(data[i]-'0')
		i++
	}
	if i == start || i-start > 18 || data[start] == '0' && i > start+1 || i < len(data) && data[i]|0x20 == 'e' || i < len(data) && data[i] == '.' {
		return 0, start
	}
	return n, i
}

// number reads a number that stands at the node.
func (s *Scanner) number(n *node, i int) int {
	if v, end := plainNumber(s.data, i); end > i {
		if len(n.targets) > 0 || s.keywords {
			s.give(n, event.IntValue(v))
		}
		return end
	}
	if c := s.data[i]; c != '-' && c-'0' > 9 {
		return s.fail(i, "a value is missing")
	}
	end, whole := s.numberEnd(i)
	if end < 0 {
		return s.fail(i, "a number is broken")
	}
	if len(n.targets) > 0 || s.keywords {
		s.give(n, numberValue(s.data[i:end], whole))
	}
	return end
}

// numberEnd passes over a number of JSON's grammar, and says whether it has
// neither fraction nor exponent.
func (s *Scanner) numberEnd(i int) (end int, whole bool) {
	if s.data[i] == '-' {
		i++
	}
	start := i
	if i = s.digits(i); i < 0 || s.data[start] == '0' && i > start+1 {
		return -1, false
	}
	whole = true
	if s.is(i, '.') {
		whole = false
		if i = s.digits(i + 1); i < 0 {
			return -1, false
		}
	}
	if s.is(i, 'e') || s.is(i, 'E') {
		whole = false
		if i++; s.is(i, '+') || s.is(i, '-') {
			i++
		}
		i = s.digits(i)
	}
	return i, whole
}

// digits passes over at least one digit.
func (s *Scanner) digits(i int) int {
	start := i
	for i < len(s.data) && s.data[i]-'0' <= 9 {
		i++
	}
	if i == start {
		return -1
	}
	return i
}

// numberValue is the value of a number's digits.
func numberValue(digits []byte, whole bool) event.Value {
	text := alias(digits)
	if whole {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return event.IntValue(n)
		}
	} else if f, err := strconv.ParseFloat(text, 64); err == nil {
		return event.FloatValue(f)
	}
	return event.Value{Kind: event.String, Str: text}
}
