package window

import "hash/maphash"

// table finds the window of a group among those of all series: a hash table with
// linear probing. A look-up costs a line of memory here and one of the window,
// which holds the key, however many windows there are.
type table[P any] struct {
	slots []slot[P] // a power of two, at most three quarters full
	used  int
}

type slot[P any] struct {
	hash uint64
	w    *window[P] // nil for an empty slot
}

// seed makes the hashes of this process its own, so that nobody can choose values
// which collide.
var seed = maphash.MakeSeed()

// hashKey is the hash of a group's key.
func hashKey(key []byte) uint64 { return maphash.Bytes(seed, key) }

// hashIn tells the windows of a group apart, which lie in different places.
func (s *series[P]) hashIn(group uint64) uint64 { return group + uint64(s.index)*0x9e3779b97f4a7c15 }

// find returns the window of a group, nil where there is none.
func (t *table[P]) find(s *series[P], hash uint64, key []byte) *window[P] {
	if t.used == 0 {
		return nil
	}
	mask := len(t.slots) - 1
	for i := int(hash) & mask; t.slots[i].w != nil; i = (i + 1) & mask {
		if o := &t.slots[i]; o.hash == hash && o.w.series == s && o.w.key.is(key) {
			return o.w
		}
	}
	return nil
}

// glance returns the window that most likely is the one of a hash.
func (t *table[P]) glance(hash uint64) *window[P] {
	if t.used == 0 {
		return nil
	}
	return t.slots[int(hash)&(len(t.slots)-1)].w
}

func (t *table[P]) add(hash uint64, w *window[P]) {
	if 4*(t.used+1) > 3*len(t.slots) {
		t.grow()
	}
	t.used++
	t.put(slot[P]{hash, w})
}

func (t *table[P]) put(o slot[P]) {
	mask := len(t.slots) - 1
	i := int(o.hash) & mask
	for t.slots[i].w != nil {
		i = (i + 1) & mask
	}
	t.slots[i] = o
}

func (t *table[P]) grow() {
	old := t.slots
	t.slots = make([]slot[P], max(64, 2*len(old)))
	for _, o := range old {
		if o.w != nil {
			t.put(o)
		}
	}
}

// remove takes a window out, and puts those behind it where they belong now.
func (t *table[P]) remove(hash uint64, w *window[P]) {
	mask := len(t.slots) - 1
	i := int(hash) & mask
	for t.slots[i].w != w {
		i = (i + 1) & mask
	}
	t.slots[i] = slot[P]{}
	t.used--
	for i = (i + 1) & mask; t.slots[i].w != nil; i = (i + 1) & mask {
		o := t.slots[i]
		t.slots[i] = slot[P]{}
		t.put(o)
	}
}

// all calls fn for every window.
func (t *table[P]) all(fn func(*window[P])) {
	for _, o := range t.slots {
		if o.w != nil {
			fn(o.w)
		}
	}
}

// key is the key of a group. Most fit into the window itself, which spares a
// look-up its last way into memory.
type key struct {
	short  [23]byte
	length uint8 // of short; longKey for one that does not fit
	// full is the key as a text: of a short one once somebody has asked for it.
	full *string
}

const longKey = 255

func newKey(b []byte) (k key) {
	if len(b) > len(k.short) {
		text := string(b)
		return key{length: longKey, full: &text}
	}
	k.length = uint8(copy(k.short[:], b))
	return k
}

func (k *key) is(b []byte) bool {
	if k.length == longKey {
		return *k.full == string(b)
	}
	return string(k.short[:k.length]) == string(b)
}

func (k *key) text() string {
	if k.full == nil {
		text := string(k.short[:k.length])
		k.full = &text
	}
	return *k.full
}

func (k *key) hash() uint64 {
	if k.length == longKey {
		return maphash.String(seed, *k.full)
	}
	return hashKey(k.short[:k.length])
}

// hash is where the window is in the table.
func (w *window[P]) hash() uint64 { return w.series.hashIn(w.key.hash()) }

// groupKey is the key as a text.
func (w *window[P]) groupKey() string { return w.key.text() }

// window finds the window of a group, or makes it for something that happened at
// a time; nil where there is no room.
func (e *Engine[P]) window(s *series[P], group uint64, key []byte, numbers uint64, at int64) *window[P] {
	hash := s.hashIn(group)
	if w := e.windows.find(s, hash, key); w != nil {
		return w
	}
	if e.windows.used >= e.cfg.Groups && !e.evict() {
		return nil
	}
	w := e.freeWindow()
	*w = window[P]{series: s, key: newKey(key), numbers: numbers, done: beforeAll, wakes: never}
	e.windows.add(hash, w)
	e.watch(w, at)
	return w
}

func (e *Engine[P]) freeWindow() *window[P] {
	n := len(e.free)
	if n == 0 {
		return new(window[P])
	}
	w := e.free[n-1]
	e.free = e.free[:n-1]
	return w
}

// release gives up a window.
func (e *Engine[P]) release(w *window[P]) {
	e.windows.remove(w.hash(), w)
	w.forgetFold()
	e.pool.give(w.entries)
	e.forget(w)
	*w = window[P]{wakes: never} // as the queue may still know it
	e.free = append(e.free, w)
}
