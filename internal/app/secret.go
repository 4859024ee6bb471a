package app

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Secret is a value that is never printed. The configuration holds only where
// it is: "env:NAME" or "file:/path".
type Secret struct {
	ref   string
	value string
}

// Reveal returns the secret itself, for the one call that needs it.
func (s Secret) Reveal() string { return s.value }

// Set reports whether there is a secret.
func (s Secret) Set() bool { return s.value != "" }

// NewSecret wraps a value that crmwatch made itself.
func NewSecret(value string) Secret { return Secret{value: value} }

const masked = "***"

func (s Secret) String() string { return masked }

// GoString keeps %#v from printing the value.
func (s Secret) GoString() string { return masked }

// LogValue keeps slog from printing the value.
func (s Secret) LogValue() slog.Value { return slog.StringValue(masked) }

// MarshalText keeps every encoder from printing the value.
func (s Secret) MarshalText() ([]byte, error) { return []byte(masked), nil }

// UnmarshalYAML keeps the reference; Load resolves it, once the environment has
// had its say.
func (s *Secret) UnmarshalYAML(n *yaml.Node) error {
	if err := n.Decode(&s.ref); err != nil {
		return fmt.Errorf("line %d: a secret is a reference, env:NAME or file:/path", n.Line)
	}
	return nil
}

// resolve fetches the value that the reference names.
func (s *Secret) resolve(lookup func(string) (string, bool)) error {
	kind, name, _ := strings.Cut(s.ref, ":")
	switch {
	case s.ref == "":
		return nil
	case kind == "env" && name != "":
		v, _ := lookup(name)
		if v == "" {
			return fmt.Errorf("secret env:%s: the environment variable is not set", name)
		}
		s.value = v
		return nil
	case kind == "file" && name != "":
		return s.read(name)
	default:
		// The text itself may be the secret: it must not be in the message.
		return errors.New("a secret must be a reference, env:NAME or file:/path, never the value itself")
	}
}

func (s *Secret) read(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("secret file:%s: %w", path, errors.Unwrap(err))
	}
	if info.Mode().Perm()&0o077 != 0 && info.Mode()&fs.ModeType == 0 {
		return fmt.Errorf("secret file:%s can be read by others (mode %04o): chmod 0400 it", path, info.Mode().Perm())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("secret file:%s: %w", path, errors.Unwrap(err))
	}
	s.value = strings.TrimRight(string(b), "\r\n")
	if s.value == "" {
		return fmt.Errorf("secret file:%s is empty", path)
	}
	return nil
}
