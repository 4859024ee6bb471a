package detect_test

import (
	gocmp "cmp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crmwatch/crmwatch/detect/detecttest/conformance"
	"github.com/crmwatch/crmwatch/detect/detecttest/reference"
	"github.com/crmwatch/crmwatch/detect/window"
	"github.com/crmwatch/crmwatch/rules"
	"github.com/crmwatch/crmwatch/rules/ndjson"
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

// byEngine runs a case through the engine: raw records, compiled rules, windows.
func byEngine(c *conformance.Case) ([]string, error) {
	schema := ndjson.NewSchema()
	set, err := rules.Load(c.FS(), schema, rules.Options{AnyLogsource: true})
	if err != nil {
		return nil, err
	}
	timeField, _ := schema.Field("time")
	var lines []string
	windows := window.New(window.Config[int]{
		Compare: gocmp.Compare[int], Final: true, Every: true,
		Emit: func(a *window.Alert[int]) {
			if _, named := c.Expect[a.Meta.Title]; a.Correlation == nil || !a.Correlation.Alerts || c.Only && !named {
				return
			}
			group := map[string]string{}
			for i, name := range a.Correlation.GroupBy {
				group[name] = a.Group.Values[i]
			}
			events := slices.Clone(a.Events)
			slices.Sort(events)
			lines = append(lines, conformance.InstantLine(a.Meta.Title, time.UnixMilli(a.Last), group, a.Measured, slices.Compact(events)))
		},
	}, set, 0)
	matcher, scanner := set.Matcher(), schema.Scanner(set.Keywords())
	var rec rules.Record
	var newest int64
	for i, line := range c.Lines {
		if err := scanner.Scan(line, &rec); err != nil {
			return nil, err
		}
		at, timeErr := time.Parse(time.RFC3339, rec.Values[timeField].Text())
		if timeErr == nil {
			newest = max(newest, at.UnixMilli())
		}
		for _, r := range matcher.Match(&rec) {
			if _, named := c.Expect[r.Title]; r.Alerts && (!c.Only || named) {
				lines = append(lines, conformance.EventLine(r.Title, i))
			}
			if timeErr == nil {
				windows.Match(r, &rec, "", at.UnixMilli(), i)
			}
		}
	}
	// What would be decided only after the last event is not: nothing is known of
	// that time.
	windows.Advance(newest)
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
