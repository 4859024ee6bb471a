// Package roster knows the people: who works here, until when, in which time
// zone and by which calendar, and which accounts in which CRM are theirs.
//
// A compacted topic holds the people; Publish writes it and a Book follows it.
// Time zones need the time zone database: a program that has to run without the
// system's imports time/tzdata.
package roster

import (
	"slices"
	"time"
)

// Person is one row of the roster. Its JSON form is the message on the topic of
// people.
type Person struct {
	ID         string `json:"id"` // the employee number or another id that never changes
	Tenant     string `json:"tenant"`
	Name       string `json:"name,omitempty"`
	Email      string `json:"email,omitempty"`
	Department string `json:"department,omitempty"`
	Role       string `json:"role,omitempty"`
	Manager    string `json:"manager,omitempty"`   // the manager's person id
	TimeZone   string `json:"time_zone,omitempty"` // IANA name
	Hours      Hours  `json:"hours,omitzero"`
	// FirstDay and LastDay are days in the person's own time zone; zero where
	// not set. After LastDay the person has left.
	FirstDay Day       `json:"first_day,omitzero"`
	LastDay  Day       `json:"last_day,omitzero"`
	Accounts []Account `json:"accounts,omitempty"`

	// zone is TimeZone loaded, or the book's default where that is empty, or nil
	// where there is no such zone. A Book sets it and zoned, so that its readers
	// need not load it for every event.
	zone  *time.Location
	zoned bool
}

// Account is an account in a CRM that belongs to a person.
type Account struct {
	Source string `json:"source"` // as in event.Event
	ID     string `json:"id"`     // the source's id of the account, or its login name
	// LastActive is the last activity that the CRM reports for the account, zero
	// where it does not.
	LastActive time.Time `json:"last_active,omitzero"`
}

// Employment says whether a person works here.
type Employment string

// The employments. Unknown is a person who has not begun yet: the roster does
// not say what such a person was before.
const (
	Unknown Employment = ""
	Active  Employment = "active"
	Left    Employment = "left"
)

// The zones in which a day begins first and ends last.
var (
	earliest = time.FixedZone("UTC+14", 14*60*60)
	latest   = time.FixedZone("UTC-12", -12*60*60)
)

// StatusAt says whether the person works here at time t. Days change at midnight
// in the person's own time zone; where that is not known, a day begins as soon as
// it does anywhere on Earth and ends when it is over everywhere, so that nobody
// is taken for a leaver too early.
func (p *Person) StatusAt(t time.Time) Employment {
	switch {
	case p.LastDay != 0 && p.dayAt(t, latest) > p.LastDay:
		return Left
	case p.dayAt(t, earliest) < p.FirstDay:
		return Unknown
	default:
		return Active
	}
}

// DaysSinceLastDay is how many days ago the person's last day was at time t, in
// the days of StatusAt: 1 on the day after, 0 until then and for those who stay.
func (p *Person) DaysSinceLastDay(t time.Time) int {
	if p.LastDay == 0 {
		return 0
	}
	return max(0, p.dayAt(t, latest).number()-p.LastDay.number())
}

func (p *Person) dayAt(t time.Time, otherwise *time.Location) Day {
	zone := p.location()
	if zone == nil {
		zone = otherwise
	}
	return DayOf(t.In(zone))
}

// location is the person's time zone, nil where it is not known.
func (p *Person) location() *time.Location {
	if p.zoned {
		return p.zone
	}
	zone, err := loadZone(p.TimeZone)
	if err != nil {
		return nil
	}
	return zone
}

// Equal reports whether both are the same row.
func (p Person) Equal(q Person) bool {
	sameAccount := func(a, b Account) bool {
		return a.Source == b.Source && a.ID == b.ID && a.LastActive.Equal(b.LastActive)
	}
	return p.ID == q.ID && p.Tenant == q.Tenant && p.Name == q.Name && p.Email == q.Email && p.Department == q.Department &&
		p.Role == q.Role && p.Manager == q.Manager && p.TimeZone == q.TimeZone && p.Hours == q.Hours &&
		p.FirstDay == q.FirstDay && p.LastDay == q.LastDay && slices.EqualFunc(p.Accounts, q.Accounts, sameAccount)
}
