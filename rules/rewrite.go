package rules

// rewrite gives the detection with every item replaced by what f makes of it. The
// detection itself stays as it is. Where f gives nil the item is dropped; what is
// then left without items is nil, too.
func (d *detection) rewrite(f func(item) search) *detection {
	out := *d
	out.selections = make([]selection, len(d.selections))
	for i, s := range d.selections {
		out.selections[i] = selection{s.name, rewriteSearch(s.body, f)}
	}
	return &out
}

func rewriteSearch(s search, f func(item) search) search {
	switch s := s.(type) {
	case item:
		return f(s)
	case allOf:
		list := make(allOf, 0, len(s))
		for _, x := range s {
			if x = rewriteSearch(x, f); x != nil {
				list = append(list, x)
			}
		}
		if len(list) > 0 {
			return list
		}
	case anyOf:
		list := make(anyOf, 0, len(s))
		for _, x := range s {
			// An alternative without items holds for everything, and so do all.
			if x = rewriteSearch(x, f); x == nil {
				return nil
			}
			list = append(list, x)
		}
		return list
	}
	return nil
}
