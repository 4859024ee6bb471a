package store

import (
	"fmt"
	"time"

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

// decodePerson reads a person, or the removal of one.
func decodePerson(rec stream.Record) (person, error) {
	ref, p, err := roster.Decode(rec)
	switch {
	case err != nil:
		return person{}, err
	case p == nil:
		return person{Person: roster.Person{Tenant: ref.Tenant, ID: ref.ID}, deleted: 1}, nil
	}
	for i, a := range p.Accounts {
		if err := checkTimes(timeField{fmt.Sprintf("accounts[%d].last_active", i), a.LastActive}); err != nil {
			return person{}, err
		}
	}
	return person{Person: *p}, nil
}
