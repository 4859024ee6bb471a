package rules

import (
	"cmp"
	"slices"
	"unicode/utf8"
)

// automaton finds all occurrences of many literals in one pass over a text: the
// algorithm of Aho and Corasick.
//
// It is our own because no library of the module proxy does the one thing that
// is needed here, to report overlapping occurrences without allocating:
// petar-dambovaliev/aho-corasick allocates for every search and every
// occurrence, cloudflare/ahocorasick for every search, coregx/ahocorasick
// for its list of overlapping ones, and BobuSumisu/aho-corasick takes 2 KB for
// every byte of a literal.
//
// States are numbered by their depth, so those that most texts stay in come
// first. They have a row in a table, one look-up a byte. States beyond the table's
// budget have a list of edges and fall back where none fits, so that a hundred
// thousand literals take megabytes, not gigabytes.
//
// Bytes are taken together in classes, one for all that are in no literal. A
// capital ASCII letter is in the class of its small one, so a text that is all
// ASCII need not be folded before.
//
// A state's name is its number shifted left, plus ends where a literal ends in
// it: the index of its row, and the answer to the commonest question, in one word.
type automaton struct {
	classes [256]uint8
	shift   uint8
	table   []uint32 // of the first states: the state that follows, by row and class
	sparse  []sparseState
	edges   []edge // of the sparse states
	// reports are, by number of state, where the literals begin that end there.
	reports []report
}

// ends is the bit of a state's name that says that a literal ends in it.
const ends = 1

// tableBudget bounds the table's entries.
const tableBudget = 1 << 20

type sparseState struct {
	fallback   uint32 // the state of the longest end that begins another literal
	first, end uint32 // its edges
}

type edge struct {
	class uint8
	to    uint32
}

// report is the literal that ends in a state, and the next state, by number, of a
// shorter one that ends at the same place; each is -1 for none.
type report struct{ literal, shorter int32 }

// newAutomaton makes an automaton of different folded literals, none of which is
// empty. The table has at most budget entries, but always one row.
func newAutomaton(literals []string, budget int) *automaton {
	a := &automaton{}
	width := a.classify(literals)
	for a.shift = 1; 1<<a.shift < width; {
		a.shift++
	}
	t := newTrie(literals, &a.classes)
	a.number(t, max(1, min(budget>>a.shift, len(t.nodes))))
	return a
}

// classify gives every byte its class and returns how many classes there are.
func (a *automaton) classify(literals []string) int {
	n := 1
	for _, l := range literals {
		for i := range len(l) {
			if a.classes[l[i]] == 0 {
				a.classes[l[i]] = uint8(n)
				n++
			}
		}
	}
	for b := 'a'; b <= 'z'; b++ {
		a.classes[b-'a'+'A'] = a.classes[b]
	}
	return n
}

// trie is the automaton in the making. Nodes are in the order of their depth.
type trie struct{ nodes []trieNode }

type trieNode struct {
	edges    []edge // to numbers of nodes
	fallback uint32
	report   report
}

// newTrie takes sorted literals byte by byte, all of them at once, which numbers
// the nodes by depth.
func newTrie(literals []string, classes *[256]uint8) *trie {
	order := make([]int32, len(literals))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(x, y int32) int { return cmp.Compare(literals[x], literals[y]) })
	t := &trie{nodes: []trieNode{{report: report{-1, -1}}}}
	// span is a node and the literals that begin with its text.
	type span struct{ first, end int }
	spans := []span{{0, len(order)}}
	for n, depth, last := 0, 0, 1; n < len(t.nodes); n++ {
		if n == last {
			depth, last = depth+1, len(t.nodes)
		}
		for i := spans[n].first; i < spans[n].end; {
			l := literals[order[i]]
			if len(l) == depth {
				t.nodes[n].report.literal = order[i]
				i++
				continue
			}
			first := i
			for i < spans[n].end && literals[order[i]][depth] == l[depth] {
				i++
			}
			t.nodes[n].edges = append(t.nodes[n].edges, edge{classes[l[depth]], uint32(len(t.nodes))})
			t.nodes = append(t.nodes, trieNode{report: report{-1, -1}})
			spans = append(spans, span{first, i})
		}
	}
	t.close()
	return t
}

// close finds every node's fallback and the shorter literals that end with it.
func (t *trie) close() {
	for n := range t.nodes {
		for _, e := range t.nodes[n].edges {
			child := &t.nodes[e.to]
			if n > 0 {
				child.fallback = t.follow(t.nodes[n].fallback, e.class)
			}
			back := &t.nodes[child.fallback]
			child.report.shorter = back.report.shorter
			if back.report.literal >= 0 {
				child.report.shorter = int32(child.fallback)
			}
		}
	}
}

// follow gives the node that follows a node and a class, by way of fallbacks.
func (t *trie) follow(n uint32, class uint8) uint32 {
	for {
		for _, e := range t.nodes[n].edges {
			if e.class == class {
				return e.to
			}
		}
		if n == 0 {
			return 0
		}
		n = t.nodes[n].fallback
	}
}

// number lays the trie out, with rows for its first nodes.
func (a *automaton) number(t *trie, rows int) {
	name := func(n uint32) uint32 {
		r := t.nodes[n].report
		if r.literal >= 0 || r.shorter >= 0 {
			return n<<a.shift | ends
		}
		return n << a.shift
	}
	a.table = make([]uint32, rows<<a.shift)
	for n, node := range t.nodes {
		a.reports = append(a.reports, node.report)
		if n >= rows {
			first := uint32(len(a.edges))
			for _, e := range node.edges {
				a.edges = append(a.edges, edge{e.class, name(e.to)})
			}
			a.sparse = append(a.sparse, sparseState{name(node.fallback), first, uint32(len(a.edges))})
			continue
		}
		row := a.table[n<<a.shift:][:1<<a.shift]
		if n > 0 {
			copy(row, a.table[node.fallback<<a.shift:])
		}
		for _, e := range node.edges {
			row[e.class] = name(e.to)
		}
	}
}

// step gives the state that follows a state without a row.
func (a *automaton) step(state uint32, class uint8) uint32 {
	for int(state) >= len(a.table) {
		s := &a.sparse[state>>a.shift-uint32(len(a.table)>>a.shift)]
		for _, e := range a.edges[s.first:s.end] {
			if e.class == class {
				return e.to
			}
		}
		state = s.fallback
	}
	return a.table[state&^ends+uint32(class)]
}

// next gives the first place in the text, from place i and the state there on, up
// to which a literal ends. It stops before characters that are not ASCII, unless
// the text is folded. Where there is no such place, it returns where it stopped
// and a state without ends.
func (a *automaton) next(text string, i int, state uint32, folded bool) (int, uint32) {
	table := a.table
	for ; i < len(text); i++ {
		b := text[i]
		if b >= utf8.RuneSelf && !folded {
			return i, 0
		}
		class := a.classes[b]
		if at := int(state&^ends) + int(class); at < len(table) {
			state = table[at]
		} else {
			state = a.step(state, class)
		}
		if state&ends != 0 {
			return i + 1, state
		}
	}
	return i, 0
}
