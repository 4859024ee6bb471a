package simulate

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Incident is one entry of the answer key.
type Incident struct {
	ID    string
	Kind  string
	Title string // without the name of the person
	// Person is the person's id in the roster whose account it is.
	Person string
	// Subject is the key of the subject that an alert is to name.
	Subject string
	// Rules are the rules any of which counts as having found it.
	Rules []string
	// Events are the ids of the records that it consists of, in the order of time,
	// from First to Last.
	Events      []string
	First, Last time.Time
}

// The kinds of incident.
const (
	OffHours      = "off_hours_export"
	LeaverAccount = "leaver_account"
	Dormant       = "dormant_account"
	MassExport    = "mass_export"
	ChunkedExport = "chunked_export"
)

// scheme is how an incident of a kind is staged: whose account, and what happens
// there. A new kind of incident is a new entry of schemes.
type scheme struct {
	kind, title string
	rules       []string
	cast        func(*stage) (*worker, *account)
	play        func(*stage)
}

// schemes are the incidents of an ordinary demonstration, in the order of time.
var schemes = []scheme{
	{
		kind: OffHours, title: "exports customers at night from home", rules: []string{"off_hours_data_access"},
		cast: func(s *stage) (*worker, *account) { return s.someone("sales-east", salesforce) }, play: playOffHours,
	},
	{
		kind: LeaverAccount, title: "a leaver's open account is used by the successor", rules: []string{"leaver_account"},
		cast: castLeaver, play: playLeaver,
	},
	{
		kind: Dormant, title: "an account unused for months reads data", rules: []string{"dormant_account"},
		cast: castDormant, play: playDormant,
	},
	{
		kind: MassExport, title: "exports the customer base in one report", rules: []string{"mass_export_single"},
		cast: func(s *stage) (*worker, *account) { return s.someone("sales-north", salesforce) }, play: playMassExport,
	},
	{
		kind: ChunkedExport, title: "exports the customer base in pieces", rules: []string{"mass_export_hour"},
		cast: func(s *stage) (*worker, *account) { return s.someone("sales-south", zoho) }, play: playChunks,
	},
}

// stage is where one incident happens.
type stage struct {
	c       *Company
	g       *generator
	r       *rand.Rand
	taken   map[*worker]bool
	owner   *worker
	account *account
	visit   *visit
	t       int64 // the time of the play
}

// plant stages every scheme in today.
func (c *Company) plant() {
	var g generator
	g.reset(c)
	taken := map[*worker]bool{}
	for i := range schemes {
		sc := &schemes[i]
		g.begin(firstIncident+i, c.today)
		g.acts = nil
		s := &stage{c: c, g: &g, r: g.r, taken: taken}
		s.owner, s.account = sc.cast(s)
		taken[s.owner] = true
		s.visit = &visit{
			account: s.account, device: s.owner.laptop, ip: s.owner.desk, country: s.owner.office.country, near: s.owner.office, key: g.sessionKey(),
		}
		sc.play(s)
		c.planted = append(c.planted, g.acts...)
		c.incidents = append(c.incidents, s.incident(sc, g.acts))
	}
	slices.SortStableFunc(c.incidents, func(a, b Incident) int { return a.First.Compare(b.First) })
}

func (s *stage) incident(sc *scheme, acts []act) Incident {
	in := Incident{
		ID: fmt.Sprintf("%s-%s", sc.kind, s.owner.ID), Kind: sc.kind, Title: sc.title, Person: s.owner.ID, Subject: s.owner.ID, Rules: slices.Clone(sc.rules),
		First: time.UnixMilli(acts[0].t).UTC(), Last: time.UnixMilli(acts[len(acts)-1].t).UTC(),
	}
	for i := range acts {
		in.Events = append(in.Events, acts[i].name())
	}
	return in
}

// someone is an ordinary member of the department, at home in the office's
// usual hours.
func (s *stage) someone(department, source string) (*worker, *account) {
	var fit []*worker
	for _, w := range s.c.workers {
		settled := w.first < s.c.today.add(-120) && w.last == never && w.away == nil && w.duty == noDuty
		if w.dept.name == department && settled && w.Role != w.dept.chief && !s.taken[w] && w.account(source) != nil {
			fit = append(fit, w)
		}
	}
	w := pick(s.r, fit)
	return w, w.account(source)
}

func castLeaver(s *stage) (*worker, *account) {
	w := s.c.of("sales-east", leaverSeat)
	return w, w.account(jiandaoyun)
}

func castDormant(s *stage) (*worker, *account) {
	w := s.c.of("marketing", dormantSeat)
	return w, w.idle[0]
}

// at sets the clock to about a minute of the owner's day.
func (s *stage) at(h, m int) {
	s.t = s.c.today.midnight(s.owner.loc) + int64(h)*hour + int64(m)*minute + s.r.Int64N(4*minute)
}

func (s *stage) wait(from, to int64) { s.t += from + s.r.Int64N(to-from) }

func (s *stage) do(k kind, rows int64) {
	var o object
	switch k {
	case view, edit:
		o = s.g.record(s.visit, s.owner.dept)
	case list:
		o = s.g.summary(s.visit, s.owner.dept, listObject)
	case export:
		o = object{kind: reportObject, of: contactObject, id: s.r.Uint32() | 1}
	default: // concerns the session alone
	}
	s.g.act(s.visit, s.t, k, o, rows)
}

func playOffHours(s *stage) {
	s.visit.ip = s.owner.home
	s.at(2, 10)
	s.do(login, 0)
	for range 3 + s.r.IntN(2) {
		s.wait(40_000, 3*minute)
		s.do(list, 60+s.r.Int64N(140))
		s.wait(20_000, 2*minute)
		s.do(export, 700+s.r.Int64N(1100))
	}
	s.wait(20_000, minute)
	s.do(logout, 0)
}

// playLeaver has the successor work with the leaver's account, on the
// successor's own device and from the successor's own desk.
func playLeaver(s *stage) {
	successor := s.c.of("sales-east", successorSeat)
	s.visit.device, s.visit.ip = successor.laptop, successor.desk
	s.at(10, 36)
	s.do(login, 0)
	for range 4 + s.r.IntN(4) {
		s.wait(15_000, minute)
		s.do(view, 1)
	}
	for range 4 {
		s.wait(minute, 4*minute)
		s.do(export, 2_200+s.r.Int64N(2_300))
	}
	s.wait(20_000, minute)
	s.do(logout, 0)
}

func playDormant(s *stage) {
	s.visit.ip = s.owner.home
	s.at(11, 20)
	s.do(login, 0)
	for range 14 {
		s.wait(10_000, minute)
		s.do(view, 1)
	}
	s.wait(20_000, minute)
	s.do(list, 180)
	s.wait(minute, 2*minute)
	s.do(export, 600+s.r.Int64N(600))
}

func playMassExport(s *stage) {
	s.at(15, 20)
	s.do(login, 0)
	s.wait(30_000, 2*minute)
	s.do(list, 150)
	s.wait(minute, 3*minute)
	s.do(export, 47_000+s.r.Int64N(2_500))
	s.wait(minute, 2*minute)
	s.do(logout, 0)
}

func playChunks(s *stage) {
	s.at(16, 5)
	s.do(login, 0)
	for range 9 + s.r.IntN(3) {
		s.wait(2*minute, 4*minute)
		s.do(export, 1_500+s.r.Int64N(1_400))
	}
}
