package event

import "time"

// TimeLayout is the form of times in the JSON form: RFC 3339 in UTC with three
// digits of milliseconds.
const TimeLayout = "2006-01-02T15:04:05.000Z"

func timeValue(t time.Time) Value {
	if t.IsZero() {
		return Value{}
	}
	return StringValue(t.UTC().Format(TimeLayout))
}
