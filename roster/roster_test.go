package roster

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/internal/stream"
)

func at(t testing.TB, s string) time.Time {
	t.Helper()
	got, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestEmployment(t *testing.T) {
	const left, first = Day(20261031), Day(20260301)
	tests := []struct {
		name, zone  string
		first, last Day
		at          string
		want        Employment
		days        int
	}{
		{"stays", "Asia/Shanghai", 0, 0, "2026-11-24T00:00:00Z", Active, 0},
		{"before the first day", "Asia/Shanghai", first, 0, "2026-02-28T15:59:59Z", Unknown, 0},
		{"the first day begins", "Asia/Shanghai", first, 0, "2026-02-28T16:00:00Z", Active, 0},
		{"the last day ends", "Asia/Shanghai", first, left, "2026-10-31T15:59:59Z", Active, 0},
		{"the day after begins", "Asia/Shanghai", first, left, "2026-10-31T16:00:00Z", Left, 1},
		{"the second day after begins", "Asia/Shanghai", first, left, "2026-11-01T16:00:00Z", Left, 2},
		{"far east, last second", "Pacific/Kiritimati", 0, left, "2026-10-31T09:59:59Z", Active, 0},
		{"far east, over", "Pacific/Kiritimati", 0, left, "2026-10-31T10:00:00Z", Left, 1},
		{"far west, last second", "Pacific/Pago_Pago", 0, left, "2026-11-01T10:59:59Z", Active, 0},
		{"far west, over", "Pacific/Pago_Pago", 0, left, "2026-11-01T11:00:00Z", Left, 1},
		{"half-hour zone", "Asia/Kolkata", 0, left, "2026-10-31T18:30:00Z", Left, 1},
		{"a day of 25 hours", "Europe/Berlin", 0, 20261025, "2026-10-25T22:59:59Z", Active, 0},
		{"after a day of 25 hours", "Europe/Berlin", 0, 20261025, "2026-10-25T23:00:00Z", Left, 1},
		{"after a day of 23 hours", "Europe/Berlin", 0, 20260329, "2026-03-29T22:00:00Z", Left, 1},
		{"a day that begins at one", "America/Santiago", 0, 20260905, "2026-09-06T04:00:00Z", Left, 1},
		{"before a day that begins at one", "America/Santiago", 0, 20260905, "2026-09-06T03:59:59Z", Active, 0},
		{"a day that Samoa skipped", "Pacific/Apia", 0, 20111229, "2011-12-30T10:00:00Z", Left, 2},
		{"leap day", "UTC", 0, 20240228, "2024-02-29T00:00:00Z", Left, 1},
		{"over a leap day", "UTC", 0, 20240228, "2024-03-01T00:00:00Z", Left, 2},
		{"last day is a leap day", "UTC", 0, 20240229, "2024-02-29T23:59:59Z", Active, 0},
		{"over a new year", "UTC", 0, 20251231, "2026-12-31T12:00:00Z", Left, 365},
		{"the day without end", "UTC", 0, 99991231, "2099-12-31T12:00:00Z", Active, 0},
		{"no zone: not over everywhere", "", 0, left, "2026-11-01T11:59:59Z", Active, 0},
		{"no zone: over everywhere", "", 0, left, "2026-11-01T12:00:00Z", Left, 1},
		{"no zone: not begun anywhere", "", first, 0, "2026-02-28T09:59:59Z", Unknown, 0},
		{"no zone: begun somewhere", "", first, 0, "2026-02-28T10:00:00Z", Active, 0},
		{"unknown zone", "Mars/Olympus", 0, left, "2026-11-01T11:59:59Z", Active, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := Person{ID: "1", Tenant: "acme", TimeZone: tt.zone, FirstDay: tt.first, LastDay: tt.last}
			for name, p := range map[string]*Person{"alone": &p, "in a book": inBook(t, p)} {
				if got := p.StatusAt(at(t, tt.at)); got != tt.want {
					t.Errorf("%s: got %q, want %q", name, got, tt.want)
				}
				if got := p.DaysSinceLastDay(at(t, tt.at)); got != tt.days {
					t.Errorf("%s: got %d days, want %d", name, got, tt.days)
				}
			}
		})
	}
}

