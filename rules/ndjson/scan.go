package ndjson

import (
	"slices"

	"github.com/crmwatch/crmwatch/event"
)

// The methods here read a piece of the line that begins at offset i and return
// the offset after it, or a negative number where it is not JSON. They check the
// structure of all they read, also of what no field wants.

// value reads a value of the node, which is nil for what no field wants. The rank
// is that of the way to it.
func (sc *Scanner) value(i, depth int, n *node, rank uint64) int {
	if i >= len(sc.line) {
		return sc.fail(i, "")
	}
	switch sc.line[i] {
	case '{':
		if n == nil {
			return sc.other(i+1, depth+1)
		}
		return sc.nested(i+1, depth+1, n, rank)
	case '[':
		if n == nil {
			return sc.others(i+1, depth+1)
		}
		return sc.array(i+1, depth+1, n, rank)
	}
	if !sc.leafy && (n == nil || len(n.terms) == 0) {
		return sc.skipScalar(i)
	}
	v, i := sc.scalar(i)
	if i < 0 {
		return i
	}
	if sc.leafy && v.Kind != event.Null {
		sc.leaves = append(sc.leaves, v)
	}
	if n != nil {
		sc.set(n, rank, v)
	}
	return i
}

// set gives the fields that end at the node a value, unless they have a more
// literal one.
func (sc *Scanner) set(n *node, rank uint64, v event.Value) {
	for _, t := range n.terms {
		sc.offer(slot{value: v, rank: rank | t.penalty}, int(t.field))
	}
}

// slot is a value and the rank of the way to it.
type slot struct {
	value event.Value
	rank  uint64
}

// offer gives one field a value, unless it has a more literal one.
func (sc *Scanner) offer(s slot, field int) {
	if sc.values[field].Kind == event.Absent || s.rank <= sc.ranks[field] {
		sc.values[field], sc.ranks[field] = s.value, s.rank
	}
}

// nested reads an object of the node, from after its brace.
func (sc *Scanner) nested(i, depth int, n *node, rank uint64) int {
	if n.event {
		sc.eventAt = i
	}
	if len(n.terms) > 0 {
		sc.set(n, rank, sc.list(nil))
	}
	if len(n.edges) == 0 && n.any == nil {
		return sc.other(i, depth)
	}
	return sc.object(i, depth, n, rank)
}

// object reads the members of an object of the node, from after its brace. Nearly
// all of the time is spent here, so it does what is common by itself: keys that the
// shape foretells, and strings without escapes.
func (sc *Scanner) object(i, depth int, n *node, rank uint64) int {
	if depth > maxDepth {
		return sc.tooDeep(i)
	}
	sc.objects++
	id, line := sc.objects, sc.line
	rank |= n.split
	for k := 0; ; {
		at, quoted := i, false
		var e *edge
		if k < len(n.shape) && n.shape[k].starts(line, i) {
			m := &n.shape[k]
			e, quoted, i = m.edge, m.quoted, i+m.size
			k++
		} else if i < len(line) && line[i] == '}' {
			return i + 1
		} else {
			var more bool
			if e, i, k, more = sc.lookUp(i, n, k); !more {
				return i
			}
		}
		var to *node
		if e != nil {
			to = sc.follow(e, id, at)
		}
		if quoted {
			if end := plainEnd(line, i); end < len(line) && line[end] == '"' {
				if to != nil || sc.leafy {
					sc.setText(to, rank, line[i:end])
				}
				i = end + 1
				continue
			}
			i-- // back to the quote
		}
		if i = sc.value(sc.space(i), depth, to, rank); i < 0 {
			return i
		}
	}
}

// setText takes a string that stands in the line as it is, as value does. The node
// may be nil.
func (sc *Scanner) setText(n *node, rank uint64, text []byte) {
	if sc.leafy {
		sc.leaves = append(sc.leaves, event.Value{Kind: event.String, Str: alias(text)})
	}
	if n == nil {
		return
	}
	for _, t := range n.terms {
		v, r := &sc.values[t.field], rank|t.penalty
		if v.Kind == event.Absent || r <= sc.ranks[t.field] {
			*v, sc.ranks[t.field] = event.Value{Kind: event.String, Str: alias(text)}, r
		}
	}
}

