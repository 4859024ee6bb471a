package detect_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crmwatch/crmwatch/detect/detecttest/conformance"
	"github.com/crmwatch/crmwatch/detect/detecttest/reference"
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
