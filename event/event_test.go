package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestValidate(t *testing.T) {
	type problem struct{ Field, Reason string }
	tests := []struct {
		name   string
		change func(*Event)
		want   []problem
	}{
		{"nothing wrong", func(*Event) {}, nil},
		{"only what is required", func(e *Event) {
			*e = Event{ID: "1", Time: e.Time, Tenant: "t", Source: "s", Action: Other}
		}, nil},
		{"empty", func(e *Event) { *e = Event{} }, []problem{{"id", Missing}, {"tenant", Missing}, {"source", Missing}, {"time", Missing}, {"action", Missing}}},
		{"year 1", func(e *Event) { e.Time = date("0001-06-01T00:00:00Z") }, []problem{{"time", BadTime}}},
		{"year 9999", func(e *Event) { e.Time = date("9999-12-31T23:59:59Z") }, []problem{{"time", BadTime}}},
		{"the first time", func(e *Event) { e.Time = Earliest }, nil},
		{"before the first time", func(e *Event) { e.Time = Earliest.Add(-time.Millisecond) }, []problem{{"time", BadTime}}},
		{"the last time", func(e *Event) { e.Collected = Latest.Add(-time.Millisecond) }, nil},
		{"after the last time", func(e *Event) { e.Collected = Latest }, []problem{{"collected", BadTime}}},
		{"never collected", func(e *Event) { e.Collected = time.Time{} }, nil},
		{"slash in tenant", func(e *Event) { e.Tenant = "a/b" }, []problem{{"tenant", BadText}}},
		{"newline in id", func(e *Event) { e.ID = "a\nb" }, []problem{{"id", BadText}}},
		{"NUL in source", func(e *Event) { e.Source = "a\x00b" }, []problem{{"source", BadText}}},
		{"C1 control in tenant", func(e *Event) { e.Tenant = "a\u0085b" }, []problem{{"tenant", BadText}}},
		{"Chinese tenant", func(e *Event) { e.Tenant = "示例公司" }, nil},
		{"newline and tab in a name", func(e *Event) { e.Object.Name = "a\n\tb" }, nil},
		{"NUL in raw", func(e *Event) { e.Raw = "a\x00b" }, []problem{{"raw", BadText}}},
		{"GBK in department", func(e *Event) { e.Actor.Department = "\xbf\xcd\xbb\xa7" }, []problem{{"actor.department", BadUTF8}}},
		{"unknown action", func(e *Event) { e.Action = "steal" }, []problem{{"action", BadValue}}},
		{"capital action", func(e *Event) { e.Action = "Export" }, []problem{{"action", BadValue}}},
		{"unknown outcome", func(e *Event) { e.Outcome = "ok" }, []problem{{"outcome", BadValue}}},
		{"unknown actor type", func(e *Event) { e.Actor.Type = "robot" }, []problem{{"actor.type", BadValue}}},
		{"negative rows and bytes", func(e *Event) { e.Rows, e.Bytes = -1, -5 }, []problem{{"rows", BadNumber}, {"bytes", BadNumber}}},
		{"IPv6", func(e *Event) { e.SrcIP = "2001:db8::1" }, nil},
		{"IPv6 in capitals", func(e *Event) { e.SrcIP = "2001:DB8::1" }, []problem{{"src_ip", BadAddress}}},
		{"IPv6 with zeros", func(e *Event) { e.SrcIP = "2001:db8:0:0:0:0:0:1" }, []problem{{"src_ip", BadAddress}}},
		{"wrapped IPv4", func(e *Event) { e.SrcIP = "::ffff:10.0.0.1" }, []problem{{"src_ip", BadAddress}}},
		{"zone", func(e *Event) { e.SrcIP = "fe80::1%eth0" }, []problem{{"src_ip", BadAddress}}},
		{"octet with a leading zero", func(e *Event) { e.SrcIP = "10.0.0.01" }, []problem{{"src_ip", BadAddress}}},
		{"address with a port", func(e *Event) { e.SrcIP = "10.0.0.1:443" }, []problem{{"src_ip", BadAddress}}},
		{"a word for an address", func(e *Event) { e.SrcIP = "Salesforce.com IP" }, []problem{{"src_ip", BadAddress}}},
		{"country in small letters", func(e *Event) { e.Country = "cn" }, []problem{{"country", BadValue}}},
		{"country with three letters", func(e *Event) { e.Country = "CHN" }, []problem{{"country", BadValue}}},
		{"country by name", func(e *Event) { e.Country = "中" }, []problem{{"country", BadValue}}},
		{"longest text", func(e *Event) { e.UserAgent, e.Raw = strings.Repeat("u", MaxField), strings.Repeat("r", MaxRaw) }, nil},
		{"too long", func(e *Event) { e.UserAgent, e.Raw = strings.Repeat("u", MaxField+1), strings.Repeat("r", MaxRaw+1) }, []problem{{"user_agent", TooLong}, {"raw", TooLong}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := full
			tt.change(&e)
			err := e.Validate()
			if diff := cmp.Diff(tt.want, fieldErrors(err, func(f *FieldError) problem { return problem{f.Field, f.Reason} })); diff != "" {
				t.Errorf("%v\n%s", err, diff)
			}
			if field, reason, ok := Cause(fmt.Errorf("check event: %w", err)); ok != (err != nil) || ok && (problem{field, reason} != tt.want[0]) {
				t.Errorf("cause is %q, %q, %t", field, reason, ok)
			}
		})
	}
}

// fieldErrors maps the FieldErrors that err joins.
func fieldErrors[T any](err error, to func(*FieldError) T) []T {
	joined, _ := err.(interface{ Unwrap() []error })
	if joined == nil {
		return nil
	}
	var all []T
	for _, err := range joined.Unwrap() {
		all = append(all, to(err.(*FieldError)))
	}
	return all
}

