package reference

import (
	"cmp"
	"fmt"
	"math/big"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// detection gives what evaluates a map of selections and a condition.
func (r *Rules) detection(n *yaml.Node) func(record) bool {
	selections := map[string]func(record) bool{}
	var names, conditions []string
	for i := 0; i < len(n.Content); i += 2 {
		switch key, v := n.Content[i].Value, n.Content[i+1]; {
		case key == "condition" && v.Kind == yaml.SequenceNode:
			must(v.Decode(&conditions))
		case key == "condition":
			conditions = []string{v.Value}
		case key == "rules" && !isSelection(v):
		default:
			names = append(names, key)
			selections[key] = r.selection(v)
		}
	}
	name := func(s string) func(record) bool {
		if selections[s] == nil {
			panic(fmt.Errorf("no selection %q", s))
		}
		return selections[s]
	}
	var alternatives []func(record) bool
	for _, c := range conditions {
		alternatives = append(alternatives, condition(c, names, name))
	}
	return anyOf(alternatives)
}

// isSelection tells a selection "rules" from the rules of a filter.
func isSelection(n *yaml.Node) bool { return n.Kind == yaml.MappingNode }

func anyOf(list []func(record) bool) func(record) bool {
	return func(rec record) bool {
		return slices.ContainsFunc(list, func(e func(record) bool) bool { return e(rec) })
	}
}

func allOf(list []func(record) bool) func(record) bool {
	return func(rec record) bool {
		return !slices.ContainsFunc(list, func(e func(record) bool) bool { return !e(rec) })
	}
}

// selection is a map, of which all hold, or a list, of which one does, or keywords.
func (r *Rules) selection(n *yaml.Node) func(record) bool {
	var list []func(record) bool
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i < len(n.Content); i += 2 {
			list = append(list, r.item(n.Content[i].Value, n.Content[i+1]))
		}
		return allOf(list)
	case yaml.SequenceNode:
		for _, c := range n.Content {
			list = append(list, r.selection(c))
		}
		return anyOf(list)
	default:
		return r.item("", n)
	}
}

// value is what one value of an item is compared by: all that is there under the
// field.
type value func(record, field) bool

// item is "field|modifiers: values".
func (r *Rules) item(key string, n *yaml.Node) func(record) bool {
	mods := strings.Split(key, "|")
	path := mods[0]
	mods = mods[1:]
	var values []value
	for _, c := range scalarNodes(n) {
		values = append(values, r.values(path, mods, c)...)
	}
	all, neq := slices.Contains(mods, "all"), slices.Contains(mods, "neq")
	return func(rec record) bool {
		f := field{exists: true, values: leaves(rec)}
		if path != "" {
			f = rec.field(path)
		}
		holds := func(v value) bool { return v(rec, f) }
		fails := func(v value) bool { return !v(rec, f) }
		found := slices.ContainsFunc(values, holds)
		if all {
			found = !slices.ContainsFunc(values, fails)
		}
		return found != neq
	}
}

var leadingZero = regexp.MustCompile(`^[-+]?0[0-9]+$`)

// tagOf is the YAML tag of a scalar. 08 is no octal number, and so a text.
func tagOf(n *yaml.Node) string {
	if tag := n.ShortTag(); tag != "!!float" || !leadingZero.MatchString(n.Value) {
		return tag
	}
	return "!!str"
}

func scalarNodes(n *yaml.Node) []*yaml.Node {
	if n.Kind == yaml.SequenceNode {
		return n.Content
	}
	return []*yaml.Node{n}
}

// has holds where one of the scalars of a field passes a test; null passes none.
func has(test func(any) bool) value {
	return func(_ record, f field) bool {
		return slices.ContainsFunc(f.values, func(v any) bool { return v != nil && test(v) })
	}
}

// values gives what one value in a rule is compared by; several where it has
// placeholders.
func (r *Rules) values(path string, mods []string, n *yaml.Node) []value {
	one := func(v value) []value { return []value{v} }
	is := func(name string) bool { return slices.Contains(mods, name) }
	switch {
	case tagOf(n) == "!!null":
		return one(func(_ record, f field) bool { return !f.exists || slices.Contains(f.values, nil) })
	case is("exists"):
		return one(func(_ record, f field) bool { return f.exists == (n.Value == "true") })
	case is("fieldref"):
		return one(reference(n.Value, mods))
	case timePart(mods) != nil:
		return one(has(timeTest(mods, n)))
	case order(mods) != nil:
		return one(has(orderTest(mods, n)))
	case is("cidr"):
		return one(has(cidrTest(n.Value)))
	case is("re"):
		var list []value
		for _, expr := range r.expressions(mods, n.Value) {
			list = append(list, has(regexTest(mods, expr)))
		}
		return list
	}
	var list []value
	for _, pattern := range r.patterns(path, mods, n) {
		list = append(list, has(func(v any) bool {
			s, ok := text(v)
			return ok && glob(pattern, []rune(s), is("cased"))
		}))
	}
	if is("expand") {
		return list
	}
	return one(func(rec record, f field) bool {
		return slices.ContainsFunc(list, func(v value) bool { return v(rec, f) })
	})
}

