// Package simulate invents a believable company and what its people do in four
// CRMs, so that crmwatch can be shown, tested and measured without anybody's
// real data.
//
// A Company is made from a seed: several hundred people in six offices, their
// working hours, devices, addresses and accounts, the machines that synchronise
// the CRMs at night, and a rhythm of days and weeks. It yields the audit records
// of the past weeks (History) and of one day (Today), in which incidents are
// planted; Incidents is the answer key, Score marks a detector's alerts with it,
// and Replay plays a day at any speed.
//
// The same Config yields the same bytes. Nothing reads a clock or the network,
// and no name, address or account is a real one: mail is in .example, addresses
// are from the ranges set aside for documentation and benchmarks.
package simulate

import (
	"cmp"
	"iter"
	"slices"
	"time"

	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/roster"
)

// Config says which company.
type Config struct {
	Seed uint64
	// People is how many work there, leavers included; 400 if zero, and at least
	// MinPeople.
	People int
	// Tenant is the tenant of the records and of the roster; "beihu" if empty.
	Tenant string
	// Now is a time within the day that is played. The day is the calendar day in
	// the headquarters' time zone, Asia/Shanghai. 24 November 2026 if zero.
	Now time.Time
	// Days is the length of the history; 28 if zero.
	Days int
}

// MinPeople is the smallest company in which every department and every
// incident finds its people.
const MinPeople = 80

func (c Config) withDefaults() Config {
	c.People = max(cmp.Or(c.People, 400), MinPeople)
	c.Tenant = cmp.Or(c.Tenant, "beihu")
	c.Days = cmp.Or(c.Days, 28)
	if c.Now.IsZero() {
		c.Now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	}
	return c
}

// Company is one company. It does not change once made: its methods may be
// called at once, and each call of an iterator starts anew.
type Company struct {
	cfg       Config
	today     date // the day that is played
	workers   []*worker
	machines  []*machine
	incidents []Incident
	planted   []act // what the incidents add to today
}

// Record is one line as a CRM, or a company's own gateway in front of it, hands
// it over.
type Record struct {
	// At is when it is delivered, later than when it happened.
	At time.Time
	// Line is one line of NDJSON without its end: a Salesforce real-time event as
	// the REST API returns it, or a native event. It stays valid and is the
	// receiver's.
	Line []byte
	// ID is the event's id as crmwatch will see it.
	ID string
}

// New makes the company.
func New(cfg Config) *Company {
	cfg = cfg.withDefaults()
	c := &Company{cfg: cfg, today: dateOf(cfg.Now, headquarters())}
	c.hire()
	c.install()
	c.plant()
	return c
}

// Tenant is the tenant that the company's records belong to.
func (c *Company) Tenant() string { return c.cfg.Tenant }

// Start is the beginning of the day that is played, End the beginning of the
// day after.
func (c *Company) Start() time.Time { return time.UnixMilli(c.today.midnight(headquarters())).UTC() }

// End is when the day that is played is over.
func (c *Company) End() time.Time { return c.Start().Add(24 * time.Hour) }

// Roster lists the people, as the personnel department would have exported them
// on the evening before the day that is played.
func (c *Company) Roster() []roster.Person {
	people := make([]roster.Person, 0, len(c.workers))
	for _, w := range c.workers {
		p := w.Person
		p.Accounts = slices.Clone(p.Accounts)
		people = append(people, p)
	}
	return people
}

// History yields the records of the days before today, in the order of their
// delivery.
func (c *Company) History() iter.Seq[Record] { return c.days(c.today.add(-c.cfg.Days), c.cfg.Days) }

// Today yields the records of the day that is played, planted incidents
// included, in the order of their delivery.
func (c *Company) Today() iter.Seq[Record] { return c.days(c.today, 1) }

// Incidents is the answer key of the day that is played, in the order of time.
func (c *Company) Incidents() []Incident { return slices.Clone(c.incidents) }

// days yields what is delivered in n days of the headquarters' calendar. A
// worker's own day begins up to a day later than the headquarters' and so
// reaches into the next one: that part is carried over.
func (c *Company) days(first date, n int) iter.Seq[Record] {
	return func(yield func(Record) bool) {
		var g generator
		g.reset(c)
		acts := g.day(nil, first.add(-1))
		acts = until(acts, first.midnight(headquarters()), func(*act) bool { return true })
		pen := &pen{tenant: c.cfg.Tenant}
		for d := range n {
			day := first.add(d)
			acts = g.day(acts, day)
			acts = until(acts, day.add(1).midnight(headquarters()), func(a *act) bool { return yield(pen.record(a)) })
			if acts == nil {
				return
			}
		}
	}
}

// until hands over, in the order of delivery, every act delivered before the
// end, and returns the rest, or nil when the receiver wants no more.
func until(acts []act, end int64, yield func(*act) bool) []act {
	type slot struct {
		at int64
		i  int32
	}
	order := make([]slot, len(acts))
	for i := range acts {
		order[i] = slot{acts[i].at, int32(i)}
	}
	slices.SortFunc(order, func(a, b slot) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.i, b.i)) })
	rest := make([]act, 0, len(acts)/4)
	for _, s := range order {
		a := &acts[s.i]
		if s.at >= end {
			rest = append(rest, *a)
		} else if !yield(a) {
			return nil
		}
	}
	return rest
}

// sources are the names of the CRMs in events and in the roster.
const (
	salesforce = "salesforce"
	zoho       = "zoho"
	jiandaoyun = "jiandaoyun"
	yonyou     = "yonyou"
)

// kind is what somebody does, as the CRMs tell it apart.
type kind uint8

const (
	login kind = iota
	badLogin
	logout
	view
	edit
	create
	search
	list      // a list view: many records at a glance
	report    // a report on the screen
	export    // a report or a list into a file
	download  // an attachment
	call      // a query through the API
	deprovide // an administrator closes an account
)

// action is the kind in crmwatch's words.
func (k kind) action() event.Action {
	return [...]event.Action{
		login: event.Login, badLogin: event.LoginFailed, logout: event.Logout, view: event.View, edit: event.Edit, create: event.Create,
		search: event.Search, list: event.View, report: event.View, export: event.Export, download: event.Download, call: event.APICall,
		deprovide: event.UserChange,
	}[k]
}

// act is one thing that somebody does, before it is written down.
type act struct {
	// id is its own, and different in another company: its record's id follows from
	// it.
	id uint64
	// t is when it happens and at when it is delivered, milliseconds since 1970.
	t, at   int64
	kind    kind
	visit   *visit
	object  object
	rows    int64
	account *account // that deprovide closes
}

// visit is one login session.
type visit struct {
	account *account
	device  *device
	ip      string
	country string
	near    *office // the city that the address seems to be in, if known
	// key is the CRM's name of the session, without meaning.
	key uint64
}
