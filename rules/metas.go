package rules

// Metas lists what every rule says about itself: the detection rules, then the
// correlations.
func (s *Set) Metas() []*Meta {
	all := make([]*Meta, 0, len(s.rules)+len(s.correlations))
	for _, r := range s.rules {
		all = append(all, &r.Meta)
	}
	for _, c := range s.correlations {
		all = append(all, &c.Meta)
	}
	return all
}
