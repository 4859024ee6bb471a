package ndjson

import (
	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/rules"
)

// element is something an array holds: an element of a list that is the value of
// the array's own node, or of a field below it. Absent says only that the field
// exists.
type element struct {
	field rules.Field // own for the node's
	value event.Value
}

// own is no field: it stands for those that end at the array's node.
const own rules.Field = -1

// array reads an array of the node, from after its bracket. A field that ends at
// the node becomes a List of the scalars in it. One that goes on becomes a List
// of what the objects in it hold, each of which is looked through alone, so that
// each says by itself which of its ways to the field is the most literal.
func (sc *Scanner) array(i, depth int, n *node, rank uint64) int {
	savedBase, foundBase := len(sc.saved), len(sc.found)
	for _, f := range n.below {
		sc.saved = append(sc.saved, slot{value: sc.values[f], rank: sc.ranks[f]})
		sc.values[f] = event.Value{}
	}
	i = sc.elements(i, depth, n)
	if i < 0 {
		return i
	}
	for k, f := range n.below {
		before := sc.saved[savedBase+k]
		sc.values[f], sc.ranks[f] = before.value, before.rank
		if list, ok := sc.gather(foundBase, f); ok {
			sc.offer(slot{value: list, rank: rank | n.split}, int(f))
		}
	}
	if len(n.terms) > 0 {
		list, _ := sc.gather(foundBase, own)
		sc.set(n, rank, list)
	}
	sc.saved, sc.found = sc.saved[:savedBase], sc.found[:foundBase]
	return i
}

// elements reads the elements of an array of the node, those of arrays in it
// among them, and puts what they hold on the stack.
func (sc *Scanner) elements(i, depth int, n *node) int {
	if depth > maxDepth {
		return sc.tooDeep(i)
	}
	for first := true; ; first = false {
		var more bool
		if i, more = sc.item(i, first); !more {
			return i
		}
		switch c := sc.line[i]; {
		case c == '[':
			i = sc.elements(i+1, depth+1, n)
		case c == '{':
			if i = sc.object(i+1, depth+1, n, 0); i >= 0 {
				sc.collect(n)
			}
		case !sc.leafy && len(n.terms) == 0:
			i = sc.skipScalar(i)
		default:
			i = sc.element(i, n)
		}
		if i < 0 {
			return i
		}
	}
}

// element reads a scalar of an array of the node.
func (sc *Scanner) element(i int, n *node) int {
	v, i := sc.scalar(i)
	if i < 0 {
		return i
	}
	if sc.leafy && v.Kind != event.Null {
		sc.leaves = append(sc.leaves, v)
	}
	if len(n.terms) > 0 {
		sc.found = append(sc.found, element{field: own, value: v})
	}
	return i
}

// collect puts on the stack what the fields below the node have found in an
// object, and makes way for the next object.
func (sc *Scanner) collect(n *node) {
	for _, f := range n.below {
		v := sc.values[f]
		if v.Kind == event.Absent {
			continue
		}
		sc.values[f] = event.Value{}
		if v.Kind != event.List {
			sc.found = append(sc.found, element{field: f, value: v})
			continue
		}
		sc.found = append(sc.found, element{field: f})
		for _, item := range *v.List {
			sc.found = append(sc.found, element{field: f, value: item})
		}
	}
}

// gather makes a List of what is on the stack for a field, and reports whether
// the field exists.
func (sc *Scanner) gather(base int, f rules.Field) (event.Value, bool) {
	start, exists := len(sc.items), false
	for _, e := range sc.found[base:] {
		if e.field != f {
			continue
		}
		exists = true
		if e.value.Kind != event.Absent {
			sc.items = append(sc.items, e.value)
		}
	}
	if !exists && f != own {
		return event.Value{}, false
	}
	return sc.list(sc.items[start:len(sc.items):len(sc.items)]), true
}

// list is a List of the items, which must be the scanner's own.
func (sc *Scanner) list(items []event.Value) event.Value {
	sc.lists = append(sc.lists, items)
	return event.Value{Kind: event.List, List: &sc.lists[len(sc.lists)-1]}
}

// others reads an array that no field wants, from after its bracket.
func (sc *Scanner) others(i, depth int) int {
	if depth > maxDepth {
		return sc.tooDeep(i)
	}
	for first := true; ; first = false {
		var more bool
		if i, more = sc.item(i, first); !more {
			return i
		}
		if i = sc.value(i, depth, nil, 0); i < 0 {
			return i
		}
	}
}

// item reads what stands before an element of an array. Where there is none any
// more it returns the offset after the array, and false.
func (sc *Scanner) item(i int, first bool) (int, bool) {
	i = sc.space(i)
	switch {
	case i < len(sc.line) && sc.line[i] == ']':
		return i + 1, false
	case first:
	case i < len(sc.line) && sc.line[i] == ',':
		i = sc.space(i + 1)
		if i < len(sc.line) && sc.line[i] == ']' {
			return sc.fail(i, "a comma without an element after it"), false
		}
	default:
		return sc.fail(i, "an array goes on without a comma"), false
	}
	if i >= len(sc.line) {
		return sc.fail(i, ""), false
	}
	return i, true
}
