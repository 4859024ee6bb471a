package rules

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// correlationDoc is a correlation as its author wrote it.
type correlationDoc struct {
	pos        Position
	typ        Type
	rules      []name // none where the condition in words names them
	groupBy    []name
	badGroups  bool // groupBy has mistakes
	timespan   time.Duration
	bounds     []Bound
	fields     []name
	percentile float64
	words      expr // the condition where it is written in words
	wordsPos   Position
	aliases    []alias
	generate   bool
}

// alias is a name for fields that are called differently in different rules.
type alias struct {
	name
	fields []aliasField
}

type aliasField struct{ rule, field name }

var (
	correlationTypes = []string{
		string(EventCount), string(ValueCount), string(ValueSum), string(ValueAvg), string(ValueMedian),
		string(ValuePercentile), string(Temporal), string(TemporalOrdered),
	}
	correlationBody = []string{"type", "rules", "group-by", "timespan", "condition", "aliases", "generate"}
	operators       = []string{string(GT), string(GTE), string(LT), string(LTE), string(EQ), string(NEQ)}
)

func (t Type) known() bool { return slices.Contains(correlationTypes, string(t)) }

// temporal reports whether the type is about which rules were seen.
func (t Type) temporal() bool { return t == Temporal || t == TemporalOrdered }

// valued reports whether the type measures a field.
func (t Type) valued() bool { return strings.HasPrefix(string(t), "value_") }

func (p *parser) correlationDocument(d *document, top []entry) {
	n := find(top, "correlation")
	c := &correlationDoc{pos: p.position(n)}
	d.corr = c
	entries := p.mapping(n, "correlation")
	for _, e := range entries {
		p.correlationEntry(c, e)
	}
	if g := find(top, "generate"); g != nil {
		// The JSON schema has the key here, the specification's text in the body.
		c.generate = p.boolean(g, "generate") || c.generate
	}
	if len(entries) > 0 {
		p.correlationComplete(c, n, entries)
	}
	d.logic = c.canonical(n) + d.meta.Window.canonical()
}

// canonical is the correlation without what names rules: their versions stand for
// them, and a new name is no new condition.
func (c *correlationDoc) canonical(n *yaml.Node) string {
	named := []string{"rules", "generate", "aliases"}
	if c.words != nil {
		named = append(named, "condition")
	}
	return canonical(without(n, named...))
}

func (p *parser) correlationEntry(c *correlationDoc, e entry) {
	switch e.key {
	case "type":
		c.typ = Type(p.oneOf(e, correlationTypes))
	case "rules":
		c.rules = p.references(e.v, "rules of the correlation")
	case "group-by":
		c.groupBy = p.references(e.v, "group-by")
		c.badGroups = len(c.groupBy) == 0
	case "timespan":
		c.timespan = p.duration(e.v, "timespan", time.Second)
	case "generate":
		c.generate = p.boolean(e.v, "generate")
	case "aliases":
		c.aliases = p.aliases(e.v)
	case "condition": // needs the type, see correlationComplete
	case "timeframe":
		p.problem(e.keyNode, "correlation has a \"timeframe\"; it is called \"timespan\" here")
	default:
		p.problem(e.keyNode, "correlation has the unknown key %q%s", e.key, didYouMean(e.key, correlationBody))
	}
}

// correlationComplete checks what is there together.
func (p *parser) correlationComplete(c *correlationDoc, n *yaml.Node, entries []entry) {
	cond := find(entries, "condition")
	inWords := cond != nil && cond.Kind == yaml.ScalarNode
	for _, key := range []string{"type", "rules", "timespan"} {
		if find(entries, key) == nil && (key != "rules" || !inWords) {
			p.problem(n, "correlation has no %q", key)
		}
	}
	switch {
	case cond == nil && c.typ.known() && !c.typ.temporal():
		p.problem(n, "correlation has no \"condition\"; write condition: {gte: 10}")
	case cond == nil:
	case inWords && c.typ.known() && !c.typ.temporal():
		p.problem(cond, "condition of %s is in words, which only temporal and temporal_ordered have; write condition: {gte: 10}", c.typ)
	case inWords:
		p.wordsCondition(c, cond)
	default:
		p.boundsCondition(c, cond)
	}
}

// wordsCondition reads "a and (b or c) and not d", in which the names are rules.
func (p *parser) wordsCondition(c *correlationDoc, n *yaml.Node) {
	e, err := parseCondition(n.Value)
	if err != nil {
		p.problem(n, "%v", err)
		return
	}
	if quant, ok := quantifierIn(e); ok {
		p.problem(n, "condition has \"of %s\", which goes with selections only; name the rules, joined by \"or\" or \"and\"", quant.pattern)
		return
	}
	c.words, c.wordsPos = e, p.position(n)
}

// boundsCondition reads {gte: 5, field: rows}.
func (p *parser) boundsCondition(c *correlationDoc, n *yaml.Node) {
	entries := p.mapping(n, "condition")
	if c.percentile = 50; c.typ != ValuePercentile && c.typ != ValueMedian {
		c.percentile = 0
	}
	var at []*yaml.Node // of the bounds
	for _, e := range entries {
		switch {
		case slices.Contains(operators, e.key):
			c.bounds = append(c.bounds, p.bound(c.typ, e))
			at = append(at, e.keyNode)
		case e.key == "field":
			c.fields = p.conditionFields(c.typ, e.v)
		case e.key == "percentile":
			p.percentile(c, e)
		default:
			p.problem(e.keyNode, "condition has the unknown key %q%s", e.key, didYouMean(e.key, append(operators, "field", "percentile")))
		}
	}
	if n.Kind != yaml.MappingNode || !c.typ.known() {
		return
	}
	p.boundsComplete(c, n, entries)
	if len(c.bounds) > 1 {
		p.checkRange(c.bounds, at)
	}
	p.checkReachable(c, n)
}

