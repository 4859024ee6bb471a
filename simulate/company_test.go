package simulate_test

import (
	"bytes"
	"fmt"
	"iter"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/roster"
	"github.com/crmwatch/crmwatch/simulate"
)

// companies are of several seeds and sizes, by name.
func companies() iter.Seq2[string, *simulate.Company] {
	return func(yield func(string, *simulate.Company) bool) {
		for _, cfg := range []simulate.Config{{}, {Seed: 1, People: simulate.MinPeople}, {Seed: 2, People: 137}, {Seed: 3, People: 700, Days: 9}} {
			if !yield(fmt.Sprintf("seed=%d/people=%d", cfg.Seed, cfg.People), simulate.New(cfg)) {
				return
			}
		}
	}
}

func TestRoster(t *testing.T) {
	for name, c := range companies() {
		t.Run(name, func(t *testing.T) {
			ids, emails, accounts, departments := map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]int{}
			people := c.Roster()
			for i := range people {
				p := &people[i]
				if ids[p.ID] || emails[p.Email] || p.ID == "" || p.Name == "" || p.Tenant != c.Tenant() {
					t.Errorf("%s is not somebody of their own: %+v", p.ID, p)
				}
				ids[p.ID], emails[p.Email] = true, true
				departments[p.Department]++
				location(t, p.TimeZone)
				if p.Hours.Days == 0 || p.Hours.From >= p.Hours.To || p.Hours.To > 24*60 {
					t.Errorf("%s has impossible hours: %+v", p.ID, p.Hours)
				}
				if p.FirstDay < 19700101 || p.LastDay != 0 && p.LastDay < p.FirstDay {
					t.Errorf("%s is employed from %d to %d", p.ID, p.FirstDay, p.LastDay)
				}
				checkAccounts(t, c, p, accounts)
			}
			for _, p := range people {
				if p.Manager == p.ID || p.Manager != "" && !ids[p.Manager] {
					t.Errorf("%s has manager %q", p.ID, p.Manager)
				}
			}
			if len(departments) != 9 {
				t.Errorf("departments: %v", departments)
			}
		})
	}
}

func checkAccounts(t *testing.T, c *simulate.Company, p *roster.Person, seen map[string]bool) {
	t.Helper()
	if len(p.Accounts) == 0 {
		t.Errorf("%s has no account", p.ID)
	}
	for _, a := range p.Accounts {
		key := a.Source + ":" + a.ID
		if seen[key] || a.ID == "" {
			t.Errorf("%s has the account %q of another", p.ID, key)
		}
		seen[key] = true
		if a.Source == "salesforce" && !validSalesforceID(a.ID) {
			t.Errorf("%s has a wrong id", key)
		}
		if a.LastActive.After(c.Start().Add(13 * time.Hour)) {
			t.Errorf("%s was last active in the future", key)
		}
	}
}

