package eval_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/fstest"
	"testing/iotest"
	"time"

	"github.com/crmwatch/crmwatch/detect/eval"
)

const docs = `
title: export
id: 11111111-1111-4111-8111-111111111111
name: export
logsource: {product: crm}
detection: {s: {action: export}, condition: s}
crmwatch: {suppress: 1m}
---
title: login
id: 11111111-1111-4111-8111-111111111112
name: login
logsource: {product: crm}
detection: {s: {action: login}, condition: s}
---
title: many
id: 22222222-2222-4222-8222-222222222221
name: many
correlation:
  type: event_count
  rules: [export]
  group-by: [user.name]
  timespan: 10s
  condition: {gte: 3}
  generate: true
---
title: everywhere
id: 22222222-2222-4222-8222-222222222222
name: everywhere
correlation:
  type: value_count
  rules: [many]
  timespan: 10s
  condition: {gte: 2, field: user.name}
`

func evaluate(t *testing.T, cfg eval.Config, docs string, in io.Reader) (string, eval.Stats, error) {
	t.Helper()
	cfg.Rules = fstest.MapFS{"r.yml": {Data: []byte(docs)}}
	set, schema, err := cfg.Load()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	stats, err := eval.Run(context.Background(), cfg, set, schema, in, &out)
	return out.String(), stats, err
}

// hostile reads in pieces of any size.
type hostile struct {
	r   io.Reader
	rng *rand.Rand
}

func (h hostile) Read(p []byte) (int, error) {
	return h.r.Read(p[:min(len(p), 1+h.rng.IntN(100_000))])
}

// The output is the same, to the byte, with any number of threads and in
// whatever pieces the input comes, late events and bad lines included.
func TestThreadsDoNotMatter(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var in bytes.Buffer
	for i := range 40_000 {
		at := start.Add(time.Duration(i)*time.Second/2 - time.Duration(rng.IntN(40))*time.Second)
		fmt.Fprintf(&in, `{"time":%q,"action":%q,"user":{"name":"u%d"},"pad":%q}`+"\n", at.Format(time.RFC3339Nano), []string{"export", "login", "view"}[rng.IntN(3)], rng.IntN(4), strings.Repeat("x", rng.IntN(100)))
		switch i {
		case 1000:
			in.WriteString(strings.Repeat("long ", 500_000) + "\n")
		case 20_000:
			fmt.Fprintf(&in, `{"time":%q,"action":"login","pad":%q}`+"\n", at.Format(time.RFC3339), strings.Repeat("y", 3_000_000))
		}
	}
	for _, every := range []bool{false, true} {
		cfg := eval.Config{TimeField: "time", Lateness: 20 * time.Second, Threads: 1, Every: every}
		want, wantStats, err := evaluate(t, cfg, docs, bytes.NewReader(in.Bytes()))
		if err != nil || wantStats.Late == 0 || wantStats.Bad != 1 || wantStats.Events != 40_001 || strings.Count(want, "\n") < 1000 {
			t.Fatalf("%+v, %v", wantStats, err)
		}
		for _, cfg.Threads = range []int{2, 3, 8} {
			got, stats, err := evaluate(t, cfg, docs, hostile{bytes.NewReader(in.Bytes()), rng})
			if err != nil || stats != wantStats {
				t.Errorf("%d threads: %+v, %v; with one %+v", cfg.Threads, stats, err, wantStats)
			}
			if got != want {
				t.Errorf("%d threads: the output differs", cfg.Threads)
			}
		}
	}
}

// Every line is told by its number in the file, whatever is in it.
func TestLines(t *testing.T) {
	const many = `{"time":"2026-01-01T00:00:00Z","action":"login"}`
	deep := strings.Repeat(`{"a":`, 60) + "1" + strings.Repeat("}", 60)
	for _, c := range []struct {
		name, in, want, bad string
	}{
		{name: "empty"},
		{name: "blank lines", in: "\n\r\n  \n" + many, want: "3"},
		{name: "no end of line", in: many, want: "0"},
		{name: "byte order mark", in: "\ufeff" + many + "\n" + many + "\n", want: "0 1"},
		{name: "byte order mark alone", in: "\ufeff"},
		{name: "two bytes", in: "{}"},
		{name: "carriage returns", in: many + "\r\n" + many + "\r\n", want: "0 1"},
		{name: "a line that is no JSON", in: many + "\nfoo\n" + many + "\n", want: "0 2", bad: "1"},
		{name: "an array", in: "[" + many + "]\n", bad: "0"},
		{name: "half a line", in: many + "\n" + many[:20], want: "0", bad: "1"},
		{name: "two on a line", in: many + many + "\n", bad: "0"},
		{name: "no UTF-8", in: "{\"action\":\"login\",\"x\":\"\xff\"}", want: "0"},
		{name: "a key twice", in: `{"action":"view","action":"login"}` + "\n" + `{"action":"login","action":"view"}`, want: "0"},
		{name: "deep", in: `{"action":"login","x":` + deep + "}", want: "0"},
		{name: "too deep", in: `{"action":"login","x":` + deep + "}\n" + strings.Repeat("[", 1_000_000), want: "0", bad: "1"},
		{name: "numbers that no machine has", in: `{"action":"login","x":1e999,"y":123456789012345678901234567890,"time":1e400}`, want: "0"},
		{name: "a null byte", in: "{\"action\":\"login\"}\x00\n" + many, want: "1", bad: "0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var bad []string
			cfg := eval.Config{TimeField: "time", Threads: 2, OnBad: func(line int64, _ error) { bad = append(bad, fmt.Sprint(line)) }}
			out, stats, err := evaluate(t, cfg, strings.Split(docs, "\n---\n")[1], iotest.OneByteReader(strings.NewReader(c.in)))
			if err != nil {
				t.Fatal(err)
			}
			var lines []string
			for l := range strings.Lines(out) {
				lines = append(lines, strings.TrimSuffix(l[strings.LastIndex(l, ":")+1:], "}\n"))
			}
			if got := strings.Join(lines, " "); got != c.want || strings.Join(bad, " ") != c.bad || stats.Bad != int64(len(bad)) {
				t.Errorf("lines %q and bad %q, want %q and %q", got, bad, c.want, c.bad)
			}
		})
	}
}

// An input that breaks off is an error, after what was read until then.
func TestBrokenInput(t *testing.T) {
	broken := errors.New("the disk is gone")
	in := io.MultiReader(strings.NewReader(`{"action":"login"}`+"\n"), iotest.ErrReader(broken))
	out, _, err := evaluate(t, eval.DefaultConfig(), strings.Split(docs, "\n---\n")[1], in)
	if !errors.Is(err, broken) || strings.Count(out, "\n") != 1 {
		t.Errorf("%v after %q", err, out)
	}
}
