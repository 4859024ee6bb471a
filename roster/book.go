package roster

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crmwatch/crmwatch/internal/stream"
)

// Defaults hold for people of whom the roster does not say it.
type Defaults struct {
	// TimeZone is an IANA name. Where it is empty, nothing that depends on local
	// time is said about people without a time zone.
	TimeZone string
	// Hours are OfficeHours where they are zero.
	Hours Hours
}

// Deps are what a Book needs from outside; all of them may be nil.
type Deps struct {
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Book is the roster in memory. Its methods may be called at once from any
// number of goroutines; look-ups neither block nor allocate, and what they return
// must not be changed.
type Book struct {
	zone    *time.Location // the default, may be nil
	hours   Hours
	log     *slog.Logger
	metrics *metrics

	current atomic.Pointer[directory]

	mu    sync.Mutex // guards Apply, and zones
	zones map[string]*time.Location
}

// NewBook returns an empty Book.
func NewBook(d Defaults, deps Deps) (*Book, error) {
	b := &Book{hours: d.Hours, log: deps.Logger, zones: map[string]*time.Location{}}
	if b.hours == (Hours{}) {
		b.hours = OfficeHours
	}
	if !b.hours.Valid() {
		return nil, errors.New("default working hours do not end after they begin")
	}
	if d.TimeZone != "" {
		zone, err := loadZone(d.TimeZone)
		if err != nil {
			return nil, fmt.Errorf("load default time zone %q: %w", d.TimeZone, err)
		}
		b.zone = zone
	}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if b.metrics, err = newMetrics(deps.Registerer); err != nil {
		return nil, err
	}
	b.current.Store(newDirectory(nil))
	return b, nil
}

// Apply brings the book up to date with messages of the topic of people. Those
// that are no people are left out, and their errors joined; the book then has
// the others. It costs time by the size of the book, so many messages are better
// applied at once.
func (b *Book) Apply(recs ...stream.Record) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	people := maps.Clone(b.current.Load().people)
	var errs []error
	for _, rec := range recs {
		n, p, err := Decode(rec)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("partition %d offset %d: %w", rec.Partition, rec.Offset, err))
		case p == nil:
			delete(people, n)
		default:
			p.zone, p.zoned = b.zoneOf(p), true
			people[n] = p
		}
	}
	b.current.Store(newDirectory(people))
	b.metrics.people.Set(float64(len(people)))
	b.metrics.bad.Add(float64(len(errs)))
	return errors.Join(errs...)
}

// zoneOf loads the person's time zone, once for all people. b.mu is held.
func (b *Book) zoneOf(p *Person) *time.Location {
	if p.TimeZone == "" {
		return b.zone
	}
	zone, ok := b.zones[p.TimeZone]
	if !ok {
		if zone, _ = loadZone(p.TimeZone); zone != nil {
			b.zones[p.TimeZone] = zone
		}
	}
	return zone
}

// Len is the number of people.
func (b *Book) Len() int { return len(b.current.Load().people) }

// Person returns the person with the id.
func (b *Book) Person(tenant, id string) (*Person, bool) {
	p, ok := b.current.Load().people[Ref{tenant, id}]
	return p, ok
}

// PersonOf returns the id of the person whom an account belongs to: by the
// account's id, by its login name, by its e-mail address, or by a login name that
// is the person's e-mail address. E-mail addresses match in any case. What two
// people claim is the one's who stays longer.
func (b *Book) PersonOf(tenant, source, accountID, accountName, email string) (id string, ok bool) {
	p := b.current.Load().find(tenant, source, accountID, accountName, email)
	if p == nil {
		return "", false
	}
	return p.ID, true
}

// Account returns what the roster knows of an account, by its id or its login
// name, whichever the roster has.
func (b *Book) Account(tenant, source, id string) (Account, bool) {
	o, ok := b.current.Load().accounts[keyOf(tenant, source, id)]
	if !ok {
		return Account{}, false
	}
	return *o.account, true
}

// Local returns the time where the person lives, in the default time zone where
// p is nil or has none. It is false where no time zone is known.
func (b *Book) Local(p *Person, t time.Time) (time.Time, bool) {
	zone := b.zone
	if p != nil && (p.zoned || p.TimeZone != "") {
		zone = p.location()
	}
	if zone == nil {
		return time.Time{}, false
	}
	return t.In(zone), true
}

// OffHours reports whether t is outside the person's working hours, by the clock
// where the person lives, or outside the default ones where p is nil or has none.
// ok is false where no time zone is known.
func (b *Book) OffHours(p *Person, t time.Time) (off, ok bool) {
	local, ok := b.Local(p, t)
	if !ok {
		return false, false
	}
	hours := b.hours
	if p != nil && p.Hours.Valid() {
		hours = p.Hours
	}
	return !hours.Contain(local), true
}
