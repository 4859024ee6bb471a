package roster

import (
	"errors"
	"fmt"
	"time"
)

// Day is a calendar day without a time zone, 0 where none is set: 20260131.
type Day int32

// DayOf is the day of t in t's own location.
func DayOf(t time.Time) Day {
	year, month, day := t.Date()
	return Day(year*10000 + int(month)*100 + day)
}

// ParseDay reads a day as people and their tables write it: 2026-01-31,
// 2026/1/31, 2026.1.31, 20260131 or 2026年1月31日, from 1900 to 9999.
func ParseDay(s string) (Day, error) {
	for _, layout := range []string{time.DateOnly, "2006-1-2", "2006/1/2", "2006.1.2", "20060102", "2006年1月2日"} {
		if t, err := time.Parse(layout, s); err == nil && t.Year() >= 1900 {
			return DayOf(t), nil
		}
	}
	return 0, errors.New("is not a day such as 2026-01-31")
}

// String is the day as 2026-01-31, empty for 0.
func (d Day) String() string {
	if d == 0 {
		return ""
	}
	return fmt.Sprintf("%04d-%02d-%02d", d/10000, d/100%100, d%100)
}

// MarshalText implements encoding.TextMarshaler by String.
func (d Day) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler by ParseDay; an empty text
// is 0.
func (d *Day) UnmarshalText(text []byte) (err error) {
	*d = 0
	if len(text) > 0 {
		*d, err = ParseDay(string(text))
	}
	return err
}

// number counts days from a fixed one.
func (d Day) number() int {
	const perDay = 24 * 60 * 60
	return int(time.Date(int(d/10000), time.Month(d/100%100), int(d%100), 0, 0, 0, 0, time.UTC).Unix() / perDay)
}
