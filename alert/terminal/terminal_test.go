package terminal_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/crmwatch/crmwatch/alert"
	"github.com/crmwatch/crmwatch/alert/alerttest"
	"github.com/crmwatch/crmwatch/alert/terminal"
)

var update = flag.Bool("update", false, "write the golden files")

// screen is a terminal that remembers.
type screen struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// colour are the only sequences that a card may have.
var colour = regexp.MustCompile("\x1b\\[[0-9;]*m")

func TestConformance(t *testing.T) {
	configs := map[string]terminal.Config{
		"plain":  {},
		"colour": {Color: true},
		"narrow": {Color: true, Width: func() int { return 1 }},
		"wide":   {Width: func() int { return 10_000 }},
		"ascii":  {ASCII: true},
	}
	for name, cfg := range configs {
		t.Run(name, func(t *testing.T) {
			alerttest.Sink(t, func(*testing.T) alerttest.Harness {
				s := &screen{}
				h := alerttest.Harness{
					Sink: terminal.New(s, cfg),
					Seen: func() string { return read(s.String()) },
					Messages: func() int {
						return strings.Count(s.String(), "╭") + len(regexp.MustCompile(`(?m)^\+-+\+$`).FindAllString(s.String(), -1))/2
					},
					Inert: func(t *testing.T, _ []alert.Link) {
						t.Helper()
						inert(t, s.String(), cfg)
					},
				}
				if cfg.ASCII {
					h.Write = asciiOnly
				}
				return h
			})
		})
	}
}

// read takes a card's frame and colours away.
func read(drawn string) string {
	var b strings.Builder
	for line := range strings.Lines(colour.ReplaceAllString(drawn, "")) {
		line = strings.Trim(line, "\n+-|")
		b.WriteString(strings.Map(func(r rune) rune {
			if r >= '─' && r <= '╿' {
				return -1
			}
			return r
		}, line))
	}
	return b.String()
}

// asciiOnly is what ASCII makes of the characters in the suite's messages.
func asciiOnly(s string) string {
	s = strings.NewReplacer("…", "...", "–", "-", "·", "|", "→", "->", "±", "+/-").Replace(s)
	var b strings.Builder
	for _, r := range s {
		if r > unicode.MaxASCII {
			fmt.Fprintf(&b, "\\u%04x", r)
		} else {
			b.WriteRune(r)
		}
	}
	return strings.TrimRight(b.String(), "|-")
}

// inert checks what a terminal would act on.
func inert(t *testing.T, drawn string, cfg terminal.Config) {
	t.Helper()
	text := drawn
	if cfg.Color {
		text = colour.ReplaceAllString(text, "")
	}
	for _, r := range text {
		if r != '\n' && (unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)) {
			t.Fatalf("character %U was drawn", r)
		}
		if cfg.ASCII && r > unicode.MaxASCII {
			t.Fatalf("character %U was drawn in ASCII", r)
		}
	}
	for _, url := range regexp.MustCompile(`[a-zA-Z]+://[^\s]*`).FindAllString(text, -1) {
		if !strings.HasPrefix(url, alerttest.ConsoleURL) && !strings.HasPrefix(url, "https://runbooks.example.com") {
			t.Errorf("%q can be followed", url)
		}
	}
}

