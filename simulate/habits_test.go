package simulate_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/crmwatch/crmwatch/roster"
	"github.com/crmwatch/crmwatch/simulate"
)

// The bounds of the shipped rules that no ordinary behaviour may reach.
const (
	massRows = 10_000 // exported or read through the API, at once or within an hour
	lateRows = 500    // read by a person within an hour outside working hours
)

// amount is a number of rows at a time.
type amount struct {
	t    time.Time
	rows int64
}

// within sums what lies at most an hour before the latest amount, by looking at
// every one again.
func within(list []amount) (sum int64) {
	latest := list[len(list)-1].t
	for i := len(list) - 1; i >= 0 && latest.Sub(list[i].t) < 3*time.Hour; i-- {
		if latest.Sub(list[i].t) <= time.Hour {
			sum += list[i].rows
		}
	}
	return sum
}

// Over many companies nothing that is not planted reaches what a rule finds
// unusual.
func TestOrdinaryBehaviourStaysOrdinary(t *testing.T) {
	t.Parallel()
	t.Run("default", func(t *testing.T) {
		t.Parallel()
		ordinary(t, simulate.Config{})
	})
	seeds := uint64(20)
	if testing.Short() {
		seeds = 3
	}
	for seed := range seeds {
		t.Run(fmt.Sprintf("seed=%d", seed+1), func(t *testing.T) {
			t.Parallel()
			// Another day of the week and of the month each time.
			now := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC).AddDate(0, 0, int(seed)*17)
			ordinary(t, simulate.Config{Seed: seed + 1, People: 200, Days: 7, Now: now})
		})
	}
}

func ordinary(t *testing.T, cfg simulate.Config) {
	t.Helper()
	c := simulate.New(cfg)
	watch := &watch{t: t, people: owners(c), key: planted(c), out: map[string][]amount{}, late: map[string][]amount{}, begun: begun(c)}
	n := 0
	for r := range all(c) {
		n++
		// Events of a person come nearly in order: an hour looks back far enough.
		if s := read(t, r); !watch.key[s.id] {
			watch.see(s)
		}
	}
	if n < 1000 {
		t.Errorf("only %d records", n)
	}
}

type watch struct {
	t         *testing.T
	people    people
	key       map[string]bool
	out, late map[string][]amount
	begun     map[string]time.Time
}

// begun is, for each account, since when it has been silent before the records.
func begun(c *simulate.Company) map[string]time.Time {
	m := map[string]time.Time{}
	for _, p := range c.Roster() {
		for _, a := range p.Accounts {
			if !a.LastActive.IsZero() {
				m[a.Source+":"+a.ID] = a.LastActive
			}
		}
	}
	return m
}

func (w *watch) see(s seen) {
	account := s.source + ":" + s.account
	subject, p := account, w.people.of(s)
	if p != nil {
		subject = p.ID
		w.employment(s, p)
		if s.data() {
			w.hours(s, p)
		}
		if last, ok := w.begun[account]; ok && s.t.Sub(last) > 60*24*time.Hour {
			w.t.Errorf("%s wakes after %v", account, s.t.Sub(last))
		}
	}
	if s.action != "export" && s.action != "api_call" {
		return
	}
	w.out[subject] = append(w.out[subject], amount{s.t, s.rows})
	if sum := within(w.out[subject]); sum >= massRows {
		w.t.Errorf("%s takes out %d rows in an hour, %s", subject, sum, s.t)
	}
}

func (w *watch) employment(s seen, p *roster.Person) {
	local := s.t.In(location(w.t, p.TimeZone))
	day := roster.Day(local.Year()*10000 + int(local.Month())*100 + local.Day())
	if day < p.FirstDay || p.LastDay != 0 && day > p.LastDay {
		w.t.Errorf("%s is active on %d, employed from %d to %d", p.ID, day, p.FirstDay, p.LastDay)
	}
}

