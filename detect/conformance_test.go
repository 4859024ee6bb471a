package detect_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crmwatch/crmwatch/detect/detecttest/conformance"
	"github.com/crmwatch/crmwatch/detect/detecttest/reference"
	"github.com/crmwatch/crmwatch/detect/eval"
)

// evalFunc runs a case and gives its findings as conformance.Case.Findings does. It
// gives the error with which the rules are refused.
type evalFunc func(c *conformance.Case) ([]string, error)

// byReference runs a case through the naive interpreter.
func byReference(c *conformance.Case) ([]string, error) {
	r, err := reference.Load(c.Rules, c.Lookups)
	if err != nil {
		return nil, err
	}
	r.ID = c.ID
	matches, err := r.Run(c.Lines)
	var lines []string
	for _, m := range matches {
		if _, named := c.Expect[m.Title]; c.Only && !named {
			continue
		}
		if m.Correlation {
			lines = append(lines, conformance.InstantLine(m.Title, m.At, m.Group, m.Value, m.Events))
		} else {
			lines = append(lines, conformance.EventLine(m.Title, m.Event))
		}
	}
	slices.Sort(lines)
	return lines, err
}

func cases(t *testing.T, load func() ([]conformance.Case, error)) []conformance.Case {
	t.Helper()
	list, err := load()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func checkCase(t *testing.T, c *conformance.Case, eval evalFunc) {
	t.Helper()
	got, err := eval(c)
	if err != nil {
		t.Fatalf("%s: %v\n%s", c.Clause, err, c.Rules)
	}
	if diff := cmp.Diff(c.Findings(), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s\n%s", c.Clause, diff, c.Rules)
	}
}

// TestReference holds the naive interpreter to the corpus, so that it can be the
// measure of the engine elsewhere.
func TestReference(t *testing.T) {
	t.Parallel()
	for _, c := range slices.Concat(cases(t, conformance.Written), cases(t, conformance.Computed)) {
		if c.Error != "" {
			continue // it does not look for mistakes
		}
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			checkCase(t, &c, byReference)
		})
	}
}

// line is what "crmwatch rules eval" prints.
type line struct {
	Title  string
	Time   time.Time
	Event  *int
	Group  map[string]any
	Value  float64
	Events []int
}

// byEngine runs a case through the engine, as "crmwatch rules eval" does.
func byEngine(c *conformance.Case) ([]string, error) {
	return evaluate(c, c.Lines, 1, func(event int) int { return event })
}

// evaluate runs the rules of a case over lines; number gives what an event is
// called by where it is in them.
func evaluate(c *conformance.Case, events [][]byte, threads int, number func(event int) int) ([]string, error) {
	cfg := eval.DefaultConfig()
	cfg.Rules, cfg.IDField, cfg.Threads, cfg.Every, cfg.Lateness = c.FS(), c.ID, threads, true, 365*24*time.Hour
	set, schema, err := cfg.Load()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if _, err := eval.Run(context.Background(), cfg, set, schema, bytes.NewReader(bytes.Join(events, []byte("\n"))), &out); err != nil {
		return nil, err
	}
	var lines []string
	for dec := json.NewDecoder(&out); dec.More(); {
		var l line
		dec.UseNumber()
		if err := dec.Decode(&l); err != nil {
			return nil, err
		}
		if _, named := c.Expect[l.Title]; c.Only && !named {
			continue
		}
		if l.Event != nil {
			lines = append(lines, conformance.EventLine(l.Title, number(*l.Event)))
			continue
		}
		group := map[string]string{}
		for k, v := range l.Group {
			group[k] = fmt.Sprint(v)
		}
		for i, event := range l.Events {
			l.Events[i] = number(event)
		}
		lines = append(lines, conformance.InstantLine(l.Title, l.Time, group, l.Value, l.Events))
	}
	slices.Sort(lines)
	return lines, nil
}

// TestEngineConforms holds the engine to the corpus.
func TestEngineConforms(t *testing.T) {
	t.Parallel()
	for _, c := range slices.Concat(cases(t, conformance.Written), cases(t, conformance.Computed)) {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			if c.Error == "" {
				checkCase(t, &c, byEngine)
				return
			}
			_, err := byEngine(&c)
			if err == nil || !strings.Contains(err.Error(), c.Error) {
				t.Errorf("%s: the error is %v, not %q\n%s", c.Clause, err, c.Error, c.Rules)
			}
		})
	}
}
