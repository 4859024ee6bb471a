package rules_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"
)

// The model is a second, naive implementation of Sigma: it keeps rules as they
// are drawn, writes them as YAML for the compiler, and evaluates them by regular
// expressions and recursion. The two share nothing but this file's records.

type mItem struct {
	field string
	mods  []string
	vals  []any
}

type mSelection struct {
	name string
	maps [][]mItem // a list of maps
}

// mCondition is a name, or an operator with its operands.
type mCondition struct {
	op   string // "", and, or, not, any, all
	name string
	args []mCondition
}

var modelFields = []string{"action", "app", "country", "rows", "local.off_hours"}

func drawItem(t *rapid.T) mItem {
	it := mItem{field: rapid.SampledFrom(modelFields).Draw(t, "field")}
	text := rapid.Custom(func(t *rapid.T) any {
		return rapid.StringOfN(rapid.SampledFrom([]rune("aAbB5*?\\Ää")), 1, 5, -1).Draw(t, "text")
	})
	number := rapid.Custom(func(t *rapid.T) any { return rapid.IntRange(-6, 56).Draw(t, "number") })
	scalar := rapid.OneOf(text, number, rapid.SampledFrom([]any{true, false, nil, ""}))
	values := scalar
	switch compare := rapid.SampledFrom([]string{"", "", "contains", "startswith", "endswith", "gte", "lt", "exists"}).Draw(t, "compare"); compare {
	case "":
	case "gte", "lt":
		values, it.mods = number, append(it.mods, compare)
	case "exists":
		it.mods, it.vals = append(it.mods, compare), []any{rapid.Bool().Draw(t, "exists")}
		return it
	default:
		values, it.mods = rapid.OneOf(text, number), append(it.mods, compare)
		if rapid.Bool().Draw(t, "cased") {
			it.mods = append(it.mods, "cased")
		}
	}
	for _, m := range []string{"all", "neq"} {
		if rapid.IntRange(0, 3).Draw(t, m) == 0 {
			it.mods = append(it.mods, m)
		}
	}
	it.vals = rapid.SliceOfN(values, 1, 3).Draw(t, "values")
	return it
}

func drawSelection(t *rapid.T, name string) mSelection {
	maps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) []mItem {
		// A key that is there twice would be an error.
		key := func(it mItem) string { return it.field + strings.Join(it.mods, "|") }
		return rapid.SliceOfNDistinct(rapid.Custom(drawItem), 1, 3, key).Draw(t, "items")
	}), 1, 2).Draw(t, "maps")
	return mSelection{name, maps}
}

var modelNames = []string{"sel_a", "sel_b", "filter_c", "_hidden"}

func drawCondition(t *rapid.T, depth int) mCondition {
	op := "name"
	if depth > 0 {
		op = rapid.SampledFrom([]string{"name", "and", "or", "not", "any", "all"}).Draw(t, "op")
	}
	switch op {
	case "and", "or":
		n := rapid.IntRange(2, 3).Draw(t, "operands")
		c := mCondition{op: op}
		for range n {
			c.args = append(c.args, drawCondition(t, depth-1))
		}
		return c
	case "not":
		return mCondition{op: op, args: []mCondition{drawCondition(t, depth-1)}}
	case "any", "all":
		return mCondition{op: op, name: rapid.SampledFrom([]string{"them", "sel*", "*_*", "_h*", "filter_c"}).Draw(t, "target")}
	default:
		return mCondition{name: rapid.SampledFrom(modelNames).Draw(t, "name")}
	}
}

// text writes the condition with parentheses only where its operators need them.
func (c mCondition) text(outer int) string {
	binds := map[string]int{"or": 1, "and": 2, "not": 3}[c.op]
	var s string
	switch c.op {
	case "":
		return c.name
	case "any":
		return "1 of " + c.name
	case "all":
		return "all of " + c.name
	case "not":
		s = "not " + c.args[0].text(binds)
	default:
		var parts []string
		for _, a := range c.args {
			parts = append(parts, a.text(binds+1))
		}
		s = strings.Join(parts, " "+c.op+" ")
	}
	if binds < outer {
		return "(" + s + ")"
	}
	return s
}

func (c mCondition) eval(holds map[string]bool) bool {
	switch c.op {
	case "":
		return holds[c.name]
	case "not":
		return !c.args[0].eval(holds)
	case "and", "or":
		n := 0
		for _, a := range c.args {
			if a.eval(holds) {
				n++
			}
		}
		return c.op == "and" && n == len(c.args) || c.op == "or" && n > 0
	default:
		n, total := 0, 0
		for name, h := range holds {
			if !regexp.MustCompile("^"+strings.ReplaceAll(strings.ReplaceAll(c.name, "them", "*"), "*", ".*")+"$").MatchString(name) ||
				name[0] == '_' && c.name[0] != '_' {
				continue
			}
			total++
			if h {
				n++
			}
		}
		return c.op == "all" && n == total || c.op == "any" && n > 0
	}
}

