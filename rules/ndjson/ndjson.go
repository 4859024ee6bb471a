// Package ndjson reads lines of JSON as rules see records: only the fields that
// rules name, without allocating.
//
// A name is looked up as rules for any log source expect it. "a.b.c" is the key
// "a.b.c", or objects within each other, or a mixture such as "a.b" that holds
// "c". One spelling counts for the whole record: of those it has, the one with
// the longest literal key, counted from the left. Case matters. Records of the
// Windows event log also answer to the short names of their fields, see
// windows.go.
//
// What a value becomes:
//
//   - Text is a String, an empty one too; escapes are decoded, and what is no
//     UTF-8 is replaced by U+FFFD.
//   - A number that is whole and fits 64 bits is an Int, and so is 5.0; others are
//     Floats. One that neither holds stays a String of its digits.
//   - An array is a List of all scalars in it, however deep. A name that leads
//     through arrays is a List of what it finds in all their elements; where none
//     has it, it is absent.
//   - An object is an empty List: it exists, and equals nothing.
//   - Of a key that is twice in one object, the last counts.
//
// A Scanner refuses what encoding/json refuses (so all of a line is checked, also
// what no rule reads), records that are no objects, and those with more than
// MaxDepth levels. It does not refuse text that is not UTF-8.
package ndjson

import (
	"fmt"

	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/rules"
)

// MaxDepth is how many objects and arrays may be within each other, the record
// included.
const MaxDepth = 64

// Schema is an open rules.Schema: it has a field of every name, and remembers
// which were asked for. The zero Schema is ready. It is not safe for concurrent
// use.
type Schema struct {
	paths  []string
	fields map[string]rules.Field
}

// Field finds the field of the name. There is one of every name but the empty.
func (s *Schema) Field(path string) (rules.Field, bool) {
	if path == "" {
		return 0, false
	}
	if f, ok := s.fields[path]; ok {
		return f, true
	}
	if s.fields == nil {
		s.fields = map[string]rules.Field{}
	}
	f := rules.Field(len(s.paths))
	s.fields[path] = f
	s.paths = append(s.paths, path)
	return f, true
}

// Paths lists the names that were asked for, by their fields.
func (s *Schema) Paths() []string { return s.paths }

// Error says what is wrong with a line.
type Error struct {
	Offset int // the byte of the line, from 0
	Msg    string
}

// Error is "byte 17: a key is missing".
func (e *Error) Error() string { return fmt.Sprintf("byte %d: %s", e.Offset, e.Msg) }

// Scanner reads lines. It has memory of its own, so each goroutine needs one.
type Scanner struct {
	root  *node
	other *node // of everything that no field names
	rec   rules.Record

	ranks   []uint64        // by field: of the spelling that it was found under
	lists   [][]event.Value // by field: the memory of its List
	touched []int           // the fields that the last record had

	data     []byte
	scratch  []byte // texts that had escapes
	keywords bool
	depth    int
	arrays   int    // that are open around the value being read
	objects  uint64 // that were opened so far
	careful  bool   // heed duplicate keys
	twice    bool   // a duplicate key was met while not careful
	err      *Error
}

// Scanner returns a new scanner of the fields that were asked for so far. With
// keywords, its records have Leaves: all texts, numbers and truth values.
func (s *Schema) Scanner(keywords bool) *Scanner {
	sc := &Scanner{
		other:    newNode(),
		keywords: keywords,
		ranks:    make([]uint64, len(s.paths)),
		lists:    make([][]event.Value, len(s.paths)),
	}
	sc.other.seal(sc.other)
	sc.root = newNode()
	for f, path := range s.paths {
		sc.root.routes = append(sc.root.routes, routes(f, path)...)
	}
	sc.rec.Values = make([]event.Value, len(s.paths))
	return sc
}

// Scan reads a line. The record and all that it holds belong to the scanner and
// to the line, and are good until either changes. The error is an *Error.
//
// Leaves also have the content of duplicate keys that do not count otherwise:
// whoever searches a record wants all of it.
func (s *Scanner) Scan(line []byte) (*rules.Record, error) {
	ok := s.record(line)
	if s.twice {
		s.careful = true
		ok = s.record(line)
		s.careful = false
	}
	s.data = nil
	if !ok {
		return nil, s.err
	}
	return &s.rec, nil
}

func (s *Scanner) record(line []byte) bool {
	s.reset(line)
	i := s.blank(0)
	if !s.is(i, '{') {
		s.fail(i, "the opening brace of an object is missing")
		return false
	}
	if i = s.object(s.root, i); i < 0 {
		return false
	}
	if i = s.blank(i); i < len(line) {
		s.fail(i, "something is after the end of the object")
		return false
	}
	return true
}

func (s *Scanner) reset(line []byte) {
	for _, f := range s.touched {
		s.rec.Values[f] = event.Value{}
	}
	s.touched, s.rec.Leaves, s.scratch = s.touched[:0], s.rec.Leaves[:0], s.scratch[:0]
	s.data, s.depth, s.arrays, s.twice, s.err = line, 0, 0, false, nil
}
