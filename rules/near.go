package rules

import (
	"slices"
	"strings"
)

// didYouMean is a remedy for a misspelt name: ", did you mean a or b?", or
// nothing where no known name is near.
func didYouMean(name string, known []string) string {
	near := nearNames(name, known)
	if len(near) == 0 {
		return ""
	}
	return "; did you mean " + strings.Join(near, " or ") + "?"
}

// nearNames gives at most three of the known names that name may be a slip of,
// nearest first: a few letters off, or the same last element ("email" for
// "actor.email").
func nearNames(name string, known []string) []string {
	type candidate struct {
		name string
		d    int
	}
	if len(name) < 2 {
		return nil
	}
	var near []candidate
	for _, k := range known {
		d := distance(strings.ToLower(name), strings.ToLower(k))
		if strings.HasSuffix(k, "."+lastElement(name)) {
			d = min(d, 2)
		}
		if d <= max(1, len(k)/4) || d <= 2 && len(k) > 3 {
			near = append(near, candidate{k, d})
		}
	}
	slices.SortStableFunc(near, func(a, b candidate) int { return a.d - b.d })
	var names []string
	for _, c := range near[:min(3, len(near))] {
		names = append(names, c.name)
	}
	return names
}

func lastElement(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }

// distance is the number of bytes to insert, delete or replace, and of
// neighbours to swap, that makes b of a (optimal string alignment).
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	before, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			replace := prev[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, replace)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], before[j-2]+1)
			}
		}
		before, prev, cur = prev, cur, before
	}
	return prev[len(b)]
}
