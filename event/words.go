package event

import "hash/maphash"

// words keeps one copy of texts that come again and again. It is a table in
// which every text has one place and the newer of two texts with the same place
// stays, so that its size is fixed and nothing needs to be evicted.
type words struct {
	seed  maphash.Seed
	table [1 << 14]string
}

// maxWord is the longest text that is kept, in bytes; user agents fit.
const maxWord = 256

func newWords() *words { return &words{seed: maphash.MakeSeed()} }

// get returns b as a string, allocating only where it is not in the table.
func (w *words) get(b []byte) string {
	place := &w.table[maphash.Bytes(w.seed, b)%uint64(len(w.table))]
	if *place != string(b) {
		*place = string(b)
	}
	return *place
}
