package roster

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	_ "time/tzdata" // the tests need no system

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
	"pgregory.net/rapid"
)

var (
	wei = Person{
		ID: "0012345", Tenant: "acme", Name: "林薇", Email: "lin.wei@acme.example", Department: "华东销售", Role: "Sales Rep", Manager: "0000007",
		TimeZone: "Asia/Shanghai", Hours: Hours{Days: 0b0111110, From: 9 * 60, To: 18 * 60}, FirstDay: 20240229, LastDay: 20261031,
		Accounts: []Account{
			{Source: "salesforce", ID: "0055g000001AbCdEAA", LastActive: time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)},
			{Source: "zoho", ID: "lin.wei@acme.example"},
		},
	}
	bare = Person{ID: "E2"}
)

const weiCSV = `person_id,tenant,name,email,department,role,manager,time_zone,work_days,work_from,work_to,first_day,last_day,accounts
0012345,acme,林薇,lin.wei@acme.example,华东销售,Sales Rep,0000007,Asia/Shanghai,Mon-Fri,09:00,18:00,2024-02-29,2026-10-31,salesforce:0055g000001AbCdEAA@2026-09-01T00:00:00Z;zoho:lin.wei@acme.example
`

func encoded(t *testing.T, s string, e interface {
	Bytes([]byte) ([]byte, error)
},
) string {
	t.Helper()
	b, err := e.Bytes([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestReadCSV(t *testing.T) {
	chinese := Columns{PersonID: "工号", Name: "姓名", Department: "部门", FirstDay: "入职日期", LastDay: "离职日期"}
	const chineseCSV = "工号,姓名,部门,入职日期,离职日期,手机号\r\n0012345,林薇,华东销售,2024/2/29,2026年10月31日,+86 139\r\n"
	chineseWei := Person{ID: "0012345", Name: "林薇", Department: "华东销售", FirstDay: 20240229, LastDay: 20261031}
	tests := []struct {
		name, in string
		columns  Columns
		want     []Person
	}{
		{"all columns", weiCSV, Columns{}, []Person{wei}},
		{"byte order mark", "\ufeff" + weiCSV, Columns{}, []Person{wei}},
		{"only an id", "person_id\nE2\n", Columns{}, []Person{bare}},
		{"no last newline", "person_id\nE2", Columns{}, []Person{bare}},
		{"blank lines", "\n\nperson_id\n\nE2\n\n", Columns{}, []Person{bare}},
		{"other columns and order", "x,NAME, Person_ID ,y\n1,B,E2,2\n", Columns{}, []Person{{ID: "E2", Name: "B"}}},
		{"semicolons", "person_id;name;role\nE2;B;\"a;b\"\n", Columns{}, []Person{{ID: "E2", Name: "B", Role: "a;b"}}},
		{"tabs", "person_id\tname\nE2\tB, C\n", Columns{}, []Person{{ID: "E2", Name: "B, C"}}},
		{"blanks", "person_id,name\n E2 ,\u3000B\u3000\n", Columns{}, []Person{{ID: "E2", Name: "B"}}},
		{"quotes", "person_id,name\nE2,\"B \"\"Bee\"\" C, D\"\n", Columns{}, []Person{{ID: "E2", Name: `B "Bee" C, D`}}},
		{"guarded formula", "person_id,name\nE2,'=1+1\n", Columns{}, []Person{{ID: "E2", Name: "=1+1"}}},
		{"formula", "person_id,name\nE2,=HYPERLINK(0)\n", Columns{}, []Person{{ID: "E2", Name: "=HYPERLINK(0)"}}},
		{"Chinese columns", chineseCSV, chinese, []Person{chineseWei}},
		{"GB18030", encoded(t, chineseCSV, simplifiedchinese.GB18030.NewEncoder()), chinese, []Person{chineseWei}},
		{"GBK", encoded(t, chineseCSV, simplifiedchinese.GBK.NewEncoder()), chinese, []Person{chineseWei}},
		{"UTF-16, little", encoded(t, chineseCSV, unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder()), chinese, []Person{chineseWei}},
		{"UTF-16, big", encoded(t, chineseCSV, unicode.UTF16(unicode.BigEndian, unicode.UseBOM).NewEncoder()), chinese, []Person{chineseWei}},
		{"one id in two tenants", "person_id,tenant\nE2,a\nE2,b\n", Columns{}, []Person{{ID: "E2", Tenant: "a"}, {ID: "E2", Tenant: "b"}}},
		{"the day without end", "person_id,last_day\nE2,9999-12-31\n", Columns{}, []Person{{ID: "E2", LastDay: 99991231}}},
		{"first and last day are one", "person_id,first_day,last_day\nE2,20260101,2026.1.1\n", Columns{}, []Person{{ID: "E2", FirstDay: 20260101, LastDay: 20260101}}},
		{"hours around the clock", "person_id,work_days,work_from,work_to\nE2,\"1-3, sunday\",0:00,24:00\n", Columns{}, []Person{{ID: "E2", Hours: Hours{Days: 0b0001111, To: 1440}}}},
		{"accounts with blanks", "person_id,accounts\nE2, a:1 ; b:2@x ;; c:d:e@2026-01-01T08:00:00+08:00 ;\n", Columns{}, []Person{{ID: "E2", Accounts: []Account{
			{Source: "a", ID: "1"}, {Source: "b", ID: "2@x"}, {Source: "c", ID: "d:e", LastActive: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)},
		}}}},
		{"one id at two sources", "person_id,accounts\nE2,a:1;b:1\nE3,c:1\n", Columns{}, []Person{
			{ID: "E2", Accounts: []Account{{Source: "a", ID: "1"}, {Source: "b", ID: "1"}}}, {ID: "E3", Accounts: []Account{{Source: "c", ID: "1"}}},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ReadCSV(strings.NewReader(tt.in), "people.csv", tt.columns)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%+v\n%s", got, diff)
			}
		})
	}
}

func TestReadCSVRefuses(t *testing.T) {
	tests := []struct {
		name, in string
		columns  Columns
		want     []string
	}{
		{"nothing", "", Columns{}, []string{"p.csv: is empty"}},
		{"a mark and nothing", "\ufeff", Columns{}, []string{"p.csv: has no people"}},
		{"blank lines", "\n \n", Columns{}, []string{`p.csv:2: field "person_id": is missing as a column`}},
		{"a header alone", "person_id,name\n", Columns{}, []string{"p.csv: has no people"}},
		{"no header", "E2,Hunter\n", Columns{}, []string{`p.csv:1: field "person_id": is missing as a column`}},
		{"a mapped column is missing", "person_id,name\nE2,B\n", Columns{Name: "full name", LastDay: "离职日期"}, []string{
			`p.csv:1: field "full name": is missing as a column`, `p.csv:1: field "离职日期": is missing as a column`,
		}},
		{"a column twice", "person_id,name,Name\nE2,B,C\n", Columns{}, []string{`p.csv:1: field "name": is there as a column twice`}},
		{"the header repeated", "person_id,name\nE2,B\nperson_id,name\n", Columns{}, []string{"p.csv:3: repeats the header"}},
		{"a short and a long line", "person_id,name\nE2\nE3,C,D\n", Columns{}, []string{"p.csv:2: has 1 fields, and the header 2", "p.csv:3: has 3 fields, and the header 2"}},
		{"truncated in a quote", "person_id,name\nE2,B\nE3,\"Hun", Columns{}, []string{"p.csv:3: has a stray or a missing quotation mark"}},
		{"a stray quote", "person_id,name\nE2,Hun\"ter\nE3,\n", Columns{}, []string{"p.csv:2: has a stray or a missing quotation mark"}},
		{"no id", "person_id,name\n ,Hunter\n", Columns{}, []string{`p.csv:2: field "person_id": is required`}},
		{"an id twice", "person_id,name\nE2,B\nE3,\nE2,B\n", Columns{}, []string{`p.csv:4: field "person_id": is on line 2 already`}},
		{"an id twice, by its column", "工号\nE2\nE2\n", Columns{PersonID: "工号"}, []string{`p.csv:3: field "工号": is on line 2 already`}},
		{"an account of two", "person_id,accounts\nE2,zoho:Lin@acme.example\nE3,a:1;zoho:lin@ACME.example\n", Columns{}, []string{`p.csv:3: field "accounts": account 2 is the person's on line 2 already`}},
		{"an account twice", "person_id,accounts\nE2,a:1;a:1@2026-01-01T00:00:00Z\n", Columns{}, []string{`p.csv:2: field "accounts": name the same account twice`}},
		{"accounts without a source", "person_id,accounts\nE2,a:1;hunter2\nE3,:hunter2\nE4,a:@2026-01-01T00:00:00Z\n", Columns{}, []string{
			`p.csv:2: field "accounts": account 2 is not like salesforce:0055g000001`, `p.csv:3: field "accounts": account 1 is not like salesforce:0055g000001`,
			`p.csv:4: field "accounts": account 1 is not like salesforce:0055g000001`,
		}},
		{"a last activity in the year 1", "person_id,accounts\nE2,a:1@0001-02-01T00:00:00Z\n", Columns{}, []string{`p.csv:2: field "accounts": have a last activity that is out of bounds`}},
		{"an unknown time zone", "person_id,time_zone\nE2,Asia/Hunter\nE3,Local\nE4,../../etc/passwd\nE5,GMT+8\n", Columns{}, []string{
			`p.csv:2: field "time_zone": is not a time zone such as Asia/Shanghai`, `p.csv:3: field "time_zone": is not a time zone such as Asia/Shanghai`,
			`p.csv:4: field "time_zone": is not a time zone such as Asia/Shanghai`, `p.csv:5: field "time_zone": is not a time zone such as Asia/Shanghai`,
		}},
		{"gone before they came", "person_id,first_day,last_day\nE2,2026-03-02,2026-03-01\n", Columns{}, []string{`p.csv:2: field "last_day": is before the first day`}},
		{"days that are none", "person_id,last_day\nE2,2026-02-29\nE3,46054\nE4,31.01.2026\nE5,1/31/2026\nE6,soon\nE7,1899-12-31\nE8,1.2345E+4\n", Columns{}, []string{
			`p.csv:2: field "last_day": is not a day such as 2026-01-31`, `p.csv:3: field "last_day": is not a day such as 2026-01-31`,
			`p.csv:4: field "last_day": is not a day such as 2026-01-31`, `p.csv:5: field "last_day": is not a day such as 2026-01-31`,
			`p.csv:6: field "last_day": is not a day such as 2026-01-31`, `p.csv:7: field "last_day": is not a day such as 2026-01-31`,
			`p.csv:8: field "last_day": is not a day such as 2026-01-31`,
		}},
		{"half the hours", "person_id,work_days,work_from,work_to\nE2,Mon-Fri,,18:00\nE3,,9:00,\n", Columns{}, []string{
			`p.csv:2: field "work_from": is needed where the other working hours are`,
			`p.csv:3: field "work_days": is needed where the other working hours are`, `p.csv:3: field "work_to": is needed where the other working hours are`,
		}},
		{"hours that are none", "person_id,work_days,work_from,work_to\nE2,Mon-Hunter,9,25:00\nE3,Mon,18:00,9:00\nE4,8,9:60,9:5\n", Columns{}, []string{
			`p.csv:2: field "work_days": is not a list of days such as Mon-Fri`, `p.csv:2: field "work_from": is not a time of day such as 08:30`, `p.csv:2: field "work_to": is not a time of day such as 08:30`,
			`p.csv:3: field "work_to": do not end after they begin`,
			`p.csv:4: field "work_days": is not a list of days such as Mon-Fri`, `p.csv:4: field "work_from": is not a time of day such as 08:30`, `p.csv:4: field "work_to": is not a time of day such as 08:30`,
		}},
		{"no e-mail address", "person_id,email\nE2,hunter\nE3,a@b@c\nE4,@b\nE5,a b@c\n", Columns{}, []string{
			`p.csv:2: field "email": is not an e-mail address`, `p.csv:3: field "email": is not an e-mail address`, `p.csv:4: field "email": is not an e-mail address`, `p.csv:5: field "email": is not an e-mail address`,
		}},
		{"control characters", "person_id,name\nE2,\"Hun\nter\"\nE3,a\x00b\n", Columns{}, []string{`p.csv:2: field "name": has a control character`, `p.csv:4: field "name": has a control character`}},
		{"a slash in the tenant", "person_id,tenant\nE2,a/b\n", Columns{}, []string{`p.csv:2: field "tenant": must not contain a slash`}},
		{"a field of 10 MB", "person_id,name\nE2," + strings.Repeat("n", 10<<20) + "\nE3,\n", Columns{}, []string{`p.csv:2: field "name": is too long`}},
		{"no text", "person_id\nE2\xff\xff\n", Columns{}, []string{"p.csv: is not text in UTF-8, UTF-16 or GB18030"}},
		{"UTF-16 cut in half", "\xff\xfea\x00\x00\xd8", Columns{}, []string{"p.csv: is not text in UTF-8, UTF-16 or GB18030"}},
		{"too large", strings.Repeat("person_id,\n", MaxFile/10), Columns{}, []string{"p.csv: is larger than 64 megabytes"}},
		{"line numbers behind a line break in quotes", "person_id,x,last_day\nE2,\"a\nb\nc\",never\nE3,,never\n", Columns{}, []string{
			`p.csv:4: field "last_day": is not a day such as 2026-01-31`, `p.csv:5: field "last_day": is not a day such as 2026-01-31`,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ReadCSV(strings.NewReader(tt.in), "p.csv", tt.columns)
			if err == nil || got != nil {
				t.Fatalf("got %d people, %v", len(got), err)
			}
			if diff := cmp.Diff(tt.want, strings.Split(err.Error(), "\n")); diff != "" {
				t.Error(diff)
			}
			if m, ok := errors.AsType[*Mistake](err); !ok || m.File != "p.csv" {
				t.Errorf("error is %T", err)
			}
			if strings.Contains(strings.ToLower(err.Error()), "hun") {
				t.Error("the error repeats content")
			}
		})
	}
}

func TestReadCSVTellsAHundredMistakes(t *testing.T) {
	var b strings.Builder
	b.WriteString("person_id,last_day\n")
	for i := range 150 {
		fmt.Fprintf(&b, "E%d,never\n", i)
	}
	_, err := ReadCSV(strings.NewReader(b.String()), "p.csv", Columns{})
	lines := strings.Split(fmt.Sprint(err), "\n")
	if len(lines) != 101 || lines[99] != `p.csv:101: field "last_day": is not a day such as 2026-01-31` || lines[100] != "p.csv: and 50 mistakes more" {
		t.Errorf("%d lines, the last %q", len(lines), lines[len(lines)-1])
	}
}

func TestReadCSVReadFails(t *testing.T) {
	broken := errors.New("disk on fire")
	if _, err := ReadCSV(iotest.ErrReader(broken), "p.csv", Columns{}); err == nil || err.Error() != "p.csv: read: disk on fire" {
		t.Errorf("error is %v", err)
	}
}

func TestWriteCSV(t *testing.T) {
	var b bytes.Buffer
	if err := WriteCSV(&b, []Person{wei}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(weiCSV, b.String()); diff != "" {
		t.Error(diff)
	}
	if err := WriteCSV(&failingWriter{}, []Person{wei}); err == nil {
		t.Error("a broken writer is not noticed")
	}
	for name, p := range map[string]Person{
		"no id":              {},
		"bad hours":          {ID: "1", Hours: Hours{Days: 1, From: 5, To: 5}},
		"semicolon in an id": {ID: "1", Accounts: []Account{{Source: "a", ID: "1;2"}}},
		"time in an id":      {ID: "1", Accounts: []Account{{Source: "a", ID: "1@2026-01-01T00:00:00Z"}}},
		"colon in a source":  {ID: "1", Accounts: []Account{{Source: "a:b", ID: "1"}}},
	} {
		if err := WriteCSV(io.Discard, []Person{p}); err == nil {
			t.Errorf("%s is written", name)
		}
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errors.New("full") }

// anyPerson draws a valid person.
func anyPerson(id string) *rapid.Generator[Person] {
	return rapid.Custom(func(t *rapid.T) Person {
		text := rapid.OneOf(rapid.Just(""), rapid.StringMatching(`[^\pC\pZ]{1,10}( [^\pC\pZ]{1,9})?`), rapid.SampledFrom([]string{"=1", "'=1", "''-x", "'", "a,b", `"`, "林薇"}))
		day := rapid.SampledFrom([]Day{0, 19000101, 20240229, 20261231, 99991231})
		p := Person{
			ID: id, Tenant: text.Filter(func(s string) bool { return s != "" && !strings.Contains(s, "/") }).Draw(t, "tenant"),
			Name: text.Draw(t, "name"), Department: text.Draw(t, "department"), Role: text.Draw(t, "role"), Manager: text.Draw(t, "manager"),
			Email:    rapid.SampledFrom([]string{"", "a@b", "+x@y.example"}).Draw(t, "email"),
			TimeZone: rapid.SampledFrom([]string{"", "UTC", "Asia/Shanghai", "America/Argentina/Ushuaia"}).Draw(t, "zone"),
			FirstDay: day.Draw(t, "first"),
		}
		if last := day.Draw(t, "last"); last >= p.FirstDay {
			p.LastDay = last
		}
		if rapid.Bool().Draw(t, "hours") {
			p.Hours.Days = uint8(rapid.IntRange(1, everyDay).Draw(t, "days"))
			p.Hours.From = rapid.IntRange(0, minutesADay-1).Draw(t, "from")
			p.Hours.To = rapid.IntRange(p.Hours.From+1, minutesADay).Draw(t, "to")
		}
		for i := range rapid.IntRange(0, 3).Draw(t, "accounts") {
			a := Account{Source: "s", ID: fmt.Sprintf("%s-%d", id, i) + rapid.SampledFrom([]string{"", "@x.example", ":y"}).Draw(t, "account")}
			if rapid.Bool().Draw(t, "active") {
				a.LastActive = time.UnixMilli(rapid.Int64Range(1e12, 2e12).Draw(t, "last active")).UTC()
			}
			p.Accounts = append(p.Accounts, a)
		}
		return p
	})
}

func TestCSVRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var want []Person
		for i := range rapid.IntRange(1, 4).Draw(t, "people") {
			want = append(want, anyPerson(fmt.Sprint("E", i)).Draw(t, "person"))
		}
		var b bytes.Buffer
		if err := WriteCSV(&b, want); err != nil {
			t.Fatal(err)
		}
		got, err := ReadCSV(&b, "p.csv", Columns{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func FuzzReadCSV(f *testing.F) {
	f.Add([]byte(weiCSV))
	f.Add([]byte("person_id;accounts\nE2;\"a:1;b:2@2026-01-01T00:00:00Z\"\n"))
	f.Add([]byte("\xff\xfep\x00"))
	f.Add([]byte("person_id\n\xb9\xa4\xba\xc5\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		people, err := ReadCSV(bytes.NewReader(data), "p.csv", Columns{})
		if (err == nil) != (len(people) > 0) {
			t.Fatalf("%d people, %v", len(people), err)
		}
		for i := range people {
			people[i].Tenant = "acme"
			if err := people[i].Validate(); err != nil {
				t.Fatal(err)
			}
			rec, err := people[i].Record()
			if err != nil {
				t.Fatal(err)
			}
			if _, back, err := Decode(rec); err != nil || !back.Equal(people[i]) {
				t.Fatalf("%s came back as %+v, %v", rec.Value, back, err)
			}
		}
	})
}
