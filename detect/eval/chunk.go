package eval

import (
	"bytes"
	"errors"
	"io"
)

// chunker cuts a stream into chunks of whole lines.
type chunker struct {
	r    io.Reader
	rest []byte // the beginning of a line whose end was not read yet
	line int64
	err  error
	done bool
}

func newChunker(r io.Reader) *chunker { return &chunker{r: r} }

// next fills the chunk, and reports whether there was anything left. A line that
// is longer than a chunk makes a larger one.
func (k *chunker) next(c *chunk) bool {
	if k.done {
		return false
	}
	buf := append(c.lines[:0], k.rest...)
	k.rest = k.rest[:0]
	for {
		if cap(buf)-len(buf) < chunkSize/2 {
			buf = append(make([]byte, 0, len(buf)+chunkSize), buf...)
		}
		n, err := k.fill(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err != nil {
			k.done = true
			if !errors.Is(err, io.EOF) {
				k.err = err
			}
			break
		}
		if end := bytes.LastIndexByte(buf, '\n') + 1; end > 0 {
			k.rest = append(k.rest, buf[end:]...)
			buf = buf[:end]
			break
		}
	}
	c.lines, c.first = buf, k.line
	k.line += int64(bytes.Count(buf, []byte{'\n'}))
	return len(buf) > 0
}

// fill reads until the buffer is half full at least, so that a slow stream is
// still cut into chunks that are worth it.
func (k *chunker) fill(buf []byte) (n int, err error) {
	for n < len(buf)/2 && err == nil {
		var more int
		more, err = k.r.Read(buf[n:])
		n += more
	}
	return n, err
}
