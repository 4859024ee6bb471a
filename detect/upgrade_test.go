package detect

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/internal/stream"
)

var writeState = flag.Bool("detect.write-state", false, "write the golden state of this form anew")

// upgradeEvents are half before a checkpoint and half after.
func upgradeEvents() (before, after []*event.Event) {
	for i := range 60 {
		e := export(fmt.Sprint("e", i), time.Duration(i)*7*time.Minute, int64(10+i%4*20))
		e.Actor.ID = fmt.Sprint(i % 3)
		if i%13 == 0 {
			e.Rows = 5000
		}
		if i < 30 {
			before = append(before, e)
		} else {
			after = append(after, e)
		}
	}
	return before, after
}

// State that was written by crmwatch in every form that it reads leads on to what
// an engine finds that was never stopped. The files stay as they were written by
// the version that had the form: -detect.write-state writes the newest.
func TestOldStateIsRead(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Entries = 5 // so that something was folded into sketches
	set := load(t, anyExport, correlation("value_sum", "gte: 100, field: rows"), bigExport)
	before, after := upgradeEvents()
	whole := NewEngine(cfg, set, nobody{})
	apply(whole, before...)
	if *writeState {
		goldenState(t, whole)
	}
	want := ids(apply(whole, after...))
	files, err := filepath.Glob("testdata/state/form-*.json")
	if err != nil || len(files) != codecVersion-oldestCodec+1 {
		t.Fatalf("the golden states are %q, %v", files, err)
	}
	for _, file := range files {
		w := &world{crash: calm}
		readGolden(t, file, w)
		for range before {
			w.events = append(w.events, stream.Record{Offset: int64(len(w.events))}) // whatever: they are behind
		}
		w.put(after...)
		d := New(cfg, w.deps(func() int { return 7 }, set))
		if err := d.Run(t.Context()); !errors.Is(err, io.EOF) {
			t.Error(err)
		}
		if got := ids(w.findings); len(want) == 0 || !slices.Equal(got, want) {
			t.Errorf("%s: %d findings %v\nwant %d %v", file, len(got), got, len(want), want)
		}
	}
}

// goldenRecord is a record of the state. Its value is text, or in base64.
type goldenRecord struct {
	Key, Text, Base64 string
}

func goldenState(t *testing.T, en *Engine) {
	t.Helper()
	changes, err := en.changes()
	if err != nil {
		t.Fatal(err)
	}
	mark, err := json.Marshal(marker{Next: 30, Watermark: en.newest, Sources: en.sources, Codec: codecVersion, Rules: en.set.Version()})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, c := range append(changes, change{markerKey, mark}) {
		g := goldenRecord{Key: c.key, Base64: base64.StdEncoding.EncodeToString(c.value)}
		if json.Valid(c.value) {
			g.Text, g.Base64 = string(c.value), ""
		}
		line, err := json.Marshal(g)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(line, '\n'))
	}
	if err := os.WriteFile(fmt.Sprintf("testdata/state/form-%d.json", codecVersion), []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

func readGolden(t *testing.T, file string, w *world) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		var g goldenRecord
		if err := json.Unmarshal([]byte(line), &g); err != nil {
			t.Fatal(err)
		}
		value := []byte(g.Text)
		if g.Base64 != "" {
			if value, err = base64.StdEncoding.DecodeString(g.Base64); err != nil {
				t.Fatal(err)
			}
		}
		w.state = append(w.state, stream.Record{Key: []byte(g.Key), Value: value})
	}
}
