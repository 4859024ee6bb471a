package ndjson

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/rules"
)

func text(s string) event.Value { return event.Value{Kind: event.String, Str: s} }

// number is the value of an int or a float64.
func number[N int | float64](n N) event.Value { return event.FloatValue(float64(n)) }

var (
	list   = event.ListValue
	absent = event.Value{}
)

func TestScan(t *testing.T) {
	deep := strings.Repeat("a.", 60) + "b"
	for _, test := range []struct {
		name, field, line string
		want              event.Value
	}{
		{"text", "a", `{"a":"x"}`, text("x")},
		{"empty text is there", "a", `{"a":""}`, text("")},
		{"number", "a", `{"a":17}`, number(17)},
		{"negative", "a", `{"a":-17}`, number(-17)},
		{"zero", "a", `{"a":-0}`, number(0)},
		{"true", "a", `{"a":true}`, event.BoolValue(true)},
		{"false", "a", `{"a":false}`, event.BoolValue(false)},
		{"null", "a", `{"a":null}`, event.NullValue()},
		{"absent", "a", `{"b":1}`, absent},
		{"no keys", "a", `{}`, absent},
		{"case matters", "a", `{"A":1}`, absent},
		{"white space", "a", " { \"b\" : [ 1 , { } ] ,\r\n\t\"a\" : 1 } \r\n", number(1)},

		{"fraction", "a", `{"a":1.5}`, number(1.5)},
		{"whole fraction", "a", `{"a":5.0}`, number(5)},
		{"exponent", "a", `{"a":-1e3}`, number(-1000)},
		{"largest", "a", `{"a":9223372036854775807}`, event.IntValue(math.MaxInt64)},
		{"smallest", "a", `{"a":-9223372036854775808}`, event.IntValue(math.MinInt64)},
		{"too large for an Int", "a", `{"a":9223372036854775808}`, text("9223372036854775808")},
		{"too large for a Float", "a", `{"a":1e999}`, text("1e999")},

		{"escapes", "a", `{"a":"\"\\\/\b\f\n\r\t\u00e4x"}`, text("\"\\/\b\f\n\r\täx")},
		{"long text with an escape", "a", `{"a":"C:\\Windows\\System32\\WindowsPowerShell"}`, text(`C:\Windows\System32\WindowsPowerShell`)},
		{"characters beyond ASCII", "a", `{"a":"张静 joined the sales team"}`, text("张静 joined the sales team")},
		{"surrogate pair", "a", `{"a":"\ud83d\ude00!"}`, text("😀!")},
		{"half a pair", "a", `{"a":"\ud83d!"}`, text("\ufffd!")},
		{"half a pair before an escape", "a", `{"a":"\ud83d\u0041"}`, text("\ufffdA")},
		{"no UTF-8", "a", "{\"a\":\"x\xff\xfey\"}", text("x\ufffd\ufffdy")},
		{"no UTF-8 after an escape", "a", "{\"a\":\"\\n\xff\"}", text("\n\ufffd")},
		{"escaped key", "a", `{"\u0061":1}`, number(1)},
		{"name that must be escaped", `"\`, `{"\"\\":1}`, number(1)},

		{"within an object", "a.b.c", `{"a":{"b":{"c":1}}}`, number(1)},
		{"literal", "a.b.c", `{"a.b.c":1}`, number(1)},
		{"mixed, left", "a.b.c", `{"a.b":{"c":1}}`, number(1)},
		{"mixed, right", "a.b.c", `{"a":{"b.c":1}}`, number(1)},
		{"most literal wins", "a.b.c", `{"a":{"b.c":3,"b":{"c":4}},"a.b.c":1,"a.b":{"c":2}}`, number(1)},
		{"longest first key wins", "a.b.c", `{"a.b":{"c":2},"a":{"b.c":3,"b":{"c":4}}}`, number(2)},
		{"longest second key wins", "a.b.c", `{"a":{"b":{"c":4},"b.c":3}}`, number(3)},
		{"literal without the rest", "a.b.c", `{"a.b":{"d":2},"a":{"b":{"c":4}}}`, number(4)},
		{"null wins, too", "a.b", `{"a.b":null,"a":{"b":1}}`, event.NullValue()},
		{"scalar where an object should be", "a.b", `{"a":1}`, absent},
		{"empty segments", ".a.", `{"":{"a":{"":1}}}`, number(1)},
		{"many segments", deep, strings.Repeat(`{"a":`, 47) + `{"` + deep[2*47:] + `":1}` + strings.Repeat(`}`, 47), number(1)},

		{"array", "a", `{"a":[1,"x",null,true]}`, list(number(1), text("x"), event.NullValue(), event.BoolValue(true))},
		{"empty array", "a", `{"a":[]}`, list()},
		{"arrays in an array", "a", `{"a":[1,[2,[3]],[]]}`, list(number(1), number(2), number(3))},
		{"object", "a", `{"a":{"b":1}}`, list()},
		{"objects in an array", "a", `{"a":[{"b":1},2]}`, list(number(2))},
		{"through an array", "a.b", `{"a":[{"b":1},{"c":2},3,{"b":[4,5]}]}`, list(number(1), number(4), number(5))},
		{"through arrays", "a.b.c", `{"a":[{"b":[{"c":1},{"c":2}]},{"b":{"c":3}}]}`, list(number(1), number(2), number(3))},
		{"through one element", "a.b", `{"a":[{"b":1}]}`, list(number(1))},
		{"through an array without it", "a.b", `{"a":[{"c":1}]}`, absent},
		{"through an empty array", "a.b", `{"a":[]}`, absent},
		{"array under the better name", "a.b", `{"a":[{"b":1},{"b":2}],"a.b":[3]}`, list(number(3))},
		{"array under the worse name", "a.b", `{"a.b":[3],"a":[{"b":1},{"b":2}]}`, list(number(3))},

		{"duplicate", "a", `{"a":1,"b":2,"a":3}`, number(3)},
		{"thrice", "a", `{"a":1,"a":2,"a":3}`, number(3)},
		{"duplicate, escaped", "a", `{"a":1,"\u0061":3}`, number(3)},
		{"duplicate list", "a", `{"a":[1],"a":[2]}`, list(number(2))},
		{"duplicate object without it", "a.b", `{"a":{"b":1},"a":{"c":2}}`, absent},
		{"duplicate within", "a.b", `{"a":[{"b":1,"b":2},{"b":3}]}`, list(number(2), number(3))},
		{"duplicate of the better name", "a.b", `{"a":{"b":1},"a.b":2,"a.b":3}`, number(3)},
		{"better name lost by a duplicate", "a.b.c", `{"a":{"b":{"c":1}},"a.b":{"c":2},"a.b":{}}`, number(1)},
		{"same key in another object", "a.b", `{"x":{"b":1},"a":{"b":2},"b":3}`, number(2)},
	} {
		t.Run(test.name, func(t *testing.T) {
			sc := scannerOf(false, test.field)
			for range 3 { // the second time, keys are foreseen
				rec, err := sc.Scan([]byte(test.line))
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(test.want, rec.Values[0]); diff != "" {
					t.Fatalf("%s in %s (-want +got):\n%s", test.field, test.line, diff)
				}
				if rec, err = sc.Scan([]byte(`{"z":0}`)); err != nil || rec.Values[0] != absent {
					t.Fatalf("the next record has %v, %v", rec.Values[0], err)
				}
			}
		})
	}
}

// A name and parts of it may all be fields.
func TestScanFieldsWithinEachOther(t *testing.T) {
	rec, err := scannerOf(false, "a", "a.b", "a.b.c", "b").Scan([]byte(`{"a":{"b":{"c":1}},"a.b":[2],"b":{"b":3}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []event.Value{list(), list(number(2)), number(1), list()}
	if diff := cmp.Diff(want, rec.Values); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
}

func TestLeaves(t *testing.T) {
	const line = `{"a":"x","b":{"c":[1,"\u0079",[true,null]],"d":{}},"a":"z","e":1.5}`
	want := []event.Value{text("x"), number(1), text("y"), event.BoolValue(true), text("z"), number(1.5)}
	for _, field := range []string{"a", "b.c", "none"} {
		rec, err := scannerOf(true, field).Scan([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, rec.Leaves); diff != "" {
			t.Errorf("leaves beside %s (-want +got):\n%s", field, diff)
		}
	}
	if rec, _ := scannerOf(false, "a").Scan([]byte(line)); len(rec.Leaves) > 0 {
		t.Errorf("without keywords there are leaves: %v", rec.Leaves)
	}
}

func TestSchema(t *testing.T) {
	var s Schema
	var _ rules.Schema = &s
	a, _ := s.Field("a")
	b, ok := s.Field("b.c")
	again, _ := s.Field("a")
	if !ok || a == b || a != again {
		t.Errorf("fields are %d, %d and %d", a, b, again)
	}
	if _, ok := s.Field(""); ok {
		t.Error("the empty name is a field")
	}
	if diff := cmp.Diff([]string{"a", "b.c"}, s.Paths()); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
}

// malformed are lines that Scan refuses, with the place of the mistake.
var malformed = []struct {
	line   string
	offset int
	msg    string
}{
	{``, 0, "opening brace"},
	{`  `, 2, "opening brace"},
	{`[1]`, 0, "opening brace"},
	{`null`, 0, "opening brace"},
	{`{`, 1, "key is missing"},
	{`{a:1}`, 1, "key is missing"},
	{`{"a"}`, 4, "colon"},
	{`{"a":}`, 5, "value is missing"},
	{`{"a":`, 5, "value is missing"},
	{`{"a":1`, 6, "comma or a closing brace"},
	{`{"a":1]`, 6, "comma or a closing brace"},
	{`{"a":1 "b":2}`, 7, "comma or a closing brace"},
	{`{"a":1,}`, 7, "key is missing"},
	{`{,"a":1}`, 1, "key is missing"},
	{`{"a":[1}`, 7, "comma or a closing bracket"},
	{`{"a":[1,]}`, 8, "value is missing"},
	{`{"a":[,1]}`, 6, "value is missing"},
	{`{"a":1}}`, 7, "after the end"},
	{`{"a":1}{"a":2}`, 7, "after the end"},
	{`{"a":"x}`, 8, "end of a text is missing"},
	{`{"a":"x\`, 8, "end of a text is missing"},
	{`{"a`, 3, "end of a text is missing"},
	{"{\"a\":\"x\ny\"}", 7, "control character"},
	{"{\"a\":\"\\n\x00\"}", 8, "control character"},
	{`{"a":"\x"}`, 6, "unknown escape"},
	{`{"a":"\u12g4"}`, 6, "unknown escape"},
	{`{"a":"\u12`, 6, "unknown escape"},
	{`{"a":01}`, 5, "number"},
	{`{"a":-}`, 5, "number"},
	{`{"a":1.}`, 5, "number"},
	{`{"a":1e}`, 5, "number"},
	{`{"a":1e+}`, 5, "number"},
	{`{"a":.5}`, 5, "value is missing"},
	{`{"a":+1}`, 5, "value is missing"},
	{`{"a":nul}`, 5, "value is missing"},
	{`{"a":tru`, 5, "value is missing"},
	{`{"a":falsy}`, 5, "value is missing"},
	{`{"a":1,"a":2,}`, 13, "key is missing"},
	{`{"a":` + strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth) + `}`, 5 + MaxDepth - 1, "too many levels"},
}

// It makes no difference whether a rule reads what is malformed.
func TestScanMalformed(t *testing.T) {
	for _, test := range malformed {
		for _, sc := range []*Scanner{scannerOf(false, "a", "a.b"), scannerOf(false, "z"), scannerOf(true)} {
			if _, err := sc.Scan([]byte(`{"a":1}`)); err != nil {
				t.Fatal(err)
			}
			_, err := sc.Scan([]byte(test.line))
			var e *Error
			if !errors.As(err, &e) || e.Offset != test.offset || !strings.Contains(e.Error(), test.msg) {
				t.Errorf("%q: the error is %v, want byte %d: …%s…", test.line, err, test.offset, test.msg)
			}
			if rec, err := sc.Scan([]byte(`{"b":1}`)); err != nil || len(rec.Values) > 0 && rec.Values[0] != absent {
				t.Errorf("after %q the next line has %v, %v", test.line, rec, err)
			}
		}
	}
}

func TestScanDepth(t *testing.T) {
	inner := MaxDepth - 1
	line := `{"a":` + strings.Repeat("[", inner) + "7" + strings.Repeat("]", inner) + `}`
	rec, err := scannerOf(false, "a").Scan([]byte(line))
	if err != nil || !cmp.Equal(rec.Values[0], list(number(7))) {
		t.Errorf("%d levels give %v, %v", MaxDepth, rec, err)
	}
}

// Keys that nobody asked for are learned, but not without end.
func TestLearnedKeysAreBounded(t *testing.T) {
	sc := scannerOf(false, "a")
	for i := range 10 * maxLearned {
		rec, err := sc.Scan(fmt.Appendf(nil, `{"key%d":{"k%d":1},"%0100d":2,"a":3}`, i, i, i))
		if err != nil || rec.Values[0] != number(3) {
			t.Fatalf("line %d gives %v, %v", i, rec, err)
		}
	}
	if n := len(sc.root.steps); n > maxLearned+10 {
		t.Errorf("%d keys were learned", n)
	}
	if n := len(sc.other.steps); n > maxLearned {
		t.Errorf("%d keys of objects without fields were learned", n)
	}
}

func TestScanDoesNotAllocate(t *testing.T) {
	lines := crmEvents(100)
	for _, line := range []string{
		`{"actor":[{"id":"a"},{"id":["b","\u00e4"]}],"rows":1.5,"action":[1,2,3],"object.type":"\\"}`,
		`{"unknown":{"deep":[{"er":1}]},"country":null,"time":"张静","tenant":"\ud83d\ude00"}`,
		`{"Event":{"EventData":{"action":"x","#attributes":{}},"System":{"tenant":{"#text":1}}}}`,
	} {
		lines = append(lines, []byte(line))
	}
	for _, keywords := range []bool{false, true} {
		sc := scannerOf(keywords, crmFields...)
		scan := func() {
			for _, line := range lines {
				if _, err := sc.Scan(line); err != nil {
					t.Fatal(err)
				}
			}
		}
		scan()
		if n := testing.AllocsPerRun(10, scan); n > 0 {
			t.Errorf("with keywords=%v, %d lines allocate %v times", keywords, len(lines), n)
		}
	}
}
