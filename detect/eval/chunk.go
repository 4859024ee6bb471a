package eval

import (
	"bytes"
	"errors"
	"io"
	"slices"
)

// chunker cuts a stream into chunks of whole lines, always in the same places, in
// whatever pieces the stream comes: what is late is told by chunk.
type chunker struct {
	r    io.Reader
	rest []byte // the beginning of a line whose end was not read yet
	line int64
	err  error
	done bool
}

func newChunker(r io.Reader) *chunker { return &chunker{r: &bomReader{r: r}} }

// next fills the chunk, and reports whether there was anything left. A line that
// is longer than a chunk makes a larger one.
func (k *chunker) next(c *chunk) bool {
	if k.done {
		return false
	}
	buf := append(c.lines[:0], k.rest...)
	k.rest = k.rest[:0]
	for {
		from := len(buf)
		buf = slices.Grow(buf, chunkSize)
		n, err := io.ReadFull(k.r, buf[from:from+chunkSize])
		buf = buf[:from+n]
		if err != nil {
			k.done = true
			if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				k.err = err
			}
			break
		}
		if end := from + bytes.LastIndexByte(buf[from:], '\n') + 1; end > from {
			k.rest = append(k.rest, buf[end:]...)
			buf = buf[:end]
			break
		}
	}
	c.lines, c.first = buf, k.line
	k.line += int64(bytes.Count(buf, []byte{'\n'}))
	return len(buf) > 0
}

// bomReader passes over the byte order mark that some programs write before
// UTF-8.
type bomReader struct {
	r      io.Reader
	looked bool
	ahead  []byte
}

func (b *bomReader) Read(p []byte) (int, error) {
	if !b.looked {
		b.looked = true
		first := make([]byte, 3)
		n, err := io.ReadFull(b.r, first)
		b.ahead = bytes.TrimPrefix(first[:n], []byte("\xef\xbb\xbf"))
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return 0, err
		}
	}
	if len(b.ahead) > 0 {
		n := copy(p, b.ahead)
		b.ahead = b.ahead[n:]
		return n, nil
	}
	return b.r.Read(p)
}
