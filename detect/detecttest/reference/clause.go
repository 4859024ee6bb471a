package reference

import (
	"math"
	"slices"
	"strings"
	"time"
)

// clauses gives the ways in which a condition on which rules were seen holds; none
// where it is one on a number alone.
func (r *Rules) clauses(c *correlation) []clause {
	switch {
	case c.words:
		p := clauseParser{words: strings.Fields(strings.NewReplacer("(", " ( ", ")", " ) ").Replace(c.Condition.Value))}
		p.input = func(name string) int { return slices.Index(c.inputs, r.find(name)) }
		return p.or(false)
	case strings.HasPrefix(c.Type, "temporal") && len(c.bounds) == 0:
		c.bounds = []bound{{"gte", float64(len(c.inputs))}}
	}
	if c.Type != "temporal_ordered" {
		return nil
	}
	// So many of the rules, whichever, must follow each other.
	need := math.Ceil(c.bounds[0].threshold)
	if c.bounds[0].op == "gt" {
		need = math.Floor(c.bounds[0].threshold) + 1
	}
	var list []clause
	for subset := range 1 << len(c.inputs) {
		var cl clause
		for i := range c.inputs {
			if subset&(1<<i) != 0 {
				cl.with = append(cl.with, i)
			}
		}
		if float64(len(cl.with)) == need {
			list = append(list, cl)
		}
	}
	return list
}

func ruleNames(condition string) []string {
	var list []string
	for _, w := range strings.FieldsFunc(condition, func(r rune) bool { return strings.ContainsRune(" ()", r) }) {
		if w != "and" && w != "or" && w != "not" && !slices.Contains(list, w) {
			list = append(list, w)
		}
	}
	return list
}

// clauseParser reads a condition in words into the ways in which it holds, or with
// negated those in which it does not.
type clauseParser struct {
	words []string
	input func(string) int
}

func (p *clauseParser) take(w string) bool {
	if len(p.words) == 0 || p.words[0] != w {
		return false
	}
	p.words = p.words[1:]
	return true
}

func (p *clauseParser) or(negated bool) []clause {
	list := p.and(negated)
	for p.take("or") {
		list = join(list, p.and(negated), negated)
	}
	return list
}

func (p *clauseParser) and(negated bool) []clause {
	list := p.not(negated)
	for p.take("and") {
		list = join(list, p.not(negated), !negated)
	}
	return list
}

func (p *clauseParser) not(negated bool) []clause {
	if p.take("not") {
		return p.not(!negated)
	}
	if p.take("(") {
		list := p.or(negated)
		p.take(")")
		return list
	}
	i := p.input(p.words[0])
	p.words = p.words[1:]
	if negated {
		return []clause{{without: []int{i}}}
	}
	return []clause{{with: []int{i}}}
}

// join gives the ways in which one of a or one of b holds, or with both, in which
// both do.
func join(a, b []clause, both bool) []clause {
	if !both {
		return append(a, b...)
	}
	var list []clause
	for _, x := range a {
		for _, y := range b {
			c := clause{with: union(x.with, y.with), without: union(x.without, y.without)}
			if !slices.ContainsFunc(c.with, func(i int) bool { return slices.Contains(c.without, i) }) {
				list = append(list, c)
			}
		}
	}
	return list
}

func union(a, b []int) []int {
	list := slices.Concat(a, b)
	slices.Sort(list)
	return slices.Compact(list)
}

// seen are the inputs that have entries in a window.
func seen(window []*entry) []int {
	var list []int
	for _, e := range window {
		list = union(list, e.inputs)
	}
	return list
}

// clause judges one way at the instant of an entry. One with "not" looks ahead: it
// holds at the end of a window that begins with what it asks for, once it is
// known that the rest did not happen.
func (c *correlation) clause(cl clause, entries []*entry, e *entry, newest time.Time) (alert, bool) {
	from, to := e.at.Add(-c.span), e.at
	if len(cl.without) > 0 {
		from, to = e.at, e.at.Add(c.span)
		if to.After(newest) || len(inputsAt(entries, e.at, cl.with)) == 0 {
			return alert{}, false
		}
	}
	window := between(entries, from, to)
	got := seen(window)
	for _, i := range cl.with {
		if !slices.Contains(got, i) {
			return alert{}, false
		}
	}
	for _, i := range cl.without {
		if slices.Contains(got, i) {
			return alert{}, false
		}
	}
	evidence := inputsAmong(window, cl.with)
	if c.Type == "temporal_ordered" {
		var ok bool
		if evidence, ok = sequence(window, cl.with); !ok {
			return alert{}, false
		}
	}
	value := float64(len(got))
	return newAlert(e, to, value, evidence), c.words || c.holds(value)
}

// inputsAmong are the entries of a window that belong to one of the inputs.
func inputsAmong(window []*entry, inputs []int) []*entry {
	return slices.DeleteFunc(slices.Clone(window), func(e *entry) bool {
		return !slices.ContainsFunc(e.inputs, func(i int) bool { return slices.Contains(inputs, i) })
	})
}

func inputsAt(entries []*entry, at time.Time, inputs []int) []*entry {
	return inputsAmong(between(entries, at, at), inputs)
}

// sequence takes the first entries of the first input, of the next one after them
// the first, and so on; equal times are no order.
func sequence(window []*entry, order []int) (chosen []*entry, ok bool) {
	var after time.Time
	for k, i := range order {
		ok = false
		for _, e := range inputsAmong(window, []int{i}) {
			if k > 0 && !e.at.After(after) {
				continue
			}
			chosen = append(chosen, inputsAt(window, e.at, []int{i})...)
			after, ok = e.at, true
			break
		}
		if !ok {
			return nil, false
		}
	}
	return chosen, true
}
