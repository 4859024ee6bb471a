package window

// distinct counts different values: the correlation type value_count. It is a
// hash table from value to how often it is there, by linear probing; the keys
// are their own hashes, mixed.
type distinct struct {
	slots []distinctSlot // a power of two, at most two thirds full
	used  int
}

type distinctSlot struct {
	v value
	n uint32 // 0 for an empty slot
}

func newDistinct() tally { return &distinct{slots: make([]distinctSlot, 16)} }

func (d *distinct) add(_ int64, _ uint64, v value, _ bool) {
	if v == (value{}) {
		return
	}
	i := d.find(v)
	if d.slots[i].n > 0 {
		d.slots[i].n++
		return
	}
	d.slots[i] = distinctSlot{v, 1}
	if d.used++; 3*d.used > 2*len(d.slots) {
		d.resize(2 * len(d.slots))
	}
}

func (d *distinct) remove(_ int64, _ uint64, v value, _ bool) {
	if v == (value{}) {
		return
	}
	i := d.find(v)
	if d.slots[i].n > 1 {
		d.slots[i].n--
		return
	}
	d.used--
	d.empty(i)
}

// empty makes slot i free, and moves up what was put behind it for lack of room
// (Knuth, The Art of Computer Programming 3, 6.4, algorithm R).
func (d *distinct) empty(i int) {
	mask := len(d.slots) - 1
	for j := i; ; {
		d.slots[i].n = 0
		for {
			j = (j + 1) & mask
			if d.slots[j].n == 0 {
				return
			}
			home := int(d.slots[j].v.hash()) & mask
			if (j-home)&mask >= (j-i)&mask {
				break
			}
		}
		d.slots[i] = d.slots[j]
		i = j
	}
}

// find gives the slot of the value, or the free one where it belongs.
func (d *distinct) find(v value) int {
	mask := len(d.slots) - 1
	i := int(v.hash()) & mask
	for d.slots[i].n > 0 && d.slots[i].v != v {
		i = (i + 1) & mask
	}
	return i
}

func (d *distinct) resize(n int) {
	old := d.slots
	d.slots = make([]distinctSlot, n)
	for _, s := range old {
		if s.n > 0 {
			d.slots[d.find(s.v)] = s
		}
	}
}

func (d *distinct) measured(int64) (float64, bool) { return float64(d.used), true }

func (d *distinct) reset() {
	clear(d.slots)
	d.used = 0
}

// hash spreads the bits of a value (the finaliser of MurmurHash3).
func (v value) hash() uint64 {
	h := v[0] ^ v[1]*0x9e3779b97f4a7c15
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
