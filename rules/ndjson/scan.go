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

// object reads the members of an object of the node, from after its brace.
func (sc *Scanner) object(i, depth int, n *node, rank uint64) int {
	if depth > maxDepth {
		return sc.tooDeep(i)
	}
	sc.objects++
	id := sc.objects
	rank |= n.split
	line := sc.line
	more := true
	for k, first := 0, true; ; first = false {
		if !first && i+1 < len(line) && line[i] == ',' && line[i+1] == '"' {
			i++ // what members begin with but for the first, where there are no spaces
		} else if i, more = sc.member(i, first); !more {
			return i
		}
		at := i
		var e *edge
		if k < len(n.shape) && startsWith(line, i, n.shape[k].text) {
			e, i = n.shape[k].edge, i+len(n.shape[k].text)
			k++
		} else if e, i, k = sc.lookUp(i, n, k); i < 0 {
			return i
		}
		i = sc.space(i)
		switch {
		case e != nil:
			i = sc.value(i, depth, sc.follow(e, id, at), rank)
		case sc.leafy || i >= len(line) || line[i] != '"':
			i = sc.value(i, depth, nil, 0)
		default:
			i = sc.skipString(i + 1)
		}
		if i < 0 {
			return i
		}
	}
}

// startsWith tells whether the text is in the line at i.
func startsWith(line []byte, i int, text []byte) bool {
	return len(line)-i >= len(text) && string(line[i:i+len(text)]) == string(text)
}

// lookUp finds the edge of the key at i, where the shape did not foretell it at
// k. It learns the key for the next time, unless it is the one after: then a key
// was left out that may come again. It also returns where the shape goes on.
func (sc *Scanner) lookUp(i int, n *node, k int) (*edge, int, int) {
	if k+1 < len(n.shape) && startsWith(sc.line, i, n.shape[k+1].text) {
		return n.shape[k+1].edge, i + len(n.shape[k+1].text), k + 2
	}
	key, end := sc.key(i)
	if end < 0 {
		return nil, end, k
	}
	e := n.find(key)
	n.learn(k, sc.line[i:end], e)
	return e, end, k + 1
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
