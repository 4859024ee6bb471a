package main

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/crmwatch/crmwatch/rules/scaffold"
)

// rulesNewCmd writes a rule to start from.
type rulesNewCmd struct {
	Name  string `arg:"" help:"Name of the rule and of its file: lower-case words joined by _."`
	Type  string `help:"One event by itself, or how many are measured: event, event_count, value_count, value_sum, temporal, temporal_ordered." enum:"event,event_count,value_count,value_sum,temporal,temporal_ordered" default:"event"`
	Level string `help:"informational, low, medium, high or critical." enum:"informational,low,medium,high,critical" default:"medium"`
	Dir   string `help:"Where to write it; the configured directory of rules, or else this one." placeholder:"DIR"`
}

func (r rulesNewCmd) Run(c *cli) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	text, err := scaffold.Render(scaffold.Rule{Name: r.Name, Type: r.Type, Level: r.Level, Date: time.Now(), ID: newUUID})
	if err != nil {
		return err
	}
	dir := cmp.Or(r.Dir, cfg.Rules.Dir, ".")
	path := filepath.Join(dir, r.Name+".yml")
	if err := writeNew(path, text); err != nil {
		return err
	}
	fmt.Printf("%s: edit it, then\n  crmwatch rules check %s\n  crmwatch rules test --run %s %s\n", path, dir, r.Name, dir)
	return nil
}

// writeNew writes a file that is not there yet.
func writeNew(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // rules are no secret, and crmwatch may run as another user than their author
		return fmt.Errorf("make the rule's directory: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // as above
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s is there already and stays as it is; choose another name", path)
	}
	if err != nil {
		return fmt.Errorf("write the rule: %w", err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write the rule: %w", err)
	}
	return nil
}

// newUUID is a random UUID (RFC 9562, version 4).
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
