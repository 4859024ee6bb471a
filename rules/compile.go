package rules

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// compiler turns parsed detections into nodes over a schema's fields.
type compiler struct {
	schema Schema
	// uses are the fields that were compiled, keywords whether there were some.
	uses       []bool
	keywords   bool
	predicates predicates
	// report takes what is wrong.
	report func(pos Position, format string, args ...any)
}

// detection compiles selections and conditions. Problems are reported; what is
// returned is of use only where there are none.
func (c *compiler) detection(d *detection) node {
	b := &bodies{compiler: c, detection: d, nodes: make(map[string]node)}
	for _, s := range d.selections {
		b.nodes[s.name] = c.search(s.body)
	}
	var alternatives anyNode
	for _, cond := range d.conditions {
		alternatives = append(alternatives, b.expr(cond.pos, cond.expr))
	}
	if len(alternatives) == 1 {
		return alternatives[0]
	}
	return alternatives
}

// bodies are the compiled selections of one detection, for its conditions.
type bodies struct {
	*compiler
	*detection
	nodes map[string]node
}

// expr compiles a condition that stands at pos.
func (b *bodies) expr(pos Position, e expr) node {
	each := func(list []expr) []node {
		nodes := make([]node, len(list))
		for i, x := range list {
			nodes[i] = b.expr(pos, x)
		}
		return nodes
	}
	switch e := e.(type) {
	case andExpr:
		return allNode(each(e))
	case orExpr:
		return anyNode(each(e))
	case notExpr:
		return notNode{b.expr(pos, e.x)}
	case quantExpr:
		return b.quantified(pos, e)
	default:
		return b.selection(pos, e.String())
	}
}

func (b *bodies) selection(pos Position, name string) node {
	n, ok := b.nodes[name]
	if !ok {
		b.report(pos, "condition names %q, but there is no such selection%s", name, didYouMean(name, b.names()))
	}
	return n
}

func (d *detection) names() []string {
	var names []string
	for _, s := range d.selections {
		names = append(names, s.name)
	}
	return names
}

// quantified compiles "1 of" and "all of". A target that means no selection is
// refused: implementations disagree on whether it matches everything or nothing.
func (b *bodies) quantified(pos Position, e quantExpr) node {
	var nodes []node
	for _, s := range b.selections {
		if e.selects(s.name) {
			nodes = append(nodes, b.nodes[s.name])
		}
	}
	if len(nodes) == 0 {
		b.report(pos, "condition has \"of %s\", but no selection has such a name", e.pattern)
	}
	if e.all {
		return allNode(nodes)
	}
	return anyNode(nodes)
}

func (c *compiler) search(s search) node {
	switch s := s.(type) {
	case allOf:
		nodes := make(allNode, len(s))
		for i, x := range s {
			nodes[i] = c.search(x)
		}
		return nodes
	case anyOf:
		nodes := make(anyNode, len(s))
		for i, x := range s {
			nodes[i] = c.search(x)
		}
		return nodes
	case item:
		return c.item(s)
	default:
		return anyNode{} // of a selection with mistakes
	}
}

// item compiles the comparison of one field. Under neq it is negated as a whole,
// so it holds where the field is absent, as in pySigma.
func (c *compiler) item(it item) node {
	var n node
	switch {
	case it.field == "":
		n = c.keyword(it)
	case it.mods.fieldref:
		n = c.reference(it)
	default:
		n = c.values(c.field(it.field, it.pos), it)
	}
	if it.mods.neq {
		return notNode{n}
	}
	return n
}

// values compiles the comparison of a field with the values of an item, which
// match nothing where there are none, because a look-up table is empty. With all,
// each of them must hold, each for some value of a list.
func (c *compiler) values(f Field, it item) node {
	if it.mods.compare == "exists" && len(it.values) > 1 {
		c.report(it.pos, "%s has more than one value for \"exists\"", it.what())
	}
	var anyOf []test
	var allOf allNode
	for _, l := range it.values {
		tests, err := compileValue(&it.mods, l)
		if err != nil {
			c.report(l.pos, "value of %s %v", it.what(), err)
			continue
		}
		if it.mods.all {
			allOf = append(allOf, c.predicates.any(f, tests))
		} else {
			anyOf = append(anyOf, tests...)
		}
	}
	if len(allOf) > 0 {
		return allOf
	}
	return c.predicates.any(f, anyOf)
}

func (c *compiler) field(path string, pos Position) Field {
	f, ok := c.schema.Field(path)
	if !ok {
		c.report(pos, "field %q is not known%s", path, didYouMean(path, c.schema.Paths()))
		return f
	}
	for len(c.uses) <= int(f) {
		c.uses = append(c.uses, false)
	}
	c.uses[f] = true
	return f
}

func (c *compiler) keyword(it item) node {
	m := &it.mods
	if m.neq || m.fieldref || m.part != "" || !slices.Contains([]string{"", "contains", "re"}, m.compare) {
		c.report(it.pos, "keywords have a modifier that needs a field; only all, contains, re, cased, windash and encodings go without")
		return anyNode{}
	}
	if m.compare == "" {
		m.compare = "contains"
	}
	c.keywords = true
	return c.values(keywordField, it)
}