// lookUp finds the edge of the member that follows at i, which the shape did not
// foretell at k. It learns the member for the next time, unless it is the one
// after: then one was left out that may come again. It also returns where the value
// begins, where the shape goes on, and whether there is a member at all.
func (sc *Scanner) lookUp(i int, n *node, k int) (e *edge, value, next int, more bool) {
	if k > 0 && k+1 < len(n.shape) && n.shape[k+1].starts(sc.line, i) {
		m := &n.shape[k+1]
		return m.edge, m.value(i), k + 2, true
	}
	start := i
	if i, more = sc.member(i, k == 0); !more {
		return nil, i, k, false
	}
	key, i := sc.key(i)
	if i < 0 {
		return nil, i, k, false
	}
	e, value = n.find(key), sc.space(i)
	n.learn(k, sc.line, start, value, e)
	return e, value, k + 1, true
}

// follow is the node that an edge leads to, nil where a later key of the same
// object replaces this one, which stands at the given offset.
func (sc *Scanner) follow(e *edge, object uint64, at int) *node {
	switch {
	case e.many:
	case sc.careful:
		if _, stale := slices.BinarySearch(sc.stale, at); stale {
			return nil
		}
	case e.seen == object:
		sc.stale = append(sc.stale, e.at)
		e.at = at
	default:
		e.seen, e.at = object, at
	}
	return e.to
}

// member reads what stands before a member's key, to its quote. Where there is no
// member any more it returns the offset after the object, and false.
func (sc *Scanner) member(i int, first bool) (int, bool) {
	i = sc.space(i)
	switch {
	case i < len(sc.line) && sc.line[i] == '}':
		return i + 1, false
	case first:
	case i < len(sc.line) && sc.line[i] == ',':
		i = sc.space(i + 1)
		if i < len(sc.line) && sc.line[i] == '}' {
			return sc.fail(i, "a comma without a member after it"), false
		}
	default:
		return sc.fail(i, "an object goes on without a comma"), false
	}
	if i >= len(sc.line) || sc.line[i] != '"' {
		return sc.fail(i, "a key must be a string"), false
	}
	return i, true
}

// key reads a key and its colon, from the quote.
func (sc *Scanner) key(i int) ([]byte, int) {
	end, escaped := sc.stringEnd(i + 1)
	if end < 0 {
		return nil, end
	}
	key := sc.line[i+1 : end-1]
	if escaped {
		if key, end = sc.unescape(i+1, end); end < 0 {
			return nil, end
		}
	}
	end = sc.space(end)
	if end >= len(sc.line) || sc.line[end] != ':' {
		return nil, sc.fail(end, "a key must be followed by a colon")
	}
	return key, end + 1
}

// other reads an object that no field wants, from after its brace.
func (sc *Scanner) other(i, depth int) int {
	if depth > maxDepth {
		return sc.tooDeep(i)
	}
	for first := true; ; first = false {
		var more bool
		if i, more = sc.member(i, first); !more {
			return i
		}
		if i = sc.skipString(i + 1); i < 0 {
			return i
		}
		if i = sc.space(i); i >= len(sc.line) || sc.line[i] != ':' {
			return sc.fail(i, "a key must be followed by a colon")
		}
		if i = sc.value(sc.space(i+1), depth, nil, 0); i < 0 {
			return i
		}
	}
}

// space passes over white space.
func (sc *Scanner) space(i int) int {
	for i < len(sc.line) && sc.line[i] <= ' ' && isSpace(sc.line[i]) {
		i++
	}
	return i
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func (sc *Scanner) tooDeep(i int) int { return sc.fail(i-1, "objects and arrays nest deeper than 64") }
