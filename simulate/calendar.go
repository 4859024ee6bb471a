package simulate

import (
	"fmt"
	"time"
	_ "time/tzdata" // the same company on a machine without a time zone database

	"github.com/crmwatch/crmwatch/roster"
)

// date counts days since 1970 in no time zone.
type date int32

const (
	minute  = int64(time.Minute / time.Millisecond)
	hour    = 60 * minute
	fullDay = 24 * hour
)

func dateOf(t time.Time, loc *time.Location) date {
	y, m, d := t.In(loc).Date()
	return date(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

func (d date) add(days int) date { return d + date(days) }

func (d date) utc() time.Time { return time.Unix(int64(d)*86400, 0).UTC() }

func (d date) weekday() time.Weekday { return d.utc().Weekday() }

func (d date) day() roster.Day {
	y, m, day := d.utc().Date()
	return roster.Day(y*10000 + int(m)*100 + day)
}

// midnight is when the day begins, counted back from its noon: on the two days
// a year that are longer or shorter, working hours are still right.
func (d date) midnight(loc *time.Location) int64 {
	y, m, day := d.utc().Date()
	return time.Date(y, m, day, 12, 0, 0, 0, loc).UnixMilli() - 12*hour
}

// headquarters is the time zone by which days are counted.
func headquarters() *time.Location { return zone("Asia/Shanghai") }

// zone finds a time zone of the tables of this package.
func zone(name string) *time.Location {
	loc, err := time.LoadLocation(name)
	if err != nil {
		panic(fmt.Sprintf("simulate: load time zone %q: %v", name, err)) // the data is linked in
	}
	return loc
}

// weekdays is a set of days as roster.Hours has it.
func weekdays(days ...time.Weekday) uint8 {
	var set uint8
	for _, d := range days {
		set |= 1 << d
	}
	return set
}