func TestGolden(t *testing.T) {
	export, ghost, bare := alerttest.MassExport(), alerttest.GhostAccount(), alerttest.Bare()
	cases := []struct {
		name string
		m    alert.Message
		cfg  terminal.Config
	}{
		{"mass-export", alert.NewMessage(&export, alerttest.ConsoleURL), terminal.Config{}},
		{"mass-export-colour", alert.NewMessage(&export, alerttest.ConsoleURL), terminal.Config{Color: true}},
		{"ghost-account-narrow", alert.NewMessage(&ghost, alerttest.ConsoleURL), terminal.Config{Width: func() int { return 50 }}},
		{"ghost-account-ascii", alert.NewMessage(&ghost, ""), terminal.Config{ASCII: true}},
		{"bare", alert.NewMessage(&bare, ""), terminal.Config{}},
		{"digest", alert.NewDigest([]alert.Finding{export, ghost, export}, alert.DefaultConfig().MaxAge, ""), terminal.Config{}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var b bytes.Buffer
			if _, err := terminal.New(&b, c.cfg).Send(t.Context(), c.m); err != nil {
				t.Fatal(err)
			}
			golden(t, c.name, b.Bytes())
		})
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestUpdateGolden notes everything that can become of an alert.
func TestUpdateGolden(t *testing.T) {
	for name, cfg := range map[string]terminal.Config{
		"updates": {}, "updates-wide-colour": {Color: true, Width: func() int { return 100 }},
		"updates-narrow-ascii": {ASCII: true, Width: func() int { return 40 }},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			sink := terminal.New(&b, cfg)
			for _, f := range alerttest.Amended() {
				if err := sink.Update(t.Context(), alert.Ref{}, alert.NewUpdate(&f, alert.Told{Count: 6, Measured: 48_210}, "")); err != nil {
					t.Fatal(err)
				}
			}
			golden(t, name, b.Bytes())
		})
	}
}

// TestLinesAreEqual counts columns by a table of its own: in these cards only
// Chinese characters and emoji are wider than one.
func TestLinesAreEqual(t *testing.T) {
	for _, width := range []int{40, 57, 80, 100} {
		for _, attack := range []string{"王芳王芳王芳 王芳", "a汉b字c", strings.Repeat("汉", 300), "🔥🔥 fire", "e\u0301te\u0301", "x"} {
			var b bytes.Buffer
			f := alerttest.Hostile(attack)
			sink := terminal.New(&b, terminal.Config{Width: func() int { return width }})
			if _, err := sink.Send(t.Context(), alert.NewMessage(&f, "")); err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(strings.TrimSpace(b.String())) {
				if got := columns(strings.TrimRight(line, "\n")); got != width {
					t.Fatalf("a line takes %d of %d columns: %s", got, width, line)
				}
			}
		}
	}
}

func columns(s string) int {
	n := 0
	for _, r := range s {
		switch {
		case r == '\u0301':
		case r >= 0x4e00 && r <= 0x9fff || r == '🔥':
			n += 2
		default:
			n++
		}
	}
	return n
}

func TestDetect(t *testing.T) {
	env := func(vars ...string) func(string) string {
		return func(name string) string {
			for i := 0; i < len(vars); i += 2 {
				if vars[i] == name {
					return vars[i+1]
				}
			}
			return ""
		}
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	cases := []struct {
		name   string
		getenv func(string) string
		ascii  bool
	}{
		{"nothing is set", env(), false},
		{"UTF-8", env("LANG", "en_US.UTF-8"), false},
		{"utf8", env("LC_ALL", "C.utf8"), false},
		{"C", env("LANG", "C"), true},
		{"the stronger variable counts", env("LC_ALL", "POSIX", "LANG", "en_US.UTF-8"), true},
		{"GBK", env("LC_CTYPE", "zh_CN.GBK"), true},
	}
	for _, c := range cases {
		cfg := terminal.Detect(file, c.getenv)
		if cfg.ASCII != c.ascii || cfg.Color || cfg.Width != nil {
			t.Errorf("%s: %+v", c.name, cfg)
		}
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("pipe is closed") }

func TestWriteError(t *testing.T) {
	sink, m := terminal.New(broken{}, terminal.Config{}), alert.Message{ID: "secret-id", Title: "secret-title"}
	_, err := sink.Send(t.Context(), m)
	m.Status = "secret-status"
	for _, err := range []error{err, sink.Update(t.Context(), alert.Ref{}, m)} {
		failure, ok := errors.AsType[*alert.SendError](err)
		if !ok || failure.Reason != "write_failed" || failure.Permanent || failure.Gone {
			t.Errorf("error is %#v", err)
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error repeats the message: %v", err)
		}
	}
}
