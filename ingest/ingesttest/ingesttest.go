// Package ingesttest runs a format over its case folders.
//
// A case is a folder with one file input.* and what has to become of it:
// events.golden.ndjson has a line for every event, and rejected.golden one for
// every record that is none. A missing file is an empty one.
package ingesttest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/ingest"
)

// Cases runs every case in dir as a subtest. With update the golden files are
// written instead of compared.
func Cases(t *testing.T, dir string, formats []ingest.Format, update bool) {
	t.Helper()
	inputs, err := filepath.Glob(filepath.Join(dir, "*", "input.*"))
	if err != nil || len(inputs) == 0 {
		t.Fatalf("no case in %s (%v)", dir, err)
	}
	for _, input := range inputs {
		folder := filepath.Dir(input)
		t.Run(filepath.Base(folder), func(t *testing.T) {
			content, err := os.ReadFile(input)
			if err != nil {
				t.Fatal(err)
			}
			events, rejected := Read(t, bytes.NewReader(content), filepath.Base(input), formats)
			compare(t, filepath.Join(folder, "events.golden.ndjson"), events, update)
			compare(t, filepath.Join(folder, "rejected.golden"), rejected, update)

			again, _ := Read(t, iotest.OneByteReader(bytes.NewReader(content)), filepath.Base(input), formats)
			if diff := cmp.Diff(events, again); diff != "" {
				t.Errorf("reading it again byte by byte gives other events (-first +again):\n%s", diff)
			}
		})
	}
}

// Read returns the events of an input, one JSON line each, and its rejected
// records, those that the pipeline would refuse among them.
func Read(t testing.TB, r io.Reader, name string, formats []ingest.Format) (events, rejected string) {
	t.Helper()
	reader, _, err := ingest.Open(r, name, formats)
	if err != nil {
		return "", err.Error() + "\n"
	}
	var good, bad bytes.Buffer
	for {
		item, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return good.String(), bad.String()
		}
		if err != nil {
			fmt.Fprintf(&bad, "error: %v\n", err)
			return good.String(), bad.String()
		}
		if rej := item.Rejection; rej != nil {
			fmt.Fprintf(&bad, "line %d: %s: field %q: %s\n", item.Line, rej.Reason, rej.Field, rej.Detail)
			continue
		}
		e := *item.Event
		if e.Tenant == "" {
			e.Tenant = "acme"
		}
		if err := e.Validate(); err != nil {
			fmt.Fprintf(&bad, "line %d: the pipeline refuses it: %s\n", item.Line, strings.ReplaceAll(err.Error(), "\n", "; "))
			continue
		}
		checkRoundTrip(t, item.Line, &e)
		good.Write(append(item.Event.AppendJSON(nil), '\n'))
	}
}

// checkRoundTrip fails the test where the event's message reads back differently.
func checkRoundTrip(t testing.TB, line int64, e *event.Event) {
	t.Helper()
	var back event.Event
	if err := event.Decode(e.AppendJSON(nil), &back); err != nil {
		t.Errorf("line %d: the event's JSON cannot be read back: %v", line, err)
	} else if diff := cmp.Diff(*e, back); diff != "" {
		t.Errorf("line %d: the event reads back differently (-wrote +read):\n%s", line, diff)
	}
}

func compare(t *testing.T, path, got string, update bool) {
	t.Helper()
	if update {
		write(t, path, got)
		return
	}
	want, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", filepath.Base(path), diff)
	}
}

func write(t *testing.T, path, got string) {
	t.Helper()
	if got == "" {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		return
	}
	if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
		t.Fatal(err)
	}
}
