package stream

import "iter"

// Cut cuts items into consecutive runs of at most limit bytes, or of one item
// that is larger by itself. No items make no run.
func Cut[T any](items []T, limit int, size func(*T) int) iter.Seq[[]T] {
	return func(yield func([]T) bool) {
		from, bytes := 0, 0
		for i := range items {
			n := size(&items[i])
			if i > from && bytes+n > limit {
				if !yield(items[from:i]) {
					return
				}
				from, bytes = i, 0
			}
			bytes += n
		}
		if from < len(items) {
			yield(items[from:])
		}
	}
}
