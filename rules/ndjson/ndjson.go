// Package ndjson reads raw JSON records, one a line, as rules see them. It takes
// only the fields that rules name and allocates nothing in the long run, because
// decoding is what limits how fast rules can look at a stream.
//
// A field's path names literal keys and nested objects alike: "a.b.c" is the key
// "a.b.c", or c in b in a, or any mixture. Of several that a record has, the most
// literal wins: the one whose first key is longest, then its second. Exporters
// disagree about flattening, and rules should not have to care.
//
// The parts: trie.go says which keys lead to which fields, scan.go walks a line
// along the trie, shape.go foretells
// the keys of the next line from the last, array.go collects what arrays hold, token.go reads strings and
// numbers, and windows.go knows where Windows event logs keep their fields.
package ndjson

import (
	"fmt"
	"slices"

	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/rules"
)

// maxDepth is how deep objects and arrays may nest. Records of audit logs nest
// three or four deep; the limit keeps a hostile line from exhausting the stack.
const maxDepth = 64 // tooDeep says it too

// Error is what is wrong with a line. It does not quote the line, which holds a
// customer's data.
type Error struct {
	Offset int // in bytes, from 0
	Msg    string
}

// Error says where and what.
func (e *Error) Error() string { return fmt.Sprintf("JSON, byte %d: %s", e.Offset, e.Msg) }

// Schema is the list of fields that rules over raw records name. Raw records
// have no fixed fields, so it is open: whatever a rule names becomes a field. It
// must not be used concurrently.
type Schema struct {
	paths []string
	index map[string]rules.Field
}

// NewSchema returns a schema without fields.
func NewSchema() *Schema { return &Schema{index: map[string]rules.Field{}} }

// Field finds a field by its path and adds it where it is new. Only the empty
// path is no field.
func (s *Schema) Field(path string) (rules.Field, bool) {
	if path == "" {
		return 0, false
	}
	f, ok := s.index[path]
	if !ok {
		f = rules.Field(len(s.paths))
		s.index[path] = f
		s.paths = append(s.paths, path)
	}
	return f, true
}

// Paths lists the fields named so far.
func (s *Schema) Paths() []string { return s.paths }

// Scanner turns lines into records. It keeps memory from line to line, so each
// goroutine needs its own.
type Scanner struct {
	root     *node
	windows  *node // of what is under the key "Event"
	keywords bool

	line   []byte
	values []event.Value // the record's, by Field
	ranks  []uint64      // by Field, of those in values; the lowest wins
	leaves []event.Value
	leafy  bool // whether this pass collects leaves
	err    *Error

	// eventAt is where the object under "Event" begins, 0 where there is none.
	eventAt int

	// objects numbers the objects met, so that an edge can tell a key that comes
	// twice in one object. stale are the offsets of keys that a later one of the
	// same name replaces; careful says that this pass is to pass over them.
	objects uint64
	stale   []int
	careful bool

	// The memory below belongs to the values of the last record. Growing it leaves
	// what was handed out in the old memory, where it stays as it is.
	text  []byte          // decoded strings
	items []event.Value   // elements of lists
	lists [][]event.Value // headers of lists

	// The stacks of arrays that are open, see array.go.
	found []element
	saved []slot
}

// Scanner returns a scanner of the fields that the schema has now. With keywords
// it also collects all content of a record.
func (s *Schema) Scanner(keywords bool) *Scanner {
	return &Scanner{
		root:     plainTrie(s.paths),
		windows:  windowsTrie(s.paths),
		keywords: keywords,
		ranks:    make([]uint64, len(s.paths)),
	}
}

// Scan reads a line into the record. Its values are good until the line changes
// or Scan is called again. The error is an *Error; the record is then of no use.
//
// A value that is an array is a List, of all that arrays within it hold too; an
// object is a List of nothing, so that the field exists and equals nothing. Of
// keys that come twice in an object the last counts. Keywords search all that
// the line holds, also what a later key replaces.
func (sc *Scanner) Scan(line []byte, rec *rules.Record) error {
	n := len(sc.ranks)
	rec.Values = slices.Grow(rec.Values[:0], n)[:n]
	sc.line, sc.values, sc.leaves = line, rec.Values, rec.Leaves[:0]
	sc.text, sc.stale, sc.err = sc.text[:0], sc.stale[:0], nil

	sc.careful, sc.leafy = false, sc.keywords
	end := sc.pass()
	if end >= 0 && len(sc.stale) > 0 {
		slices.Sort(sc.stale)
		sc.careful = true
		sc.pass()
	}
	rec.Leaves = sc.leaves
	sc.line, sc.values, sc.leaves = nil, nil, nil
	if end < 0 {
		return sc.err
	}
	return nil
}

// pass reads the whole line once, and what is under "Event" once more for the
// fields of Windows event logs. It returns a negative number where the line is
// not JSON.
func (sc *Scanner) pass() int {
	clear(sc.values)
	sc.items, sc.lists = sc.items[:0], sc.lists[:0]
	sc.found, sc.saved, sc.eventAt = sc.found[:0], sc.saved[:0], 0

	i := sc.value(sc.space(0), 0, sc.root, 0)
	if i < 0 {
		return i
	}
	if i = sc.space(i); i < len(sc.line) {
		return sc.fail(i, "text after the end of the record")
	}
	sc.leafy = false // the passes that follow see the same content again
	if sc.eventAt > 0 {
		sc.object(sc.eventAt, 1, sc.windows, windowsRank)
	}
	return i
}

// fail notes what is wrong and returns what the methods that read return then.
func (sc *Scanner) fail(i int, msg string) int {
	if i >= len(sc.line) {
		i, msg = len(sc.line), "the line ends too early"
	}
	sc.err = &Error{Offset: i, Msg: msg}
	return -1
}
