package rules

import "hash/maphash"

// cache remembers which postings texts of a field fire. Most texts that are worth
// a search are the same over and over: there are few user agents, names and titles
// beside the events that have them. To look a text up is several times faster than
// to search it.
//
// A text takes the place of another one, and is remembered from its second time
// on only: texts that never come again cost next to nothing.
type cache struct {
	seed    maphash.Seed
	entries []cacheEntry // as many as cacheSize, or none yet
}

type cacheEntry struct {
	hash     uint64
	valid    bool
	text     []byte
	postings []int32
}

const (
	cacheSize = 256 // a power of two
	// shortestCached and longestCached bound the texts, mostCached the postings.
	shortestCached, longestCached, mostCached = 16, 512, 64
)

type cacheState uint8

const (
	unseen cacheState = iota
	seenBefore
	cached
)

// look gives a text's entry, and what is known of the text. What was seen before
// is to be kept.
func (c *cache) look(text string) (*cacheEntry, cacheState) {
	if c.entries == nil {
		c.seed, c.entries = maphash.MakeSeed(), make([]cacheEntry, cacheSize)
	}
	h := maphash.String(c.seed, text)
	e := &c.entries[h%cacheSize]
	switch {
	case e.hash != h:
		e.hash, e.valid = h, false
		return e, unseen
	case !e.valid:
		return e, seenBefore
	case string(e.text) == text:
		return e, cached
	default:
		return e, unseen
	}
}

// keep remembers what a text fires, unless that is too much.
func (e *cacheEntry) keep(text string, postings []int32) {
	if len(postings) > mostCached {
		return
	}
	e.text = append(e.text[:0], text...)
	e.postings = append(e.postings[:0], postings...)
	e.valid = true
}
