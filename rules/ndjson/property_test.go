package ndjson

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/crmwatch/crmwatch/event"
)

// writer writes random JSON. It has few keys, so that spellings and duplicates
// meet, and notes the scalars that it wrote.
type writer struct {
	t      *rapid.T
	out    strings.Builder
	leaves []any
}

func (w *writer) raw(s string) { w.out.WriteString(s) }

func (w *writer) blank() {
	w.raw(rapid.SampledFrom([]string{"", "", "", " ", "\t", "\r\n  "}).Draw(w.t, "blank"))
}

func (w *writer) object(depth int) {
	w.members(depth, "{", "}", func() {
		w.raw(rapid.SampledFrom([]string{`"a"`, `"b"`, `"c"`, `"a.b"`, `"b.c"`, `"a.b.c"`, `"b.a"`, `"\u0061"`, `"z"`, `"a long key of nobody's"`}).Draw(w.t, "key"))
		w.blank()
		w.raw(":")
		w.blank()
		w.value(depth)
	})
}

func (w *writer) members(depth int, open, end string, member func()) {
	w.raw(open)
	w.blank()
	for i := range rapid.IntRange(0, 4).Draw(w.t, "members") {
		if i > 0 {
			w.raw(",")
			w.blank()
		}
		member()
		w.blank()
	}
	w.raw(end)
}

func (w *writer) value(depth int) {
	kind := rapid.IntRange(0, 9).Draw(w.t, "kind")
	switch {
	case kind < 4 && depth > 0:
		w.object(depth - 1)
	case kind < 6 && depth > 0:
		w.members(depth-1, "[", "]", func() { w.value(depth - 1) })
	default:
		w.scalar(kind)
	}
}

func (w *writer) scalar(kind int) {
	var raw string
	switch kind {
	case 6:
		raw = rapid.StringMatching(`-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,3})?([eE][+-]?[0-9]{1,3})?`).Draw(w.t, "number")
	case 7:
		raw = rapid.SampledFrom([]string{"true", "false", "null"}).Draw(w.t, "word")
	case 8:
		raw = `"` + rapid.StringMatching(`([ -!#-\[\]-~ä张]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4}|\\ud83d\\ude0[0-9a-f]){0,20}`).Draw(w.t, "escapes") + `"`
	default:
		text, err := json.Marshal(rapid.String().Draw(w.t, "text"))
		if err != nil {
			w.t.Fatal(err)
		}
		raw = string(text)
	}
	w.raw(raw)
	var v any
	d := json.NewDecoder(strings.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		w.t.Fatalf("%s: %v", raw, err)
	}
	if v != nil {
		w.leaves = append(w.leaves, v)
	}
}

// One scanner after the other reads random lines, and finds in each what a look-up
// in a tree finds.
func TestScanIsALookUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[abc](\.[abc]){0,3}`)
		names := rapid.SliceOfNDistinct(name, 1, 5, rapid.ID).Draw(t, "names")
		sc := scannerOf(true, names...)
		for range rapid.IntRange(1, 5).Draw(t, "lines") {
			w := writer{t: t}
			w.object(4)
			checkScan(t, sc, w.out.String(), names)
			checkLeaves(t, sc, w.out.String(), w.leaves)
		}
	})
}

type tester interface {
	Helper()
	Fatalf(format string, args ...any)
}

func checkScan(t tester, sc *Scanner, line string, names []string) {
	t.Helper()
	rec, err := sc.Scan([]byte(line))
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	want, err := naive([]byte(line), names)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	if diff := cmp.Diff(want, rec.Values, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%v in %s (-want +got):\n%s", names, line, diff)
	}
}

func checkLeaves(t tester, sc *Scanner, line string, leaves []any) {
	t.Helper()
	rec, err := sc.Scan([]byte(line))
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	var want []event.Value
	for _, leaf := range leaves {
		want = append(want, naiveScalar(leaf))
	}
	if diff := cmp.Diff(want, rec.Leaves, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("leaves of %s (-want +got):\n%s", line, diff)
	}
}

// Scan accepts what encoding/json accepts, within its limits, and finds there
// what a look-up finds.
func FuzzScan(f *testing.F) {
	for _, test := range malformed {
		f.Add([]byte(test.line))
	}
	for _, line := range crmEvents(3) {
		f.Add(line)
	}
	f.Add([]byte(`{"a":{"b":{"c":1}},"a.b":{"c":[2,{}]},"a.b":{},"a.b.c":"\ud83d\u0041x"}`))
	f.Add([]byte("{\"a\" : -1.5e3,\r\n \"b\":\"\xff\\n\", \"\\u0061\":[[null],true]}"))
	names := []string{"a", "a.b", "a.b.c", "b", "action", "actor.id"}
	f.Fuzz(func(t *testing.T, line []byte) {
		sc := scannerOf(false, names...)
		if _, err := sc.Scan([]byte(`{"a":1,"b":{"a":2},"a.b":{"c":3}}`)); err != nil {
			t.Fatal(err)
		}
		start := strings.TrimLeft(string(line), " \t\r\n")
		want := json.Valid(line) && strings.HasPrefix(start, "{") && levels(line) <= MaxDepth
		for range 2 {
			if _, err := sc.Scan(line); (err == nil) != want {
				t.Fatalf("%q: accepted is %v, want %v (%v)", line, err == nil, want, err)
			}
			if want {
				checkScan(t, sc, string(line), names)
			}
		}
	})
}
