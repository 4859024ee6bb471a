package ndjson

import "encoding/binary"

// member is what stands in a line from the end of one value of an object to the
// beginning of the next, `,"key":` with whatever spaces, and the key's edge or nil.
// All of it was found to be right when it was learned, so that it need not be looked
// at again where a line has the same bytes. The quote of a value that is a string
// belongs to it.
type member struct {
	edge   *edge
	quoted bool
	size   int
	// head is the beginning of the text, as two words, and mask which of their bits
	// count. To compare them is much faster than to compare texts.
	head, mask [2]uint64
	tail       []byte // what comes after them
}

// headSize is how many bytes the head holds, which most keys do not exceed.
const headSize = 16

// The limits of what a shape remembers, so that odd records cannot fill memory.
const (
	maxMembers = 128
	maxText    = 128
)

// starts tells whether the line has the member at i. Within the last bytes of a line
// it may deny it, which only takes longer.
func (m *member) starts(line []byte, i int) bool {
	if i+headSize > len(line) {
		return false
	}
	head := line[i : i+headSize]
	return binary.LittleEndian.Uint64(head)&m.mask[0] == m.head[0] &&
		binary.LittleEndian.Uint64(head[8:])&m.mask[1] == m.head[1] &&
		(m.size <= headSize || m.ends(line[i+headSize:]))
}

// ends compares what the head does not hold.
func (m *member) ends(rest []byte) bool {
	return len(rest) >= len(m.tail) && string(rest[:len(m.tail)]) == string(m.tail)
}

// value is where the value begins after the member at i.
func (m *member) value(i int) int {
	if m.quoted {
		return i + m.size - 1
	}
	return i + m.size
}

// learn remembers the k-th member of an object, which stands in the line from start
// to the value. It reuses the memory of the one it replaces, because records of
// several sources may take turns.
func (n *node) learn(k int, line []byte, start, value int, e *edge) {
	quoted := value < len(line) && line[value] == '"'
	if quoted {
		value++
	}
	if k >= maxMembers || k > len(n.shape) || value-start > maxText {
		return
	}
	if k == len(n.shape) {
		n.shape = append(n.shape, member{tail: make([]byte, 0, maxText)})
	}
	m := &n.shape[k]
	m.edge, m.quoted, m.size = e, quoted, value-start
	text := line[start:value]
	for w := range m.head {
		m.head[w], m.mask[w] = 0, 0
		for b := range min(len(text), 8) {
			m.head[w] |= uint64(text[b]) << (8 * b)
			m.mask[w] |= 0xff << (8 * b)
		}
		text = text[min(len(text), 8):]
	}
	m.tail = append(m.tail[:0], text...)
}
