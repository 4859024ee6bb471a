package reference

import (
	"fmt"
	"slices"
	"strings"
)

// condition reads a condition and gives what evaluates it. Name gives what
// evaluates one selection; names are those that "them" and patterns choose from.
func condition(s string, names []string, name func(string) func(record) bool) func(record) bool {
	s = strings.NewReplacer("(", " ( ", ")", " ) ").Replace(s)
	p := &conditionParser{words: strings.Fields(s), names: names, name: name}
	e := p.or()
	if len(p.words) > 0 {
		panic(fmt.Errorf("condition goes on with %q", p.words[0]))
	}
	return e
}

type conditionParser struct {
	words []string
	names []string
	name  func(string) func(record) bool
}

func (p *conditionParser) next() string {
	if len(p.words) == 0 {
		panic(fmt.Errorf("condition ends too early"))
	}
	w := p.words[0]
	p.words = p.words[1:]
	return w
}

func (p *conditionParser) take(w string) bool {
	if len(p.words) == 0 || p.words[0] != w {
		return false
	}
	p.words = p.words[1:]
	return true
}

func (p *conditionParser) or() func(record) bool {
	e := p.and()
	for p.take("or") {
		left, right := e, p.and()
		e = func(rec record) bool { return left(rec) || right(rec) }
	}
	return e
}

func (p *conditionParser) and() func(record) bool {
	e := p.not()
	for p.take("and") {
		left, right := e, p.not()
		e = func(rec record) bool { return left(rec) && right(rec) }
	}
	return e
}

func (p *conditionParser) not() func(record) bool {
	if p.take("not") {
		e := p.not()
		return func(rec record) bool { return !e(rec) }
	}
	if p.take("(") {
		e := p.or()
		if !p.take(")") {
			panic(fmt.Errorf("condition lacks a parenthesis"))
		}
		return e
	}
	w := p.next()
	if !p.take("of") {
		return p.name(w)
	}
	return p.of(w, p.next())
}

// of is "1 of" or "all of" the selections that a pattern chooses. Those that
// begin with "_" are chosen only by a pattern that does.
func (p *conditionParser) of(quantifier, pattern string) func(record) bool {
	var chosen []func(record) bool
	for _, n := range p.names {
		hidden := strings.HasPrefix(n, "_") && !strings.HasPrefix(pattern, "_")
		if !hidden && (pattern == "them" || glob(nameTokens(pattern), []rune(n), true)) {
			chosen = append(chosen, p.name(n))
		}
	}
	return func(rec record) bool {
		fails := func(e func(record) bool) bool { return !e(rec) }
		holds := func(e func(record) bool) bool { return e(rec) }
		if quantifier == "all" {
			return !slices.ContainsFunc(chosen, fails)
		}
		return slices.ContainsFunc(chosen, holds)
	}
}

func nameTokens(pattern string) []token {
	var list []token
	for _, r := range pattern {
		list = append(list, token{r, r == '*'})
	}
	return list
}