func TestReasonsAreLabels(t *testing.T) {
	label := regexp.MustCompile(`^[a-z][a-z0-9_]{2,19}$`)
	for i, r := range Reasons {
		if !label.MatchString(r.Word) || r.Doc == "" || slices.IndexFunc(Reasons, func(o struct{ Word, Doc string }) bool { return o.Word == r.Word }) != i {
			t.Errorf("reason %q", r.Word)
		}
	}
}

func TestCanonicalIP(t *testing.T) {
	for in, want := range map[string]string{
		"10.0.0.1": "10.0.0.1", "2001:DB8:0:0:0:0:0:1": "2001:db8::1", "::ffff:10.0.0.1": "10.0.0.1", "::FFFF:a00:1": "10.0.0.1", "fe80::1%eth0": "fe80::1",
		"": "", "10.0.0": "", "10.0.0.256": "", "010.0.0.1": "", "[::1]": "", "10.0.0.1:80": "", " 10.0.0.1": "",
	} {
		got, ok := CanonicalIP(in)
		if got != want || ok != (want != "") {
			t.Errorf("%q: got %q, %t", in, got, ok)
		}
		if ok && !isCanonicalIP(got) {
			t.Errorf("%q: %q does not pass", in, got)
		}
	}
}

func TestKeys(t *testing.T) {
	e := full
	if got := string(e.Key()); got != "acme/E1042" {
		t.Errorf("with a person: %s", got)
	}
	e.Actor.Person = ""
	if got := string(e.Key()); got != "acme/salesforce:005xx0001" {
		t.Errorf("with an account: %s", got)
	}
	e.Actor.ID = ""
	if got := string(e.Key()); got != "acme/salesforce:lin.wei@acme.example" {
		t.Errorf("with a name: %s", got)
	}
}

func TestHash(t *testing.T) {
	// By coreutils: printf '\0\0\0\0\0\0\0\1a\0\0\0\0\0\0\0\2bc' | sha256sum
	const want = "3fafa1cf2f19a7c1129beb20cf0983f7"
	if got := Hash("a", "bc"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	seen := map[string][]string{}
	for _, parts := range [][]string{
		nil, {""}, {"", ""}, {"a"}, {"a", ""}, {"", "a"}, {"a", "b"}, {"ab"}, {"ab", ""}, {"\x00\x00\x00\x00\x00\x00\x00\x01a"}, {strings.Repeat("x", 1000)}, {strings.Repeat("x", 500), strings.Repeat("x", 500)},
	} {
		h := Hash(parts...)
		if other, ok := seen[h]; ok || len(h) != 32 {
			t.Errorf("%q and %q are both %s", parts, other, h)
		}
		seen[h] = parts
	}
	if got := testing.AllocsPerRun(100, func() { Hash("acme", "salesforce", "00Dxx-1") }); got > 1 {
		t.Errorf("%v allocations", got)
	}
}

func TestNewDeadLetter(t *testing.T) {
	now := time.Date(2026, 3, 2, 16, 0, 0, 999_999, time.FixedZone("", 8*3600))
	place := Place{Tenant: "acme", Stage: "ingest", Origin: "a.csv", Line: 17}
	record := []byte(`{"rows":"many"}`)
	err := fmt.Errorf("read line: %w", Decode(record, new(Event)))
	got := NewDeadLetter(place, record, err, now)
	want := &DeadLetter{
		ID: Hash("acme", "ingest", "a.csv", "17", `{"rows":"many"}`), Time: date("2026-03-02T08:00:00Z"), Tenant: "acme", Stage: "ingest", Origin: "a.csv", Line: 17,
		Field: "rows", Reason: WrongType, Detail: `read line: field "rows" at byte 8 is not a number`, Size: 15, Record: []byte(`{"rows":"many"}`),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	record[0] = 'x'
	if got.Record[0] != '{' {
		t.Error("the letter shares the record's bytes")
	}
	place.Line++
	if NewDeadLetter(place, got.Record, err, now).ID == got.ID {
		t.Error("two lines have one id")
	}
	data, jsonErr := json.Marshal(got)
	var back DeadLetter
	if err := errors.Join(jsonErr, json.Unmarshal(data, &back)); err != nil || !cmp.Equal(&back, got) {
		t.Errorf("%s came back as %+v, %v", data, back, err)
	}
}

func TestNewDeadLetterCuts(t *testing.T) {
	long := make([]byte, MaxDeadRecord+1)
	got := NewDeadLetter(Place{}, long, errors.New(strings.Repeat("长", maxDetail)), time.Now())
	if got.Size != MaxDeadRecord+1 || len(got.Record) != MaxDeadRecord || got.Reason != "other" {
		t.Errorf("size %d, %d bytes kept, reason %s", got.Size, len(got.Record), got.Reason)
	}
	if want := strings.Repeat("长", maxDetail/3); got.Detail != want {
		t.Errorf("detail has %d bytes, want %d", len(got.Detail), len(want))
	}
}

// What is filled in through a field is what the field then has.
func TestFieldIn(t *testing.T) {
	for i := range Fields {
		f, e := &Fields[i], Event{}
		switch p := f.In(&e).(type) {
		case *string:
			*p = "x"
		case *int64:
			*p = 7
		case *time.Time:
			*p = time.Unix(7, 0)
		}
		if got := f.Get(&e).Text(); got != "x" && got != "7" && got != "1970-01-01T00:00:07.000Z" {
			t.Errorf("%s has %q", f.Path, got)
		}
	}
}
