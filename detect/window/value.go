package window

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"strconv"
	"strings"

	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/rules"
)

// value is what an entry contributes to a value type; zero where it contributes
// nothing. A number is in the first word, the second says of which kind. A text
// of up to 15 bytes is held as it is, a longer one by 120 bits of its SHA-256:
// two texts are taken for one with no probability that matters, whoever chose
// them.
type value [2]uint64

const (
	whole    = 1 // the first word is an int64
	fraction = 2 // the first word is the bits of a float64
	// textMark and hashMark are the last byte of a text; the rest is text or hash.
	textMark = 16
	hashMark = 255
)

// valueOf reads what the record contributes through the fields of an input.
func (s *series[P]) valueOf(rec *rules.Record, fields []rules.Field) value {
	switch {
	case len(fields) == 0:
		return value{}
	case s.numeric:
		return numberValue(&rec.Values[fields[0]])
	case len(fields) == 1:
		return textOf(&rec.Values[fields[0]])
	}
	var b []byte
	for _, f := range fields {
		v := &rec.Values[f]
		if v.Kind == event.Absent || v.Kind == event.Null || v.Kind == event.List {
			return value{}
		}
		b = appendText(b, v)
	}
	return textValue(string(b))
}

// textOf is a field's value as a text to be counted. A list is no one value, as it
// is none to group by.
func textOf(v *event.Value) value {
	switch v.Kind {
	case event.String:
		return textValue(v.Str)
	case event.Int:
		var b [20]byte
		return textValue(string(strconv.AppendInt(b[:0], v.Int, 10)))
	case event.Absent, event.Null, event.List:
		return value{}
	default:
		return textValue(v.Text())
	}
}

// appendText appends a text so that no two lists of texts read the same.
func appendText(b []byte, v *event.Value) []byte {
	text := v.Text()
	b = binary.AppendUvarint(b, uint64(len(text)))
	return append(b, text...)
}

func textValue(s string) value {
	var b [16]byte
	if len(s) < len(b) {
		copy(b[:], s)
		b[15] = textMark + byte(len(s))
	} else {
		h := sha256.Sum256([]byte(s))
		copy(b[:], h[:15])
		b[15] = hashMark
	}
	return value{binary.LittleEndian.Uint64(b[:8]), binary.LittleEndian.Uint64(b[8:])}
}

// numberValue reads a number, or a text that is written as one.
func numberValue(v *event.Value) value {
	switch v.Kind {
	case event.Int:
		return value{uint64(v.Int), whole}
	case event.Float:
		return fractionValue(v.Float())
	case event.String:
		return parseNumber(v.Str)
	default:
		return value{}
	}
}

func parseNumber(s string) value {
	s = strings.TrimSpace(s)
	if s == "" || strings.Trim(s, "0123456789+-.eE") != "" {
		return value{}
	}
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return value{uint64(i), whole}
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		return fractionValue(f)
	}
	return value{}
}

// largest is what larger fractions are taken for, so that the sum of hostile ones
// is a number.
const largest = 1e290

func fractionValue(f float64) value {
	return value{math.Float64bits(max(-largest, min(largest, f))), fraction}
}

// number is the value as a float, false where it is none.
func (v value) number() (float64, bool) {
	switch v[1] {
	case whole:
		return float64(int64(v[0])), true
	case fraction:
		return math.Float64frombits(v[0]), true
	default:
		return 0, false
	}
}
