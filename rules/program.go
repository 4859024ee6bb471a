package rules

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
)

// program is all rules of a Set in the form in which they are matched. It never
// changes.
type program struct {
	rules      []*Rule
	predicates []linkedPredicate
	slots      []slotPlan
	postings   []posting
	// eager are the probes that touch rules. Others are made only when a rule asks
	// for one of their predicates.
	eager []eagerProbe
	// always are the rules that no posting can touch, as bits; alwaysMarked are the
	// words of it that have some, as bits.
	always, alwaysMarked []uint64
	code                 []instruction
	starts               []int32 // where in code each rule begins
}

// linkedPredicate is a predicate in its place.
type linkedPredicate struct {
	slot   int32
	probes probes // that find it; 0 for one whose tests must be asked
	tests  []test
	other  *reference
	// otherSlot is that of the other field.
	otherSlot int32
}

// slotPlan is what is done with one field, or with all content.
type slotPlan struct {
	field Field
	// exact and ints are the postings of whole values, by folded text and, for texts
	// as integers are written, by number.
	exact exactIndex
	ints  map[int64]int32
	// automaton finds literals, hits are their postings by number.
	automaton *automaton
	hits      []hit
}

// hit is what a literal that was found says: a posting for each place where the
// literal may have to be, -1 for none.
type hit struct {
	literal  string
	postings [places]int32
}

// posting is what follows from a literal.
type posting struct {
	proved   []int32   // predicates that hold
	suspects []suspect // predicates that hold where a test does
	rules    []int32   // rules that may match now, by their place in program.rules
}

type suspect struct {
	predicate int32
	test      test
}

// probes is a set of ways to look a field up.
type probes uint8

const (
	probeExact probes = 1 << iota
	probeText
)

type probe struct {
	slot int32
	what probes
}

type eagerProbe struct {
	probe
	field Field
}

// instruction is a step of a rule: it asks for a predicate and goes on at yes or
// no. A rule is a graph without operators, so nothing is asked for that cannot
// change the answer.
type instruction struct{ predicate, yes, no int32 }

// Where a rule ends.
const (
	accepts int32 = -1
	rejects int32 = -2
)

// linker makes a program.
type linker struct {
	*program
	list    []predicate
	slotOf  map[Field]int32
	known   map[atomKey]int32 // postings by what leads to them
	shared  map[string]int32  // postings of whole values that prove the same
	pending []pendingPosting
}

// atomKey is one way to a posting.
type atomKey struct {
	slot    int32
	literal string
	place   place
}

type pendingPosting struct {
	atomKey
	posting
}

// link makes a program of compiled rules.
func link(list []predicate, rules []*Rule) *program {
	l := &linker{
		program: &program{rules: rules}, list: list,
		slotOf: make(map[Field]int32), known: make(map[atomKey]int32), shared: make(map[string]int32),
	}
	for i := range list {
		l.predicate(int32(i), &list[i])
	}
	l.anchor()
	l.index()
	for _, r := range rules {
		l.starts = append(l.starts, l.emit(r.program, accepts, rejects))
	}
	return l.program
}

func (l *linker) slot(f Field) int32 {
	s, ok := l.slotOf[f]
	if !ok {
		s = int32(len(l.slots))
		l.slotOf[f] = s
		l.slots = append(l.slots, slotPlan{field: f})
	}
	return s
}

// predicate gives a predicate its slot, and its atoms their postings.
func (l *linker) predicate(n int32, p *predicate) {
	linked := linkedPredicate{slot: l.slot(p.field), tests: p.tests, other: p.other}
	if p.other != nil {
		linked.otherSlot = l.slot(p.other.field)
	}
	for _, a := range p.atoms {
		linked.probes |= a.probe()
		key := atomKey{linked.slot, a.literal, a.place}
		at, ok := l.known[key]
		if !ok {
			at = int32(len(l.pending))
			l.known[key] = at
			l.pending = append(l.pending, pendingPosting{atomKey: key})
		}
		post := &l.pending[at]
		if a.test != nil {
			post.suspects = append(post.suspects, suspect{n, a.test})
		} else if !slices.Contains(post.proved, n) {
			post.proved = append(post.proved, n)
		}
	}
	l.predicates = append(l.predicates, linked)
}

