package detect

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/crmwatch/crmwatch/detect/detecttest/conformance"
)

const corpusReadme = "detecttest/conformance/README.md"

// TestCorpusReadme holds the table of clauses to the corpus. go test -update
// writes it.
func TestCorpusReadme(t *testing.T) {
	data, err := os.ReadFile(corpusReadme)
	if err != nil {
		t.Fatal(err)
	}
	intro, _, _ := strings.Cut(string(data), "## Clauses\n")
	want := intro + "## Clauses\n" + clauses(t)
	switch {
	case string(data) == want:
	case *update:
		if err := os.WriteFile(corpusReadme, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s is not up to date: go test ./detect -run TestCorpusReadme -update", corpusReadme)
	}
}

func clauses(t *testing.T) string {
	t.Helper()
	type row struct{ cases, notes, refused int }
	rows := map[string]*row{}
	var order []string
	add := func(load func() ([]conformance.Case, error)) int {
		list, err := load()
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range list {
			r := rows[c.Clause]
			if r == nil {
				r = &row{}
				rows[c.Clause] = r
				order = append(order, c.Clause)
			}
			r.cases++
			if c.Note != "" {
				r.notes++
			}
			if c.Error != "" {
				r.refused++
			}
		}
		return len(list)
	}
	written, computed := add(conformance.Written), add(conformance.Computed)
	slices.Sort(order)
	var b strings.Builder
	fmt.Fprintf(&b, "\n%d cases: %d written by hand, %d computed.\n\n| clause | cases | of them refused | with a note |\n|---|--:|--:|--:|\n", written+computed, written, computed)
	for _, clause := range order {
		r := rows[clause]
		fmt.Fprintf(&b, "| %s | %d | %d | %d |\n", strings.ReplaceAll(clause, "|", `\|`), r.cases, r.refused, r.notes)
	}
	return b.String()
}
