package ingest

import (
	"bytes"
	"testing"
	"time"
)

func TestProgressOnATerminal(t *testing.T) {
	var out bytes.Buffer
	p := NewProgress(&out, true)
	at := func(elapsed time.Duration, rows int64, done bool) {
		p.Show(Progress{Name: "a\x1b[2Jb.csv", Bytes: rows, TotalBytes: 4000, Rows: rows, RowsPerSec: 12345.6, ETA: 1500 * time.Millisecond, Rejected: 3, Elapsed: elapsed, Done: done})
	}
	at(50*time.Millisecond, 1, false) // too early
	at(200*time.Millisecond, 1000, false)
	at(250*time.Millisecond, 1001, false) // too soon again
	at(300*time.Millisecond, 2000, false)
	at(301*time.Millisecond, 4000, true)
	want := "\ra?[2Jb.csv   25%  1,000 rows  12,345 rows/s  ETA 2s  3 rejected\x1b[K" +
		"\ra?[2Jb.csv   50%  2,000 rows  12,345 rows/s  ETA 2s  3 rejected\x1b[K" +
		"\ra?[2Jb.csv  100%  4,000 rows  12,345 rows/s  in 300ms  3 rejected\x1b[K\n"
	if got := out.String(); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestProgressElsewhere(t *testing.T) {
	var out bytes.Buffer
	p := NewProgress(&out, false)
	for s := range 12 {
		p.Show(Progress{Name: "a.csv", Rows: int64(s) * 1_000_000, Elapsed: time.Duration(s) * time.Second})
	}
	p.Show(Progress{Name: "a.csv", Rows: 12_000_000, Elapsed: 12 * time.Second, Done: true})
	p.Show(Progress{Name: "b.csv", Rows: 7, Elapsed: time.Second, Done: true})
	want := "a.csv  5,000,000 rows  0 rows/s\na.csv  10,000,000 rows  0 rows/s\na.csv  12,000,000 rows  0 rows/s  in 12s\nb.csv  7 rows  0 rows/s  in 1s\n"
	if got := out.String(); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestOrdinalsForgetInBoundedMemory(t *testing.T) {
	var o Ordinals
	first := o.ID("a")
	if second := o.ID("a"); second == first || o.ID("a") == second {
		t.Error("equal records have equal ids")
	}
	for i := range 3 * ordinalsGeneration {
		o.ID(itoa(i))
	}
	if n := len(o.now) + len(o.before); n > 2*ordinalsGeneration {
		t.Errorf("%d records are remembered", n)
	}
	if o.ID("a") != first {
		t.Error("what was forgotten is not counted anew")
	}
}
