package rules

import (
	"math/bits"

	"github.com/crmwatch/crmwatch/event"
)

// Matcher finds the rules that records match. It keeps memory from record to
// record, so each goroutine needs its own.
//
// What it remembers of a record is stamped with the record's number, so that
// nothing must be cleared for the next one, however many rules there are.
type Matcher struct {
	program *program
	rec     *Record
	epoch   uint64 // number of the record
	matched []*Rule
	// touched are the rules to look at, as bits; marked are the words of it that
	// have some, as bits.
	touched, marked []uint64
	slots           []slot
	caches          []cache   // by slot
	verdicts        []verdict // by predicate
	fired           []uint64  // by posting: the record that fired it last
	suspicions      []suspicion
	// recorded are the postings that a search has fired, where they are to be kept.
	recorded      []int32
	recording     bool
	element, part operand // of lists
	// evaluated counts the rules that were looked at.
	evaluated uint64
}

// slot is a record's value of a field.
type slot struct {
	epoch  uint64
	probed probes
	// several says that list are the values; otherwise there is one.
	several bool
	list    []event.Value
	value   operand
}

// verdict is what is known about a predicate.
type verdict struct {
	epoch uint64
	state verdictState
	// suspicion is the last of those of a suspected predicate.
	suspicion int32
}

type verdictState uint8

const (
	suspected verdictState = iota
	holding
	failing
)

// suspicion is a test that decides about a suspected predicate, and the next one,
// -1 for none.
type suspicion struct {
	test test
	next int32
}

// Matcher returns a new matcher of the set's rules.
func (s *Set) Matcher() *Matcher {
	p := s.program
	words := len(p.always)
	return &Matcher{
		program: p, touched: make([]uint64, words), marked: make([]uint64, words/64+1),
		slots: make([]slot, len(p.slots)), caches: make([]cache, len(p.slots)), verdicts: make([]verdict, len(p.predicates)), fired: make([]uint64, len(p.postings)),
	}
}

// Match lists the detection rules that the record matches, in the order of
// Set.Rules. The list is good until the next call. It does not allocate in the
// long run.
func (m *Matcher) Match(rec *Record) []*Rule {
	m.rec, m.matched, m.suspicions = rec, m.matched[:0], m.suspicions[:0]
	m.epoch++
	for _, p := range m.program.eager {
		// Of all fields that rules ask for, most records have few.
		if p.field == keywordField || rec.Values[p.field].Kind != event.Absent {
			m.probe(p.slot, m.slot(p.slot), p.what)
		}
	}
	for i, marked := range m.marked {
		marked |= m.program.alwaysMarked[i]
		for m.marked[i] = 0; marked != 0; marked &= marked - 1 {
			m.evaluate(i*64 + bits.TrailingZeros64(marked))
		}
	}
	return m.matched
}

// evaluate looks at the touched rules of a word.
func (m *Matcher) evaluate(word int) {
	touched := m.touched[word] | m.program.always[word]
	for m.touched[word] = 0; touched != 0; touched &= touched - 1 {
		n := word*64 + bits.TrailingZeros64(touched)
		m.evaluated++
		if m.run(m.program.starts[n]) {
			m.matched = append(m.matched, m.program.rules[n])
		}
	}
}

// run follows a rule's instructions to its end.
func (m *Matcher) run(at int32) bool {
	for at >= 0 {
		in := &m.program.code[at]
		if m.holds(in.predicate) {
			at = in.yes
		} else {
			at = in.no
		}
	}
	return at == accepts
}

func (m *Matcher) holds(predicate int32) bool {
	v := &m.verdicts[predicate]
	if v.epoch != m.epoch || v.state == suspected {
		state := failing
		if m.decide(predicate) {
			state = holding
		}
		v.epoch, v.state = m.epoch, state
	}
	return v.state == holding
}

// decide finds out about a predicate that nothing is known about, or that is
// suspected.
func (m *Matcher) decide(predicate int32) bool {
	p := &m.program.predicates[predicate]
	s := m.slot(p.slot)
	switch {
	case p.other != nil:
		return m.refers(s, m.slot(p.otherSlot), p.other)
	case p.probes == 0:
		for _, t := range p.tests {
			if m.passes(s, t) {
				return true
			}
		}
		return false
	}
	v := &m.verdicts[predicate]
	m.probe(p.slot, s, p.probes)
	if v.epoch != m.epoch {
		return false
	}
	if v.state == holding {
		return true
	}
	for i := v.suspicion; i >= 0; i = m.suspicions[i].next {
		if m.passes(s, m.suspicions[i].test) {
			return true
		}
	}
	return false
}

// slot gives the record's value of a field.
func (m *Matcher) slot(n int32) *slot {
	s := &m.slots[n]
	if s.epoch == m.epoch {
		return s
	}
	s.epoch, s.probed = m.epoch, 0
	f := m.program.slots[n].field
	if f == keywordField {
		s.several, s.list = true, m.rec.Leaves
		return s
	}
	v := &m.rec.Values[f]
	if s.several = isSeveral(v); s.several {
		s.list = *v.List
	} else {
		s.value.set(v)
	}
	return s
}

// isSeveral reports whether a value stands for those in it. An empty list stands
// for itself.
func isSeveral(v *event.Value) bool { return v.Kind == event.List && len(*v.List) > 0 }

// passes reports whether the field's value, or one of them, passes a test.
func (m *Matcher) passes(s *slot, t test) bool {
	if !s.several {
		return t.holds(&s.value)
	}
	return m.somePasses(s.list, t)
}

func (m *Matcher) somePasses(list []event.Value, t test) bool {
	for i := range list {
		v := &list[i]
		if isSeveral(v) {
			if m.somePasses(*v.List, t) {
				return true
			}
			continue
		}
		m.element.set(v)
		if t.holds(&m.element) {
			return true
		}
	}
	return false
}

// refers reports whether a value of one field compares with one of the other.
func (m *Matcher) refers(s, other *slot, r *reference) bool {
	if !s.several {
		return m.refersOne(&s.value, other, r)
	}
	return m.someRefers(s.list, other, r)
}

func (m *Matcher) someRefers(list []event.Value, other *slot, r *reference) bool {
	for i := range list {
		v := &list[i]
		if isSeveral(v) {
			if m.someRefers(*v.List, other, r) {
				return true
			}
			continue
		}
		m.element.set(v)
		if m.refersOne(&m.element, other, r) {
			return true
		}
	}
	return false
}

func (m *Matcher) refersOne(x *operand, other *slot, r *reference) bool {
	if !x.isText() {
		return false
	}
	if !other.several {
		return other.value.isText() && compareTexts(x.asText(), other.value.asText(), r.compare, r.cased)
	}
	return m.refersSome(x, other.list, r)
}

func (m *Matcher) refersSome(x *operand, list []event.Value, r *reference) bool {
	for i := range list {
		v := &list[i]
		if isSeveral(v) {
			if m.refersSome(x, *v.List, r) {
				return true
			}
			continue
		}
		m.part.set(v)
		if m.part.isText() && compareTexts(x.asText(), m.part.asText(), r.compare, r.cased) {
			return true
		}
	}
	return false
}
