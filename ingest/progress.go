package ingest

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Progress is how far an ingest is. What it counts is durable.
type Progress struct {
	Name string
	// Bytes of TotalBytes have been read, with compression; TotalBytes is 0
	// where it is not known.
	Bytes, TotalBytes int64
	Rows, Rejected    int64
	RowsPerSec        float64
	// ETA is 0 where it is not known.
	ETA     time.Duration
	Elapsed time.Duration
	// Done says that this is the last report.
	Done bool
}

func makeProgress(name string, s *Summary, read, total int64) Progress {
	p := Progress{Name: name, Bytes: read, TotalBytes: total, Rows: s.Read, Rejected: s.RejectedTotal(), Elapsed: s.Elapsed}
	if seconds := s.Elapsed.Seconds(); seconds > 0 {
		p.RowsPerSec = float64(s.Read) / seconds
	}
	if left := total - read; left > 0 && read > 0 {
		p.ETA = time.Duration(float64(s.Elapsed) * float64(left) / float64(read))
	}
	return p
}

// ProgressPrinter shows progress to people. It belongs to one goroutine.
type ProgressPrinter struct {
	w     io.Writer
	tty   bool
	every time.Duration
	next  time.Duration
	name  string
}

// NewProgress returns a printer to w: on a terminal one line that is rewritten,
// elsewhere a line every five seconds and one at the end.
func NewProgress(w io.Writer, isTTY bool) *ProgressPrinter {
	p := &ProgressPrinter{w: w, tty: isTTY, every: 5 * time.Second}
	if isTTY {
		p.every = 100 * time.Millisecond
	}
	p.next = p.every
	return p
}

// Show prints the progress, unless it printed a moment ago. An error of the
// writer is of no account: the ingest matters, not its display.
func (p *ProgressPrinter) Show(now Progress) {
	if now.Name != p.name {
		p.name, p.next = now.Name, p.every
	}
	if now.Elapsed < p.next && !now.Done {
		return
	}
	p.next = now.Elapsed + p.every
	line := progressLine(now)
	switch {
	case !p.tty:
		line += "\n"
	case now.Done:
		line = "\r" + line + "\x1b[K\n"
	default:
		line = "\r" + line + "\x1b[K"
	}
	_, _ = io.WriteString(p.w, line)
}

func progressLine(now Progress) string {
	parts := []string{printable(now.Name)}
	if now.TotalBytes > 0 {
		parts = append(parts, fmt.Sprintf("%3d%%", 100*min(now.Bytes, now.TotalBytes)/now.TotalBytes))
	}
	parts = append(parts, thousands(now.Rows)+" rows", thousands(int64(now.RowsPerSec))+" rows/s")
	switch {
	case now.Done:
		parts = append(parts, "in "+now.Elapsed.Round(100*time.Millisecond).String())
	case now.ETA > 0:
		parts = append(parts, "ETA "+max(now.ETA.Round(time.Second), time.Second).String())
	}
	if now.Rejected > 0 {
		parts = append(parts, thousands(now.Rejected)+" rejected")
	}
	return strings.Join(parts, "  ")
}

// printable keeps a file name from steering the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}

// thousands writes 1234567 as 1,234,567.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
