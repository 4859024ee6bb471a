package ndjson

import "github.com/crmwatch/crmwatch/event"

// give gives a scalar to the fields whose value stands at the node.
func (s *Scanner) give(n *node, v event.Value) {
	if s.keywords && v.Kind != event.Null {
		s.rec.Leaves = append(s.rec.Leaves, v)
	}
	for _, t := range n.targets {
		switch {
		case s.outranked(t):
		case s.arrays == 0:
			*s.take(t) = v
		default:
			s.beginList(t)
			s.lists[t.field] = append(s.lists[t.field], v)
		}
	}
}

// giveText gives a text to a field, outside of arrays.
func (s *Scanner) giveText(t target, text string) {
	v := &s.rec.Values[t.field]
	switch {
	case v.Kind == event.Absent:
		s.touched = append(s.touched, t.field)
		v.Kind, v.Str = event.String, text
	case s.ranks[t.field] > t.rank:
		return
	default:
		*v = event.Value{Kind: event.String, Str: text}
	}
	s.ranks[t.field] = t.rank
}

// present says that the fields at the node have a value, but no scalar.
func (s *Scanner) present(n *node) {
	for _, t := range n.targets {
		if !s.outranked(t) {
			s.beginList(t)
		}
	}
}

// outranked reports whether the field was found under a better spelling.
func (s *Scanner) outranked(t target) bool {
	return s.ranks[t.field] > t.rank && s.rec.Values[t.field].Kind != event.Absent
}

// take returns where the field's value belongs.
func (s *Scanner) take(t target) *event.Value {
	v := &s.rec.Values[t.field]
	if v.Kind == event.Absent {
		s.touched = append(s.touched, t.field)
	}
	s.ranks[t.field] = t.rank
	return v
}

// beginList makes the field a List, unless it is one of this spelling already.
func (s *Scanner) beginList(t target) {
	if v := &s.rec.Values[t.field]; v.Kind == event.List && s.ranks[t.field] == t.rank {
		return
	}
	list := &s.lists[t.field]
	*list = (*list)[:0]
	*s.take(t) = event.Value{Kind: event.List, List: list}
}