// The roster is one that the roster package takes, and comes back the same from
// a file.
func TestRosterFile(t *testing.T) {
	for name, c := range companies() {
		t.Run(name, func(t *testing.T) {
			var file bytes.Buffer
			if err := roster.WriteCSV(&file, c.Roster()); err != nil {
				t.Fatal(err)
			}
			back, err := roster.ReadCSV(&file, "roster.csv", roster.Columns{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.Roster(), back); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// The roster is the caller's.
func TestRosterIsACopy(t *testing.T) {
	c := simulate.New(simulate.Config{People: 80})
	c.Roster()[0].Accounts[0].ID = "changed"
	c.Incidents()[0] = simulate.Incident{}
	if c.Roster()[0].Accounts[0].ID == "changed" || c.Incidents()[0].ID == "" {
		t.Error("a caller can change the company")
	}
}

// There are people who have left, who will leave, and who have just come.
func TestComingAndGoing(t *testing.T) {
	c := simulate.New(simulate.Config{})
	var left, leaving, fresh, idle int
	today := roster.Day(20261124)
	for _, p := range c.Roster() {
		switch {
		case p.LastDay != 0 && p.LastDay < today:
			left++
		case p.LastDay != 0:
			leaving++
		case p.FirstDay > 20260924:
			fresh++
		}
		if p.LastDay == 0 && slices.ContainsFunc(p.Accounts, func(a roster.Account) bool {
			return !a.LastActive.IsZero() && c.Start().Sub(a.LastActive) > 60*24*time.Hour
		}) {
			idle++
		}
	}
	for what, n := range map[string]int{"left": left, "leaving": leaving, "new": fresh, "idle accounts": idle} {
		if n < 3 || n > 40 {
			t.Errorf("%s: %d", what, n)
		}
	}
}

// The answer key fits the records: the events are there, in order, from the
// account of the person that it names.
func TestIncidents(t *testing.T) {
	for name, c := range companies() {
		t.Run(name, func(t *testing.T) {
			records, ids := map[string]seen{}, map[string]bool{}
			for r := range c.Today() {
				records[r.ID] = read(t, r)
			}
			people, kinds := owners(c), map[string]bool{}
			var before time.Time
			for _, in := range c.Incidents() {
				if ids[in.ID] || kinds[in.Kind] || len(in.Rules) == 0 || in.Title == "" || in.First.Before(before) {
					t.Errorf("incident %q is not one of its own, or out of order", in.ID)
				}
				ids[in.ID], kinds[in.Kind], before = true, true, in.First
				checkEvents(t, &in, records, people)
			}
			if len(kinds) != 5 || c.Incidents()[0].Kind != simulate.OffHours || before.After(c.End()) {
				t.Errorf("incidents: %v", kinds)
			}
			if early := c.Incidents()[0].First.Sub(c.Start()); early > 3*time.Hour {
				t.Errorf("the first incident begins after %v", early)
			}
		})
	}
}

func checkEvents(t *testing.T, in *simulate.Incident, records map[string]seen, people people) {
	t.Helper()
	for i, id := range in.Events {
		s, ok := records[id]
		if !ok {
			t.Fatalf("%s: event %s is not in today", in.ID, id)
		}
		if p := people.of(s); p == nil || p.ID != in.Person || in.Subject != in.Person {
			t.Errorf("%s: event %s is from another account", in.ID, id)
		}
		if s.t.Before(in.First) || s.t.After(in.Last) || i == 0 && !s.t.Equal(in.First) || i == len(in.Events)-1 && !s.t.Equal(in.Last) {
			t.Errorf("%s: event %s at %v is outside %v to %v", in.ID, id, s.t, in.First, in.Last)
		}
	}
}

// Each incident is what its kind says, by the numbers of the shipped rules.
func TestIncidentsAreWhatTheySay(t *testing.T) {
	for name, c := range companies() {
		t.Run(name, func(t *testing.T) {
			people, records := owners(c), map[string]simulate.Record{}
			for r := range c.Today() {
				records[r.ID] = r
			}
			for _, in := range c.Incidents() {
				var sum, largest int64
				var exports int
				var p *roster.Person
				var s seen
				for _, id := range in.Events {
					if s = read(t, records[id]); s.action == "export" {
						exports, sum, largest = exports+1, sum+s.rows, max(largest, s.rows)
					}
					p = people.of(s)
				}
				local := in.First.In(location(t, p.TimeZone))
				gap := in.First.Sub(lastActive(p, s))
				bad := func() {
					t.Errorf("%s: %d rows in %d exports, at most %d, at %v, after %v", in.ID, sum, exports, largest, local, gap)
				}
				switch in.Kind {
				case simulate.MassExport:
					if exports != 1 || largest < 45_000 || local.Hour() != 15 {
						bad()
					}
				case simulate.ChunkedExport:
					if exports < 8 || exports > 12 || sum < 10_000 || largest >= 3000 || in.Last.Sub(in.First) > 50*time.Minute || s.source != "zoho" {
						bad()
					}
				case simulate.OffHours:
					if sum < 1000 || sum >= 10_000 || local.Hour() != 2 {
						bad()
					}
				case simulate.Dormant:
					if gap < 60*24*time.Hour || exports == 0 || sum >= 10_000 || p.LastDay != 0 {
						bad()
					}
				case simulate.LeaverAccount:
					if p.LastDay == 0 || p.LastDay >= 20261123 || sum < 5_000 {
						bad()
					}
					checkSuccessor(t, c, in, records)
				default:
					t.Errorf("unknown kind %q", in.Kind)
				}
			}
		})
	}
}

func lastActive(p *roster.Person, s seen) time.Time {
	i := slices.IndexFunc(p.Accounts, func(a roster.Account) bool { return a.Source == s.source && a.ID == s.account })
	return p.Accounts[i].LastActive
}

// The rules that the answer key asks for are rules of the shipped pack.
func TestRulesExist(t *testing.T) {
	shipped := map[string]bool{}
	files, err := filepath.Glob("../rules/pack/*/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("find the pack: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if name, ok := strings.CutPrefix(line, "name: "); ok {
				shipped[strings.TrimSpace(name)] = true
			}
		}
	}
	for _, in := range simulate.New(simulate.Config{People: 80}).Incidents() {
		for _, name := range in.Rules {
			if !shipped[name] {
				t.Errorf("%s asks for %q, which is no shipped rule", in.ID, name)
			}
		}
	}
}

// checkSuccessor finds the device of the incident in the hands of somebody who
// has just come.
func checkSuccessor(t *testing.T, c *simulate.Company, in simulate.Incident, records map[string]simulate.Record) {
	t.Helper()
	var first, e event.Event
	if err := event.Decode(records[in.Events[0]].Line, &first); err != nil {
		t.Fatal(err)
	}
	people := owners(c)
	for r := range all(c) {
		if text(r.Line, `"device_id":"`) != first.DeviceID || slices.Contains(in.Events, r.ID) {
			continue
		}
		if err := event.Decode(r.Line, &e); err != nil {
			t.Fatal(err)
		}
		if p := people[e.AccountKey()]; p == nil || p.ID == in.Person || p.LastDay != 0 || p.FirstDay < 20261101 {
			t.Errorf("the device of %s is also used by %+v", in.ID, p)
		}
		return
	}
	t.Errorf("nobody else uses the device of %s", in.ID)
}

// A person's devices and addresses are few, and none is a real address.
func TestDevicesAndAddresses(t *testing.T) {
	c := simulate.New(simulate.Config{People: 150})
	key, people := planted(c), owners(c)
	devices := map[string]map[string]bool{}
	countries := map[string]map[string]bool{}
	reserved := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("198.18.0.0/15")}
	for r := range all(c) {
		ip := text(r.Line, `"src_ip":"`) + text(r.Line, `"SourceIp":"`)
		addr, err := netip.ParseAddr(ip)
		if err != nil || !slices.ContainsFunc(reserved, func(p netip.Prefix) bool { return p.Contains(addr) }) {
			t.Fatalf("record %s comes from %q: %v", r.ID, ip, err)
		}
		s := read(t, r)
		p := people.of(s)
		if p == nil || key[s.id] || s.source == "salesforce" {
			continue
		}
		add(devices, p.ID, text(r.Line, `"device_id":"`))
		add(countries, p.ID, text(r.Line, `"country":"`))
	}
	travellers := 0
	for id, set := range devices {
		if len(set) > 2 {
			t.Errorf("%s has %d devices", id, len(set))
		}
		if len(countries[id]) > 1 {
			travellers++
		}
	}
	if travellers == 0 || travellers > 20 {
		t.Errorf("%d people travel", travellers)
	}
}

func add(m map[string]map[string]bool, key, value string) {
	if m[key] == nil {
		m[key] = map[string]bool{}
	}
	m[key][value] = true
}
