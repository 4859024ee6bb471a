package simulate

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/crmwatch/crmwatch/roster"
)

// worker is a person of the roster, and what the roster does not say.
type worker struct {
	roster.Person
	index  int
	office *office
	dept   *department
	loc    *time.Location
	// first and last are the days of employment; last is never where none is set.
	first, last date
	accounts    []*account // the ones in use, the main one first
	idle        []*account // the ones that nobody has used for long
	// open is set for those who have left and whose accounts nobody has closed.
	open          bool
	laptop, phone *device
	desk, home    string // addresses
	tempo         float64
	duty          duty
	away          *trip // where a business trip leads, from..to
	awayFrom      date
	awayTo        date
}

// account is one login in one CRM.
type account struct {
	source, id, name, email string
	role, department        string
	// salt makes the records that the account works with its own.
	salt    uint64
	machine bool
}

// duty is a large export that belongs to somebody's work.
type duty uint8

const (
	noDuty  duty = iota
	daily        // an analyst, twice a day
	monthly      // a manager, on the first working day from the fifth on
)

const never date = 1 << 30

// The seats, in their departments, of people with a part in an incident.
const (
	leaverSeat    = 2 // sales-east
	successorSeat = 3 // sales-east
	dormantSeat   = 2 // marketing
)

// leadEvery is how many people a team has; its first leads it.
const leadEvery = 12

func (w *worker) employed(d date) bool { return w.first <= d && d <= w.last }

// workday reports whether the person is to work on that day of the week.
func (w *worker) workday(d date) bool { return w.Hours.Days&(1<<d.weekday()) != 0 }

// working reports whether t falls into the working hours of the day that began
// at midnight.
func (w *worker) working(d date, midnight, t int64) bool {
	m := int((t - midnight) / minute)
	return w.workday(d) && w.Hours.From <= m && m < w.Hours.To
}

func (w *worker) account(source string) *account {
	i := slices.IndexFunc(w.accounts, func(a *account) bool { return a.source == source })
	if i < 0 {
		return nil
	}
	return w.accounts[i]
}

// rand is the company's source of randomness for one purpose.
func (c *Company) rand(purpose uint64) *rand.Rand {
	return rand.New(rand.NewPCG(mix64(c.cfg.Seed), mix64(purpose)))
}

// hiring is the purpose of the randomness that makes the people.
const hiring = 1

// hire fills the departments.
func (c *Company) hire() {
	r := c.rand(hiring)
	names := &census{r: r, seen: map[string]int{}}
	rest := c.cfg.People
	for i := range departments {
		d := &departments[i]
		n := c.cfg.People * d.share / 1000
		if i == len(departments)-1 {
			n = rest
		}
		rest -= n
		c.fill(r, names, d, n)
	}
	c.appoint(r)
	c.open(r)
}

func (c *Company) fill(r *rand.Rand, names *census, d *department, n int) {
	chief, lead := "", ""
	for i := range n {
		w := c.person(r, names, d)
		w.Manager = lead
		switch {
		case i == 0:
			chief, lead = w.ID, w.ID
			w.Role, w.Manager = d.chief, ""
		case i%leadEvery == 0:
			lead = w.ID
			w.Role, w.Manager = "team lead", chief
		}
		c.workers = append(c.workers, w)
	}
}

func (c *Company) person(r *rand.Rand, names *census, d *department) *worker {
	w := &worker{index: len(c.workers), dept: d, office: &offices[pick(r, d.seats)], last: never}
	w.ID = "E" + strconv.Itoa(10001+w.index)
	w.Tenant = c.cfg.Tenant
	w.Name, w.Email = names.name(w.office.foreign)
	w.Department, w.Role = d.name, pick(r, d.titles)
	w.TimeZone = w.office.zone
	w.loc = zone(w.TimeZone)
	w.Hours = w.hours(r)
	// Most have been here for years.
	w.first = c.today.add(-90 - int(r.ExpFloat64()*900))
	w.tempo = d.tempo * (0.7 + 0.6*r.Float64())
	w.equip(r)
	c.travel(r, w)
	return w
}

func (w *worker) hours(r *rand.Rand) roster.Hours {
	h := roster.Hours{Days: workweek, From: w.office.from, To: w.office.to}
	if len(w.dept.shifts) > 0 {
		if s := pick(r, w.dept.shifts); s.days != 0 {
			h = roster.Hours{Days: s.days, From: s.from, To: s.to}
		}
	}
	return h
}

// travel sends one in thirty on a business trip of three to six days, some time
// in the past month. It does not depend on the length of the history: today is
// the same after a short one.
func (c *Company) travel(r *rand.Rand, w *worker) {
	if r.IntN(30) > 0 {
		return
	}
	w.away = &w.office.trips[r.IntN(len(w.office.trips))]
	w.awayFrom = c.today.add(3 - r.IntN(32))
	w.awayTo = w.awayFrom.add(2 + r.IntN(4))
}

