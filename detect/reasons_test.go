package detect

import (
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crmwatch/crmwatch/alert"
	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/roster"
	"github.com/crmwatch/crmwatch/rules"
	"github.com/crmwatch/crmwatch/rules/pack"
)

// book is a real roster: somebody who works here, somebody who left on the 13th,
// and their manager, all with one Zoho account.
func book(t *testing.T) *roster.Book {
	t.Helper()
	b, err := roster.NewBook(roster.Defaults{TimeZone: "Asia/Shanghai"}, roster.Deps{Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	last := roster.DayOf(monday.AddDate(0, 0, -10))
	for _, p := range []roster.Person{
		{ID: "E1", Tenant: "t", Name: "Wang Fang", Department: "sales", Manager: "E3", Accounts: []roster.Account{{Source: "zoho", ID: "1", LastActive: monday.AddDate(0, 0, -90)}}},
		{ID: "E2", Tenant: "t", Name: "Li Na", Manager: "E3", LastDay: last, Accounts: []roster.Account{{Source: "zoho", ID: "2"}}},
		{ID: "E3", Tenant: "t", Name: "Zhao Lei", TimeZone: "America/New_York", Accounts: []roster.Account{{Source: "zoho", ID: "3"}}},
	} {
		r, err := p.Record()
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Apply(r); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// The shipped rules, on the real roster, say who it was and why it is unusual,
// each thing once.
func TestShippedRulesExplainThemselves(t *testing.T) {
	set, err := rules.Load(pack.FS, NewSchema(), rules.Options{GroupByOneOf: rules.PersonFields()})
	if err != nil {
		t.Fatal(err)
	}
	by := func(person, account string, e *event.Event) *event.Event {
		e.Actor = event.Actor{ID: account, Person: person, Type: event.User}
		return e
	}
	for _, c := range []struct {
		name    string
		events  []*event.Event
		rule    string
		subject alert.Subject
		reasons []string
	}{
		{
			"a leaver's account reads",
			[]*event.Event{by("E2", "2", export("a", 0, 3))},
			"leaver_account",
			alert.Subject{Key: "E2", Person: "E2", Name: "Li Na", Manager: "Zhao Lei", Employment: "left", LastDay: "2026-11-13"},
			[]string{"The account's owner left on 2026-11-13, 10 days before."},
		},
		{
			"an account wakes up",
			[]*event.Event{by("E1", "1", export("a", 0, 3))},
			"dormant_account",
			alert.Subject{Key: "E1", Person: "E1", Name: "Wang Fang", Department: "sales", Manager: "Zhao Lei", Employment: "active"},
			[]string{"The account had been silent for 90 days."},
		},
		{
			"an export in the middle of the night",
			[]*event.Event{by("E3", "3", export("a", 0, 600))},
			"off_hours_data_access",
			alert.Subject{Key: "E3", Person: "E3", Name: "Zhao Lei", TimeZone: "America/New_York", Employment: "active"},
			[]string{"It was 21:00 on Sunday (America/New_York), outside working hours."},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			found := apply(NewEngine(DefaultConfig(), set, book(t)), c.events...)
			i := slices.IndexFunc(found, func(f alert.Finding) bool { return f.Rule.Name == c.rule })
			if i < 0 {
				t.Fatalf("not found: %+v", found)
			}
			f := found[i]
			if !slices.Equal(f.Reasons, c.reasons) {
				t.Errorf("reasons %q, want %q", f.Reasons, c.reasons)
			}
			f.Subject.Accounts = nil
			if f.Subject.Key != c.subject.Key || f.Subject.Name != c.subject.Name || f.Subject.Manager != c.subject.Manager ||
				f.Subject.Employment != c.subject.Employment || f.Subject.LastDay != c.subject.LastDay || f.Subject.TimeZone != c.subject.TimeZone {
				t.Errorf("subject %+v, want %+v", f.Subject, c.subject)
			}
		})
	}
}

// In working hours, by somebody who works here, nothing is said.
func TestOrdinaryWorkIsQuiet(t *testing.T) {
	set, err := rules.Load(pack.FS, NewSchema(), rules.Options{GroupByOneOf: rules.PersonFields()})
	if err != nil {
		t.Fatal(err)
	}
	en := NewEngine(DefaultConfig(), set, book(t))
	for i := range 20 {
		e := export(time.Duration(i).String(), time.Duration(i)*time.Minute, 300)
		e.Actor = event.Actor{ID: "9", Type: event.User}
		if got := en.Apply(e); len(got) > 0 {
			t.Fatalf("%+v", got)
		}
	}
}

// With a roster, an account that is nobody's has no working hours; without one,
// the default hours hold for all.
func TestAccountsOfNobody(t *testing.T) {
	set, err := rules.Load(pack.FS, NewSchema(), rules.Options{GroupByOneOf: rules.PersonFields()})
	if err != nil {
		t.Fatal(err)
	}
	empty, err := roster.NewBook(roster.Defaults{TimeZone: "Asia/Shanghai"}, roster.Deps{Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	night := func() *event.Event { return export("a", 12*time.Hour, 600) }
	if got := apply(NewEngine(DefaultConfig(), set, book(t)), night()); len(got) != 0 {
		t.Errorf("with a roster: %+v", got)
	}
	if got := apply(NewEngine(DefaultConfig(), set, empty), night()); len(got) != 1 || got[0].Rule.Name != "off_hours_data_access" {
		t.Errorf("without one: %+v", got)
	}
}
