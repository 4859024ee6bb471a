// Package roster knows the people: who works here, until when, in which time
// zone and by which calendar, and which accounts in which CRM are theirs.
package roster

import (
	"time"
)

// Person is one row of the roster.
type Person struct {
	ID         string // the employee number or another id that never changes
	Tenant     string
	Name       string
	Email      string
	Department string
	Role       string
	Manager    string // the manager's person id
	TimeZone   string // IANA name
	Hours      Hours
	// FirstDay and LastDay are days in the person's own time zone; zero where
	// not set. After LastDay the person has left.
	FirstDay, LastDay Day
	Accounts          []Account
}

// Account is an account in a CRM that belongs to a person.
type Account struct {
	Source string // as in event.Event
	ID     string // the source's id of the account, or its login name
	// LastActive is the last activity that the CRM reports for the account, zero
	// where it does not.
	LastActive time.Time
}

// Day is a calendar day without a time zone, 0 where none is set: 20260131.
type Day int32

// Hours are a person's working hours in local time.
type Hours struct {
	// Days has bit 1<<time.Weekday set for every working day.
	Days uint8
	// From and To are minutes after local midnight; To is after From.
	From, To int
}
