package eval

import (
	"strings"
	"time"

	"github.com/crmwatch/crmwatch/event"
)

// clock reads times. It remembers the day of the last, because most are of the
// same.
type clock struct {
	date [10]byte
	day  int64 // days since 1970
}

// millis reads a time in milliseconds since 1970.
func (c *clock) millis(v *event.Value) (int64, bool) {
	switch v.Kind {
	case event.String:
		if ms, ok := c.rfc3339(v.Str); ok {
			return ms, true
		}
		return otherTime(v.Str)
	case event.Int:
		return epoch(float64(v.Int)), true
	case event.Float:
		return epoch(v.Float()), true
	default:
		return 0, false
	}
}

// epoch tells seconds from milliseconds and microseconds by their size: 10^11
// seconds are in the year 5138, and as many milliseconds in 1973.
func epoch(n float64) int64 {
	switch {
	case n >= 1e14:
		return int64(n / 1000)
	case n >= 1e11:
		return int64(n)
	default:
		return int64(n * 1000)
	}
}

// layouts are what else log files write times as; without a zone they are UTC.
var layouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999"}

func otherTime(s string) (int64, bool) {
	s = strings.TrimSpace(s)
	for _, l := range layouts {
		if t, err := time.Parse(l, s); err == nil {
			return t.UnixMilli(), true
		}
	}
	return 0, false
}

// rfc3339 reads the usual form in UTC, 2006-01-02T15:04:05.000Z with any number
// of digits behind the point. It is written out because every event passes here.
func (c *clock) rfc3339(s string) (int64, bool) {
	if len(s) < 20 || s[10] != 'T' || s[13] != ':' || s[16] != ':' || s[len(s)-1] != 'Z' {
		return 0, false
	}
	if s[:10] != string(c.date[:]) && !c.setDate(s[:10]) {
		return 0, false
	}
	hour, minute, second := pair(s[11], s[12]), pair(s[14], s[15]), pair(s[17], s[18])
	if hour > 23 || minute > 59 || second > 59 {
		return 0, false
	}
	ms, ok := fraction(s[19 : len(s)-1])
	return (((c.day*24+hour)*60+minute)*60+second)*1000 + ms, ok
}

func (c *clock) setDate(s string) bool {
	year, month, day := digits(s[0:4]), digits(s[5:7]), digits(s[8:10])
	if s[4] != '-' || s[7] != '-' || year < 0 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		return false
	}
	copy(c.date[:], s)
	c.day = days(year, month, day)
	return true
}

// pair is the number that two digits are, 100 or more where they are none.
func pair(a, b byte) int64 {
	a, b = a-'0', b-'0'
	if a > 9 || b > 9 {
		return 100
	}
	return int64(a)*10 + int64(b)
}

// fraction reads the milliseconds of ".123456".
func fraction(s string) (int64, bool) {
	switch {
	case s == "":
		return 0, true
	case len(s) == 4 && s[0] == '.' && s[1]-'0' <= 9:
		if n := pair(s[2], s[3]); n < 100 {
			return int64(s[1]-'0')*100 + n, true
		}
	}
	if s[0] != '.' || len(s) < 2 || digits(s[1:]) < 0 {
		return 0, false
	}
	ms := digits(s[1:min(len(s), 4)])
	for i := len(s); i < 4; i++ {
		ms *= 10
	}
	return ms, true
}

// digits is the number that s is written as, -1 where it is none.
func digits(s string) (n int64) {
	for i := range len(s) {
		c := s[i] - '0'
		if c > 9 {
			return -1
		}
		n = n*10 + int64(c)
	}
	return n
}

// days is the number of days from 1970-01-01 (Hinnant, days_from_civil).
func days(year, month, day int64) int64 {
	if month <= 2 {
		year--
	}
	era := year / 400
	ofEra := year - era*400
	ofYear := (153*((month+9)%12)+2)/5 + day - 1
	return era*146097 + ofEra*365 + ofEra/4 - ofEra/100 + ofYear - 719468
}

func daysIn(year, month int64) int64 {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	default:
		return 31
	}
}
