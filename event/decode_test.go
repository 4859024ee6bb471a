package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// full is an event with something in every field.
var full = Event{
	ID: "00Dxx-1", Time: date("2026-03-02T08:15:30.123Z"), Collected: date("2026-03-02T09:00:00.000Z"),
	Tenant: "acme", Source: "salesforce", Type: "ReportExport", Action: Export,
	Actor: Actor{
		ID: "005xx0001", Name: "lin.wei@acme.example", Email: "lin.wei@acme.example", Person: "E1042",
		Type: User, Role: "Sales Rep", Department: "华东销售",
	},
	Object: Object{Type: "Report", ID: "00Oxx17", Name: "All \"customers\"\n<2026>"},
	Rows:   48210, Bytes: 9 << 20,
	SrcIP: "203.0.113.7", Country: "CN", UserAgent: "Mozilla/5.0 (X11; Linux x86_64)", DeviceID: "d-01",
	App: "web", Session: "s-77", Outcome: Success, Reason: "200", Raw: `{"EVENT_TYPE":"ReportExport"}`,
}

const fullJSON = `{"id":"00Dxx-1","time":"2026-03-02T08:15:30.123Z","collected":"2026-03-02T09:00:00.000Z","tenant":"acme","source":"salesforce",` +
	`"type":"ReportExport","action":"export","actor":{"id":"005xx0001","name":"lin.wei@acme.example","email":"lin.wei@acme.example","person":"E1042",` +
	`"type":"user","role":"Sales Rep","department":"华东销售"},"object":{"type":"Report","id":"00Oxx17","name":"All \"customers\"\n<2026>"},` +
	`"rows":48210,"bytes":9437184,"src_ip":"203.0.113.7","country":"CN","user_agent":"Mozilla/5.0 (X11; Linux x86_64)","device_id":"d-01","app":"web",` +
	`"session":"s-77","outcome":"success","reason":"200","raw":"{\"EVENT_TYPE\":\"ReportExport\"}"}`

// generated is a line in the form that native sources send, with a key that
// Event has no field for.
const generated = `{"id":"1f0c6bb0a51c83de","time":"2026-03-02T00:00:01.204Z","tenant":"t07","source":"zoho","action":"view",` +
	`"actor":{"id":"u0000217","name":"Wei Chen","role":"sales_rep","department":"sales-east"},"object":{"type":"Contact","id":"C008312201"},` +
	`"rows":1,"bytes":402,"src_ip":"10.44.2.98","country":"CN","user_agent":"Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/126.0 Safari/537.36",` +
	`"device_id":"d-9f30c2aa","app":"web","outcome":"success","local_hour":8}`

func date(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return t.UTC()
}

func TestAppendJSONIsCanonical(t *testing.T) {
	got := string(full.AppendJSON([]byte("before ")))
	if diff := cmp.Diff("before "+fullJSON, got); diff != "" {
		t.Error(diff)
	}
	if err := full.Validate(); err != nil {
		t.Error(err)
	}
	if got := string((&Event{}).AppendJSON(nil)); got != "{}" {
		t.Errorf("empty event is %s", got)
	}
	if got := string((&Event{ID: "1", Object: Object{ID: "o"}}).AppendJSON(nil)); got != `{"id":"1","object":{"id":"o"}}` {
		t.Errorf("sparse event is %s", got)
	}
}

// TestEveryFieldIsInTheJSONForm keeps the struct, the table and the codec in
// step, by the paths that a foreign decoder finds.
func TestEveryFieldIsInTheJSONForm(t *testing.T) {
	m := foreign(t, full.AppendJSON(nil))
	for _, f := range Fields {
		want := full.value(f.Path)
		got, ok := lookUp(m, f.Path)
		if !ok || fmt.Sprint(got) != want || f.Get(&full).Text() != want {
			t.Errorf("%s: JSON has %v, Get has %q, want %q", f.Path, got, f.Get(&full).Text(), want)
		}
	}
}

