package ndjson

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/rules"
)

// str is a text value; unlike event.StringValue it may be empty.
func str(s string) event.Value { return event.Value{Kind: event.String, Str: s} }

// scan reads a line for the fields, in a scanner that has seen other lines.
func scan(t *testing.T, line string, keywords bool, paths ...string) rules.Record {
	t.Helper()
	sc := schemaOf(paths...).Scanner(keywords)
	var rec rules.Record
	for _, before := range []string{`{"a":[{"b":"\u00e9"}],"Event":{"System":{"a":1}}}`, `[`, line} {
		_ = sc.Scan([]byte(before), &rec)
	}
	if err := sc.Scan([]byte(line), &rec); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return rec
}

func schemaOf(paths ...string) *Schema {
	s := NewSchema()
	for _, p := range paths {
		s.Field(p)
	}
	return s
}

func TestValues(t *testing.T) {
	t.Parallel()
	list := event.ListValue
	num := event.IntValue
	for _, tt := range []struct {
		name, line, path string
		want             event.Value
	}{
		{"string", `{"a":"x"}`, "a", str("x")},
		{"empty string is there", `{"a":""}`, "a", str("")},
		{"absent", `{"b":"x"}`, "a", event.Value{}},
		{"case matters", `{"A":"x"}`, "a", event.Value{}},
		{"null", `{"a":null}`, "a", event.NullValue()},
		{"true", `{"a":true}`, "a", event.BoolValue(true)},
		{"false", `{"a":false}`, "a", event.BoolValue(false)},
		{"integer", `{"a":-42}`, "a", num(-42)},
		{"largest integer", `{"a":9223372036854775807}`, "a", num(math.MaxInt64)},
		{"smallest integer", `{"a":-9223372036854775808}`, "a", num(math.MinInt64)},
		{"beyond the largest", `{"a":9223372036854775808}`, "a", str("9223372036854775808")},
		{"beyond the smallest", `{"a":-9223372036854775809}`, "a", str("-9223372036854775809")},
		{"beyond uint64", `{"a":18446744073709551617}`, "a", str("18446744073709551617")},
		{"whole fraction", `{"a":5.0}`, "a", num(5)},
		{"exponent", `{"a":1.5e3}`, "a", num(1500)},
		{"fraction", `{"a":-0.25}`, "a", event.FloatValue(-0.25)},
		{"beyond float64", `{"a":1e999}`, "a", str("1e999")},
		{"escapes", `{"a":"\"\\\/\b\f\n\r\t\u4e2d"}`, "a", str("\"\\/\b\f\n\r\t中")},
		{"surrogates", `{"a":"\ud83d\ude00"}`, "a", str("😀")},
		{"half a pair", `{"a":"\ud83dx\ude00\ud83d\u0041"}`, "a", str("\ufffdx\ufffd\ufffdA")},
		{"escaped key", `{"\u0061":1}`, "a", num(1)},
		{"spaces", " {\t\"a\" :\r\n 1 , \"b\" : [ 1 , { } ] } ", "a", num(1)},
		{"dotted key", `{"a.b.c":1}`, "a.b.c", num(1)},
		{"nested", `{"a":{"b":{"c":1}}}`, "a.b.c", num(1)},
		{"dotted, then nested", `{"a.b":{"c":1}}`, "a.b.c", num(1)},
		{"nested, then dotted", `{"a":{"b.c":1}}`, "a.b.c", num(1)},
		{"most literal first", `{"a.b.c":1,"a.b":{"c":2},"a":{"b.c":3,"b":{"c":4}}}`, "a.b.c", num(1)},
		{"most literal last", `{"a":{"b":{"c":4},"b.c":3},"a.b":{"c":2},"a.b.c":1}`, "a.b.c", num(1)},
		{"longest first key", `{"a":{"b.c":3},"a.b":{"c":2}}`, "a.b.c", num(2)},
		{"literal without it", `{"a.b":{"d":1},"a":{"b":{"c":4}}}`, "a.b.c", num(4)},
		{"literal null wins", `{"a.b":null,"a":{"b":1}}`, "a.b", event.NullValue()},
		{"empty names", `{"":{"a":1}}`, ".a", num(1)},
		{"object exists", `{"a":{"b":1}}`, "a", list()},
		{"array", `{"a":["x",1,true,null,2.5]}`, "a", list(str("x"), num(1), event.BoolValue(true), event.NullValue(), event.FloatValue(2.5))},
		{"empty array", `{"a":[]}`, "a", list()},
		{"array of objects exists", `{"a":[{"b":1}]}`, "a", list()},
		{"arrays in it", `{"a":[[1,[2]],[],3]}`, "a", list(num(1), num(2), num(3))},
		{"through an array", `{"a":[{"b":1},{"c":0},{"b":"y"},7]}`, "a.b", list(num(1), str("y"))},
		{"through nested arrays", `{"a":[[{"b":[1,2]}],{"b":{"c":1}},{"b":3}]}`, "a.b", list(num(1), num(2), num(3))},
		{"through two arrays", `{"a":[{"b":[{"c":1},{"c":2}]},{"b":{"c":3}}]}`, "a.b.c", list(num(1), num(2), num(3))},
		{"through an array without it", `{"a":[{"c":1},5]}`, "a.b", event.Value{}},
		{"exists in an array", `{"a":[{"b":{}}]}`, "a.b", list()},
		{"each element by itself", `{"a":[{"b.c":1,"b":{"c":9}},{"b":{"c":2}}]}`, "a.b.c", list(num(1), num(2))},
		{"array is less literal", `{"a.b":1,"a":[{"b":2}]}`, "a.b", num(1)},
		{"array of records", `[{"a":1},{"a":2}]`, "a", list(num(1), num(2))},
		{"no object", `"a"`, "a", event.Value{}},
		{"last of two", `{"a":1,"a":2}`, "a", num(2)},
		{"last of two, an object", `{"a":{"b":1},"a":{"c":2}}`, "a.b", event.Value{}},
		{"last of two in an array", `{"a":[{"b":1,"b":2},{"b":3}]}`, "a.b", list(num(2), num(3))},
		{"last of two brings back the less literal", `{"a":{"b":{"c":1}},"a.b":{"c":2},"a.b":{}}`, "a.b.c", num(1)},
		{"last of two, one escaped", `{"a":{"b":1},"\u0061":{}}`, "a.b", event.Value{}},
		{"not beyond the record", `{"x":{"a":1}}`, "a", event.Value{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rec := scan(t, tt.line, false, "other", tt.path)
			if diff := cmp.Diff([]event.Value{{}, tt.want}, rec.Values, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s of %s (-want +got):\n%s", tt.path, tt.line, diff)
			}
			if len(rec.Leaves) != 0 {
				t.Errorf("leaves without keywords: %v", rec.Leaves)
			}
		})
	}
}

