// Package record cuts a stream of bytes into records: the rows of a CSV file,
// the lines of a text, the values of a JSON document. It keeps every record's
// own bytes, so that one that makes no sense can be put aside whole, and goes on
// with the next one. Its memory is bounded by Limit, however long a record is.
package record

import (
	"bytes"
	"errors"
	"io"
)

// Limit is how much of one record is kept, in bytes.
const Limit = 16 << 20

// Problem says why the bytes of a record are not one; empty where they are.
type Problem string

// The problems.
const (
	// TooLarge is a record longer than Limit: Data is its beginning.
	TooLarge Problem = "too_large"
	// UnterminatedQuote is a CSV line with a quote that nothing closes. Only the
	// line itself is given up; what follows is read as if it had not been there.
	UnterminatedQuote Problem = "unterminated_quote"
	// BadQuote is a CSV line with a quote where RFC 4180 allows none.
	BadQuote Problem = "bad_quote"
	// Truncated is a JSON value at whose middle the stream ends.
	Truncated Problem = "truncated"
	// Broken is a JSON value with a line break inside a string.
	Broken Problem = "broken"
)

// Record is one record as it came.
type Record struct {
	// Line is the line on which it begins, from 1.
	Line int64
	// Data is the record without its line end; its beginning where Size is more
	// than Limit. It is valid until the next record is read.
	Data []byte
	// Size is the record's length in bytes.
	Size int64
	// Problem is empty for a whole record.
	Problem Problem
	// Last says that the stream ended without a line end after this record, so
	// that it may be half of one.
	Last bool
}

// window is the part of a stream that is in memory: what has been read and not
// yet been taken.
type window struct {
	r     io.Reader
	limit int
	buf   []byte
	start int // of what has not been taken
	end   int // of what has been read
	line  int64
	err   error // what the reader ended with
}

const firstBuffer = 64 << 10

func newWindow(r io.Reader, limit int) window { return window{r: r, limit: limit, line: 1} }

func (w *window) data() []byte { return w.buf[w.start:w.end] }

// more reads on and reports whether there is more in data than before. It does
// not when the stream has ended or data has reached the limit (full).
func (w *window) more() bool {
	if w.err != nil || w.full() {
		return false
	}
	w.room()
	for range 100 {
		n, err := w.r.Read(w.buf[w.end:])
		w.end += n
		w.err = err
		if n > 0 || err != nil {
			return n > 0
		}
	}
	w.err = io.ErrNoProgress
	return false
}

func (w *window) full() bool { return w.end-w.start >= w.limit }

// room makes place behind end, first by moving, then by growing.
func (w *window) room() {
	if w.end < len(w.buf) {
		return
	}
	if w.start > len(w.buf)/2 {
		w.end = copy(w.buf, w.data())
		w.start = 0
		return
	}
	grown := make([]byte, min(max(firstBuffer, 2*(w.end-w.start)), w.limit))
	w.end = copy(grown, w.data())
	w.start, w.buf = 0, grown
}

// take gives the first n bytes away and counts their lines.
func (w *window) take(n int) []byte {
	b := w.buf[w.start : w.start+n]
	w.start += n
	w.line += int64(bytes.Count(b, newline))
	return b
}

// failed is the error that ends the stream, if it is not its regular end.
func (w *window) failed() error {
	if w.err == nil || errors.Is(w.err, io.EOF) {
		return nil
	}
	return w.err
}

var newline = []byte{'\n'}

// record takes the first n bytes as a record without its line end; n includes the
// line feed where there is one.
func (w *window) record(n int, problem Problem) Record {
	rec := Record{Line: w.line, Problem: problem}
	rec.Data = w.take(n)
	rec.Last = !bytes.HasSuffix(rec.Data, newline)
	rec.Data = bytes.TrimSuffix(bytes.TrimSuffix(rec.Data, newline), []byte{'\r'})
	rec.Size = int64(len(rec.Data))
	return rec
}

// oversize takes all that is in memory as the beginning of a record and drops
// the rest of its line.
func (w *window) oversize() (Record, error) {
	rec := Record{Line: w.line, Problem: TooLarge}
	rec.Data = w.take(w.end - w.start)
	rest, err := w.dropLine()
	rec.Size = int64(len(rec.Data)) + rest
	return rec, err
}

// dropLine reads to the end of the line without touching what was taken. What
// follows the line in its last chunk becomes the window.
func (w *window) dropLine() (dropped int64, err error) {
	if w.err != nil {
		return 0, w.failed()
	}
	chunk := make([]byte, firstBuffer)
	for {
		n, err := w.r.Read(chunk)
		if i := bytes.IndexByte(chunk[:n], '\n'); i >= 0 {
			w.line++
			w.buf, w.start, w.end, w.err = chunk, i+1, n, err
			return dropped + int64(i), nil
		}
		dropped += int64(n)
		if err != nil {
			w.buf, w.start, w.end, w.err = chunk, 0, 0, err
			return dropped, w.failed()
		}
	}
}