// inBook returns the person as a book without defaults has it.
func inBook(t testing.TB, p Person) *Person {
	t.Helper()
	got, ok := book(t, Defaults{}, p).Person(p.Tenant, p.ID)
	if !ok {
		t.Fatal("the book does not have the person")
	}
	return got
}

func book(t testing.TB, d Defaults, people ...Person) *Book {
	t.Helper()
	b, err := NewBook(d, Deps{})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Apply(records(t, people...)...); err != nil {
		t.Fatal(err)
	}
	return b
}

func records(t testing.TB, people ...Person) []stream.Record {
	t.Helper()
	var recs []stream.Record
	for i := range people {
		rec, err := people[i].Record()
		if err != nil {
			t.Fatal(err)
		}
		recs = append(recs, rec)
	}
	return recs
}

func TestOffHours(t *testing.T) {
	nights := Hours{Days: everyDay, From: 150, To: 210} // 02:30 to 03:30
	tests := []struct {
		name    string
		zone    string
		hours   Hours
		at      string
		off, ok bool
	}{
		{"default: first minute", "Asia/Shanghai", Hours{}, "2026-11-24T00:00:00Z", false, true},
		{"default: minute before", "Asia/Shanghai", Hours{}, "2026-11-23T23:59:59Z", true, true},
		{"default: last minute", "Asia/Shanghai", Hours{}, "2026-11-24T10:59:59Z", false, true},
		{"default: minute after", "Asia/Shanghai", Hours{}, "2026-11-24T11:00:00Z", true, true},
		{"default: Saturday there, Friday in UTC", "Pacific/Kiritimati", Hours{}, "2026-11-27T20:00:00Z", true, true},
		{"default: Monday there, Sunday in UTC", "Pacific/Kiritimati", Hours{}, "2026-11-22T20:00:00Z", false, true},
		{"default: Friday there, Saturday in UTC", "Pacific/Pago_Pago", Hours{}, "2026-11-28T02:00:00Z", false, true},
		{"Sunday to Thursday, on Sunday", "Asia/Dubai", Hours{Days: 0b0011111, From: 480, To: 1020}, "2026-11-22T06:00:00Z", false, true},
		{"Sunday to Thursday, on Friday", "Asia/Dubai", Hours{Days: 0b0011111, From: 480, To: 1020}, "2026-11-27T06:00:00Z", true, true},
		{"around the clock", "UTC", Hours{Days: everyDay, To: minutesADay}, "2026-11-22T23:59:59.999Z", false, true},
		{"summer time ended: 08:00 is 07:00 UTC", "Europe/Berlin", Hours{}, "2026-10-26T07:00:00Z", false, true},
		{"summer time ended: 06:00 UTC is early", "Europe/Berlin", Hours{}, "2026-10-26T06:00:00Z", true, true},
		{"summer time lasts: 06:00 UTC is 08:00", "Europe/Berlin", Hours{}, "2026-10-23T06:00:00Z", false, true},
		{"the hour that comes twice, first", "Europe/Berlin", nights, "2026-10-25T00:45:00Z", false, true},
		{"the hour that comes twice, again", "Europe/Berlin", nights, "2026-10-25T01:45:00Z", false, true},
		{"the hour that is skipped, before", "Europe/Berlin", nights, "2026-03-29T00:59:59Z", true, true},
		{"the hour that is skipped, after", "Europe/Berlin", nights, "2026-03-29T01:00:00Z", false, true},
		{"no zone", "", Hours{}, "2026-11-24T03:00:00Z", false, false},
		{"unknown zone", "Mars/Olympus", Hours{}, "2026-11-24T03:00:00Z", false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := Person{ID: "1", Tenant: "acme", TimeZone: tt.zone, Hours: tt.hours}
			b := book(t, Defaults{}, p)
			known, _ := b.Person("acme", "1")
			for name, p := range map[string]*Person{"alone": &p, "in a book": known} {
				if off, ok := b.OffHours(p, at(t, tt.at)); off != tt.off || ok != tt.ok {
					t.Errorf("%s: got %t, %t, want %t, %t", name, off, ok, tt.off, tt.ok)
				}
			}
		})
	}
}

