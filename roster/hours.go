package roster

import (
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// Hours are a person's working hours in local time. Their text form is
// "Mon-Fri 08:00-19:00".
type Hours struct {
	// Days has bit 1<<time.Weekday set for every working day.
	Days uint8
	// From and To are minutes after local midnight, by the clock on the wall; To
	// is after From and at most 1440, and itself not a working minute.
	From, To int
}

// OfficeHours are the hours of people of whom nothing else is known: Monday to
// Friday, 08:00 to 19:00.
var OfficeHours = Hours{Days: 0b0111110, From: 8 * 60, To: 19 * 60}

const (
	minutesADay = 24 * 60
	everyDay    = 1<<7 - 1
)

// Valid reports whether there is at least one day and To is after From.
func (h Hours) Valid() bool {
	return h.Days != 0 && h.Days <= everyDay && h.From >= 0 && h.From < h.To && h.To <= minutesADay
}

// Contain reports whether t is a working minute by the clock in t's location.
func (h Hours) Contain(t time.Time) bool {
	hour, minute, _ := t.Clock()
	m := hour*60 + minute
	return h.Days&(1<<t.Weekday()) != 0 && m >= h.From && m < h.To
}

// String is the hours' text form, empty for the zero Hours.
func (h Hours) String() string {
	if h == (Hours{}) {
		return ""
	}
	return formatDays(h.Days) + " " + formatClock(h.From) + "-" + formatClock(h.To)
}

// ParseHours reads the text form of hours.
func ParseHours(s string) (Hours, error) {
	at := strings.LastIndexByte(s, ' ')
	days, clock := s[:max(at, 0)], s[at+1:]
	from, to, ok := strings.Cut(clock, "-")
	if at < 0 || !ok {
		return Hours{}, errors.New(`is not like "Mon-Fri 08:00-19:00"`)
	}
	var h Hours
	var errs [3]error
	h.Days, errs[0] = parseDays(days)
	h.From, errs[1] = parseClock(from)
	h.To, errs[2] = parseClock(to)
	if err := errors.Join(errs[:]...); err != nil {
		return Hours{}, err
	}
	if !h.Valid() {
		return Hours{}, errors.New("do not end after they begin")
	}
	return h, nil
}

// MarshalText implements encoding.TextMarshaler by String.
func (h Hours) MarshalText() ([]byte, error) {
	if h != (Hours{}) && !h.Valid() {
		return nil, fmt.Errorf("hours of days %#b from minute %d to %d are not valid", h.Days, h.From, h.To)
	}
	return []byte(h.String()), nil
}

// UnmarshalText implements encoding.TextUnmarshaler by ParseHours; an empty text
// is the zero Hours.
func (h *Hours) UnmarshalText(text []byte) (err error) {
	*h = Hours{}
	if len(text) > 0 {
		*h, err = ParseHours(string(text))
	}
	return err
}

func formatClock(minutes int) string { return fmt.Sprintf("%02d:%02d", minutes/60, minutes%60) }

// parseClock reads 9:00, 09:00 or 24:00 as minutes after midnight.
func parseClock(s string) (int, error) {
	hour, minute, ok := strings.Cut(s, ":")
	h, err1 := strconv.ParseUint(hour, 10, 8)
	m, err2 := strconv.ParseUint(minute, 10, 8)
	total := int(h*60 + m)
	if !ok || len(minute) != 2 || len(hour) > 2 || err1 != nil || err2 != nil || m > 59 || total > minutesADay {
		return 0, errors.New("is not a time of day such as 08:30")
	}
	return total, nil
}

// weekdays are the names of the days from Sunday, as time.Weekday has them.
var weekdays = [...]string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}

// formatDays writes a set of days from Monday, runs of three and more as a
// range: "Mon-Fri,Sun".
func formatDays(set uint8) string {
	var parts []string
	for d := 1; d <= 7; d++ {
		run := d
		for run <= 7 && set&(1<<(run%7)) != 0 {
			run++
		}
		switch n := run - d; {
		case n == 0:
			continue
		case n < 3:
			parts = append(parts, weekdays[d%7])
		default:
			parts = append(parts, weekdays[d%7]+"-"+weekdays[(run-1)%7])
			d = run - 1
		}
	}
	return strings.Join(parts, ",")
}

// parseDays reads a list of days and ranges of days, by their English names or by
// number from Monday, 1, to Sunday, 7: "Mon-Fri", "sun-thu", "mon, wed, friday",
// "1-5".
func parseDays(s string) (uint8, error) {
	var set uint8
	for part := range strings.FieldsFuncSeq(s, func(r rune) bool { return strings.ContainsRune(",;|/ 、，", r) }) {
		first, last, isRange := strings.Cut(part, "-")
		from, ok1 := parseWeekday(first)
		to, ok2 := from, true
		if isRange {
			to, ok2 = parseWeekday(last)
		}
		if !ok1 || !ok2 {
			return 0, errors.New("is not a list of days such as Mon-Fri")
		}
		for d := from; ; d = (d + 1) % 7 {
			set |= 1 << d
			if d == to {
				break
			}
		}
	}
	if bits.OnesCount8(set) == 0 {
		return 0, errors.New("is not a list of days such as Mon-Fri")
	}
	return set, nil
}

func parseWeekday(s string) (int, bool) {
	if len(s) == 1 && s[0] >= '1' && s[0] <= '7' {
		return int(s[0]-'0') % 7, true
	}
	for d, short := range weekdays {
		if strings.EqualFold(s, short) || strings.EqualFold(s, time.Weekday(d).String()) {
			return d, true
		}
	}
	return 0, false
}
