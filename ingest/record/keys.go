package record

import "bytes"

// Keys are the keys of one JSON object, as they are written.
type Keys [][]byte

// Has reports whether there is a key of that name.
func (k Keys) Has(name string) bool {
	for _, key := range k {
		if string(key) == name {
			return true
		}
	}
	return false
}

// HasAll reports whether there are keys of all these names.
func (k Keys) HasAll(names ...string) bool {
	for _, name := range names {
		if !k.Has(name) {
			return false
		}
	}
	return true
}

// AppendKeys appends the keys of the object that data begins with, those of
// objects within it left out. It looks only at the structure, so it finds keys
// in an object that is cut off or not quite JSON, and stops where it cannot go
// on. The keys share the memory of data.
func AppendKeys(dst Keys, data []byte) Keys {
	walkMembers(data, func(key []byte, _ int) bool {
		dst = append(dst, key)
		return true
	})
	return dst
}

// elements returns where the elements of a query response begin, behind the
// bracket of its "records", or -1 where the object that data begins with is not
// one.
func elements(data []byte) int {
	found := -1
	walkMembers(data, func(key []byte, value int) bool {
		if string(key) == "records" && value < len(data) && data[value] == '[' {
			found = value + 1
		}
		return found < 0
	})
	return found
}

// walkMembers calls fn with every key of the object and the place of its value.
func walkMembers(data []byte, fn func(key []byte, value int) bool) {
	pos := skipSpace(data, 0)
	if pos >= len(data) || data[pos] != '{' {
		return
	}
	for pos++; ; pos++ {
		pos = skipSpace(data, pos)
		if pos >= len(data) || data[pos] != '"' {
			return
		}
		end := skipString(data, pos)
		if end < 0 {
			return
		}
		key := data[pos+1 : end-1]
		if pos = skipSpace(data, end); pos >= len(data) || data[pos] != ':' {
			return
		}
		pos = skipSpace(data, pos+1)
		if !fn(key, pos) {
			return
		}
		if pos = skipSpace(data, skipValue(data, pos)); pos >= len(data) || data[pos] != ',' {
			return
		}
	}
}

func skipSpace(data []byte, pos int) int {
	for pos < len(data) && isSpace(data[pos]) {
		pos++
	}
	return pos
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// skipString returns the place behind the string that begins at pos, -1 where
// it does not end.
func skipString(data []byte, pos int) int {
	for pos++; pos < len(data); {
		i := bytes.IndexByte(data[pos:], '"')
		if i < 0 {
			return -1
		}
		escapes := 0
		for end := pos + i; end-escapes-1 >= pos && data[end-escapes-1] == '\\'; {
			escapes++
		}
		pos += i + 1
		if escapes%2 == 0 {
			return pos
		}
	}
	return -1
}

// skipValue returns the place behind the value at pos, or the end of data.
func skipValue(data []byte, pos int) int {
	depth := 0
	for pos < len(data) {
		switch data[pos] {
		case '"':
			if pos = skipString(data, pos); pos < 0 {
				return len(data)
			}
			if depth == 0 {
				return pos
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < 0 {
				return pos
			}
			if depth == 0 {
				return pos + 1
			}
		case ',':
			if depth == 0 {
				return pos
			}
		}
		pos++
	}
	return pos
}

// IsEnvelope reports whether data begins with the answer to a query, whose
// records NewValues takes out.
func IsEnvelope(data []byte) bool { return elements(data) >= 0 }

// Complete reports whether data is one JSON object by its structure: closed,
// and nothing behind it.
func Complete(data []byte) bool {
	data = bytes.TrimSpace(data)
	if !bytes.HasPrefix(data, []byte("{")) {
		return false
	}
	var s nesting
	s.run(data)
	return s.done && s.pos == len(data)
}