func TestWindows(t *testing.T) {
	t.Parallel()
	const line = `{"Event":{"#attributes":{"xmlns":"x"},
		"System":{"Provider":{"#attributes":{"Name":"Sysmon"}},"EventID":{"#text":4104,"#attributes":{"Qualifiers":0}},"Level":4,"Both":"system"},
		"EventData":{"Image":"C:\\cmd.exe","Both":"data","Top":"data","Hash":{"x":1}},
		"UserData":{"RuleAndFileData":{"PolicyName":"EXE","Both":"user"}}},"Top":"top"}`
	for path, want := range map[string]event.Value{
		"Image":                 str(`C:\cmd.exe`),
		"EventID":               event.IntValue(4104),
		"Level":                 event.IntValue(4),
		"Provider_Name":         str("Sysmon"),
		"PolicyName":            str("EXE"),
		"Both":                  str("data"),
		"Top":                   str("top"),
		"Hash":                  event.ListValue(),
		"Hash.x":                event.IntValue(1),
		"Event.System.Level":    event.IntValue(4),
		"Event.EventData.Image": str(`C:\cmd.exe`),
		"EventID.#text":         event.IntValue(4104),
		"xmlns":                 {},
		"System":                {},
	} {
		rec := scan(t, line, false, "EventID", path)
		if diff := cmp.Diff(want, rec.Values[len(rec.Values)-1], cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
	rec := scan(t, `{"Event":{"System":{"EventID":1},"EventData":null}}`, true, "EventID")
	if rec.Values[0] != event.IntValue(1) || len(rec.Leaves) != 1 {
		t.Errorf("plain EventID: %v, leaves %v", rec.Values, rec.Leaves)
	}
	rec = scan(t, `{"Event":{"System":{"EventID":1}},"Event":{"System":{"EventID":2,"EventID":3}}}`, false, "EventID")
	if rec.Values[0] != event.IntValue(3) {
		t.Errorf("the last Event counts: %v", rec.Values)
	}
}

func TestLeaves(t *testing.T) {
	t.Parallel()
	rec := scan(t, `{"a":"x","b":{"c":[1,{"d":"\u00e9"},[true]],"e":null},"w":[2.5,{"v":""}]}`, true, "a", "w", "w.v")
	want := []event.Value{str("x"), event.IntValue(1), str("é"), event.BoolValue(true), event.FloatValue(2.5), str("")}
	if diff := cmp.Diff(want, rec.Leaves); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for line, offset := range map[string]int{
		``: 0, ` `: 1, `{`: 1, `{"a"`: 4, `{"a" 1}`: 5, `{"a":}`: 5, `{"a":1`: 6, `{"a":1,}`: 7, `{"a":1 "b":2}`: 7,
		`{a:1}`: 1, `{"a":1}}`: 7, `{"a":1} x`: 8, `{"w":[1,]}`: 8, `{"w":[1 2]}`: 8, `{"w":{"x":[}}}`: 11, `[1`: 2,
		`{"a":"x`: 7, "{\"a\":\"x\ny\"}": 7, "{\"b\":\"x\x00y\"}": 7, `{"a":"\x"}`: 6, `{"b":"\x"}`: 6, `{"b":"\u12g4"}`: 6, `{"\x":1}`: 2,
		`{"b":{"\x":1}}`: 7, `{"a":"\`: 7, `{"a":01}`: 5, `{"a":-}`: 6, `{"b":1.}`: 7, `{"b":1e+}`: 8, `{"a":tru}`: 5, `{"b":nul`: 5, `{"b":+1}`: 5,
		strings.Repeat(`[`, 65):                     64,
		`{"b":` + strings.Repeat(`{"b":`, 64):       320,
		`{"b":` + strings.Repeat(`[`, 64):           68,
		strings.Repeat(`{"a":`, 64) + `{}`:          320,
		`{"a":` + strings.Repeat(`[`, 70) + `1`:     68,
		`{"Event":{"System":{"EventID":1}},"x":"}}`: 41,
	} {
		var rec rules.Record
		sc := schemaOf("a", "a.a", "w").Scanner(false)
		err := sc.Scan([]byte(line), &rec)
		e, ok := err.(*Error)
		if !ok || e.Offset != offset || !strings.Contains(e.Error(), strconv.Itoa(offset)) {
			t.Errorf("%s: %v, want an error at %d", line, err, offset)
		}
	}
	ok := strings.Repeat(`[`, 64) + strings.Repeat(`]`, 64)
	if err := schemaOf("a").Scanner(false).Scan([]byte(ok), new(rules.Record)); err != nil {
		t.Errorf("64 deep: %v", err)
	}
}

func TestSchema(t *testing.T) {
	t.Parallel()
	s := NewSchema()
	a, _ := s.Field("a")
	sc := s.Scanner(false)
	b, _ := s.Field("a.b")
	again, ok := s.Field("a")
	if !ok || a != 0 || b != 1 || again != a {
		t.Errorf("fields %d, %d, %d, want 0, 1, 0", a, b, again)
	}
	if _, ok := s.Field(""); ok {
		t.Error("the empty path is a field")
	}
	if diff := cmp.Diff([]string{"a", "a.b"}, s.Paths()); diff != "" {
		t.Error(diff)
	}
	rec := rules.Record{Values: make([]event.Value, 7)}
	if err := sc.Scan([]byte(`{"a":1}`), &rec); err != nil || len(rec.Values) != 1 {
		t.Errorf("a scanner has the fields of its making: %v, %v", rec.Values, err)
	}
	s.Field(strings.Repeat("x.", 100) + "x")
	if err := s.Scanner(false).Scan([]byte(`{"x":{"x":1}}`), &rec); err != nil {
		t.Error(err)
	}
}
