package rules_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/crmwatch/crmwatch/event"
)

var setFields = []string{"action", "app", "country", "reason", "rows"}

// pieces are what texts are made of: letters of many cases, two that fold to
// ASCII, and what is special to Sigma, to regular expressions and to numbers.
var pieces = []string{"a", "A", "b", "k", "\u212A", "ſ", "S", "ä", "Ä", "世", "5", ".", "-", " ", "abc", "\n"}

func drawText(t *rapid.T, least, most int, more ...string) string {
	return strings.Join(rapid.SliceOfN(rapid.SampledFrom(append(more, pieces...)), least, most).Draw(t, "text"), "")
}

func draw(f func(*rapid.T) any) *rapid.Generator[any] { return rapid.Custom(f) }

// shapesOfItems are modifiers and the values that go with them.
var shapesOfItems = []struct {
	mods   []string
	values *rapid.Generator[any]
}{
	{nil, draw(func(t *rapid.T) any { return drawText(t, 0, 3, "*", "?", `\*`, `\`) })},
	{nil, rapid.SampledFrom([]any{nil, "", true, false, 5, -1, 5.5, "5", "true", "*"})},
	{[]string{"cased"}, draw(func(t *rapid.T) any { return drawText(t, 0, 3, "*", "?") })},
	{[]string{"contains"}, draw(func(t *rapid.T) any { return drawText(t, 0, 3, "*", "?") })},
	{[]string{"startswith"}, draw(func(t *rapid.T) any { return drawText(t, 1, 3, "*", "?") })},
	{[]string{"endswith"}, draw(func(t *rapid.T) any { return drawText(t, 1, 3, "*", "?") })},
	{[]string{"contains", "cased"}, draw(func(t *rapid.T) any { return drawText(t, 1, 2, "*") })},
	{[]string{"windash", "contains"}, rapid.SampledFrom([]any{" -a", " -abc", "-k"})},
	{[]string{"base64"}, rapid.SampledFrom([]any{"a", "foobar"})},
	{[]string{"re"}, rapid.SampledFrom([]any{"a", "ab+c", "^(a|abc)$", "[ab]c", "(abc|k)5?", "^$", ".*", "ä.", "(?i)K", `\d`, "(abc)*", "k?(5|)"})},
	{[]string{"re", "i"}, rapid.SampledFrom([]any{"k", "s5", "ÄB*", "(abc){1,2}"})},
	{[]string{"cidr"}, rapid.SampledFrom([]any{"10.0.0.0/8", "10.1.2.3/32", "fd00::/8"})},
	{[]string{"gt"}, rapid.SampledFrom([]any{0, 5, -1.5})},
	{[]string{"gte"}, rapid.SampledFrom([]any{0, 5, 5.5})},
	{[]string{"lt"}, rapid.SampledFrom([]any{0, 5, 5.5})},
	{[]string{"lte"}, rapid.SampledFrom([]any{0, 5, 5.5})},
	{[]string{"exists"}, rapid.SampledFrom([]any{true, false})},
	{[]string{"hour"}, rapid.SampledFrom([]any{0, 3})},
	{[]string{"hour", "gte"}, rapid.SampledFrom([]any{1, 3})},
	{[]string{"fieldref"}, rapid.SampledFrom([]any{"app", "country"})},
	{[]string{"fieldref", "contains"}, rapid.SampledFrom([]any{"app", "country"})},
	{[]string{"fieldref", "startswith", "cased"}, rapid.SampledFrom([]any{"app", "rows"})},
	{[]string{"fieldref", "endswith"}, rapid.SampledFrom([]any{"reason", "rows"})},
}

func drawRefItem(t *rapid.T) refItem {
	s := rapid.SampledFrom(shapesOfItems).Draw(t, "shape")
	it := refItem{field: rapid.SampledFrom(setFields).Draw(t, "field"), mods: slices.Clone(s.mods)}
	if it.has("exists") {
		it.values = []any{s.values.Draw(t, "value")}
		return it
	}
	for _, m := range []string{"all", "neq"} {
		if rapid.IntRange(0, 4).Draw(t, m) == 0 {
			it.mods = append(it.mods, m)
		}
	}
	it.values = rapid.SliceOfN(s.values, 1, 4).Draw(t, "values")
	return it
}

func drawRefRule(t *rapid.T) refRule {
	r := refRule{selections: map[string][]refItem{}}
	key := func(it refItem) string { return it.field + strings.Join(it.mods, "|") }
	for _, name := range []string{"sel_a", "sel_b", "filter_c", "_hidden"} {
		r.selections[name] = rapid.SliceOfNDistinct(rapid.Custom(drawRefItem), 1, 2, key).Draw(t, name)
	}
	r.condition = drawCondition(t, 2)
	if rapid.IntRange(0, 3).Draw(t, "keywords") == 0 {
		r.keywords = rapid.SliceOfN(rapid.SampledFrom([]string{"abc", "k", "5", "a*b", "true", "ä"}), 1, 2).Draw(t, "words")
		r.condition = mCondition{op: "or", args: []mCondition{r.condition, {name: "words"}}}
	}
	return r
}

// forms are texts that some comparison reads as more than a text, or almost.
var forms = []string{
	"10.1.2.3", "::ffff:10.1.2.3", "fd00::1", "10.1", "5.0", "1e3", "+5", ".5", "1e", "Zm9vYmFy",
	"2026-01-02T03:04:05Z", "2026-01-02T03:04:05+03:00", "2026-13-02T03:04:05Z", "x -abc", "x /ABC", "x –a",
}

func drawValue(t *rapid.T, depth int) event.Value {
	switch rapid.IntRange(0, 9).Draw(t, "kind") {
	case 0:
		return event.Value{}
	case 1:
		return event.NullValue()
	case 2:
		return event.IntValue(rapid.Int64Range(-2, 6).Draw(t, "int"))
	case 3:
		return event.FloatValue(rapid.SampledFrom([]float64{5, 5.5, -0.25, 1e300}).Draw(t, "float"))
	case 4:
		return event.BoolValue(rapid.Bool().Draw(t, "bool"))
	case 5:
		if depth > 0 {
			n := rapid.IntRange(0, 3).Draw(t, "length")
			list := make([]event.Value, n)
			for i := range list {
				for list[i].Kind == event.Absent {
					list[i] = drawValue(t, depth-1)
				}
			}
			return event.ListValue(list...)
		}
	case 6:
		return event.StringValue(rapid.SampledFrom(forms).Draw(t, "form"))
	}
	return event.Value{Kind: event.String, Str: drawText(t, 0, 5, "\xff", "\uFFFD", "abcabc5", strings.Repeat("abk", 8))}
}

func setYAML(t *rapid.T, set []refRule) string {
	var docs []string
	for i, r := range set {
		// JSON is YAML, without the forms of texts that YAML has beside quotes.
		text, err := json.Marshal(map[string]any{
			"title": "t", "id": fmt.Sprintf("00000000-0000-4000-8000-%012d", i+1),
			"logsource": map[string]any{"product": "crm"}, "detection": r.yaml(),
		})
		if err != nil {
			t.Fatal(err)
		}
		docs = append(docs, string(text))
	}
	return strings.Join(docs, "\n---\n")
}

// Sets of rules share predicates, postings and automata; one matcher sees many
// records, some of them twice, so nothing of a record may be left for the next.
func TestSetsMatchLikeReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.SampledFrom([]int{3, 20, 200}).Draw(t, "most")
		list := rapid.SliceOfN(rapid.Custom(drawRefRule), 1, most).Draw(t, "rules")
		text := setYAML(t, list)
		set, err := load(text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		m := set.Matcher()
		for range 8 {
			values := map[string]event.Value{}
			for _, f := range setFields {
				values[f] = drawValue(t, 2)
			}
			var want []int
			for i, r := range list {
				if r.matches(values) {
					want = append(want, i)
				}
			}
			rec := refRecord(values)
			for range rapid.IntRange(1, 3).Draw(t, "times") {
				var got []int
				for _, r := range m.Match(rec) {
					got = append(got, r.Index)
				}
				if !slices.Equal(got, want) {
					t.Fatalf("%+v matches %v, want %v\n%s", values, got, want, text)
				}
			}
		}
	})
}
