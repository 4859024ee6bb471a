package detect

import "time"

// sleep is a stretch of an account's silence that counts as one: shorter ones
// are nights and weekends.
const sleep = 7 * 24 * time.Hour

// wakeful is how long after a long silence an account's activity still counts
// as waking from it.
const wakeful = 24 * time.Hour

// account remembers when an account was last active, and the last long silence.
// Times are milliseconds since 1970 UTC.
type account struct {
	Last int64 `json:"l"`
	// Slept..Woke is the last silence of at least sleep; both 0 where none is known.
	Slept int64 `json:"s,omitempty"`
	Woke  int64 `json:"w,omitempty"`
}

// touch takes in activity at time t, which may be late, and reports whether
// anything changed.
func (a *account) touch(t int64) bool {
	switch {
	case a.Last == 0:
		a.Last = t
	case t > a.Last:
		if t-a.Last >= sleep.Milliseconds() {
			a.Slept, a.Woke = a.Last, t
		}
		a.Last = t
	case a.Slept < t && t < a.Woke:
		// Late news from within the silence: it woke at t, and went on later.
		if a.Woke-t >= sleep.Milliseconds() {
			a.Slept = t
		} else {
			a.Woke = t
		}
	default:
		return false
	}
	return true
}

// idleDays is the length, in whole days, of the silence that activity at time t
// ends: 0 where the account was active in the days before.
func (a *account) idleDays(t int64) int64 {
	if a.Woke == 0 || t < a.Woke || t >= a.Woke+wakeful.Milliseconds() {
		return 0
	}
	return (a.Woke - a.Slept) / (24 * time.Hour).Milliseconds()
}
