package rules

import (
	"math/bits"
	"slices"
)

// An anchor of a rule is a set of predicates of the indexes one of which holds
// wherever the rule matches. Only where an index has found one of them the rule
// is looked at, so a rule costs nothing where nothing of it occurs.
type anchor struct {
	predicates []predNode
	cost       float64
	ok         bool
}

// anchors chooses the anchors of all rules.
type anchors struct {
	list  []predicate
	uses  []int           // by predicate: in how many rules it is
	votes map[probe]int   // by probe: for how many rules it was chosen
	known map[Field]int32 // slots
}

// anchor chooses every rule's anchor, and notes in postings which rules they
// touch. Rules without an anchor are looked at always.
func (l *linker) anchor() {
	a := anchors{list: l.list, uses: make([]int, len(l.list)), known: l.slotOf}
	for _, r := range l.rules {
		a.count(r.program, make(map[predNode]bool))
	}
	chosen := a.round(l.rules)
	// In the second round, a field that is looked up for many rules anyway is worth
	// more than one that is looked up for a single rule.
	a.votes = make(map[probe]int)
	for _, c := range chosen {
		for _, p := range a.probesOf(c.predicates) {
			a.votes[p]++
		}
	}
	chosen = a.round(l.rules)
	words := len(l.rules)/64 + 1
	l.always, l.alwaysMarked = make([]uint64, words), make([]uint64, words/64+1)
	touched := make([][]int32, len(l.list)) // rules by predicate
	for i, c := range chosen {
		if !c.ok {
			l.always[i/64] |= 1 << (i % 64)
			l.alwaysMarked[i/64/64] |= 1 << (i / 64 % 64)
		}
		for _, p := range c.predicates {
			touched[p] = append(touched[p], int32(i))
		}
		for _, p := range a.probesOf(c.predicates) {
			l.look(p)
		}
	}
	for i := range l.pending {
		l.pending[i].touch(touched)
	}
}

// look makes a probe eager.
func (l *linker) look(p probe) {
	for i := range l.eager {
		if l.eager[i].slot == p.slot {
			l.eager[i].what |= p.what
			return
		}
	}
	l.eager = append(l.eager, eagerProbe{p, l.slots[p.slot].field})
}

// touch collects the rules of the posting's predicates.
func (p *posting) touch(touched [][]int32) {
	for _, n := range p.proved {
		p.rules = append(p.rules, touched[n]...)
	}
	for _, s := range p.suspects {
		p.rules = append(p.rules, touched[s.predicate]...)
	}
	slices.Sort(p.rules)
	p.rules = slices.Compact(p.rules)
}

func (a *anchors) round(rules []*Rule) []anchor {
	chosen := make([]anchor, len(rules))
	for i, r := range rules {
		chosen[i] = a.choose(r.program, false)
	}
	return chosen
}

// count counts the rules that each predicate is in.
func (a *anchors) count(n node, seen map[predNode]bool) {
	switch n := n.(type) {
	case allNode:
		for _, c := range n {
			a.count(c, seen)
		}
	case anyNode:
		for _, c := range n {
			a.count(c, seen)
		}
	case notNode:
		a.count(n.node, seen)
	case predNode:
		if !seen[n] {
			seen[n] = true
			a.uses[n]++
		}
	}
}

// choose gives the best anchor of a node, or of its negation.
func (a *anchors) choose(n node, negated bool) anchor {
	switch n := n.(type) {
	case notNode:
		return a.choose(n.node, !negated)
	case allNode:
		if negated {
			return a.everyOf(n, true)
		}
		return a.bestOf(n, false)
	case anyNode:
		if negated {
			return a.bestOf(n, true)
		}
		return a.everyOf(n, false)
	default:
		p := n.(predNode)
		if negated || len(a.list[p].atoms) == 0 {
			return anchor{}
		}
		return anchor{[]predNode{p}, a.cost(p), true}
	}
}

// bestOf chooses among parts all of which hold.
func (a *anchors) bestOf(parts []node, negated bool) anchor {
	var best anchor
	for _, c := range parts {
		if x := a.choose(c, negated); x.ok && (!best.ok || x.cost < best.cost) {
			best = x
		}
	}
	return best
}

// everyOf joins those of alternatives; each must have one.
func (a *anchors) everyOf(alternatives []node, negated bool) anchor {
	all := anchor{ok: true}
	for _, c := range alternatives {
		x := a.choose(c, negated)
		if !x.ok {
			return anchor{}
		}
		all.predicates = append(all.predicates, x.predicates...)
		all.cost += x.cost
	}
	return all
}

// cost is how often a predicate will touch a rule in vain, roughly. Whole values
// are rarer than parts of them, and long parts rarer than short ones; what many
// rules look for is probably common; and of many values some will occur.
func (a *anchors) cost(p predNode) float64 {
	commonest := 0.0
	for _, at := range a.list[p].atoms {
		weight := 1.0
		if at.place != whole {
			weight = 4 + 32/float64(len(at.literal))
		}
		commonest = max(commonest, weight)
	}
	cost := commonest * float64(a.uses[p]) * float64(bits.Len(uint(len(a.list[p].atoms))))
	if a.votes == nil {
		return cost
	}
	lookups := 0.0
	for _, pr := range a.probesOf([]predNode{p}) {
		lookups += 4 / float64(max(1, a.votes[pr]))
	}
	return cost * (1 + lookups)
}

// probesOf lists the probes that find predicates, each once.
func (a *anchors) probesOf(predicates []predNode) []probe {
	var list []probe
	for _, n := range predicates {
		p := &a.list[n]
		for i := range p.atoms {
			pr := probe{a.known[p.field], p.atoms[i].probe()}
			if !slices.Contains(list, pr) {
				list = append(list, pr)
			}
		}
	}
	return list
}