// value is the field's text by a switch over the struct, as an oracle for the
// table.
func (e *Event) value(path string) string {
	switch path {
	case "id":
		return e.ID
	case "time":
		return e.Time.Format(TimeLayout)
	case "collected":
		return e.Collected.Format(TimeLayout)
	case "tenant":
		return e.Tenant
	case "source":
		return e.Source
	case "type":
		return e.Type
	case "action":
		return string(e.Action)
	case "actor.id":
		return e.Actor.ID
	case "actor.name":
		return e.Actor.Name
	case "actor.email":
		return e.Actor.Email
	case "actor.person":
		return e.Actor.Person
	case "actor.type":
		return string(e.Actor.Type)
	case "actor.role":
		return e.Actor.Role
	case "actor.department":
		return e.Actor.Department
	case "object.type":
		return e.Object.Type
	case "object.id":
		return e.Object.ID
	case "object.name":
		return e.Object.Name
	case "rows":
		return fmt.Sprint(e.Rows)
	case "bytes":
		return fmt.Sprint(e.Bytes)
	case "src_ip":
		return e.SrcIP
	case "country":
		return e.Country
	case "user_agent":
		return e.UserAgent
	case "device_id":
		return e.DeviceID
	case "app":
		return e.App
	case "session":
		return e.Session
	case "outcome":
		return string(e.Outcome)
	case "reason":
		return e.Reason
	case "raw":
		return e.Raw
	default:
		return "no such field: " + path
	}
}

func foreign(t interface{ Fatal(...any) }, data []byte) map[string]any {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var m map[string]any
	if err := dec.Decode(&m); err != nil {
		t.Fatal(err)
	}
	return m
}

func lookUp(m map[string]any, path string) (any, bool) {
	group, key, nested := strings.Cut(path, ".")
	if !nested {
		v, ok := m[path]
		return v, ok && v != nil
	}
	inner, _ := m[group].(map[string]any)
	v, ok := inner[key]
	return v, ok && v != nil
}