func TestDefaults(t *testing.T) {
	b := book(t, Defaults{TimeZone: "America/New_York", Hours: Hours{Days: 1 << time.Sunday, From: 600, To: 660}},
		Person{ID: "1", Tenant: "acme", LastDay: 20261031}, Person{ID: "2", Tenant: "acme", TimeZone: "Asia/Shanghai"}, Person{ID: "3", Tenant: "acme", TimeZone: "Mars/Olympus"})
	person := func(id string) *Person { p, _ := b.Person("acme", id); return p }
	sunday := at(t, "2026-11-22T15:30:00Z") // 10:30 in New York
	for name, p := range map[string]*Person{"nobody": nil, "no zone": person("1"), "not from the book": {ID: "x"}} {
		if local, ok := b.Local(p, sunday); !ok || local.Format("15:04 MST") != "10:30 EST" || !local.Equal(sunday) {
			t.Errorf("%s: local time is %v, %t", name, local, ok)
		}
		if off, ok := b.OffHours(p, sunday); off || !ok {
			t.Errorf("%s: off hours %t, %t", name, off, ok)
		}
	}
	if local, ok := b.Local(person("2"), sunday); !ok || local.Format("15:04 MST") != "23:30 CST" {
		t.Errorf("own zone: local time is %v, %t", local, ok)
	}
	if local, ok := b.Local(person("3"), sunday); ok {
		t.Errorf("unknown zone: local time is %v", local)
	}
	if got := person("1").StatusAt(at(t, "2026-11-01T03:59:59Z")); got != Active {
		t.Errorf("last second in New York: %q", got)
	}
	if got := person("1").StatusAt(at(t, "2026-11-01T04:00:00Z")); got != Left {
		t.Errorf("day after in New York: %q", got)
	}
	for name, d := range map[string]Defaults{
		"unknown zone": {TimeZone: "Mars/Olympus"}, "this machine's zone": {TimeZone: "Local"}, "hours backwards": {Hours: Hours{Days: 1, From: 60, To: 60}}, "hours without days": {Hours: Hours{From: 60, To: 120}},
	} {
		if _, err := NewBook(d, Deps{}); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func TestDay(t *testing.T) {
	for in, want := range map[string]Day{
		"2026-01-31": 20260131, "2026-1-3": 20260103, "2026/01/31": 20260131, "2026/1/3": 20260103, "20260131": 20260131, "2026.1.31": 20260131, "2026年1月31日": 20260131, "2026年01月31日": 20260131,
		"2024-02-29": 20240229, "9999-12-31": 99991231, "1900-01-01": 19000101,
		"": 0, "2025-02-29": 0, "2026-13-01": 0, "2026-00-01": 0, "26-01-31": 0, "1899-12-31": 0, "10000-01-01": 0, "2026-01-31T00:00:00Z": 0, "2026/01": 0, "０": 0,
	} {
		got, err := ParseDay(in)
		if got != want || (err == nil) != (want != 0) {
			t.Errorf("%q: got %d, %v", in, got, err)
		}
		if again, _ := ParseDay(got.String()); again != got {
			t.Errorf("%q: came back from %q as %d", in, got, again)
		}
	}
	if got := Day(0).String(); got != "" {
		t.Errorf("no day is %q", got)
	}
}

func TestHoursText(t *testing.T) {
	for in, want := range map[string]string{
		"Mon-Fri 08:00-19:00": "Mon-Fri 08:00-19:00", "mon-friday 8:00-19:00": "Mon-Fri 08:00-19:00", "1-5 00:00-24:00": "Mon-Fri 00:00-24:00", "Sun-Thu 08:00-17:00": "Mon-Thu,Sun 08:00-17:00",
		"Sat-Mon 08:00-17:00": "Mon,Sat,Sun 08:00-17:00", "Mon,Wed, Fri 08:00-17:00": "Mon,Wed,Fri 08:00-17:00", "Mon-Sun 08:00-17:00": "Mon-Sun 08:00-17:00", "7 08:00-17:00": "Sun 08:00-17:00",
		"Sat Sun 08:00-17:00": "Sat,Sun 08:00-17:00", "Fri-Sun 08:00-17:00": "Fri-Sun 08:00-17:00", "Mon-Mon 08:00-17:00": "Mon 08:00-17:00",
		"": "", "Mon-Fri": "", "08:00-19:00": "", " 08:00-19:00": "", "Mon 08:00": "", "Mon 19:00-08:00": "", "Mon 08:00-08:00": "", "Mon 08:00-24:01": "", "Mon 8-17": "", "Mon -1:00-2:00": "", "Mon 08:0-17:00": "",
		"Foo 08:00-17:00": "", "0 08:00-17:00": "", "Mon- 08:00-17:00": "", "Mon-Tue-Wed 08:00-17:00": "", "Mon 008:00-17:00": "", "Mon +8:00-17:00": "",
	} {
		got, err := ParseHours(in)
		if got.String() != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v", in, got, err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		want := anyPerson("1").Filter(func(p Person) bool { return p.Hours.Valid() }).Draw(t, "person").Hours
		if got, err := ParseHours(want.String()); got != want || err != nil {
			t.Fatalf("%v came back as %v, %v", want, got, err)
		}
	})
}

const weiJSON = `{"id":"0012345","tenant":"acme","name":"林薇","email":"lin.wei@acme.example","department":"华东销售","role":"Sales Rep","manager":"0000007",` +
	`"time_zone":"Asia/Shanghai","hours":"Mon-Fri 09:00-18:00","first_day":"2024-02-29","last_day":"2026-10-31",` +
	`"accounts":[{"source":"salesforce","id":"0055g000001AbCdEAA","last_active":"2026-09-01T00:00:00Z"},{"source":"zoho","id":"lin.wei@acme.example"}]}`

func TestRecord(t *testing.T) {
	rec := records(t, wei)[0]
	if diff := cmp.Diff(weiJSON, string(rec.Value)); diff != "" || string(rec.Key) != "acme/0012345" {
		t.Errorf("key %s\n%s", rec.Key, diff)
	}
	if got := string(records(t, Person{ID: "1", Tenant: "acme"})[0].Value); got != `{"id":"1","tenant":"acme"}` {
		t.Errorf("a bare person is %s", got)
	}
	rapid.Check(t, func(rt *rapid.T) {
		want := anyPerson("E/1").Draw(rt, "person")
		if err := want.Validate(); err != nil {
			rt.Fatal(err)
		}
		rec := records(t, want)[0]
		n, got, err := Decode(rec)
		if err != nil || !got.Equal(want) || n != (Ref{want.Tenant, want.ID}) {
			rt.Fatalf("%s came back as %v %+v, %v", rec.Value, n, got, err)
		}
		if again := records(t, *got)[0]; string(again.Value) != string(rec.Value) {
			rt.Fatalf("%s became %s", rec.Value, again.Value)
		}
	})
	if _, err := (&Person{Hours: Hours{Days: 1}}).Record(); err == nil {
		t.Error("hours without an end are written")
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, rec := range map[string]stream.Record{
		"no key":            {Value: []byte(weiJSON)},
		"no slash":          {Key: []byte("acme"), Value: []byte(weiJSON)},
		"no tenant":         {Key: []byte("/0012345"), Value: []byte(weiJSON)},
		"no id":             {Key: []byte("acme/"), Value: []byte(weiJSON)},
		"another's key":     {Key: []byte("acme/7"), Value: []byte(weiJSON)},
		"another tenant's":  {Key: []byte("bcme/0012345"), Value: []byte(weiJSON)},
		"empty value":       {Key: []byte("acme/0012345"), Value: []byte{}},
		"no JSON":           {Key: []byte("acme/0012345"), Value: []byte("hunter2")},
		"an array":          {Key: []byte("acme/0012345"), Value: []byte("[]")},
		"null":              {Key: []byte("acme/0012345"), Value: []byte("null")},
		"a day that is not": {Key: []byte("acme/1"), Value: []byte(`{"id":"1","tenant":"acme","last_day":"hunter2"}`)},
		"a number for days": {Key: []byte("acme/1"), Value: []byte(`{"id":"1","tenant":"acme","last_day":20260131}`)},
		"hours backwards":   {Key: []byte("acme/1"), Value: []byte(`{"id":"1","tenant":"acme","hours":"Mon 09:00-08:00"}`)},
	} {
		if _, p, err := Decode(rec); err == nil || p != nil || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "0012345") {
			t.Errorf("%s: got %v, %v", name, p, err)
		}
	}
}

func TestValidate(t *testing.T) {
	many := make([]Account, MaxAccounts+1)
	tests := []struct {
		change func(*Person)
		want   []string
	}{
		{func(*Person) {}, nil},
		{func(p *Person) { *p = Person{} }, []string{"tenant missing", "id missing"}},
		{func(p *Person) { p.Tenant = "a/b" }, []string{"tenant bad_text"}},
		{func(p *Person) { p.Name = " lin" }, []string{"name bad_text"}},
		{func(p *Person) { p.Role = "\xff" }, []string{"role bad_utf8"}},
		{func(p *Person) { p.Department = strings.Repeat("d", MaxText+1) }, []string{"department too_long"}},
		{func(p *Person) { p.Accounts = many }, []string{"accounts bad_value"}},
		{func(p *Person) { p.Accounts = []Account{{Source: "a"}} }, []string{"accounts bad_value"}},
		{func(p *Person) { p.TimeZone, p.LastDay, p.Hours.Days = "Local", 20230101, 0 }, []string{"time_zone bad_value", "hours bad_value", "last_day bad_time"}},
	}
	for _, tt := range tests {
		p := wei
		tt.change(&p)
		var got []string
		if joined, ok := p.Validate().(interface{ Unwrap() []error }); ok {
			for _, err := range joined.Unwrap() {
				f, _ := errors.AsType[*event.FieldError](err)
				got = append(got, f.Field+" "+f.Reason)
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestEqual(t *testing.T) {
	var other Person
	if err := json.Unmarshal([]byte(weiJSON), &other); err != nil || !other.Equal(wei) || !inBook(t, wei).Equal(wei) {
		t.Errorf("%+v is another, %v", other, err)
	}
	for name, change := range map[string]func(*Person){
		"id": func(p *Person) { p.ID = "" }, "tenant": func(p *Person) { p.Tenant = "" }, "name": func(p *Person) { p.Name = "" }, "email": func(p *Person) { p.Email = "" },
		"department": func(p *Person) { p.Department = "" }, "role": func(p *Person) { p.Role = "" }, "manager": func(p *Person) { p.Manager = "" }, "zone": func(p *Person) { p.TimeZone = "" },
		"hours": func(p *Person) { p.Hours.To-- }, "first day": func(p *Person) { p.FirstDay-- }, "last day": func(p *Person) { p.LastDay-- },
		"accounts": func(p *Person) { p.Accounts = p.Accounts[:1] }, "account": func(p *Person) { p.Accounts = []Account{p.Accounts[1], p.Accounts[0]} },
	} {
		p := wei
		if change(&p); p.Equal(wei) {
			t.Errorf("%s is not compared", name)
		}
	}
}