func (s mSelection) eval(rec map[string]any) bool {
	for _, m := range s.maps {
		all := true
		for _, it := range m {
			all = all && it.eval(rec)
		}
		if all {
			return true
		}
	}
	return false
}

func (it mItem) eval(rec map[string]any) bool {
	has := func(m string) bool { return strings.Contains("|"+strings.Join(it.mods, "|")+"|", "|"+m+"|") }
	got, present := rec[it.field]
	n := 0
	for _, want := range it.vals {
		var ok bool
		switch {
		case has("exists"):
			ok = present == want.(bool)
		case want == nil:
			ok = !present
		case !present:
		case has("gte") || has("lt"):
			x, err := strconv.ParseFloat(fmt.Sprint(got), 64)
			ok = err == nil && (x >= float64(want.(int))) == has("gte")
		default:
			ok = sigmaRegexp(want, has("contains") || has("endswith"), has("contains") || has("startswith"), has("cased")).MatchString(fmt.Sprint(got))
		}
		if ok {
			n++
		}
	}
	ok := n > 0
	if has("all") {
		ok = n == len(it.vals)
	}
	return ok != has("neq")
}

var sigmaToken = regexp.MustCompile(`(?s)\\[\\*?]|.`)

// sigmaRegexp writes a Sigma string as a regular expression.
func sigmaRegexp(want any, before, after, cased bool) *regexp.Regexp {
	expr := sigmaToken.ReplaceAllStringFunc(fmt.Sprint(want), func(s string) string {
		switch {
		case s == "*":
			return ".*"
		case s == "?":
			return "."
		case len(s) == 2 && s[0] == '\\':
			return regexp.QuoteMeta(s[1:])
		default:
			return regexp.QuoteMeta(s)
		}
	})
	if before {
		expr = ".*" + expr
	}
	if after {
		expr += ".*"
	}
	flags := "(?is)"
	if cased {
		flags = "(?s)"
	}
	return regexp.MustCompile(flags + `\A(?:` + expr + `)\z`)
}

func (s mSelection) yaml() any {
	var list []any
	for _, m := range s.maps {
		entries := map[string]any{}
		for _, it := range m {
			key := strings.Join(append([]string{it.field}, it.mods...), "|")
			entries[key] = it.vals
			if len(it.vals) == 1 {
				entries[key] = it.vals[0]
			}
		}
		list = append(list, entries)
	}
	if len(list) == 1 {
		return list[0]
	}
	return list
}

func drawRecord(t *rapid.T) map[string]any {
	text := rapid.StringOfN(rapid.SampledFrom([]rune("aAbB5*\\ä")), 0, 5, -1)
	rec := map[string]any{}
	for _, f := range modelFields {
		if rapid.IntRange(0, 3).Draw(t, "absent "+f) == 0 {
			continue
		}
		switch f {
		case "rows":
			rec[f] = rapid.IntRange(-6, 56).Draw(t, f)
		case "local.off_hours":
			rec[f] = rapid.Bool().Draw(t, f)
		default:
			rec[f] = text.Draw(t, f)
		}
	}
	return rec
}

func TestCompiledMatchesLikeModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		detection := map[string]any{}
		var selections []mSelection
		for _, name := range modelNames {
			s := drawSelection(t, name)
			selections = append(selections, s)
			detection[name] = s.yaml()
		}
		cond := drawCondition(t, 3)
		detection["condition"] = cond.text(0)
		text, err := yaml.Marshal(map[string]any{
			"title": "t", "id": "00000000-0000-4000-8000-000000000001",
			"logsource": map[string]any{"product": "crm"}, "detection": detection,
		})
		if err != nil {
			t.Fatal(err)
		}
		set, err := load(string(text))
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		for range 4 {
			rec := drawRecord(t)
			holds := map[string]bool{}
			for _, s := range selections {
				holds[s.name] = s.eval(rec)
			}
			var pairs []any
			for f, v := range rec {
				pairs = append(pairs, f, v)
			}
			if got, want := len(set.Matcher().Match(newRecord(pairs...))) == 1, cond.eval(holds); got != want {
				t.Fatalf("%v matches: %v, want %v\n%s", rec, got, want, text)
			}
		}
	})
}
