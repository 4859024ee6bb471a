package detect_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crmwatch/crmwatch/detect/detecttest/conformance"
)

// soundCases are the cases whose rules are not refused.
func soundCases(t *testing.T) []conformance.Case {
	t.Helper()
	all := slices.Concat(cases(t, conformance.Written), cases(t, conformance.Computed))
	return slices.DeleteFunc(all, func(c conformance.Case) bool { return c.Error != "" })
}

// TestOrderOfArrivalDoesNotMatter runs every case with its events in many orders,
// on one thread and on several.
func TestOrderOfArrivalDoesNotMatter(t *testing.T) {
	t.Parallel()
	for _, c := range soundCases(t) {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			first := firstOfEach(t, &c)
			want := called(&c, first).Findings()
			for seed := range uint64(4) {
				order := make([]int, len(c.Lines))
				for i := range order {
					order[i] = i
				}
				if seed > 0 {
					rand.New(rand.NewPCG(seed, 1)).Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
				}
				var events [][]byte
				for _, i := range order {
					events = append(events, c.Lines[i])
				}
				threads := 1 + int(seed+1)%2
				got, err := evaluate(&c, events, threads, func(event int) int { return first[order[event]] })
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("order %v, %d threads (-want +got):\n%s\n%s", order, threads, diff, c.Rules)
				}
			}
		})
	}
}

// firstOfEach gives, for each line, the first that is the same event: of two such
// lines the one that comes first is told, which depends on the order.
func firstOfEach(t *testing.T, c *conformance.Case) []int {
	t.Helper()
	seen := map[string]int{}
	var first []int
	for i, line := range c.Lines {
		var ev map[string]any
		if err := json.Unmarshal(line, &ev); err != nil {
			t.Fatal(err)
		}
		key := fmt.Sprint("line ", i)
		if id := ev[c.ID]; c.ID != "" && id != nil && id != "" {
			key = fmt.Sprint(id, " at ", ev["time"])
		}
		if _, ok := seen[key]; !ok {
			seen[key] = i
		}
		first = append(first, seen[key])
	}
	return first
}

// called gives the case with its events called by other numbers.
func called(c *conformance.Case, number []int) *conformance.Case {
	out := *c
	out.Expect = map[string]conformance.Expectation{}
	for title, e := range c.Expect {
		renumbered := conformance.Expectation{}
		for _, i := range e.Events {
			renumbered.Events = append(renumbered.Events, number[i])
		}
		for _, in := range e.Instants {
			events := []int{}
			for _, i := range in.Events {
				events = append(events, number[i])
			}
			in.Events = events
			renumbered.Instants = append(renumbered.Instants, in)
		}
		out.Expect[title] = renumbered
	}
	return &out
}

// TestCorpusIsLarge holds the corpus to what is promised of it.
func TestCorpusIsLarge(t *testing.T) {
	t.Parallel()
	written, computed := cases(t, conformance.Written), cases(t, conformance.Computed)
	if len(written) < 250 || len(written)+len(computed) < 400 {
		t.Errorf("%d cases, of which %d are written by hand", len(written)+len(computed), len(written))
	}
	seen := map[string]bool{}
	for _, c := range slices.Concat(written, computed) {
		switch {
		case c.Clause == "" || c.Name == "":
			t.Errorf("case %q of clause %q lacks a name", c.Name, c.Clause)
		case seen[c.Clause+c.Name]:
			t.Errorf("two cases of %q are called %q", c.Clause, c.Name)
		}
		seen[c.Clause+c.Name] = true
	}
}
