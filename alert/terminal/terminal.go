// Package terminal draws alerts as cards on a terminal, for those who have no
// Slack or are looking at the process itself.
package terminal

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"

	"github.com/crmwatch/crmwatch/alert"
)

// Bounds of a card's width, in columns.
const (
	minWidth     = 40
	maxWidth     = 100
	defaultWidth = 80
)

// Config says what the terminal can do. The zero Config is right for a file:
// 80 columns, UTF-8, no colour.
type Config struct {
	Color bool
	// ASCII draws with the characters of ASCII alone and escapes all others.
	ASCII bool
	// Width tells how many columns there are, at every card anew; nil is 80.
	Width func() int
}

// Detect finds out what f can do. A terminal gets colour, unless NO_COLOR is set
// (https://no-color.org) or TERM is dumb; where the locale is set and is not
// UTF-8, everything is ASCII.
func Detect(f *os.File, getenv func(string) string) Config {
	cfg := Config{ASCII: !isUTF8(getenv)}
	if !term.IsTerminal(int(f.Fd())) {
		return cfg
	}
	cfg.Color = getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"
	cfg.Width = func() int {
		columns, _, err := term.GetSize(int(f.Fd()))
		if err != nil {
			return defaultWidth
		}
		return columns
	}
	return cfg
}

func isUTF8(getenv func(string) string) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if locale := strings.ToLower(getenv(name)); locale != "" {
			return strings.Contains(locale, "utf-8") || strings.Contains(locale, "utf8")
		}
	}
	return true
}

// Sink draws messages on a writer.
type Sink struct {
	cfg Config

	mu  sync.Mutex
	out io.Writer // guarded by mu, so that cards do not run into each other
}

var _ alert.Sink = (*Sink)(nil)

// New returns a sink that draws on out.
func New(out io.Writer, cfg Config) *Sink { return &Sink{cfg: cfg, out: out} }

// Name is "terminal".
func (s *Sink) Name() string { return "terminal" }

// Send draws the message with a single write. The reference has the sink's name
// and the message's id, because a terminal has no places.
func (s *Sink) Send(ctx context.Context, m alert.Message) (alert.Ref, error) {
	if err := ctx.Err(); err != nil {
		return alert.Ref{}, fmt.Errorf("draw alert: %w", err)
	}
	if err := s.write(draw(&m, s.cfg, s.width())); err != nil {
		return alert.Ref{}, err
	}
	return alert.Ref{Channel: s.Name(), Message: alert.Plain(m.ID, 64)}, nil
}

// Update notes in one line what is new: what a terminal has shown has scrolled
// away.
func (s *Sink) Update(ctx context.Context, _ alert.Ref, m alert.Message) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("note what is new of an alert: %w", err)
	}
	return s.write(note(&m, s.cfg, s.width()))
}

func (s *Sink) write(text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := io.WriteString(s.out, text); err != nil {
		return &alert.SendError{Reason: "write_failed", Err: err}
	}
	return nil
}

func (s *Sink) width() int {
	if s.cfg.Width == nil {
		return defaultWidth
	}
	return min(max(s.cfg.Width(), minWidth), maxWidth)
}