func (p *parser) boundsComplete(c *correlationDoc, n *yaml.Node, entries []entry) {
	field := find(entries, "field")
	switch {
	case len(c.bounds) == 0:
		p.problem(n, "condition has no operator; write gte or gt with a number")
	case c.typ.valued() && field == nil:
		p.problem(n, "condition of %s has no \"field\"; name what is measured: {gte: 10, field: rows}", c.typ)
	case !c.typ.valued() && field != nil:
		p.problem(field, "condition of %s has a \"field\", which only the value types have; take it out, or write value_count", c.typ)
	case c.typ == TemporalOrdered && slices.ContainsFunc(c.bounds, func(b Bound) bool { return b.Op != GT && b.Op != GTE }):
		p.problem(n, "condition of temporal_ordered may only say gt or gte: how many of the rules, whichever, must follow each other in their order")
	}
}

func (p *parser) percentile(c *correlationDoc, e entry) {
	f, ok := p.number(e)
	switch {
	case !ok:
	case c.typ.known() && c.typ != ValuePercentile:
		p.problem(e.keyNode, "condition of %s has a \"percentile\", which only value_percentile has", c.typ)
	case f < 0 || f > 100:
		p.problem(e.v, "percentile of the condition is %s; it must be from 0 to 100", e.v.Value)
	default:
		c.percentile = f
	}
}

func (p *parser) bound(t Type, e entry) Bound {
	b := Bound{Op: Op(e.key)}
	var ok bool
	b.Threshold, ok = p.number(e)
	// An average of nothing is no number, but a count or a sum of nothing is 0.
	averages := t == ValueAvg || t == ValueMedian || t == ValuePercentile
	if ok && !averages && b.lower() && b.Holds(0) {
		p.problem(e.v, "condition %s %s holds even where nothing happened; write gt: 0 for anything at all", e.key, e.v.Value)
	}
	return b
}

// number reads the number behind a key of the condition.
func (p *parser) number(e entry) (float64, bool) {
	l, ok := p.literal(e.v, e.key+" of the condition")
	if ok && l.kind != numberLiteral {
		p.problem(e.v, "%s of the condition must be a number, without quotes", e.key)
		ok = false
	}
	return l.num.f, ok
}

// conditionFields reads what is measured: one field, or several whose
// combinations value_count counts.
func (p *parser) conditionFields(t Type, n *yaml.Node) []name {
	if n.Kind == yaml.SequenceNode && len(n.Content) > 1 && t.known() && t != ValueCount {
		p.problem(n, "field of the condition is a list, of which only value_count counts the combinations; name one field")
		return nil
	}
	return p.references(n, "field of the condition")
}

// aliases reads {who: {rule_a: actor.id, rule_b: actor.name}}.
func (p *parser) aliases(n *yaml.Node) []alias {
	if n.Kind == yaml.MappingNode && len(n.Content) == 0 {
		p.problem(n, "aliases are empty; leave them out")
	}
	var list []alias
	for _, e := range p.mapping(n, "aliases") {
		a := alias{name: name{e.key, p.position(e.keyNode)}}
		what := "alias \"" + e.key + "\""
		if e.v.Kind == yaml.MappingNode && len(e.v.Content) == 0 {
			p.problem(e.v, "%s is empty; write the field for each rule: {rule: field}", what)
		}
		for _, f := range p.mapping(e.v, what) {
			if field, ok := p.text(f.v, "field of "+what); ok {
				a.fields = append(a.fields, aliasField{name{f.key, p.position(f.keyNode)}, name{field, p.position(f.v)}})
			}
		}
		list = append(list, a)
	}
	return list
}

var duration = regexp.MustCompile(`^([0-9]{1,9})([smhdwMy])$`)

// units are pySigma's; a month is a twelfth of a mean Gregorian year.
var units = map[string]time.Duration{
	"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour,
	"M": 2629746 * time.Second, "y": 31556952 * time.Second,
}

// maxTimespan bounds windows; nothing is kept longer than this.
const maxTimespan = 400 * 24 * time.Hour

// duration reads a length of time as Sigma writes it, at least least.
func (p *parser) duration(n *yaml.Node, what string, least time.Duration) time.Duration {
	m := duration.FindStringSubmatch(n.Value)
	if n.Kind != yaml.ScalarNode || m == nil {
		p.problem(n, "%s must be a number and one of s, m, h, d, w, M, y: 15m", what)
		return 0
	}
	count, _ := strconv.ParseInt(m[1], 10, 64) // at most nine digits
	unit := units[m[2]]
	if count > int64(maxTimespan/unit) || time.Duration(count)*unit < least {
		p.problem(n, "%s %s is not between %ds and %dd", what, n.Value, least/time.Second, maxTimespan/(24*time.Hour))
		return 0
	}
	return time.Duration(count) * unit
}