func TestDecode(t *testing.T) {
	wei := Event{
		ID: "1f0c6bb0a51c83de", Time: date("2026-03-02T00:00:01.204Z"), Tenant: "t07", Source: "zoho", Action: View,
		Actor:  Actor{ID: "u0000217", Name: "Wei Chen", Role: "sales_rep", Department: "sales-east"},
		Object: Object{Type: "Contact", ID: "C008312201"}, Rows: 1, Bytes: 402, SrcIP: "10.44.2.98", Country: "CN",
		UserAgent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/126.0 Safari/537.36", DeviceID: "d-9f30c2aa", App: "web", Outcome: Success,
	}
	tests := []struct {
		name, in string
		want     Event
		unknown  bool
	}{
		{"canonical", fullJSON, full, false},
		{"native", generated, wei, true},
		{"empty object", `{}`, Event{}, false},
		{"white space", " \t\r\n{ \"rows\" : 3 , \"actor\" : { \"id\" : \"a\" } }\n ", Event{Rows: 3, Actor: Actor{ID: "a"}}, false},
		{"any order", `{"rows":2,"object":{"id":"o"},"id":"1","actor":{"name":"n","id":"a"},"tenant":"t"}`, Event{ID: "1", Tenant: "t", Rows: 2, Actor: Actor{ID: "a", Name: "n"}, Object: Object{ID: "o"}}, false},
		{"null is absent", `{"id":null,"time":null,"actor":null,"rows":null,"object":{"id":null}}`, Event{}, false},
		{"empty text is absent", `{"id":"","object":{}}`, Event{}, false},
		{"escaped key", `{"\u0069d":"1"}`, Event{ID: "1"}, false},
		{"keys are case-sensitive", `{"ID":"1","Id":"2","id":"3"}`, Event{ID: "3"}, true},
		{"all escapes", `{"reason":"\"\\\/\b\f\n\r\t\u00e9\uD83D\uDE00\u007f"}`, Event{Reason: "\"\\/\b\f\n\r\té😀\x7f"}, false},
		{"unknown values", `{"x":{"a":[1,-0.5e+3,true,false,null,"s",{},[]]},"actor":{"y":[]},"id":"1"}`, Event{ID: "1"}, true},
		{"same unknown key in two objects", `{"x":{"a":1},"y":{"a":1,"x":2}}`, Event{}, true},
		{"smallest number", `{"rows":-9223372036854775808}`, Event{Rows: math.MinInt64}, false},
		{"largest number", `{"rows":9223372036854775807,"bytes":-0}`, Event{Rows: math.MaxInt64}, false},
		{"depth 32", strings.Repeat(`{"x":`, 32)[:31*5] + `{}` + strings.Repeat("}", 31), Event{}, true},
		{"long text", `{"id":"i","raw":"` + strings.Repeat("r", 1000) + `","session":"s"}`, Event{ID: "i", Raw: strings.Repeat("r", 1000), Session: "s"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for name, d := range map[string]*Decoder{"plain": {}, "interning": NewDecoder()} {
				got := Event{Reason: "of the event before"}
				for range 2 { // the second time with a used decoder
					if err := d.Decode([]byte(tt.in), &got); err != nil {
						t.Fatalf("%s: %v", name, err)
					}
					if diff := cmp.Diff(tt.want, got); diff != "" {
						t.Errorf("%s: %s", name, diff)
					}
					if d.Unknown() != tt.unknown {
						t.Errorf("%s: unknown is %t", name, d.Unknown())
					}
				}
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	keys := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"k%d":0,`, i)
		}
		return "{" + strings.TrimSuffix(b.String(), ",") + "}"
	}
	tests := []struct {
		name, in, field, reason string
		offset                  int
	}{
		{"nothing", ``, "", BadJSON, 0},
		{"an array", `[]`, "", WrongType, 0},
		{"a text", `"x"`, "", WrongType, 0},
		{"a word", `yes`, "", BadJSON, 0},
		{"a byte order mark", "\ufeff{}", "", BadJSON, 0},
		{"UTF-16", "{\x00\"\x00", "", BadJSON, 1},
		{"two objects", `{} {}`, "", BadJSON, 3},
		{"a trailing NUL", "{}\x00", "", BadJSON, 2},
		{"truncated after a brace", `{`, "", BadJSON, 1},
		{"truncated in a key", `{"id`, "", BadJSON, 4},
		{"truncated after a key", `{"id"`, "", BadJSON, 5},
		{"truncated before a value", `{"id":`, "id", BadJSON, 6},
		{"truncated in a text", `{"id":"abc`, "id", BadJSON, 10},
		{"truncated in an escape", `{"id":"abc\`, "id", BadJSON, 10},
		{"truncated after a value", `{"id":"abc"`, "", BadJSON, 11},
		{"a trailing comma", `{"id":"a",}`, "", BadJSON, 10},
		{"two commas", `{"id":"a",,}`, "", BadJSON, 10},
		{"no comma", `{"id":"a" "rows":1}`, "", BadJSON, 10},
		{"no colon", `{"id" "a"}`, "", BadJSON, 6},
		{"a bare key", `{id:"a"}`, "", BadJSON, 1},
		{"single quotes", `{'id':'a'}`, "", BadJSON, 1},
		{"a comment", `{/* */"id":"a"}`, "", BadJSON, 1},
		{"a duplicate key", `{"id":"a","id":"a"}`, "id", DuplicateKey, 15},
		{"a duplicate key, escaped", `{"id":"a","\u0069\u0064":"a"}`, "id", DuplicateKey, 25},
		{"a duplicate group", `{"actor":{},"actor":{"id":"b"}}`, "actor", DuplicateKey, 20},
		{"a duplicate after null", `{"actor":{"id":null,"id":"b"}}`, "actor.id", DuplicateKey, 25},
		{"a duplicate unknown key", `{"x":1,"y":2,"x":3}`, "", DuplicateKey, 17},
		{"a duplicate unknown key, escaped", `{"\u0078":1,"\u0079":2,"x":3}`, "", DuplicateKey, 27},
		{"a duplicate deep inside", `{"x":[{"a":{"b":1,"b":2}}]}`, "", DuplicateKey, 22},
		{"invalid UTF-8", "{\"id\":\"a\xff\"}", "id", BadUTF8, 10},
		{"invalid UTF-8 in a key", "{\"\xc3\x28\":1}", "", BadUTF8, 5},
		{"invalid UTF-8 in an unknown value", "{\"x\":[\"\xed\xa0\x80\"]}", "", BadUTF8, 11},
		{"invalid UTF-8 beside an escape", "{\"id\":\"\\n\xc3\"}", "id", BadUTF8, 11},
		{"GBK", "{\"object\":{\"name\":\"\xbf\xcd\xbb\xa7\"}}", "object.name", BadUTF8, 24},
		{"a lone high surrogate", `{"id":"\ud83d"}`, "id", BadUTF8, 7},
		{"a lone low surrogate", `{"id":"\ude00"}`, "id", BadUTF8, 7},
		{"two high surrogates", `{"id":"\ud83d\ud83d"}`, "id", BadUTF8, 7},
		{"a NUL by escape", `{"id":"a\u0000"}`, "id", BadText, 8},
		{"a NUL by escape in an unknown key", `{"x\u0000":1}`, "", BadText, 3},
		{"a NUL", "{\"id\":\"a\x00\"}", "id", BadJSON, 8},
		{"a newline in a text", "{\"id\":\"a\nb\"}", "id", BadJSON, 8},
		{"an unknown escape", `{"id":"\x41"}`, "id", BadJSON, 7},
		{"a broken \\u", `{"id":"\u00g0"}`, "id", BadJSON, 7},
		{"an array for a text", `{"id":["a"]}`, "id", WrongType, 6},
		{"a number for a text", `{"actor":{"id":17}}`, "actor.id", WrongType, 15},
		{"true for a text", `{"tenant":true}`, "tenant", WrongType, 10},
		{"a number for a time", `{"time":1772439301204}`, "time", WrongType, 8},
		{"a text for a number", `{"rows":"12"}`, "rows", WrongType, 8},
		{"a text for an object", `{"actor":"lin"}`, "actor", WrongType, 9},
		{"an array for an object", `{"object":[]}`, "object", WrongType, 10},
		{"a fraction", `{"rows":1.0}`, "rows", BadNumber, 8},
		{"an exponent", `{"rows":1e3}`, "rows", BadNumber, 8},
		{"overflow", `{"rows":9223372036854775808}`, "rows", BadNumber, 8},
		{"underflow", `{"bytes":-9223372036854775809}`, "bytes", BadNumber, 9},
		{"a hundred digits", `{"bytes":` + strings.Repeat("9", 100) + `}`, "bytes", BadNumber, 9},
		{"a leading zero", `{"rows":01}`, "rows", BadJSON, 10},
		{"a plus", `{"rows":+1}`, "rows", BadJSON, 8},
		{"only a minus", `{"rows":-}`, "rows", BadJSON, 9},
		{"NaN", `{"rows":NaN}`, "rows", BadJSON, 8},
		{"hexadecimal", `{"rows":0x1F}`, "", BadJSON, 9},
		{"a broken unknown number", `{"x":1.}`, "", BadJSON, 7},
		{"a broken literal", `{"x":nul}`, "", BadJSON, 5},
		{"a broken null", `{"id":nil}`, "id", BadJSON, 6},
		{"a time without zone", `{"time":"2026-03-02T08:00:00"}`, "time", BadTime, 8},
		{"an empty time", `{"time":""}`, "time", BadTime, 8},
		{"a time with a space", `{"collected":"2026-03-02 08:00:00Z"}`, "collected", BadTime, 13},
		{"depth 33", strings.Repeat(`{"x":`, 32) + `{}` + strings.Repeat("}", 32), "", TooDeep, 160},
		{"depth 33 of arrays", `{"x":` + strings.Repeat(`[`, 100000), "", TooDeep, 36},
		{"too many keys", keys(MaxKeys + 1), "", TooManyKeys, len(keys(MaxKeys))},
		{"an unclosed array", `{"x":[1`, "", BadJSON, 7},
		{"an array without a comma", `{"x":[1 2]}`, "", BadJSON, 8},
		{"an array with a trailing comma", `{"x":[1,]}`, "", BadJSON, 8},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := Event{ID: "before"}
			err := Decode([]byte(tt.in), &e)
			var got *DecodeError
			if !errors.As(err, &got) {
				t.Fatalf("error is %v", err)
			}
			if got.Field != tt.field || got.Reason != tt.reason || got.Offset != tt.offset {
				t.Errorf("got field %q, reason %s at %d (%v), want %q, %s at %d", got.Field, got.Reason, got.Offset, err, tt.field, tt.reason, tt.offset)
			}
			if e != (Event{}) {
				t.Errorf("event is %+v", e)
			}
		})
	}
}

func TestErrorsDoNotRepeatContent(t *testing.T) {
	const secret = "hunter2"
	for _, in := range []string{
		`{"time":"hunter2"}`, `{"rows":"hunter2"}`, `{"hunter2":1,"hunter2":2}`, `{"id":"hunter2`, `{"hunter2`, `{"id":"hunter2\u0000"}`, `hunter2`, `{"rows":hunter2}`,
	} {
		if err := Decode([]byte(in), new(Event)); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: error is %v", in, err)
		}
	}
	e := Event{
		ID: secret + "\n", Tenant: secret + "/", Source: secret + "\x00", Action: secret, Outcome: secret, SrcIP: secret, Country: secret,
		Actor: Actor{Type: secret}, Raw: secret + "\xff",
	}
	if err := e.Validate(); err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("error is %v", err)
	}
}

func TestParseTime(t *testing.T) {
	good := map[string]string{
		"2026-03-02T08:15:30Z":                "2026-03-02T08:15:30.000Z",
		"2026-03-02t08:15:30z":                "2026-03-02T08:15:30.000Z",
		"2026-03-02T08:15:30.1Z":              "2026-03-02T08:15:30.100Z",
		"2026-03-02T08:15:30.123456789Z":      "2026-03-02T08:15:30.123Z",
		"2026-03-02T08:15:30.999999999Z":      "2026-03-02T08:15:30.999Z",
		"2026-03-02T08:15:30.5+08:00":         "2026-03-02T00:15:30.500Z",
		"2026-03-01T23:15:30-09:30":           "2026-03-02T08:45:30.000Z",
		"2026-03-02T08:15:30-00:00":           "2026-03-02T08:15:30.000Z",
		"2024-02-29T23:59:59.000Z":            "2024-02-29T23:59:59.000Z",
		"2000-02-29T00:00:00Z":                "2000-02-29T00:00:00.000Z",
		"1969-12-31T23:59:59.999Z":            "1969-12-31T23:59:59.999Z",
		"0000-01-01T00:00:00Z":                "0000-01-01T00:00:00.000Z",
		"9999-12-31T23:59:59.999Z":            "9999-12-31T23:59:59.999Z",
		"0001-01-01T00:00:00.001Z":            "0001-01-01T00:00:00.001Z",
		"2026-03-02T08:15:30.000000000+23:59": "2026-03-01T08:16:30.000Z",
	}
	for in, want := range good {
		got, ok := parseTime([]byte(in))
		if !ok || got.Format(TimeLayout) != want || got.Location() != time.UTC {
			t.Errorf("%s: got %v, %t", in, got, ok)
		}
		std, err := time.Parse(time.RFC3339Nano, strings.ToUpper(in))
		if err != nil || !std.Truncate(time.Millisecond).Equal(got) {
			t.Errorf("%s: package time has %v, %v", in, std, err)
		}
	}
	for _, in := range []string{
		"", "Z", "2026-03-02", "2026-03-02T08:15Z", "2026-03-02T08:15:30", "2026-03-02T08:15:30.Z", "2026-03-02T08:15:30.1234567890Z",
		"2026-03-02T08:15:30,5Z", "2026-03-02T08:15:60Z", "2026-03-02T24:00:00Z", "2026-03-02T08:60:00Z", "2026-13-02T08:15:30Z", "2026-00-02T08:15:30Z",
		"2026-02-29T08:15:30Z", "1900-02-29T08:15:30Z", "2026-04-31T08:15:30Z", "2026-04-00T08:15:30Z", "2026-03-02T08:15:30+24:00", "2026-03-02T08:15:30+08:60",
		"2026-03-02T08:15:30+0800", "2026-03-02T08:15:30+08", "2026-03-02T08:15:30ZZ", "2026-03-02T08:15:30 Z", " 2026-03-02T08:15:30Z", "+2026-03-02T08:15:30Z",
		"2026-3-2T08:15:30Z", "20260302T081530Z", "9999-12-31T23:59:59-01:00", "0000-01-01T00:00:00+01:00", "0001-01-01T00:00:00Z", "2026-03-02T08:1５:30Z",
	} {
		if got, ok := parseTime([]byte(in)); ok {
			t.Errorf("%q: got %v", in, got)
		}
	}
}

// anyEvent draws a valid event.
func anyEvent(t *rapid.T) *Event {
	str := rapid.String().Filter(func(s string) bool { return !strings.Contains(s, "\x00") })
	name := rapid.StringMatching(`[^/\pC]{1,20}`)
	moment := func(label string) time.Time {
		return time.UnixMilli(rapid.Int64Range(Earliest.UnixMilli(), Latest.UnixMilli()-1).Draw(t, label)).UTC()
	}
	e := &Event{
		ID: name.Draw(t, "id"), Time: moment("time"), Tenant: name.Draw(t, "tenant"), Source: name.Draw(t, "source"),
		Action: rapid.SampledFrom(Actions()).Draw(t, "action"), Outcome: rapid.SampledFrom([]Outcome{"", Success, Failure}).Draw(t, "outcome"),
		Rows: rapid.Int64Min(0).Draw(t, "rows"), Bytes: rapid.Int64Min(0).Draw(t, "bytes"),
		SrcIP:   rapid.SampledFrom([]string{"", "10.0.0.1", "2001:db8::1"}).Draw(t, "src_ip"),
		Country: rapid.SampledFrom([]string{"", "CN", "DE"}).Draw(t, "country"),
	}
	if rapid.Bool().Draw(t, "collected") {
		e.Collected = moment("collected")
	}
	e.Actor.Type = rapid.SampledFrom([]ActorType{"", User, Integration, Guest, System}).Draw(t, "actor.type")
	for _, f := range Fields {
		switch f.Path {
		case "id", "tenant", "source", "action", "outcome", "src_ip", "country", "actor.type":
			continue
		}
		if f.text != nil {
			*f.text(e) = str.Draw(t, f.Path)
		}
	}
	return e
}

func TestRoundTrip(t *testing.T) {
	d := NewDecoder()
	rapid.Check(t, func(t *rapid.T) {
		want := anyEvent(t)
		if err := want.Validate(); err != nil {
			t.Fatal(err)
		}
		data := want.AppendJSON(nil)
		var got Event
		if err := d.Decode(data, &got); err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		if got != *want || d.Unknown() {
			t.Fatal(cmp.Diff(*want, got))
		}
		sameAsForeign(t, data, &got)
		if again := got.AppendJSON(nil); !bytes.Equal(again, data) {
			t.Fatalf("%s became %s", data, again)
		}
	})
}

// sameAsForeign fails unless encoding/json reads the same event from the data.
func sameAsForeign(t interface {
	Fatal(...any)
	Errorf(string, ...any)
}, data []byte, e *Event,
) {
	m := foreign(t, data)
	for _, f := range Fields {
		v, _ := lookUp(m, f.Path)
		got := f.Get(e)
		switch v := v.(type) {
		case nil:
			if got.Str != "" || got.Int != 0 {
				t.Errorf("%s: got %v, want it absent", f.Path, got)
			}
		case json.Number:
			if n, err := v.Int64(); err != nil || n != got.Int {
				t.Errorf("%s: got %d, want %v", f.Path, got.Int, v)
			}
		case string:
			if f.moment == nil && got.Str != v {
				t.Errorf("%s: got %q, want %q", f.Path, got.Str, v)
			}
			if f.moment == nil {
				break
			}
			std, err := time.Parse(time.RFC3339Nano, strings.ToUpper(v))
			if want := std.Truncate(time.Millisecond); err != nil || !f.moment(e).Equal(want) {
				t.Errorf("%s: got %v, want %v, %v", f.Path, f.moment(e), want, err)
			}
		default:
			t.Errorf("%s: got %v, want %T", f.Path, got, v)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		fullJSON, generated, `{}`, `{"x":{"a":[1,-0.5e+3,true,false,null,"s",{},[]]},"actor":{"y":[]},"id":"\ud83d\ude00"}`, `{"rows":-9223372036854775808}`,
		`{"time":"2026-03-02T08:15:30.5+08:00","id":null}`, `{"\u0069d":"1","id":"2"}`, "{\"id\":\"\xff\"}", `[[[[`, `{"rows":1e3}`,
	} {
		f.Add([]byte(seed))
	}
	d := NewDecoder()
	f.Fuzz(func(t *testing.T, data []byte) {
		var e, plain Event
		err := d.Decode(data, &e)
		if errPlain := Decode(data, &plain); (err == nil) != (errPlain == nil) || e != plain {
			t.Fatalf("with interning %+v, %v; without %+v, %v", e, err, plain, errPlain)
		}
		if err != nil {
			return
		}
		if !json.Valid(data) {
			t.Fatal("encoding/json does not take it")
		}
		sameAsForeign(t, data, &e)
		var again Event
		if err := d.Decode(e.AppendJSON(nil), &again); err != nil || again != e {
			t.Fatalf("%+v came back as %+v, %v", e, again, err)
		}
	})
}

func FuzzAppendJSON(f *testing.F) {
	f.Add("plain", int64(1), int64(1772439301204))
	f.Add("a\xff\x00\u2028\"\\", int64(math.MinInt64), int64(math.MaxInt64))
	f.Fuzz(func(t *testing.T, s string, n, ms int64) {
		e := Event{ID: s, Raw: s, Actor: Actor{Name: s}, Rows: n, Time: time.UnixMilli(ms)}
		data := e.AppendJSON(nil)
		if !json.Valid(data) {
			t.Fatalf("%q is not JSON", data)
		}
		if e.Validate() == nil {
			t.Fatal("an event without a tenant is valid")
		}
	})
}

// TestDecodeAllocations is the ceiling: one allocation for the texts of the
// event's own, none for those that are shared.
func TestDecodeAllocations(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		most     float64
	}{{"native", generated, 1}, {"canonical, with raw", fullJSON, 1}} {
		d, data := NewDecoder(), []byte(tt.in)
		var e Event
		if got := testing.AllocsPerRun(100, func() {
			if err := d.Decode(data, &e); err != nil {
				t.Fatal(err)
			}
		}); got > tt.most {
			t.Errorf("%s: %v allocations, at most %v", tt.name, got, tt.most)
		}
	}
	buf := make([]byte, 0, 4096)
	if got := testing.AllocsPerRun(100, func() { buf = full.AppendJSON(buf[:0]) }); got > 0 {
		t.Errorf("AppendJSON: %v allocations", got)
	}
	if got := testing.AllocsPerRun(100, func() { _ = full.Validate() }); got > 0 {
		t.Errorf("Validate: %v allocations", got)
	}
}

func BenchmarkDecode(b *testing.B) {
	d, data := NewDecoder(), []byte(generated)
	var e Event
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if err := d.Decode(data, &e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = full.AppendJSON(buf[:0])
	}
}

func BenchmarkValidate(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if err := full.Validate(); err != nil {
			b.Fatal(err)
		}
	}
}
