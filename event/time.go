package event

import "time"

// TimeLayout is the form of times in the JSON form: RFC 3339 in UTC with three
// digits of milliseconds.
const TimeLayout = "2006-01-02T15:04:05.000Z"

func timeValue(t time.Time) Value {
	if t.IsZero() {
		return Value{}
	}
	var buf [len(TimeLayout) + 8]byte
	return StringValue(string(appendTime(buf[:0], t)))
}

// appendTime appends t in TimeLayout. It is written out because every event
// passes here several times and time.AppendFormat takes as long as the rest of
// the codec.
func appendTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	if year < 0 || year > 9999 {
		return t.AppendFormat(dst, TimeLayout)
	}
	hour, minute, second := t.Clock()
	dst = append2(append2(dst, year/100), year%100)
	dst = append2(append(dst, '-'), int(month))
	dst = append2(append(dst, '-'), day)
	dst = append2(append(dst, 'T'), hour)
	dst = append2(append(dst, ':'), minute)
	dst = append2(append(dst, ':'), second)
	ms := t.Nanosecond() / 1e6
	dst = append(dst, '.', byte('0'+ms/100))
	return append(append2(dst, ms%100), 'Z')
}

func append2(dst []byte, n int) []byte {
	return append(dst, byte('0'+n/10), byte('0'+n%10))
}

// parseTime reads an RFC 3339 time with any offset and up to nine digits of a
// second, cut to the millisecond, in UTC. It refuses what RFC 3339 refuses, leap
// seconds, and times whose year in UTC does not have four digits or is the zero
// time's.
func parseTime(b []byte) (time.Time, bool) {
	const date = "0000-00-00T00:00:00"
	if len(b) <= len(date) || b[4] != '-' || b[7] != '-' || b[10]|0x20 != 't' || b[13] != ':' || b[16] != ':' {
		return time.Time{}, false
	}
	century, ok1 := digits2(b[0:], 99)
	year, ok2 := digits2(b[2:], 99)
	month, ok3 := digits2(b[5:], 12)
	day, ok4 := digits2(b[8:], 31)
	hour, ok5 := digits2(b[11:], 23)
	minute, ok6 := digits2(b[14:], 59)
	second, ok7 := digits2(b[17:], 59)
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 || !ok6 || !ok7 {
		return time.Time{}, false
	}
	ms, rest, ok := fraction(b[len(date):])
	offset, okOffset := zone(rest)
	if !ok || !okOffset {
		return time.Time{}, false
	}
	t := time.Date(100*century+year, time.Month(month), day, hour, minute, second, ms*1e6, time.UTC)
	// time.Date carries a 30 February over into March.
	if t.Day() != day || int(t.Month()) != month {
		return time.Time{}, false
	}
	t = t.Add(-offset)
	return t, !t.IsZero() && t.Year() >= 0 && t.Year() <= 9999
}

// fraction reads ".123456789" and returns its milliseconds and what follows.
func fraction(b []byte) (ms int, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != '.' {
		return 0, b, true
	}
	n := 1
	for scale := 100; n < len(b) && b[n]-'0' <= 9; n++ {
		ms += int(b[n]-'0') * scale
		scale /= 10
	}
	return ms, b[n:], n > 1 && n <= 10
}

// zone reads "Z" or "+08:00", the end of a time.
func zone(b []byte) (offset time.Duration, ok bool) {
	if len(b) == 1 {
		return 0, b[0]|0x20 == 'z'
	}
	if len(b) != len("+00:00") || b[0] != '+' && b[0] != '-' || b[3] != ':' {
		return 0, false
	}
	hours, ok1 := digits2(b[1:], 23)
	minutes, ok2 := digits2(b[4:], 59)
	offset = time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if b[0] == '-' {
		offset = -offset
	}
	return offset, ok1 && ok2
}

// digits2 reads two decimal digits, at most most.
func digits2(b []byte, most int) (n int, ok bool) {
	high, low := b[0]-'0', b[1]-'0'
	n = int(high)*10 + int(low)
	return n, high <= 9 && low <= 9 && n <= most
}
