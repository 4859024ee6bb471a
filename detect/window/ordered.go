package window

// sequence knows whether inputs were seen in their order: the correlation type
// temporal_ordered. For every clause and each number of its inputs it keeps when
// the latest chain of the first so many began; the condition holds where the
// chain of all began within the window. So an entry costs a step for each input,
// however long the window is. Entries of one time are in no order.
type sequence struct {
	seen
	clauses []clause
	chains  [][]int64 // by clause and length; none: no such chain
	// At the time last, chains is brought up to date from before, which does not
	// know of any entry of that time.
	before [][]int64
	last   int64
}

const none = beforeAll

func newSequence(inputs int, clauses []clause) tally {
	t := &sequence{seen: seen{times: make([]int32, inputs)}, clauses: clauses}
	for _, c := range clauses {
		t.chains = append(t.chains, make([]int64, len(c.slots)))
		t.before = append(t.before, make([]int64, len(c.slots)))
	}
	t.reset()
	return t
}

func (t *sequence) add(at int64, slots uint64, v value, behind bool) {
	t.seen.add(at, slots, v, behind)
	if at != t.last {
		t.last = at
		for i := range t.chains {
			copy(t.before[i], t.chains[i])
		}
	}
	for i := range t.clauses {
		t.extend(t.clauses[i].slots, t.before[i], t.chains[i], at, slots)
	}
}

// extend adds to the chains of a clause those that end with an entry.
func (t *sequence) extend(order []int, before, chains []int64, at int64, slots uint64) {
	for i, slot := range order {
		if slots&(1<<slot) == 0 {
			continue
		}
		if i == 0 {
			chains[0] = at
		} else {
			chains[i] = max(chains[i], before[i-1])
		}
	}
}

// holds reports whether the inputs of a clause were seen in their order within
// the window that begins at a time.
func (t *sequence) holds(i int, c *clause, from int64) bool {
	return t.chains[i][len(c.slots)-1] >= from && c.Without&t.inputs() == 0
}

// remember goes on with the chains of a sketch, which is of earlier entries. A
// chain only ever begins later, so it does no harm where they are known.
func (t *sequence) remember(k *sketch, from int64) {
	t.seen.remember(k, from)
	before := k.order.chains
	if t.last <= k.order.last {
		t.last, before = k.order.last, k.order.before
	}
	for i := range t.chains {
		for j := range t.chains[i] {
			t.chains[i][j] = max(t.chains[i][j], k.order.chains[i][j])
			t.before[i][j] = max(t.before[i][j], before[i][j])
		}
	}
}

func (t *sequence) reset() {
	t.seen.reset()
	t.last = none
	for i := range t.chains {
		for j := range t.chains[i] {
			t.chains[i][j], t.before[i][j] = none, none
		}
	}
}
