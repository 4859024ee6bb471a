package ndjson

import (
	"encoding/binary"
	"encoding/json"
	"strings"
)

// node is a place in records: what the objects there are searched for, and the
// order in which their keys came so far.
type node struct {
	targets []target // the fields whose value stands here
	routes  []route  // to the fields further down, until the node is opened
	open    bool
	steps   map[string]*step
	learned int   // steps of keys that no route leads along
	start   step  // before the first key
	unknown step  // of the keys that are too many to be learned
	any     *node // where keys lead that no route names
}

// target is a field whose value stands at a node, with the rank of the spelling
// that leads there. Of several spellings in one record, the highest rank counts.
type target struct {
	field int
	rank  uint64
}

// step is a key of a node's objects.
type step struct {
	to     *node
	wanted bool   // a route leads along the key
	seen   uint64 // the last object that had the key, by Scanner.objects
	last   int    // where its value begins in that object, where Scanner is careful

	// What came after the key lately. Records of one source have their keys in one
	// order, so that a comparison finds the next key faster than a look-up.
	next, other *step

	text string // `"key":`; empty of a step without a key of its own
	// The text and the bits that count, if it fits: two comparisons are faster than
	// one of texts. Otherwise word0 is 1 and there is no mask, so that
	// nothing equals it.
	word0, mask0, word1, mask1 uint64
}

// maxLearned bounds the memory for keys that nobody asked for.
const maxLearned = 256

// route is a way to a field from a node on: the keys before, then the segments of
// the name, which may be joined by dots in all ways, then the keys behind.
type route struct {
	target
	before, name, behind []string
}

// anyKey stands for every key in route.before.
const anyKey = "*"

// maxSegments bounds the ways to spell a name, for they must differ in the bits of
// a rank. The dots after that many segments are literal.
const maxSegments = 48

// The rank of a spelling is that of its route, then a bit for each dot, from the
// left: 1 where it is part of a key.
const rankShift = maxSegments

// routes lists all ways to a field.
func routes(field int, path string) []route {
	name := strings.SplitN(path, ".", maxSegments)
	own := route{target: target{field, ownRank << rankShift}, name: name}
	return append(windowsRoutes(field, name), own)
}

func newNode() *node {
	textless := step{next: never, other: never, word0: 1}
	return &node{steps: map[string]*step{}, start: textless, unknown: textless}
}

// seal opens the node, whose objects' keys lead to other unless a route says
// else. It is done when a record has such an object: a name of many segments has
// many spellings, and records have few of them.
func (n *node) seal(other *node) {
	n.open, n.any = true, other
	for _, r := range n.routes {
		for _, way := range r.ways() {
			n.add(way.key, way.route, other)
		}
	}
	if n.any != other {
		for _, st := range n.steps {
			st.to.inherit(n.any)
		}
	}
	n.routes = nil
	n.unknown.to = n.any
}

// way is a route's next key and what is then left of it.
type way struct {
	key string
	route
}

func (r route) ways() []way {
	switch {
	case len(r.before) > 0:
		key := r.before[0]
		r.before = r.before[1:]
		return []way{{key, r}}
	case len(r.name) == 0:
		key := r.behind[0]
		r.behind = r.behind[1:]
		return []way{{key, r}}
	}
	var ways []way
	name := r.name
	for k := 1; k <= len(name); k++ {
		if k > 1 {
			r.rank |= 1 << (len(name) - k)
		}
		r.name = name[k:]
		ways = append(ways, way{strings.Join(name[:k], "."), r})
	}
	return ways
}

func (n *node) add(key string, r route, other *node) {
	if key == anyKey {
		if n.any == other {
			n.any = newNode()
		}
		n.any.take(r)
		return
	}
	st := n.steps[key]
	if st == nil {
		st = newStep(key, newNode())
		st.wanted = true
		n.steps[key] = st
	}
	st.to.take(r)
}

// take is told that the route leads through the node, or ends in it.
func (n *node) take(r route) {
	if len(r.before)+len(r.name)+len(r.behind) == 0 {
		n.targets = append(n.targets, r.target)
		return
	}
	n.routes = append(n.routes, r)
}

// inherit gives the node, to which a key of its own leads, what any key leads to.
func (n *node) inherit(a *node) {
	n.targets = append(n.targets, a.targets...)
	n.routes = append(n.routes, a.routes...)
}

// leads reports whether fields may be within objects at the node.
func (n *node) leads() bool { return n.open || len(n.routes) > 0 }

// learn returns the step of a key that has none yet.
func (n *node) learn(key []byte) *step {
	if n.learned == maxLearned || len(key) > 64 {
		return &n.unknown
	}
	n.learned++
	st := newStep(string(key), n.any)
	n.steps[string(key)] = st
	return st
}

func newStep(key string, to *node) *step {
	st := &step{to: to, text: quoted(key) + ":", next: never, other: never, word0: 1}
	if len(st.text) <= 16 {
		var text, mask [16]byte
		for i := range copy(text[:], st.text) {
			mask[i] = 0xff
		}
		st.word0, st.mask0 = binary.LittleEndian.Uint64(text[:8]), binary.LittleEndian.Uint64(mask[:8])
		st.word1, st.mask1 = binary.LittleEndian.Uint64(text[8:]), binary.LittleEndian.Uint64(mask[8:])
	}
	return st
}

// never is the step that comes where nothing has come yet.
var never = &step{word0: 1}

// quoted is the key as it most likely stands in JSON.
func quoted(key string) string {
	if end, _ := plainRun([]byte(key), 0); end < len(key) {
		escaped, _ := json.Marshal(key) // of a string cannot fail
		return string(escaped)
	}
	return `"` + key + `"`
}

// begins reports whether the 16 bytes begin with the key and its colon. It does
// not know for long keys.
func (st *step) begins(word0, word1 uint64) bool {
	return (word0&st.mask0^st.word0)|(word1&st.mask1^st.word1) == 0
}

// at reports whether the key and its colon are at data[i].
func (st *step) at(data []byte, i int) bool {
	end := i + len(st.text)
	return st.text != "" && end <= len(data) && string(data[i:end]) == st.text
}

// came notes that the step next came after the step.
func (st *step) came(next *step) {
	if st.next != next {
		st.next, st.other = next, st.next
	}
}
