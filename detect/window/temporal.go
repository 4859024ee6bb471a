package window

import "math/bits"

// seen knows which inputs have entries: the correlation type temporal.
type seen struct {
	mask  uint64
	times []int32 // how many entries each input has
	// older are the inputs that were seen in what is not kept.
	older uint64
}

func newSeen(inputs int) tally { return &seen{times: make([]int32, inputs)} }

func (t *seen) add(_ int64, slots uint64, _ value, _ bool) {
	for t.mask |= slots; slots != 0; slots &= slots - 1 {
		t.times[bits.TrailingZeros64(slots)]++
	}
}

func (t *seen) remove(_ int64, slots uint64, _ value, _ bool) {
	for ; slots != 0; slots &= slots - 1 {
		i := bits.TrailingZeros64(slots)
		if t.times[i]--; t.times[i] == 0 {
			t.mask &^= 1 << i
		}
	}
}

func (t *seen) measured(int64) (float64, bool) { return float64(bits.OnesCount64(t.inputs())), true }

func (t *seen) inputs() uint64 { return t.mask | t.older }

// holds reports whether a clause holds.
func (t *seen) holds(_ int, c *clause, _ int64) bool {
	return c.With&^t.inputs() == 0 && c.Without&t.inputs() == 0
}

func (t *seen) reset() {
	clear(t.times)
	t.mask, t.older = 0, 0
}

// remember says which inputs were seen in a sketch.
func (t *seen) remember(k *sketch, from int64) { t.older = k.seenSince(from) }
