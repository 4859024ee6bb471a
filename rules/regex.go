package rules

import (
	"regexp/syntax"
	"strings"
)

// maxAlternatives bounds the literals that are looked for instead of a regular
// expression.
const maxAlternatives = 64

// requiredLiterals gives folded literals one of which is in every text that the
// expression matches, the longest such; nil where there are none. An automaton
// finds them among those of all rules, so most expressions never run.
func requiredLiterals(expr string) []string {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil
	}
	return required(re.Simplify())
}

func required(re *syntax.Regexp) []string {
	switch re.Op {
	case syntax.OpLiteral:
		var b strings.Builder
		for _, r := range re.Rune {
			b.WriteRune(fold(r))
		}
		return []string{b.String()}
	case syntax.OpCapture, syntax.OpPlus:
		return required(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return required(re.Sub[0])
		}
		return nil
	case syntax.OpConcat:
		return requiredOfOne(re.Sub)
	case syntax.OpAlternate:
		return requiredOfAll(re.Sub)
	default:
		return nil
	}
}

// requiredOfOne chooses the part with the longest literals.
func requiredOfOne(parts []*syntax.Regexp) []string {
	var best []string
	for _, p := range parts {
		if l := required(p); shortest(l) > shortest(best) {
			best = l
		}
	}
	return best
}

// requiredOfAll takes the literals of all alternatives, if each has some.
func requiredOfAll(alternatives []*syntax.Regexp) []string {
	var all []string
	for _, a := range alternatives {
		l := required(a)
		if len(l) == 0 || len(all)+len(l) > maxAlternatives {
			return nil
		}
		all = append(all, l...)
	}
	return all
}

// shortest is the length of the shortest literal, 0 where there are none.
func shortest(literals []string) int {
	if len(literals) == 0 {
		return 0
	}
	n := len(literals[0])
	for _, l := range literals {
		n = min(n, len(l))
	}
	return n
}
