package reference

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var placeholder = regexp.MustCompile(`^%([A-Za-z0-9_][A-Za-z0-9_.-]*)%`)

// expand fills in the placeholders of a value, in every combination. What stands
// in a table is taken literally.
func (r *Rules) expand(list []token) [][]token {
	out := [][]token{nil}
	each := func(texts ...[]token) {
		var next [][]token
		for _, o := range out {
			for _, t := range texts {
				next = append(next, slices.Concat(o, t))
			}
		}
		out = next
	}
	for i := 0; i < len(list); i++ {
		if list[i].r == '\\' && i+1 < len(list) && list[i+1].r == '%' {
			i++
			each(list[i : i+1])
			continue
		}
		name := placeholder.FindStringSubmatch(runesOf(list[i:]))
		if name == nil {
			each(list[i : i+1])
			continue
		}
		var texts [][]token
		for _, s := range r.table(name[1]) {
			texts = append(texts, literal(s))
		}
		each(texts...)
		i += len(name[0]) - 1
	}
	return out
}

func runesOf(list []token) string {
	var b strings.Builder
	for _, t := range list {
		b.WriteRune(t.r)
	}
	return b.String()
}

func (r *Rules) table(name string) []string {
	values, ok := r.lookups[name]
	if !ok {
		panic(fmt.Errorf("no look-up table %q", name))
	}
	return values
}

// expressions fills in the placeholders of a regular expression.
func (r *Rules) expressions(mods []string, expr string) []string {
	if !slices.Contains(mods, "expand") {
		return []string{expr}
	}
	m := regexp.MustCompile(`%([A-Za-z0-9_][A-Za-z0-9_.-]*)%`).FindStringSubmatchIndex(expr)
	if m == nil {
		return []string{expr}
	}
	var list []string
	for _, s := range r.table(expr[m[2]:m[3]]) {
		for _, rest := range r.expressions(mods, expr[m[1]:]) {
			list = append(list, expr[:m[0]]+regexp.QuoteMeta(s)+rest)
		}
	}
	return list
}
