package rules

import "github.com/crmwatch/crmwatch/event"

// probe looks a field's value up, or each of them, in those of its indexes in
// which it was not looked up before.
func (m *Matcher) probe(n int32, s *slot, what probes) {
	what &^= s.probed
	if what == 0 {
		return
	}
	s.probed |= what
	if !s.several {
		m.probeOne(n, &s.value, what)
		return
	}
	m.probeList(n, s.list, what)
}

func (m *Matcher) probeList(n int32, list []event.Value, what probes) {
	for i := range list {
		v := &list[i]
		if isSeveral(v) {
			m.probeList(n, *v.List, what)
			continue
		}
		m.element.set(v)
		m.probeOne(n, &m.element, what)
	}
}

func (m *Matcher) probeOne(n int32, x *operand, what probes) {
	if !x.isText() {
		return
	}
	if what&probeExact != 0 {
		m.probeExact(&m.program.slots[n], x)
	}
	if what&probeText != 0 {
		m.probeText(n, x)
	}
}

func (m *Matcher) probeExact(plan *slotPlan, x *operand) {
	var at int32
	var ok bool
	if x.Kind == event.Int {
		at, ok = plan.ints[x.Int]
	} else {
		at, ok = plan.exact.find(x)
	}
	if ok {
		m.fire(at)
	}
}

// probeText fires the postings of all literals in a text: those that were found in
// the same text before, or those that the automaton finds.
func (m *Matcher) probeText(n int32, x *operand) {
	plan, text := &m.program.slots[n], x.asText()
	if len(text) < shortestCached || len(text) > longestCached {
		m.searchAll(plan, x)
		return
	}
	e, state := m.caches[n].look(text)
	switch state {
	case cached:
		for _, at := range e.postings {
			m.fire(at)
		}
	case seenBefore:
		m.recording, m.recorded = true, m.recorded[:0]
		m.searchAll(plan, x)
		m.recording = false
		e.keep(text, m.recorded)
	default:
		m.searchAll(plan, x)
	}
}

// searchAll runs the automaton over the text as it is, and over the folded text
// only where a character comes up that is not ASCII.
func (m *Matcher) searchAll(plan *slotPlan, x *operand) {
	if !m.search(plan, x.asText(), false) {
		m.search(plan, x.asFolded(), true)
	}
}

// search fires the postings of all literals in the text. It is false where it met
// a character that is not ASCII in a text that is not folded.
func (m *Matcher) search(plan *slotPlan, text string, folded bool) bool {
	a := plan.automaton
	i, state := a.next(text, 0, 0, folded)
	for state != 0 {
		for r := int32(state >> a.shift); r >= 0; r = a.reports[r].shorter {
			if l := a.reports[r].literal; l >= 0 {
				m.hit(&plan.hits[l], i, len(text))
			}
		}
		i, state = a.next(text, i, state, folded)
	}
	return i == len(text)
}

// hit fires what follows from a literal that ends at a place in a text of the
// given length.
func (m *Matcher) hit(h *hit, end, length int) {
	if at := h.postings[anywhere]; at >= 0 {
		m.found(at)
	}
	if at := h.postings[atStart]; at >= 0 && end == len(h.literal) {
		m.found(at)
	}
	if at := h.postings[atEnd]; at >= 0 && end == length {
		m.found(at)
	}
}

func (m *Matcher) found(at int32) {
	if m.recording && len(m.recorded) <= mostCached {
		m.recorded = append(m.recorded, at)
	}
	m.fire(at)
}

// fire notes what follows from a posting, once for a record.
func (m *Matcher) fire(at int32) {
	if m.fired[at] == m.epoch {
		return
	}
	m.fired[at] = m.epoch
	p := &m.program.postings[at]
	for _, n := range p.proved {
		m.verdicts[n] = verdict{epoch: m.epoch, state: holding}
	}
	for _, s := range p.suspects {
		m.suspect(s)
	}
	for _, r := range p.rules {
		word := r / 64
		m.touched[word] |= 1 << (r % 64)
		m.marked[word/64] |= 1 << (word % 64)
	}
}

func (m *Matcher) suspect(s suspect) {
	v := &m.verdicts[s.predicate]
	if v.epoch != m.epoch {
		*v = verdict{epoch: m.epoch, state: suspected, suspicion: -1}
	}
	if v.state == suspected {
		m.suspicions = append(m.suspicions, suspicion{s.test, v.suspicion})
		v.suspicion = int32(len(m.suspicions) - 1)
	}
}