// patterns gives the patterns that a value stands for.
func (r *Rules) patterns(path string, mods []string, n *yaml.Node) [][]token {
	lists := [][]token{tokens(n.Value)}
	switch tagOf(n) {
	case "!!int", "!!float":
		lists = [][]token{literal(numberLiteral(n))}
	case "!!bool":
		lists = [][]token{literal(strings.ToLower(n.Value))}
	}
	shape := ""
	if path == "" {
		shape = "contains"
	}
	var encodings []string
	for _, m := range mods {
		switch m {
		case "expand":
			lists = r.expand(lists[0])
		case "windash":
			for i := range lists {
				lists[i] = windash(lists[i])
			}
		case "base64", "base64offset", "wide", "utf16le", "utf16be", "utf16":
			encodings = append(encodings, m)
		case "contains", "startswith", "endswith":
			shape = m
		}
	}
	if len(encodings) > 0 {
		lists = encoded(lists, encodings)
	}
	for i := range lists {
		lists[i] = shaped(lists[i], shape)
	}
	return lists
}

func encoded(lists [][]token, encodings []string) [][]token {
	var texts []string
	for _, l := range lists {
		texts = append(texts, plain(l))
	}
	for _, name := range encodings {
		var next []string
		for _, s := range texts {
			next = append(next, encode(s, name)...)
		}
		texts = next
	}
	lists = nil
	for _, s := range texts {
		lists = append(lists, literal(s))
	}
	return lists
}

func shaped(list []token, shape string) []token {
	anything := token{'*', true}
	if shape == "contains" || shape == "endswith" {
		list = append([]token{anything}, list...)
	}
	if shape == "contains" || shape == "startswith" {
		list = append(slices.Clone(list), anything)
	}
	return list
}

func numberLiteral(n *yaml.Node) string {
	var i int64
	if tagOf(n) == "!!int" && n.Decode(&i) == nil {
		return fmt.Sprint(i)
	}
	return numberText(n.Value)
}

func numberOf(n *yaml.Node) float64 {
	var f float64
	must(n.Decode(&f))
	return f
}

// order gives what must hold of the comparison of two numbers, -1, 0 or 1.
func order(mods []string) func(c int) bool {
	for _, m := range mods {
		switch m {
		case "lt":
			return func(c int) bool { return c < 0 }
		case "lte":
			return func(c int) bool { return c <= 0 }
		case "gt":
			return func(c int) bool { return c > 0 }
		case "gte":
			return func(c int) bool { return c >= 0 }
		}
	}
	return nil
}

func orderTest(mods []string, n *yaml.Node) func(any) bool {
	var whole int64
	limit := big.NewFloat(numberOf(n))
	if n.ShortTag() == "!!int" && n.Decode(&whole) == nil {
		limit = new(big.Float).SetInt64(whole)
	}
	return func(v any) bool {
		f, ok := number(v)
		if !ok {
			return false
		}
		x := big.NewFloat(f)
		if i, err := strconv.ParseInt(fmt.Sprint(v), 10, 64); err == nil {
			x = new(big.Float).SetInt64(i)
		}
		return order(mods)(x.Cmp(limit))
	}
}

func timePart(mods []string) func(time.Time) int {
	for _, m := range mods {
		switch m {
		case "minute":
			return time.Time.Minute
		case "hour":
			return time.Time.Hour
		case "day":
			return time.Time.Day
		case "week":
			return func(t time.Time) int { _, week := t.ISOWeek(); return week }
		case "month":
			return func(t time.Time) int { return int(t.Month()) }
		case "year":
			return time.Time.Year
		}
	}
	return nil
}

func timeTest(mods []string, n *yaml.Node) func(any) bool {
	want := numberOf(n)
	return func(v any) bool {
		s, _ := v.(string)
		at, err := time.Parse(time.RFC3339, s)
		if err != nil {
			return false
		}
		part := float64(timePart(mods)(at.UTC()))
		if holds := order(mods); holds != nil {
			return holds(cmp.Compare(part, want))
		}
		return part == want
	}
}

func cidrTest(network string) func(any) bool {
	prefix, err := netip.ParsePrefix(network)
	if addr, addrErr := netip.ParseAddr(network); addrErr == nil {
		prefix, err = netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	must(err)
	if addr := prefix.Addr(); addr.Is4In6() {
		prefix = netip.PrefixFrom(addr.Unmap(), prefix.Bits()-96)
	}
	return func(v any) bool {
		s, _ := v.(string)
		addr, err := netip.ParseAddr(s)
		return err == nil && prefix.Contains(addr.Unmap())
	}
}

func regexTest(mods []string, expr string) func(any) bool {
	flags := ""
	for _, m := range mods {
		switch m {
		case "i", "ignorecase":
			flags += "i"
		case "m", "multiline":
			flags += "m"
		case "s", "dotall":
			flags += "s"
		}
	}
	if flags != "" {
		expr = "(?" + flags + ")" + expr
	}
	re, err := regexp.Compile(expr)
	must(err)
	return func(v any) bool { s, ok := text(v); return ok && re.MatchString(s) }
}

// reference compares a field with another one, as texts.
func reference(path string, mods []string) value {
	shape := ""
	for _, m := range mods {
		if m == "contains" || m == "startswith" || m == "endswith" {
			shape = m
		}
	}
	return func(rec record, f field) bool {
		for _, v := range f.values {
			for _, w := range rec.field(path).values {
				s, ok := text(v)
				part, otherOK := text(w)
				if ok && otherOK && glob(shaped(literal(part), shape), []rune(s), slices.Contains(mods, "cased")) {
					return true
				}
			}
		}
		return false
	}
}