// appoint gives the positions that concern more than one person: who reports to
// the managing director, who exports as a duty, who is new, who has left or will.
func (c *Company) appoint(r *rand.Rand) {
	head := c.of("management", 0)
	for _, w := range c.workers {
		if w.Manager == "" && w != head {
			w.Manager = head.ID
		}
		if w.Role == w.dept.chief || w.Role == "team lead" {
			continue
		}
		switch n := r.IntN(1000); {
		case n < 30:
			w.first = c.today.add(-3 - r.IntN(50))
		case n < 70:
			w.last = weekdayBefore(c.today.add(-1 - r.IntN(150)))
		case n < 85: // has given notice
			w.last = weekdayBefore(c.today.add(9 + r.IntN(50)))
		}
		if w.last < w.first {
			w.first = w.last.add(-400)
		}
	}
	c.of("sales-south", 0).duty = monthly
	analyst := c.of("it", 1)
	analyst.Role, analyst.duty = "reporting analyst", daily
	analyst.first, analyst.last = c.today.add(-1200), never
	mover := c.of("marketing", dormantSeat)
	mover.first, mover.last = c.today.add(-800), never
	c.succeed(c.of("sales-east", leaverSeat), c.of("sales-east", successorSeat))
	for i, name := range []string{"marketing", "support"} {
		w := c.of(name, 3)
		w.first, w.last, w.open = c.today.add(-900), weekdayBefore(c.today.add(-40-75*i)), true
	}
}

// succeed makes one person leave three weeks ago, accounts still open, and the
// other one join a week ago in their place.
func (c *Company) succeed(leaver, successor *worker) {
	leaver.first, leaver.last, leaver.open = c.today.add(-730), weekdayBefore(c.today.add(-19)), true
	leaver.Role, successor.Role = "sales representative", "sales representative"
	leaver.away, successor.away = nil, nil
	successor.first, successor.last = weekdayBefore(c.today.add(-8)), never
}

// of finds a department's n-th person.
func (c *Company) of(name string, n int) *worker {
	for _, w := range c.workers {
		if w.dept.name == name {
			if n == 0 {
				return w
			}
			n--
		}
	}
	panic(fmt.Sprintf("simulate: department %q is too small", name)) // MinPeople prevents it
}

// weekdayBefore is the last Monday to Friday not after d.
func weekdayBefore(d date) date {
	for workweek&(1<<d.weekday()) == 0 {
		d--
	}
	return d
}

// open gives everybody their accounts, and writes the days of employment into
// the roster.
func (c *Company) open(r *rand.Rand) {
	for _, w := range c.workers {
		w.FirstDay = w.first.day()
		if w.last != never {
			w.LastDay = w.last.day()
		}
		for _, source := range w.dept.crms {
			w.accounts = append(w.accounts, c.grant(w, source, c.lastActive(r, w)))
		}
		// Rights that an earlier position left behind.
		if w.first < c.today.add(-400) && r.IntN(50) == 0 {
			c.leaveBehind(r, w)
		}
	}
	if w := c.of("marketing", dormantSeat); len(w.idle) == 0 {
		c.leaveBehind(r, w)
	}
}

// leaveBehind gives an account, in a CRM that the department does not use, that
// was last used months ago.
func (c *Company) leaveBehind(r *rand.Rand, w *worker) {
	for _, source := range []string{yonyou, jiandaoyun, zoho} {
		if w.account(source) == nil {
			last := c.today.add(-95 - r.IntN(120))
			w.idle = append(w.idle, c.grant(w, source, time.UnixMilli(weekdayBefore(last).midnight(w.loc)+15*hour+r.Int64N(hour)).UTC()))
			return
		}
	}
}

// lastActive is when the person's accounts were last used as of the evening
// before today: in the afternoon of the last working day.
func (c *Company) lastActive(r *rand.Rand, w *worker) time.Time {
	d := min(c.today-1, w.last)
	for !w.workday(d) {
		d--
	}
	if d < w.first {
		return time.Time{}
	}
	return time.UnixMilli(d.midnight(w.loc) + int64(w.Hours.To)*minute - r.Int64N(2*hour)).UTC()
}

func (c *Company) grant(w *worker, source string, lastActive time.Time) *account {
	a := c.newAccount(w.index, source)
	a.email, a.role, a.department = w.Email, w.dept.rights, w.dept.name
	switch source {
	case salesforce:
		a.name = w.Email
	case zoho:
		a.id, a.name = w.Email, w.Name
	default:
		a.name = w.Name
	}
	w.Accounts = append(w.Accounts, roster.Account{Source: source, ID: a.id, LastActive: lastActive})
	return a
}

// newAccount makes the n-th account of a CRM, with an id in the CRM's form.
func (c *Company) newAccount(n int, source string) *account {
	salt := mix64(mix64(c.cfg.Seed) ^ uint64(n)<<8 ^ uint64(len(source)))
	a := &account{source: source, salt: salt}
	switch source {
	case salesforce:
		a.id = string(appendSalesforceID(nil, kinds[userObject].prefix, 0x3f00000+uint64(n)*4099))
	case jiandaoyun:
		a.id = string(appendHex(appendHex(nil, 0x5f<<56|salt>>8, 16), uint64(n+1)*2654435761, 8))
	case yonyou:
		a.id = string(appendUUID(nil, salt, mix64(salt)))
	}
	return a
}
