package ingest

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
)

// IngestFile ingests a file, "-" being the standard input, and returns when all
// of it is durable. It recognises by the content what the file is. progress, if
// not nil, is called after every batch and once more at the end. The error names
// the file and how far it came; ingesting the file again does no harm, as its
// records get the same ids.
func (p *Pipeline) IngestFile(ctx context.Context, path string, progress func(Progress)) (Summary, error) {
	if path == "-" {
		return p.Ingest(ctx, os.Stdin, "standard input", 0, progress)
	}
	f, err := os.Open(path)
	if err != nil {
		return Summary{}, fmt.Errorf("ingest file: %w", err)
	}
	defer f.Close() // only read from
	info, err := f.Stat()
	if err != nil {
		return Summary{}, fmt.Errorf("ingest file: %w", err)
	}
	if info.IsDir() {
		return Summary{}, fmt.Errorf("ingest file: %s is a directory; name the files in it", path)
	}
	return p.Ingest(ctx, f, path, info.Size(), progress)
}

// maxShown is how many rejections of a file are told one by one.
const maxShown = 20

// Ingest is IngestFile for a stream of total bytes, 0 where that is not known.
// The base of its name becomes the origin of dead letters.
func (p *Pipeline) Ingest(ctx context.Context, r io.Reader, name string, total int64, progress func(Progress)) (Summary, error) {
	defer interruptible(ctx, r)()
	counted := &countingReader{r: r}
	reader, kind, err := Open(counted, name, p.deps.Formats)
	if err != nil {
		return Summary{}, err
	}
	p.deps.Logger.Debug("recognised input", "name", name, "kind", kind.String())
	report := func(s *Summary, done bool) {
		if progress != nil {
			now := makeProgress(name, s, counted.n.Load(), total)
			now.Done = done
			progress(now)
		}
	}
	last, err := p.run(ctx, reader, p.newBatch(filepath.Base(name), maxShown), func(s *Summary) { report(s, false) })
	report(&last, true)
	if err != nil {
		return last, fmt.Errorf("ingest %s: %w", name, err)
	}
	return last, nil
}

// interruptible makes a read that blocks, of a pipe or a terminal, end with the
// context.
func interruptible(ctx context.Context, r io.Reader) (stop func() bool) {
	f, ok := r.(interface{ SetReadDeadline(time.Time) error })
	if !ok {
		return func() bool { return true }
	}
	return context.AfterFunc(ctx, func() {
		_ = f.SetReadDeadline(time.Unix(1, 0)) // a file that cannot do it does not block either
	})
}

// countingReader counts what was read of a file, with its compression, since
// that is what its size is measured in.
type countingReader struct {
	r io.Reader
	n atomic.Int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}
