package detect

import (
	"strings"
	"time"

	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/roster"
	"github.com/crmwatch/crmwatch/rules"
)

// People is what the detector asks the roster.
type People interface {
	// Person returns the person of this id, or false where the roster has none.
	Person(tenant, id string) (*roster.Person, bool)
	// Len is the number of people. Without any, the default hours hold for every
	// account; with a roster, an account that is nobody's has no working hours.
	Len() int
	// Local returns the time in the person's own zone, or in the default zone
	// where the person is nil, and false where no zone is known.
	Local(p *roster.Person, t time.Time) (time.Time, bool)
	// OffHours reports whether the time is outside the person's working hours; ok
	// is false where no time zone is known.
	OffHours(p *roster.Person, t time.Time) (off, ok bool)
}

// record is an event as a rule sees it: its own fields and the derived ones.
type record struct {
	event   *event.Event
	person  *roster.Person // nil where the roster knows none
	local   time.Time      // event time where the person lives; zero where unknown
	derived [derivedCount]event.Value
}

// Get returns a field's value.
func (r *record) Get(f rules.Field) event.Value {
	if n := int(f) - len(event.Fields); n >= 0 {
		return r.derived[n]
	}
	return event.Fields[f].Get(r.event)
}

// byPerson is what rules of one event are suppressed by.
var byPerson = rules.Field(len(event.Fields) + actorKey)

// fill makes the record that the rules of the set match. Texts that crmwatch
// itself derived are no content of the event for keywords to find.
func (r *record) fill(rec *rules.Record, set *rules.Set) {
	if rec.Values == nil {
		rec.Values = make([]event.Value, len(event.Fields)+derivedCount)
	}
	for i := range rec.Values {
		if f := rules.Field(i); set.Uses(f) {
			rec.Values[i] = r.Get(f)
		}
	}
	// Rules of one event are suppressed by person, which none of them has to read.
	rec.Values[byPerson] = r.Get(byPerson)
	rec.Leaves = rec.Leaves[:0]
	for i := 0; set.Keywords() && i < len(event.Fields); i++ {
		if v := event.Fields[i].Get(r.event); v.Kind == event.String {
			rec.Leaves = append(rec.Leaves, v)
		}
	}
}

// text is a field's value by its path.
func (r *record) text(path string) string {
	f, ok := schema.Field(path)
	if !ok {
		return ""
	}
	return r.Get(f).Text()
}

// look derives what rules may ask of the event beyond its own fields.
func (en *Engine) look(e *event.Event) *record {
	r := &en.rec
	*r = record{event: e}
	r.derived[actorKey] = event.StringValue(e.PersonKey())
	if e.Actor.Person != "" {
		if p, ok := en.people.Person(e.Tenant, e.Actor.Person); ok {
			r.person = p
			r.setPerson(p, e.Time)
			if m, ok := en.people.Person(e.Tenant, p.Manager); ok {
				r.derived[personManager] = event.StringValue(m.Name)
			}
		}
	}
	if r.person != nil || en.people.Len() == 0 {
		en.setLocal(r)
	}
	r.derived[accountIdleDays] = event.IntValue(en.activity(r))
	return r
}

func (en *Engine) setLocal(r *record) {
	if t, ok := en.people.Local(r.person, r.event.Time); ok {
		r.local = t
		r.derived[localHour] = event.IntValue(int64(t.Hour()))
		r.derived[localWeekday] = event.StringValue(weekdays[t.Weekday()])
	}
	if off, ok := en.people.OffHours(r.person, r.event.Time); ok {
		r.derived[localOffHours] = event.BoolValue(off)
	}
}

func (r *record) setPerson(p *roster.Person, t time.Time) {
	r.derived[personDepartment] = event.StringValue(p.Department)
	r.derived[personRole] = event.StringValue(p.Role)
	r.derived[personStatus] = event.StringValue(string(p.StatusAt(t)))
	if p.LastDay != 0 {
		r.derived[personLastDay] = event.StringValue(p.LastDay.String())
	}
	if n := p.DaysSinceLastDay(t); n > 0 {
		r.derived[personDaysSinceLastDay] = event.IntValue(int64(n))
	}
}

var weekdays = func() (names [7]string) {
	for d := range names {
		names[d] = strings.ToLower(time.Weekday(d).String())
	}
	return names
}()
