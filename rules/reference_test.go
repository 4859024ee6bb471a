package rules_test

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/rules"
)

// The reference is a second, naive matcher for sets of rules: no index, no
// automaton, nothing shared, everything evaluated for every rule by regular
// expressions and recursion over what was drawn.

// refItem is an item as it is written: a field, or a keyword where it is empty.
type refItem struct {
	field  string
	mods   []string
	values []any
}

type refRule struct {
	selections map[string][]refItem // each an and
	keywords   []string             // of the selection "words"
	condition  mCondition
}

func (it refItem) has(mod string) bool { return slices.Contains(it.mods, mod) }

// refValues are the values of a field, one by one.
func refValues(v event.Value) []event.Value {
	if v.Kind != event.List || len(*v.List) == 0 {
		return []event.Value{v}
	}
	var list []event.Value
	for _, x := range *v.List {
		list = append(list, refValues(x)...)
	}
	return list
}

func hasText(v event.Value) bool {
	return v.Kind != event.Absent && v.Kind != event.Null && v.Kind != event.List
}

func (r refRule) matches(rec map[string]event.Value) bool {
	holds := map[string]bool{}
	for name, items := range r.selections {
		holds[name] = true
		for _, it := range items {
			holds[name] = holds[name] && it.holds(rec)
		}
	}
	if len(r.keywords) > 0 {
		holds["words"] = false
		for _, w := range r.keywords {
			for _, leaf := range refLeaves(rec) {
				holds["words"] = holds["words"] || sigmaRegexp(w, true, true, false).MatchString(leaf.Text())
			}
		}
	}
	return r.condition.eval(holds)
}

func refLeaves(rec map[string]event.Value) []event.Value {
	var list []event.Value
	for _, v := range rec {
		for _, x := range refValues(v) {
			if hasText(x) {
				list = append(list, x)
			}
		}
	}
	return list
}

func (it refItem) holds(rec map[string]event.Value) bool {
	n := 0
	for _, want := range it.values {
		if slices.ContainsFunc(refValues(rec[it.field]), func(v event.Value) bool { return it.accepts(v, want, rec) }) {
			n++
		}
	}
	ok := n > 0
	if it.has("all") && len(it.values) > 0 {
		ok = n == len(it.values)
	}
	return ok != it.has("neq")
}

func (it refItem) accepts(v event.Value, want any, rec map[string]event.Value) bool {
	missing := v.Kind == event.Null || v.Kind == event.Absent
	switch {
	case want == nil:
		return missing
	case it.has("exists"):
		return (v.Kind != event.Absent) == want.(bool)
	case missing || v.Kind == event.List:
		return false
	case it.has("fieldref"):
		return slices.ContainsFunc(refValues(rec[want.(string)]), func(w event.Value) bool {
			return hasText(w) && it.compares(v.Text(), w.Text())
		})
	case it.has("re"):
		return regexp.MustCompile(it.flags() + want.(string)).MatchString(v.Text())
	case it.has("cidr"):
		addr, err := netip.ParseAddr(v.Str)
		return err == nil && netip.MustParsePrefix(want.(string)).Contains(addr.Unmap())
	case it.has("hour"):
		at, err := time.Parse(time.RFC3339, v.Str)
		return err == nil && it.ordered(float64(at.UTC().Hour()), float64(want.(int)))
	case it.has("gt") || it.has("gte") || it.has("lt") || it.has("lte"):
		x, err := strconv.ParseFloat(v.Text(), 64)
		w, _ := strconv.ParseFloat(fmt.Sprint(want), 64)
		return err == nil && it.ordered(x, w)
	default:
		return it.acceptsText(v.Text(), want)
	}
}

func (it refItem) flags() string {
	if it.has("i") {
		return "(?i)"
	}
	return ""
}

func (it refItem) ordered(x, want float64) bool {
	switch {
	case it.has("gt"):
		return x > want
	case it.has("gte"):
		return x >= want
	case it.has("lt"):
		return x < want
	case it.has("lte"):
		return x <= want
	default:
		return x == want
	}
}

func (it refItem) acceptsText(text string, want any) bool {
	wants := []any{want}
	if it.has("base64") {
		wants = []any{base64.StdEncoding.EncodeToString([]byte(want.(string)))}
	}
	if it.has("windash") {
		wants = nil
		for _, dash := range "-/–—―" {
			wants = append(wants, strings.ReplaceAll(want.(string), "-", string(dash)))
		}
	}
	for _, w := range wants {
		if sigmaRegexp(w, it.has("contains") || it.has("endswith"), it.has("contains") || it.has("startswith"), it.has("cased")).MatchString(text) {
			return true
		}
	}
	return false
}

// compares compares two texts as the item's shape has it. Without regard to case,
// bytes that are no UTF-8 are the replacement character, as for all comparisons.
func (it refItem) compares(text, part string) bool {
	if !it.has("cased") {
		expr := regexp.QuoteMeta(string([]rune(part)))
		if it.has("contains") || it.has("endswith") {
			expr = ".*" + expr
		}
		if it.has("contains") || it.has("startswith") {
			expr += ".*"
		}
		return regexp.MustCompile(`(?is)\A` + expr + `\z`).MatchString(text)
	}
	switch {
	case it.has("contains"):
		return strings.Contains(text, part)
	case it.has("startswith"):
		return strings.HasPrefix(text, part)
	case it.has("endswith"):
		return strings.HasSuffix(text, part)
	default:
		return text == part
	}
}

// yaml is the rule's detection.
func (r refRule) yaml() map[string]any {
	detection := map[string]any{"condition": r.condition.text(0)}
	for name, items := range r.selections {
		body := map[string]any{}
		for _, it := range items {
			body[strings.Join(append([]string{it.field}, it.mods...), "|")] = it.values
		}
		detection[name] = body
	}
	if len(r.keywords) > 0 {
		detection["words"] = r.keywords
	}
	return detection
}

// refRecord is the record as the matcher takes it.
func refRecord(values map[string]event.Value) *rules.Record {
	list := fields()
	rec := &rules.Record{Values: make([]event.Value, len(list)), Leaves: refLeaves(values)}
	for path, v := range values {
		f, _ := list.Field(path)
		rec.Values[f] = v
	}
	return rec
}
