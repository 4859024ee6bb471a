package rules

import (
	"fmt"
	"strings"
)

// expr is a condition: andExpr, orExpr, notExpr, nameExpr or quantExpr.
type expr interface{ String() string }

type (
	andExpr  []expr
	orExpr   []expr
	notExpr  struct{ x expr }
	nameExpr string // of a selection
	// quantExpr is "1 of pattern" or, with all, "all of pattern"; the pattern is
	// "them" or a name in which "*" stands for any characters.
	quantExpr struct {
		all     bool
		pattern string
	}
)

func (e andExpr) String() string  { return joinExprs("and", e) }
func (e orExpr) String() string   { return joinExprs("or", e) }
func (e notExpr) String() string  { return "(not " + e.x.String() + ")" }
func (e nameExpr) String() string { return string(e) }

func (e quantExpr) String() string {
	if e.all {
		return "(all " + e.pattern + ")"
	}
	return "(any " + e.pattern + ")"
}

func joinExprs(op string, list []expr) string {
	var b strings.Builder
	b.WriteString("(" + op)
	for _, e := range list {
		b.WriteString(" " + e.String())
	}
	return b.String() + ")"
}

// maxNesting bounds parentheses and "not"s, so that no rule file can exhaust
// the stack.
const maxNesting = 100

// parseCondition reads a condition:
//
//	or    = and { "or" and }
//	and   = not { "and" not }
//	not   = { "not" } prim
//	prim  = "(" or ")" | quant "of" target | name
//	quant = "1" | "any" | "all"
func parseCondition(s string) (expr, error) {
	p := conditionParser{}
	if err := p.scan(s); err != nil {
		return nil, err
	}
	if len(p.words) == 0 {
		return nil, fmt.Errorf("condition is empty; name a selection")
	}
	e, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.peek() != "" {
		return nil, p.unexpected(`"and", "or" or the end`)
	}
	return e, nil
}

type conditionParser struct {
	words []string // those to come
	last  string   // the name before them
	depth int
}

// scan splits the condition into parentheses and words.
func (p *conditionParser) scan(s string) error {
	for s != "" {
		switch c := s[0]; {
		case strings.IndexByte(" \t\r\n", c) >= 0:
			s = s[1:]
		case c == '(' || c == ')':
			p.words = append(p.words, s[:1])
			s = s[1:]
		case c == '|':
			return fmt.Errorf("condition has a pipe; aggregations were removed in Sigma 2.0, write a correlation rule instead")
		case isNameByte(c) || c == '*':
			n := strings.IndexFunc(s, func(r rune) bool { return r != '*' && (r > 127 || !isNameByte(byte(r))) })
			if n < 0 {
				n = len(s)
			}
			p.words = append(p.words, s[:n])
			s = s[n:]
		default:
			return fmt.Errorf("condition has the character %q; names are made of letters, digits, _ and -", []rune(s)[0])
		}
	}
	return nil
}

func isNameByte(c byte) bool {
	return c == '_' || c == '-' || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

func (p *conditionParser) peek() string {
	if len(p.words) == 0 {
		return ""
	}
	return p.words[0]
}

// take removes the next word where it is w.
func (p *conditionParser) take(w string) bool {
	if p.peek() != w {
		return false
	}
	p.words = p.words[1:]
	return true
}

func (p *conditionParser) or() (expr, error) {
	list, err := p.list("or", p.and)
	if len(list) == 1 {
		return list[0], err
	}
	return orExpr(list), err
}

func (p *conditionParser) and() (expr, error) {
	list, err := p.list("and", p.not)
	if len(list) == 1 {
		return list[0], err
	}
	return andExpr(list), err
}

func (p *conditionParser) list(op string, operand func() (expr, error)) ([]expr, error) {
	var list []expr
	for {
		e, err := operand()
		if err != nil {
			return nil, err
		}
		list = append(list, e)
		if !p.take(op) {
			return list, nil
		}
	}
}

func (p *conditionParser) not() (expr, error) {
	if p.take("not") {
		return p.nested(func() (expr, error) {
			e, err := p.not()
			return notExpr{e}, err
		})
	}
	return p.prim()
}

func (p *conditionParser) nested(parse func() (expr, error)) (expr, error) {
	if p.depth++; p.depth > maxNesting {
		return nil, fmt.Errorf("condition is nested deeper than %d", maxNesting)
	}
	defer func() { p.depth-- }()
	return parse()
}

func (p *conditionParser) prim() (expr, error) {
	if p.take("(") {
		e, err := p.nested(p.or)
		if err == nil && !p.take(")") {
			err = p.unexpected(`")"`)
		}
		return e, err
	}
	w := p.peek()
	switch {
	case w == "" || w == ")" || w == "and" || w == "or" || w == "of":
		return nil, p.unexpected("a selection")
	case len(p.words) > 1 && p.words[1] == "of":
		return p.quantified(w)
	case strings.Contains(w, "*"):
		return nil, fmt.Errorf("condition has the pattern %q alone; write \"1 of %s\" or \"all of %s\"", w, w, w)
	}
	p.words, p.last = p.words[1:], w
	return nameExpr(w), nil
}

func (p *conditionParser) quantified(quantifier string) (expr, error) {
	if quantifier != "1" && quantifier != "any" && quantifier != "all" {
		return nil, fmt.Errorf("condition has %q before \"of\"; Sigma knows \"1 of\", \"any of\" and \"all of\"", quantifier)
	}
	p.words = p.words[2:]
	target := p.peek()
	if target == "" || !isNameByte(target[0]) && target[0] != '*' {
		return nil, p.unexpected(`"them" or a pattern of selections`)
	}
	p.words = p.words[1:]
	return quantExpr{all: quantifier == "all", pattern: target}, nil
}

func (p *conditionParser) unexpected(want string) error {
	got, hint := p.peek(), ""
	if got == "" {
		return fmt.Errorf("condition ends where %s should follow", want)
	}
	if got == "near" {
		hint = "; \"near\" was removed in Sigma 2.0, write a correlation rule of type temporal"
	}
	if isOperator(strings.ToLower(got)) && got != strings.ToLower(got) || isOperator(strings.ToLower(p.last)) {
		hint = "; operators are written in lower case"
	}
	return fmt.Errorf("condition has %q where %s should be%s", got, want, hint)
}

func isOperator(w string) bool { return w == "and" || w == "or" || w == "not" || w == "of" }

// selects reports whether the target of a quantifier means the selection.
// Selections that begin with "_" are left out unless the pattern says so.
func (e quantExpr) selects(name string) bool {
	if strings.HasPrefix(name, "_") && !strings.HasPrefix(e.pattern, "_") {
		return false
	}
	return e.pattern == "them" || globName(e.pattern, name)
}

// globName matches a name with a pattern in which "*" stands for any characters.
func globName(pattern, name string) bool {
	var tokens []token
	for _, r := range pattern {
		if r == '*' {
			r = rune(anyRun)
		}
		tokens = append(tokens, token(r))
	}
	p := compilePattern(tokens, true)
	return p.matches(name)
}
