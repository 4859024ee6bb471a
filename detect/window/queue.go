package window

// queue holds windows by when they have to be settled, the first in front: a
// binary heap. A window that was given an earlier time since is in it twice; the
// later one is passed over.
type queue[P any] []waiting[P]

type waiting[P any] struct {
	at int64
	w  *window[P]
}

func (q *queue[P]) push(at int64, w *window[P]) {
	h := append(*q, waiting[P]{at, w})
	i := len(h) - 1
	for i > 0 && h[(i-1)/2].at > h[i].at {
		h[i], h[(i-1)/2] = h[(i-1)/2], h[i]
		i = (i - 1) / 2
	}
	*q = h
}

// ready reports whether a window has to be settled at this watermark.
func (q *queue[P]) ready(watermark int64) bool {
	for len(*q) > 0 && (*q)[0].at <= watermark {
		if top := (*q)[0]; top.w.wakes == top.at {
			return true
		}
		q.pop()
	}
	return false
}

func (q *queue[P]) pop() *window[P] {
	h := *q
	top := h[0].w
	n := len(h) - 1
	h[0] = h[n]
	h[n] = waiting[P]{}
	h = h[:n]
	for i := 0; ; {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < n; c++ {
			if h[c].at < h[least].at {
				least = c
			}
		}
		if least == i {
			break
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
	*q = h
	return top
}

// fifo holds the windows of a series in the order of when to look whether they
// are idle: a ring.
type fifo[P any] struct {
	ring    []waiting[P]
	head, n int
}

func (f *fifo[P]) push(w *window[P], at int64) {
	if f.n == len(f.ring) {
		bigger := make([]waiting[P], max(16, 2*f.n))
		for i := range f.n {
			bigger[i] = f.ring[(f.head+i)%len(f.ring)]
		}
		f.ring, f.head = bigger, 0
	}
	f.ring[(f.head+f.n)&(len(f.ring)-1)] = waiting[P]{at, w}
	f.n++
}

func (f *fifo[P]) pop() *window[P] {
	w := f.ring[f.head].w
	f.ring[f.head] = waiting[P]{}
	f.head = (f.head + 1) & (len(f.ring) - 1)
	f.n--
	return w
}

// due is how many in front are to be looked at by now.
func (f *fifo[P]) due(now int64) int {
	n := 0
	for n < f.n && f.ring[(f.head+n)&(len(f.ring)-1)].at <= now {
		n++
	}
	return n
}
