package rules

import "unicode/utf8"

// exactIndex finds folded texts: a hash table with open addressing. Unlike a map,
// it takes a text that is ASCII as it is, folding while it hashes and compares, and
// passes by a text that is as long as none of its own.
type exactIndex struct {
	lengths uint64 // the lengths that there are, as bits; the last is all from 63 on
	entries []exactEntry
	used    int
}

type exactEntry struct {
	hash    uint32
	posting int32
	used    bool
	text    string
}

// small is every ASCII letter's small one, and every other byte itself.
var small = func() (table [256]byte) {
	for i := range table {
		table[i] = byte(i)
		if 'A' <= i && i <= 'Z' {
			table[i] += 'a' - 'A'
		}
	}
	return table
}()

// add adds a folded text that is not there yet.
func (x *exactIndex) add(text string, posting int32) {
	if 2*x.used >= len(x.entries) {
		old := x.entries
		x.entries = make([]exactEntry, max(8, 2*len(old)))
		for i := range old {
			if old[i].used {
				x.put(old[i])
			}
		}
	}
	x.put(exactEntry{hashFolded(text), posting, true, text})
	x.lengths |= lengthBit(text)
	x.used++
}

func (x *exactIndex) put(e exactEntry) {
	i := int(e.hash) & (len(x.entries) - 1)
	for x.entries[i].used {
		i = (i + 1) & (len(x.entries) - 1)
	}
	x.entries[i] = e
}

func lengthBit(text string) uint64 { return 1 << min(len(text), 63) }

// hashFolded hashes an ASCII text as if it were folded, or one that is.
func hashFolded(text string) uint32 {
	h := uint32(2166136261)
	for i := range len(text) {
		h = (h ^ uint32(small[text[i]])) * 16777619
	}
	return h ^ h>>15
}

// find gives the posting of the value's text.
func (x *exactIndex) find(v *operand) (posting int32, ok bool) {
	text := v.asText()
	if !isASCII(text) {
		text = v.asFolded()
	}
	if x.lengths&lengthBit(text) == 0 {
		return 0, false
	}
	hash := hashFolded(text)
	for i := int(hash) & (len(x.entries) - 1); x.entries[i].used; i = (i + 1) & (len(x.entries) - 1) {
		if e := &x.entries[i]; e.hash == hash && equalSmall(text, e.text) {
			return e.posting, true
		}
	}
	return 0, false
}

func isASCII(s string) bool {
	all := byte(0)
	for i := range len(s) {
		all |= s[i]
	}
	return all < utf8.RuneSelf
}

// equalSmall reports whether a text is another one but for capital letters.
func equalSmall(text, folded string) bool {
	if len(text) != len(folded) {
		return false
	}
	for i := range len(text) {
		if small[text[i]] != folded[i] {
			return false
		}
	}
	return true
}
