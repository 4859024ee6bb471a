package rules

import "slices"

// Only is the set as if it had the rules of these ids alone, and what they
// measure: all others match nothing. Rules keep their Index and the set its
// Version, because what is left of it finds what it found before.
func (s *Set) Only(ids ...string) *Set {
	keep := make(map[string]bool, len(ids))
	for _, id := range ids {
		keep[id] = true
	}
	for _, c := range slices.Backward(s.correlations) { // what one refers to comes before it
		for _, in := range c.Inputs {
			keep[in.meta().ID] = keep[in.meta().ID] || keep[c.ID]
		}
	}
	out := *s
	out.active = slices.DeleteFunc(slices.Clone(s.active), func(r *Rule) bool { return !keep[r.ID] })
	out.program = link(s.predicates, out.active)
	out.correlations = keptOf(s.correlations, keep)
	out.readsOnly()
	return &out
}

// readsOnly finds out anew which fields are read.
func (s *Set) readsOnly() {
	s.uses, s.keywords = make([]bool, len(s.uses)), false
	for _, step := range s.program.code {
		p := &s.predicates[step.predicate]
		if p.field == keywordField {
			s.keywords = true
			continue
		}
		s.uses[p.field] = true
		if p.other != nil {
			s.uses[p.other.field] = true
		}
	}
	for _, c := range s.correlations {
		for _, in := range c.Inputs {
			for _, f := range slices.Concat(in.GroupBy, in.Values) {
				if in.Rule != nil {
					s.uses[f] = true
				}
			}
		}
	}
}

// keptOf copies the correlations that are kept, which refer to each other and have
// an Index.
func keptOf(all []*Correlation, keep map[string]bool) []*Correlation {
	var kept []*Correlation
	copies := make(map[*Correlation]*Correlation)
	for _, c := range all {
		if !keep[c.ID] {
			continue
		}
		n := *c
		n.Index = len(kept)
		n.Inputs = slices.Clone(c.Inputs)
		for i := range n.Inputs {
			if in := &n.Inputs[i]; in.Correlation != nil {
				in.Correlation = copies[in.Correlation]
			}
		}
		copies[c] = &n
		kept = append(kept, &n)
	}
	return kept
}