func (a *atom) probe() probes {
	if a.place == whole {
		return probeExact
	}
	return probeText
}

// index puts the postings into hash tables and automata.
func (l *linker) index() {
	numbers := make([]map[string]int32, len(l.slots))
	for _, p := range l.pending {
		at := l.posting(p.posting)
		s := &l.slots[p.slot]
		if p.place == whole {
			s.addExact(p.literal, at)
			continue
		}
		if numbers[p.slot] == nil {
			numbers[p.slot] = make(map[string]int32)
		}
		n, ok := numbers[p.slot][p.literal]
		if !ok {
			n = int32(len(s.hits))
			numbers[p.slot][p.literal] = n
			s.hits = append(s.hits, hit{p.literal, [places]int32{-1, -1, -1, -1}})
		}
		s.hits[n].postings[p.place] = at
	}
	for i := range l.slots {
		l.slots[i].build()
	}
}

// posting gives a posting its place. The values of a list mostly have one posting
// together.
func (l *linker) posting(p posting) int32 {
	key := fmt.Sprint(p.proved) // the rules follow from it
	if at, ok := l.shared[key]; ok && len(p.suspects) == 0 {
		return at
	}
	at := int32(len(l.postings))
	l.postings = append(l.postings, p)
	if len(p.suspects) == 0 {
		l.shared[key] = at
	}
	return at
}

func (s *slotPlan) addExact(text string, at int32) {
	s.exact.add(text, at)
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && strconv.FormatInt(n, 10) == text {
		if s.ints == nil {
			s.ints = make(map[int64]int32)
		}
		s.ints[n] = at
	}
}

func (s *slotPlan) build() {
	if len(s.hits) == 0 {
		return
	}
	literals := make([]string, len(s.hits))
	for i, h := range s.hits {
		literals[i] = h.literal
	}
	s.automaton = newAutomaton(literals, tableBudget)
}

// emit writes a node's instructions, from its end to its beginning, and returns
// where they begin.
func (l *linker) emit(n node, yes, no int32) int32 {
	switch n := n.(type) {
	case allNode:
		for _, c := range slices.Backward(l.cheapestFirst(n)) {
			yes = l.emit(c, yes, no)
		}
		return yes
	case anyNode:
		for _, c := range slices.Backward(l.cheapestFirst(n)) {
			no = l.emit(c, yes, no)
		}
		return no
	case notNode:
		return l.emit(n.node, no, yes)
	default:
		l.code = append(l.code, instruction{int32(n.(predNode)), yes, no})
		return int32(len(l.code) - 1)
	}
}

// cheapestFirst orders alternatives, or parts, by what asking for them costs.
func (l *linker) cheapestFirst(nodes []node) []node {
	if len(nodes) < 2 {
		return nodes
	}
	return slices.SortedStableFunc(slices.Values(nodes), func(a, b node) int { return cmp.Compare(l.effort(a), l.effort(b)) })
}

// effort is how much work a node can be, roughly: that of its hardest predicate.
func (l *linker) effort(n node) int {
	switch n := n.(type) {
	case allNode:
		return l.hardest(n)
	case anyNode:
		return l.hardest(n)
	case notNode:
		return l.effort(n.node)
	}
	p := &l.predicates[n.(predNode)]
	switch {
	case p.other != nil:
		return 5
	case p.probes == 0:
		return 3
	case slices.ContainsFunc(l.list[n.(predNode)].atoms, func(a atom) bool { return a.test != nil }):
		return 4
	default:
		return int(p.probes) // exact before text
	}
}

func (l *linker) hardest(nodes []node) int {
	most := 0
	for _, c := range nodes {
		most = max(most, l.effort(c))
	}
	return most
}
