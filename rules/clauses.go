package rules

import (
	"fmt"
	"slices"
)

// maxClauses bounds a condition in words once it is written out.
const maxClauses = 64

// quantifierIn finds a "1 of" or "all of" in a condition.
func quantifierIn(e expr) (quantExpr, bool) {
	switch e := e.(type) {
	case quantExpr:
		return e, true
	case notExpr:
		return quantifierIn(e.x)
	case andExpr:
		return firstQuantifier(e)
	case orExpr:
		return firstQuantifier(e)
	default:
		return quantExpr{}, false
	}
}

func firstQuantifier(list []expr) (quantExpr, bool) {
	for _, e := range list {
		if q, ok := quantifierIn(e); ok {
			return q, true
		}
	}
	return quantExpr{}, false
}

// namesIn lists the names in a condition, each once, in their order.
func namesIn(e expr) []string {
	var names []string
	collectNames(e, &names)
	return names
}

func collectNames(e expr, names *[]string) {
	each := func(list []expr) {
		for _, x := range list {
			collectNames(x, names)
		}
	}
	switch e := e.(type) {
	case nameExpr:
		if !slices.Contains(*names, string(e)) {
			*names = append(*names, string(e))
		}
	case notExpr:
		collectNames(e.x, names)
	case andExpr:
		each(e)
	case orExpr:
		each(e)
	}
}

// clausesOf writes a condition in disjunctive normal form. Inputs says which input
// a name is.
func clausesOf(e expr, inputs map[string]int) ([]Clause, error) {
	clauses, err := normalForm(e, false, inputs)
	switch {
	case err != nil:
		return nil, err
	case len(clauses) == 0:
		return nil, fmt.Errorf("condition never holds: it asks for a rule and its opposite")
	case slices.ContainsFunc(clauses, func(c Clause) bool { return c.With == 0 }):
		return nil, fmt.Errorf("condition can hold where nothing happened; say with every \"not\" which rule must have been seen: \"a and not b\"")
	}
	return clauses, nil
}

// normalForm gives the ways in which a condition holds, or with negated those in
// which it does not.
func normalForm(e expr, negated bool, inputs map[string]int) ([]Clause, error) {
	switch e := e.(type) {
	case notExpr:
		return normalForm(e.x, !negated, inputs)
	case andExpr:
		return joined(e, negated, !negated, inputs)
	case orExpr:
		return joined(e, negated, negated, inputs)
	default:
		bit := uint64(1) << inputs[e.String()]
		if negated {
			return []Clause{{Without: bit}}, nil
		}
		return []Clause{{With: bit}}, nil
	}
}

// joined gives the ways in which all operands hold, or one of them.
func joined(operands []expr, negated, all bool, inputs map[string]int) ([]Clause, error) {
	var clauses []Clause
	if all {
		clauses = []Clause{{}}
	}
	for _, x := range operands {
		more, err := normalForm(x, negated, inputs)
		if err != nil {
			return nil, err
		}
		if all {
			clauses = product(clauses, more)
		} else {
			clauses = union(clauses, more)
		}
		if len(clauses) > maxClauses {
			return nil, fmt.Errorf("condition holds in more than %d ways; write several correlations", maxClauses)
		}
	}
	return clauses, nil
}

// product gives the ways in which one of a and one of b hold together, without
// those that contradict themselves.
func product(a, b []Clause) []Clause {
	var out []Clause
	for _, x := range a {
		for _, y := range b {
			c := Clause{With: x.With | y.With, Without: x.Without | y.Without}
			if c.With&c.Without == 0 {
				out = union(out, []Clause{c})
			}
		}
	}
	return out
}

func union(a, b []Clause) []Clause {
	for _, c := range b {
		if !slices.Contains(a, c) {
			a = append(a, c)
		}
	}
	return a
}