func (c *compiler) reference(it item) node {
	field := c.field(it.field, it.pos)
	nodes := make([]node, len(it.values))
	for i, l := range it.values {
		if l.kind != textLiteral {
			c.report(l.pos, "value of field %q must be the name of a field, because of \"fieldref\"", it.field)
			continue
		}
		nodes[i] = c.predicates.refer(field, reference{c.field(l.text, l.pos), it.mods.compare, it.mods.cased})
	}
	if it.mods.all {
		return allNode(nodes)
	}
	return anyNode(nodes)
}

func (it *item) what() string {
	if it.field == "" {
		return "a keyword"
	}
	return fmt.Sprintf("field %q", it.field)
}

// compileValue compiles one value to tests one of which must hold.
func compileValue(m *modifiers, l literal) ([]test, error) {
	if l.kind != nullLiteral && m.part == "" && (m.compare == "" || slices.Contains(shapes, m.compare)) {
		return compileText(m, l)
	}
	t, err := compileOther(m, l)
	return []test{t}, err
}

// compileOther compiles a value that is not compared as a Sigma string.
func compileOther(m *modifiers, l literal) (test, error) {
	switch {
	case l.kind == nullLiteral && (m.compare != "" || m.part != "" || len(m.encode) > 0 || m.windash || m.cased):
		return nil, fmt.Errorf("is null, which goes with no modifier but neq and all")
	case l.kind == nullLiteral:
		return nullTest{}, nil
	case m.compare == "exists":
		return compileExists(l)
	case m.part != "":
		return compileTime(m, l)
	case m.compare == "cidr":
		return compileCIDR(l)
	case m.compare == "re":
		return compileRegex(m.flags, l)
	default:
		return compileOrder(m.compare, l)
	}
}

func compileExists(l literal) (test, error) {
	if l.kind != boolLiteral {
		return nil, fmt.Errorf("must be true or false, because of \"exists\"")
	}
	return existsTest{want: l.text == "true"}, nil
}

func compileOrder(op string, l literal) (test, error) {
	if l.kind != numberLiteral {
		return nil, fmt.Errorf("must be a number without quotes, because of %q", op)
	}
	return orderTest{op: op, num: l.num}, nil
}

// timeRanges are the values that a part of a time can have.
var timeRanges = map[string][2]int64{
	"minute": {0, 59}, "hour": {0, 23}, "day": {1, 31}, "week": {1, 53}, "month": {1, 12}, "year": {1, 9999},
}

func compileTime(m *modifiers, l literal) (test, error) {
	r := timeRanges[m.part]
	if l.kind != numberLiteral || !l.num.whole || l.num.i < r[0] || l.num.i > r[1] {
		return nil, fmt.Errorf("must be a whole number from %d to %d, because of %q", r[0], r[1], m.part)
	}
	return &timeTest{part: m.part, order: orderTest{op: m.compare, num: l.num}, equal: m.compare == ""}, nil
}

func compileCIDR(l literal) (test, error) {
	prefix, err := netip.ParsePrefix(l.text)
	if addr, addrErr := netip.ParseAddr(l.text); addrErr == nil && addr.Zone() == "" {
		prefix, err = netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	if err != nil {
		return nil, fmt.Errorf("%q is no network like 10.0.0.0/8", l.text)
	}
	if prefix != prefix.Masked() {
		return nil, fmt.Errorf("%q has bits set beyond its length; write %s", l.text, prefix.Masked())
	}
	if addr := prefix.Addr(); addr.Is4In6() && prefix.Bits() >= 96 {
		// Addresses of events count as IPv4 then, too.
		prefix = netip.PrefixFrom(addr.Unmap(), prefix.Bits()-96)
	}
	return cidrTest{prefix: prefix}, nil
}

func compileRegex(flags string, l literal) (test, error) {
	if l.kind != textLiteral {
		// The number 1.0 is 1 by now, which is another expression.
		return nil, fmt.Errorf("must be a text, because of \"re\"; put it in quotes")
	}
	expr := l.text
	if flags != "" {
		expr = "(?" + flags + ")" + expr
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, fmt.Errorf("is no regular expression of the RE2 syntax, which has no look-around and no back-references: %s",
			strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	return &regexTest{re, requiredLiterals(expr)}, nil
}

// compileText compiles a Sigma string: escapes, then encodings, then wildcards
// around it.
func compileText(m *modifiers, l literal) ([]test, error) {
	tokens := parseString(l.text)
	if l.kind != textLiteral {
		tokens = plainTokens(l.text)
	}
	if m.windash {
		tokens = windash(tokens)
	}
	if len(m.encode) == 0 {
		return []test{newTextTest(shape(tokens, m.compare), m.cased)}, nil
	}
	plain, err := plainText(tokens)
	if err != nil {
		return nil, err
	}
	var variants []test
	for _, s := range encodeText(plain, m.encode) {
		variants = append(variants, newTextTest(shape(plainTokens(s), m.compare), m.cased))
	}
	if len(variants) == 0 {
		return nil, fmt.Errorf("is too short to be recognised in base64")
	}
	return variants, nil
}

// shape adds the wildcards of a modifier.
func shape(tokens []token, compare string) []token {
	if compare == "contains" || compare == "endswith" {
		tokens = slices.Concat([]token{anyRun}, tokens)
	}
	if compare == "contains" || compare == "startswith" {
		tokens = slices.Concat(tokens, []token{anyRun})
	}
	return tokens
}

func newTextTest(tokens []token, cased bool) test {
	return &textTest{compilePattern(tokens, cased)}
}