func (w *watch) hours(s seen, p *roster.Person) {
	local := s.t.In(location(w.t, p.TimeZone))
	minute := local.Hour()*60 + local.Minute()
	if p.Hours.Days&(1<<local.Weekday()) != 0 && p.Hours.From <= minute && minute < p.Hours.To {
		return
	}
	if s.action == "export" || s.action == "api_call" {
		w.t.Errorf("%s takes out %d rows at %s", p.ID, s.rows, local)
	}
	w.late[p.ID] = append(w.late[p.ID], amount{s.t, max(s.rows, 1)})
	if sum := within(w.late[p.ID]); sum >= lateRows {
		w.t.Errorf("%s reads %d rows in the hour before %s", p.ID, sum, local)
	}
}

var locations = map[string]*time.Location{
	"Asia/Shanghai": load("Asia/Shanghai"), "Asia/Singapore": load("Asia/Singapore"), "Europe/Berlin": load("Europe/Berlin"), "America/New_York": load("America/New_York"),
}

func load(name string) *time.Location {
	loc, err := time.LoadLocation(name)
	if err != nil {
		panic(err)
	}
	return loc
}

func location(t *testing.T, name string) *time.Location {
	t.Helper()
	if locations[name] == nil {
		t.Fatalf("time zone %q is not one of the company's", name)
	}
	return locations[name]
}

// The company breathes: quiet nights and weekends, busy Mondays, two humps a day
// with lunch between them.
func TestRhythm(t *testing.T) {
	c := simulate.New(simulate.Config{})
	byHour, byDay := map[int]int{}, map[time.Weekday]int{}
	people, total := owners(c), 0
	shanghai := location(t, "Asia/Shanghai")
	for r := range c.History() {
		total++
		s := read(t, r)
		if p := people.of(s); p == nil || p.TimeZone != "Asia/Shanghai" || p.Department == "support" {
			continue
		}
		local := s.t.In(shanghai)
		byDay[local.Weekday()]++
		if local.Weekday() != time.Saturday && local.Weekday() != time.Sunday {
			byHour[local.Hour()]++
		}
	}
	if total < 250_000 || total > 350_000 {
		t.Errorf("%d records", total)
	}
	less := func(what string, a int, factor float64, b int) {
		if float64(a) >= factor*float64(b) {
			t.Errorf("%s: %d is not below %.2f × %d", what, a, factor, b)
		}
	}
	less("night", byHour[3], 0.001, byHour[10])
	less("evening", byHour[21], 0.15, byHour[15])
	less("lunch", byHour[12], 0.6, byHour[10])
	less("lunch", byHour[12], 0.6, byHour[15])
	less("before work", byHour[8], 0.2, byHour[10])
	less("Friday", byDay[time.Friday], 0.9, byDay[time.Wednesday])
	less("Wednesday", byDay[time.Wednesday], 0.95, byDay[time.Monday])
	less("Saturday", byDay[time.Saturday], 0.03, byDay[time.Wednesday])
	less("Sunday", byDay[time.Sunday], 0.03, byDay[time.Wednesday])
}

// The large exports that belong to somebody's work are there, and so are the
// nightly syncs: detectors must live with them.
func TestLargeButOrdinary(t *testing.T) {
	c := simulate.New(simulate.Config{})
	people := owners(c)
	big, synced := map[string]int{}, map[string]int64{}
	for r := range c.History() {
		s := read(t, r)
		switch p := people.of(s); {
		case p == nil && s.action == "api_call":
			synced[s.source] += s.rows
		case p != nil && s.action == "export" && s.rows > 2400:
			big[p.Role]++
		}
	}
	if n := big["reporting analyst"]; n < 25 {
		t.Errorf("the reporting analyst exports %d times", n)
	}
	if n := big["sales manager"]; n < 1 || n > 6 {
		t.Errorf("sales managers export %d times", n)
	}
	for _, source := range []string{"salesforce", "zoho", "jiandaoyun", "yonyou"} {
		if synced[source] < 100_000 {
			t.Errorf("%s: machines read %d rows", source, synced[source])
		}
	}
}
