package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/internal/stream"
	"github.com/crmwatch/crmwatch/roster"
)

// person is a person as of one record, or a person who was removed.
type person struct {
	roster.Person
	deleted uint8 // 1 or 0, as in the column
}

func rosterTable() table[person] {
	return table[person]{
		name:    "roster",
		columns: rosterColumns,
		decoder: func() decoder[person] { return decodePerson },
		batch:   10_000,
	}
}

var rosterColumns = []column[person]{
	of("id", func(p *person) string { return p.ID }),
	of("tenant", func(p *person) string { return p.Tenant }),
	of("name", func(p *person) string { return p.Name }),
	of("email", func(p *person) string { return p.Email }),
	of("department", func(p *person) string { return p.Department }),
	of("role", func(p *person) string { return p.Role }),
	of("manager", func(p *person) string { return p.Manager }),
	of("time_zone", func(p *person) string { return p.TimeZone }),
	of("work_days", func(p *person) uint8 { return p.Hours.Days }),
	of("work_from", func(p *person) int32 { return int32(p.Hours.From) }),
	of("work_to", func(p *person) int32 { return int32(p.Hours.To) }),
	of("first_day", func(p *person) int32 { return int32(p.FirstDay) }),
	of("last_day", func(p *person) int32 { return int32(p.LastDay) }),
	of("account_sources", ofAccounts(func(a *roster.Account) string { return a.Source })),
	of("account_ids", ofAccounts(func(a *roster.Account) string { return a.ID })),
	of("account_active", ofAccounts(func(a *roster.Account) time.Time { return instant(a.LastActive) })),
	of("deleted", func(p *person) uint8 { return p.deleted }),
}

func ofAccounts[V any](get func(*roster.Account) V) func(*person) []V {
	return func(p *person) []V {
		vs := make([]V, len(p.Accounts))
		for i := range p.Accounts {
			vs[i] = get(&p.Accounts[i])
		}
		return vs
	}
}

// errNotPerson stands for the error of encoding/json, which may repeat what it
// found.
var errNotPerson = errors.New("decode person: not the JSON form of one")

// decodePerson reads a person, or the removal of the one that the key names:
// tenant, slash, id.
func decodePerson(rec stream.Record) (person, error) {
	if rec.Value == nil {
		return removal(rec.Key)
	}
	var p person
	if err := json.Unmarshal(rec.Value, &p.Person); err != nil {
		return p, errNotPerson
	}
	if p.ID == "" || p.Tenant == "" {
		return p, &event.FieldError{Field: "id", Reason: event.Missing, Msg: "and tenant are required"}
	}
	for i, a := range p.Accounts {
		if err := checkTimes(timeField{fmt.Sprintf("accounts[%d].last_active", i), a.LastActive}); err != nil {
			return p, err
		}
	}
	return p, nil
}

func removal(key []byte) (person, error) {
	tenant, id, ok := strings.Cut(string(key), "/")
	if !ok || tenant == "" || id == "" {
		return person{}, errors.New("key of a removal is not tenant and id")
	}
	return person{Person: roster.Person{Tenant: tenant, ID: id}, deleted: 1}, nil
}
