package rules

import (
	"math"

	"go.yaml.in/yaml/v3"
)

// lower reports whether the bound is one from below.
func (b Bound) lower() bool { return b.Op == GT || b.Op == GTE }

// checkRange refuses several bounds that are no range: one from below and one from
// above.
func (p *parser) checkRange(bounds []Bound, at []*yaml.Node) {
	for i, b := range bounds[1:] {
		a, n := bounds[0], at[i+1]
		switch {
		case i > 0:
			p.problem(n, "condition has more than two operators; a range has one lower and one upper bound: {gte: 10, lt: 20}")
		case b.Op == EQ || b.Op == NEQ || a.Op == EQ || a.Op == NEQ:
			p.problem(n, "condition has both %s and %s; %s and %s stand alone", a.Op, b.Op, EQ, NEQ)
		case a.lower() == b.lower():
			p.problem(n, "condition has both %s and %s; a range has one lower and one upper bound: {gte: 10, lt: 20}", a.Op, b.Op)
		}
	}
}

// checkReachable refuses bounds that nothing measured can fulfil.
func (p *parser) checkReachable(c *correlationDoc, n *yaml.Node) {
	if len(c.bounds) == 0 {
		return
	}
	least, most, whole := c.measurable()
	r := interval{least, most, whole}
	for _, b := range c.bounds {
		r = r.narrow(b)
	}
	switch {
	case !r.empty():
	case whole && !math.IsInf(most, 1):
		p.problem(n, "condition never holds: it counts which of the rules were seen, from %.0f to %.0f", least, most)
	case whole:
		p.problem(n, "condition never holds: what is counted is a whole number, at least %.0f", least)
	default:
		p.problem(n, "condition never holds: no number is in that range")
	}
}

// measurable says what the correlation can measure at an instant at which
// something happened.
func (c *correlationDoc) measurable() (least, most float64, whole bool) {
	switch {
	case c.typ == EventCount:
		return 1, math.Inf(1), true
	case c.typ == ValueCount:
		return 0, math.Inf(1), true
	case c.typ.temporal() && len(c.rules) > 0:
		return 1, float64(len(c.rules)), true
	case c.typ.temporal():
		return 1, math.Inf(1), true
	default:
		return math.Inf(-1), math.Inf(1), false
	}
}

// interval is what is left of the numbers, both ends included.
type interval struct {
	least, most float64
	whole       bool
}

// narrow leaves what a bound allows.
func (r interval) narrow(b Bound) interval {
	above, below := math.Nextafter(b.Threshold, math.Inf(1)), math.Nextafter(b.Threshold, math.Inf(-1))
	if r.whole {
		above, below = math.Floor(b.Threshold)+1, math.Ceil(b.Threshold)-1
	}
	switch b.Op {
	case GT:
		r.least = max(r.least, above)
	case GTE:
		r.least = max(r.least, b.Threshold)
	case LT:
		r.most = min(r.most, below)
	case LTE:
		r.most = min(r.most, b.Threshold)
	case EQ:
		r.least, r.most = max(r.least, b.Threshold), min(r.most, b.Threshold)
	case NEQ: // leaves something of any interval that is longer than one number
	}
	if r.whole {
		r.least, r.most = math.Ceil(r.least), math.Floor(r.most)
	}
	return r
}

func (r interval) empty() bool { return r.least > r.most }
