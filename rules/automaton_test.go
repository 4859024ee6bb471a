package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

type occurrence struct {
	literal string
	end     int
}

func occurrences(a *automaton, literals []string, text string, folded bool) []occurrence {
	var found []occurrence
	for i, state := a.next(text, 0, 0, folded); state != 0; i, state = a.next(text, i, state, folded) {
		for s := int32(state >> a.shift); s >= 0; s = a.reports[s].shorter {
			if l := a.reports[s].literal; l >= 0 {
				found = append(found, occurrence{literals[l], i})
			}
		}
	}
	return found
}

// The oracle looks for every literal at every place. Small budgets make some or
// all states but the first do without a row.
func TestAutomatonFindsLikeStrings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.SampledFrom([]rune("abcä世")), 1, 6, -1)
		literals := rapid.SliceOfNDistinct(text, 1, 30, rapid.ID[string]).Draw(t, "literals")
		s := rapid.StringOfN(rapid.SampledFrom([]rune("abcä世x")), 0, 40, -1).Draw(t, "text")
		a := newAutomaton(literals, rapid.SampledFrom([]int{0, 30, 100, tableBudget}).Draw(t, "budget"))
		var want []occurrence
		for end := 1; end <= len(s); end++ {
			for n := end; n > 0; n-- { // the longest first
				if l := s[end-n : end]; slices.Contains(literals, l) {
					want = append(want, occurrence{l, end})
				}
			}
		}
		if got := occurrences(a, literals, s, true); !slices.Equal(got, want) {
			t.Fatalf("%q in %q: %v, want %v", literals, s, got, want)
		}
	})
}

func TestAutomatonTakesASCIIInAnyCase(t *testing.T) {
	literals := []string{"curl/", "url"}
	a := newAutomaton(literals, tableBudget)
	if got := occurrences(a, literals, "x CURL/8 äurl", false); fmt.Sprint(got) != "[{url 6} {curl/ 7}]" {
		t.Errorf("found %v; the text is ASCII up to its ä", got)
	}
}

func TestAutomatonOfManyLiteralsIsSmall(t *testing.T) {
	var literals []string
	for i := range 100_000 {
		literals = append(literals, fmt.Sprintf("host-%d.example-%d.com", i, i%977))
	}
	a := newAutomaton(literals, tableBudget)
	if size := 4*len(a.table) + 12*len(a.sparse) + 8*len(a.edges) + 8*len(a.reports); size > 60<<20 {
		t.Errorf("%d bytes", size)
	}
	text := "see " + literals[77_777] + " and " + strings.Repeat("host-9", 10)
	if got := occurrences(a, literals, text, true); len(got) != 1 || got[0].literal != literals[77_777] {
		t.Errorf("found %v", got)
	}
}
