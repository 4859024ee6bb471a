package ndjson

import (
	"strings"

	"github.com/crmwatch/crmwatch/rules"
)

// node is a place in a record: what has been read of the paths so far. "a.b" is
// one node, whether a record says it in one key or in two objects, so that a path
// of n names needs n nodes and not one for each mixture.
type node struct {
	terms []term           // the fields whose path ends here
	below []rules.Field    // the fields whose path goes on
	edges map[string]*edge // by key
	any   *edge            // for keys that have no edge, nil for none
	// split is the rank of paths that begin a new object here. Early ones weigh
	// more, so the most literal way to a field has the lowest rank.
	split uint64
	// event marks the node of the key "Event".
	event bool
	// shape is how the keys of the last object here followed each other. Records of
	// one source look alike, so the next key can mostly be told from it by one
	// comparison.
	shape []member
}

// term is a field, and what makes it less welcome than its rank says.
type term struct {
	field   rules.Field
	penalty uint64
}

// edge leads to a node by a key.
type edge struct {
	to *node
	// seen is the last object that had the key, at the key's offset there.
	seen uint64
	at   int
	many bool // that different keys share it
}

// trie builds nodes, each once.
type trie struct {
	nodes map[string]*node // by the path so far, "" for the root
}

// plainTrie leads to fields by their paths.
func plainTrie(paths []string) *node {
	t := trie{nodes: map[string]*node{}}
	for f, path := range paths {
		t.add(rules.Field(f), path)
	}
	ev := t.node("Event", 1)
	ev.event = true
	t.link(t.node("", 0), "Event", ev)
	return t.node("", 0)
}

// add leads to the field by the path, from every node on it by every key that may
// come next.
func (t trie) add(f rules.Field, path string) *node {
	names := strings.Split(path, ".")
	prefix := func(n int) *node {
		if n == 0 {
			return t.node("", 0)
		}
		return t.node(strings.Join(names[:n], "."), n)
	}
	for from := range names {
		n := prefix(from)
		n.addBelow(f)
		for to := from + 1; to <= len(names); to++ {
			t.link(n, strings.Join(names[from:to], "."), prefix(to))
		}
	}
	last := prefix(len(names))
	last.terms = append(last.terms, term{field: f})
	return last
}

// node returns the node after the first names of a path. The path ".a" begins
// with an empty name, which is not the root; so nodes are known by a dot too.
func (t trie) node(path string, names int) *node {
	key := path
	if names > 0 {
		key = "." + path
	}
	n, ok := t.nodes[key]
	if !ok {
		n = &node{edges: map[string]*edge{}, split: splitRank(names)}
		t.nodes[key] = n
	}
	return n
}

// addBelow says that the field's path goes on at the node, by whatever ways.
func (n *node) addBelow(f rules.Field) {
	if k := len(n.below); k == 0 || n.below[k-1] != f {
		n.below = append(n.below, f)
	}
}

// link leads from one node to another by the key.
func (t trie) link(from *node, key string, to *node) {
	if from.edges[key] == nil {
		from.edges[key] = &edge{to: to}
	}
}

// splitRank is the rank of a new object after so many names. Bits above are
// windows.go's. Paths of more names than there are bits do not tell late objects
// apart, nor can they have many: objects nest maxDepth deep at most.
func splitRank(names int) uint64 {
	if names == 0 || names > 60 {
		return 0
	}
	return 1 << (60 - names)
}

// find is the edge of a key, nil for none.
func (n *node) find(key []byte) *edge {
	if e, ok := n.edges[string(key)]; ok {
		return e
	}
	return n.any
}
