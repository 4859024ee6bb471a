package rules

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A detection is compiled to nodes over predicates. A predicate compares one
// field with the values of one item; the same comparison in several rules is one
// predicate, and a record is asked for it once.
type (
	node    interface{ isNode() }
	allNode []node
	anyNode []node
	notNode struct{ node }
	// predNode is the predicate of that number.
	predNode int32
)

func (allNode) isNode()  {}
func (anyNode) isNode()  {}
func (notNode) isNode()  {}
func (predNode) isNode() {}

// keywordField stands for all content of a record.
const keywordField Field = -1

// predicate holds where one of its tests does for some value of the field: a list
// has several, and keywords are looked for in all leaves.
type predicate struct {
	field Field
	tests []test
	// atoms are literals one of which the field has wherever the predicate holds;
	// nil where there are none, and tests must be asked.
	atoms []atom
	// other is the field that a reference compares with.
	other *reference
}

// reference compares the texts of two fields.
type reference struct {
	field   Field
	compare string // "", contains, startswith, endswith
	cased   bool
}

// predicates numbers predicates, equal ones alike.
type predicates struct {
	list   []predicate
	number map[string]predNode
}

func (p *predicates) add(key string, pred predicate) predNode {
	if n, ok := p.number[key]; ok {
		return n
	}
	if p.number == nil {
		p.number = make(map[string]predNode)
	}
	n := predNode(len(p.list))
	p.list = append(p.list, pred)
	p.number[key] = n
	return n
}

// any is the node that holds where one of the tests does: a predicate of those
// that the indexes can find, however many, and one of the others.
func (p *predicates) any(f Field, tests []test) node {
	var indexed, others predicate
	for _, t := range tests {
		if atoms := t.atoms(); len(atoms) > 0 {
			indexed.tests = append(indexed.tests, t)
			indexed.atoms = append(indexed.atoms, atoms...)
		} else {
			others.tests = append(others.tests, t)
		}
	}
	var nodes anyNode
	for _, pred := range []predicate{indexed, others} {
		if len(pred.tests) > 0 {
			pred.field = f
			nodes = append(nodes, p.add(keyOf(f, pred.tests), pred))
		}
	}
	if len(nodes) == 1 {
		return nodes[0]
	}
	return nodes
}

func keyOf(f Field, tests []test) string {
	keys := make([]string, len(tests))
	for i, t := range tests {
		keys[i] = t.key()
	}
	slices.Sort(keys)
	var b strings.Builder
	b.WriteString(strconv.Itoa(int(f)))
	for _, k := range slices.Compact(keys) {
		fmt.Fprintf(&b, " %q", k)
	}
	return b.String()
}

// refer is the node of a reference.
func (p *predicates) refer(f Field, r reference) node {
	return p.add(fmt.Sprintf("%d ref %v", f, r), predicate{field: f, other: &r})
}

// atom is a literal that an index can find in a folded text.
type atom struct {
	literal string
	place   place
	// test decides whether a text that has the literal passes; nil where there is
	// nothing more to decide.
	test test
}

// place is where in the text a literal must be.
type place uint8

const (
	whole place = iota
	atStart
	atEnd
	anywhere
	places
)
