package ndjson

import (
	"github.com/crmwatch/crmwatch/event"
)

// Methods that read something are given the index where it begins, and return
// the index behind it, or -1 where they failed.

// fail records what is wrong with the line and where.
func (s *Scanner) fail(i int, msg string) int {
	s.err = &Error{Offset: i, Msg: msg}
	return -1
}

// is reports whether the byte is at the index.
func (s *Scanner) is(i int, c byte) bool { return i < len(s.data) && s.data[i] == c }

// blank passes over white space.
func (s *Scanner) blank(i int) int {
	for i < len(s.data) {
		if c := s.data[i]; c > ' ' || c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			break
		}
		i++
	}
	return i
}

// enter opens an object or an array at i.
func (s *Scanner) enter(i int) bool {
	if s.depth++; s.depth > MaxDepth {
		s.fail(i, "too many levels of objects and arrays")
		return false
	}
	return true
}

// leave closes an object or an array at i.
func (s *Scanner) leave(i int, with byte) int {
	if !s.is(i, with) {
		if with == '}' {
			return s.fail(i, "a comma or a closing brace is missing")
		}
		return s.fail(i, "a comma or a closing bracket is missing")
	}
	s.depth--
	return i + 1
}

// object reads an object whose keys are the steps of the node.
func (s *Scanner) object(n *node, i int) int {
	if !s.enter(i) {
		return -1
	}
	if !n.open {
		n.seal(s.other)
	}
	if s.careful {
		s.findLast(n, i)
	}
	if i = s.blank(i + 1); s.is(i, '}') {
		return s.leave(i, '}')
	}
	return s.members(n, i)
}

// members reads an object from its first key on. Nearly all keys and texts are
// read here, without a call for each thing: this decides how fast crmwatch is.
func (s *Scanner) members(n *node, i int) int {
	s.objects++
	object, data := s.objects, s.data
	for st := &n.start; ; {
		next := st.next
		if i+16 <= len(data) && next.begins(words(data, i)) {
			st, i = next, i+len(next.text)
		} else if st, i = s.step(n, st, i); i < 0 {
			return -1
		}
		to := st.to
		if st.wanted {
			if to = s.once(st, i, object); to == nil {
				return -1
			}
		}
		if !s.is(i, '"') {
			i = s.value(to, i)
		} else if end, high := plainRun(data, i+1); end < len(data) && data[end] == '"' && high == 0 {
			switch text := alias(data[i+1 : end]); {
			case s.keywords || s.arrays > 0 || len(to.targets) > 1:
				s.give(to, event.Value{Kind: event.String, Str: text})
			case len(to.targets) == 1:
				s.giveText(to.targets[0], text)
			}
			i = end + 1
		} else {
			i = s.value(to, i)
		}
		if i < 0 {
			return -1
		}
		if i < len(data) && data[i] == ',' {
			i++
			continue
		}
		if i = s.blank(i); !s.is(i, ',') {
			return s.leave(i, '}')
		}
		i++
	}
}

// once returns where a wanted key leads whose value begins at i. A second one in
// the same object is nothing a single pass can cope with: nil, and the line is
// read again carefully.
func (s *Scanner) once(st *step, i int, object uint64) *node {
	if s.careful && st.last != i {
		return s.other
	}
	if !s.careful && st.seen == object {
		s.twice = true
		return nil
	}
	st.seen = object
	return st.to
}

// step reads a key that is not the one that came last time after the step.
func (s *Scanner) step(n *node, after *step, i int) (*step, int) {
	i = s.blank(i)
	for _, st := range [...]*step{after.next, after.other} {
		if st.at(s.data, i) {
			after.came(st)
			return st, i + len(st.text)
		}
	}
	st, i := s.key(n, i)
	if i >= 0 {
		after.came(st)
	}
	return st, i
}

// key reads a key and its colon.
func (s *Scanner) key(n *node, i int) (*step, int) {
	if !s.is(i, '"') {
		return nil, s.fail(i, "a key is missing")
	}
	key, end := s.text(i)
	if end < 0 {
		return nil, -1
	}
	colon := s.blank(end)
	if !s.is(colon, ':') {
		return nil, s.fail(colon, "the colon after a key is missing")
	}
	st := n.steps[key]
	if st == nil {
		if plain := s.data[i+1 : end-1]; string(plain) == key {
			st = n.learn(plain)
		} else {
			st = &n.unknown
		}
	}
	return st, colon + 1
}

// findLast notes for each wanted key of an object where it is last. A mistake in
// the object is left to the reader of it.
func (s *Scanner) findLast(n *node, i int) {
	if n == s.other {
		return
	}
	ahead := Scanner{other: s.other, data: s.data, depth: s.depth, scratch: s.scratch}
	for {
		i = ahead.blank(i + 1)
		st, value := ahead.key(n, i)
		if value < 0 {
			break
		}
		st.last = value
		if i = ahead.value(s.other, value); i < 0 {
			break
		}
		if i = ahead.blank(i); !ahead.is(i, ',') {
			break
		}
	}
	s.scratch = ahead.scratch
}

// value reads what stands at the node.
func (s *Scanner) value(n *node, i int) int {
	if i >= len(s.data) {
		return s.fail(i, "a value is missing")
	}
	switch c := s.data[i]; c {
	case '"':
		return s.textValue(n, i)
	case '{':
		s.present(n)
		if !n.leads() {
			n = s.other
		}
		return s.object(n, i)
	case '[':
		return s.array(n, i)
	case 't':
		return s.word(n, i, "true", event.BoolValue(true))
	case 'f':
		return s.word(n, i, "false", event.BoolValue(false))
	case 'n':
		return s.word(n, i, "null", event.NullValue())
	case ' ', '\t', '\n', '\r':
		return s.value(n, s.blank(i))
	default:
		return s.number(n, i)
	}
}

// textValue reads a text that stands at the node.
func (s *Scanner) textValue(n *node, i int) int {
	if len(n.targets) == 0 && !s.keywords {
		return s.skipText(i)
	}
	text, i := s.text(i)
	if i >= 0 {
		s.give(n, event.Value{Kind: event.String, Str: text})
	}
	return i
}

func (s *Scanner) word(n *node, i int, word string, v event.Value) int {
	end := i + len(word)
	if end > len(s.data) || string(s.data[i:end]) != word {
		return s.fail(i, "a value is missing")
	}
	if len(n.targets) > 0 || s.keywords {
		s.give(n, v)
	}
	return end
}

// array reads an array; each of its elements stands at the node.
func (s *Scanner) array(n *node, i int) int {
	if !s.enter(i) {
		return -1
	}
	s.present(n)
	s.arrays++
	if i = s.blank(i + 1); !s.is(i, ']') {
		for {
			if i = s.value(n, i); i < 0 {
				return -1
			}
			if i = s.blank(i); !s.is(i, ',') {
				break
			}
			i++
		}
	}
	s.arrays--
	return s.leave(i, ']')
}
