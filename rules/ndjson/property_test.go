package ndjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/rules"
)

// find is the definition of what a path names, in so many words: the longest key
// first, and through arrays what each element has.
func find(v any, names []string) (event.Value, bool) {
	if len(names) == 0 {
		return valueOf(v), true
	}
	switch v := v.(type) {
	case map[string]any:
		for k := len(names); k > 0; k-- {
			if content, ok := v[strings.Join(names[:k], ".")]; ok {
				if found, ok := find(content, names[k:]); ok {
					return found, true
				}
			}
		}
	case []any:
		list, exists := []event.Value{}, false
		for _, element := range v {
			if found, ok := find(element, names); ok {
				exists = true
				list = append(list, flat(found)...)
			}
		}
		return event.ListValue(list...), exists
	}
	return event.Value{}, false
}

func flat(v event.Value) []event.Value {
	if v.Kind == event.List {
		return *v.List
	}
	return []event.Value{v}
}

func valueOf(v any) event.Value {
	switch v := v.(type) {
	case nil:
		return event.NullValue()
	case string:
		return event.Value{Kind: event.String, Str: v}
	case bool:
		return event.BoolValue(v)
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return event.IntValue(n)
		}
		if f, err := v.Float64(); err == nil && strings.ContainsAny(v.String(), ".eE") {
			return event.FloatValue(f)
		}
		return event.Value{Kind: event.String, Str: v.String()}
	case []any:
		var list []event.Value
		for _, element := range v {
			list = append(list, flat(valueOf(element))...)
		}
		return event.ListValue(list...)
	default:
		return event.ListValue()
	}
}

// jsonText draws a JSON value as text. Names are few, so that paths meet, come
// twice, and lead through everything.
func jsonText(t *rapid.T, depth int) string {
	kinds := []string{"string", "number", "word", "object", "object", "array"}
	if depth > 4 {
		kinds = kinds[:3]
	}
	space := rapid.SampledFrom([]string{"", "", "", " ", "\t\n"})
	switch rapid.SampledFrom(kinds).Draw(t, "kind") {
	case "string":
		text, _ := json.Marshal(rapid.String().Draw(t, "string"))
		return string(text)
	case "number":
		return rapid.SampledFrom([]string{"0", "-0", "7", "-12", "1.0", "2.5", "1e2", "9223372036854775807", "9223372036854775808", "-99999999999999999999", "1e999"}).Draw(t, "number")
	case "word":
		return rapid.SampledFrom([]string{"true", "false", "null"}).Draw(t, "word")
	case "array":
		var parts []string
		for range rapid.IntRange(0, 3).Draw(t, "elements") {
			parts = append(parts, space.Draw(t, "space")+jsonText(t, depth+1))
		}
		return "[" + strings.Join(parts, ",") + space.Draw(t, "space") + "]"
	}
	var parts []string
	for range rapid.IntRange(0, 4).Draw(t, "members") {
		key := rapid.SampledFrom([]string{`"a"`, `"b"`, `"c"`, `"a.b"`, `"b.c"`, `"a.b.c"`, `"\u0061"`, `"x"`, `""`}).Draw(t, "key")
		parts = append(parts, space.Draw(t, "space")+key+space.Draw(t, "space")+":"+space.Draw(t, "space")+jsonText(t, depth+1))
	}
	return "{" + strings.Join(parts, ",") + space.Draw(t, "space") + "}"
}

// TestLikeEncodingJSON reads lines one after the other with one scanner, because
// what it remembers of the ones before must not show.
func TestLikeEncodingJSON(t *testing.T) {
	t.Parallel()
	paths := []string{"a", "a.b", "a.b.c", "b.c", "c", "b", "a.b.c.a", ".a"}
	rapid.Check(t, func(t *rapid.T) {
		sc := schemaOf(paths...).Scanner(rapid.Bool().Draw(t, "keywords"))
		var rec rules.Record
		for range 4 {
			line := jsonText(t, 0)
			if err := sc.Scan([]byte(line), &rec); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			tree := decode(t, line)
			for i, path := range paths {
				want, exists := find(tree, strings.Split(path, "."))
				if !exists {
					want = event.Value{}
				}
				if diff := cmp.Diff(want, rec.Values[i], cmpopts.EquateEmpty()); diff != "" {
					t.Fatalf("%s of %s (-want +got):\n%s", path, line, diff)
				}
			}
			checkLeaves(t, sc.keywords, tree, rec.Leaves)
		}
	})
}

func decode(t *rapid.T, line string) any {
	dec := json.NewDecoder(strings.NewReader(line))
	dec.UseNumber()
	var tree any
	if err := dec.Decode(&tree); err != nil {
		t.Fatal(err)
	}
	return tree
}

// checkLeaves holds the leaves to what the line has. Those that a later key
// replaces are among them, so that they may be more.
func checkLeaves(t *rapid.T, keywords bool, tree any, leaves []event.Value) {
	if !keywords {
		if len(leaves) > 0 {
			t.Fatalf("leaves without keywords: %v", leaves)
		}
		return
	}
	for _, want := range leavesOf(tree) {
		if !slices.Contains(leaves, want) {
			t.Fatalf("%v is not among the leaves %v", want, leaves)
		}
	}
}

func leavesOf(v any) []event.Value {
	var children []any
	switch v := v.(type) {
	case nil:
		return nil
	case map[string]any:
		children = slices.Collect(maps.Values(v))
	case []any:
		children = v
	default:
		return []event.Value{valueOf(v)}
	}
	var leaves []event.Value
	for _, c := range children {
		leaves = append(leaves, leavesOf(c)...)
	}
	return leaves
}

// FuzzScan holds what is accepted to encoding/json, whether fields want it or not.
func FuzzScan(f *testing.F) {
	for _, line := range []string{
		`{"a":{"b":[1,{"c":"\ud83d\ude00"}]},"a.b":null}`, `{"a":1,"a":[{}]}`, `{"Event":{"System":{"EventID":{"#text":1}},"UserData":{"x":{"a":1}}}}`,
		`[[[[1e5]]]]`, `{"a":"\u00`, `"\\"`, "{\"a\":\"12345678\x01\"}", `-0.0e-1`, `{"":{"":0}}`,
	} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		for _, sc := range []*Scanner{
			schemaOf().Scanner(false), schemaOf("a", "a.b", "a.b.c", "b", "EventID").Scanner(false), schemaOf("a", "a.b.c").Scanner(true),
		} {
			var rec rules.Record
			for range 2 { // the second time the scanner knows the line's shape
				checkAccepts(t, line, sc.Scan(line, &rec))
			}
		}
	})
}

func checkAccepts(t *testing.T, line []byte, err error) {
	t.Helper()
	var e *Error
	if errors.As(err, &e) && e.Offset > len(line) {
		t.Errorf("%q: offset %d is beyond the line", line, e.Offset)
	}
	deep := bytes.Count(line, []byte("["))+bytes.Count(line, []byte("{")) > maxDepth
	if valid := json.Valid(line); valid != (err == nil) && (!valid || !deep) {
		t.Errorf("%s: %v, but json.Valid says %t", strconv.Quote(string(line)), err, valid)
	}
}
