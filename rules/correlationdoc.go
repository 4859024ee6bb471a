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
	pos      Position
	typ      Type
	rules    []name
	groupBy  []name
	timespan time.Duration
	bounds   []Bound
	field    *name
	generate bool
}

var (
	correlationTypes = []string{
		string(EventCount), string(ValueCount), string(ValueSum), string(ValueAvg), string(ValueMedian),
		string(ValuePercentile), string(Temporal), string(TemporalOrdered),
	}
	correlationBody = []string{"type", "rules", "group-by", "timespan", "condition", "aliases", "generate"}
	operators       = []string{string(GT), string(GTE), string(LT), string(LTE), string(EQ), string(NEQ)}
)

// runs reports whether crmwatch can run the type.
func (t Type) runs() bool { return t == EventCount || t == ValueCount || t == ValueSum }

func (t Type) temporal() bool { return t == Temporal || t == TemporalOrdered }

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
	d.logic = canonical(without(n, "rules", "generate"))
}

func (p *parser) correlationEntry(c *correlationDoc, e entry) {
	switch e.key {
	case "type":
		if c.typ = Type(p.oneOf(e, correlationTypes)); slices.Contains(correlationTypes, string(c.typ)) && !c.typ.runs() {
			p.problem(e.v, "correlation type %s is not supported yet; event_count, value_count and value_sum are", c.typ)
		}
	case "rules":
		c.rules = p.references(e.v, "rules of the correlation")
	case "group-by":
		c.groupBy = p.references(e.v, "group-by")
	case "timespan":
		c.timespan = p.timespan(e.v)
	case "generate":
		c.generate = p.boolean(e.v, "generate")
	case "aliases":
		p.problem(e.keyNode, "aliases are not supported yet; all events have the same fields, group by those")
	case "condition": // needs the type, see correlationComplete
	default:
		p.problem(e.keyNode, "correlation has the unknown key %q%s", e.key, didYouMean(e.key, correlationBody))
	}
}

// correlationComplete checks what is there together.
func (p *parser) correlationComplete(c *correlationDoc, n *yaml.Node, entries []entry) {
	for _, key := range []string{"type", "rules", "timespan"} {
		if find(entries, key) == nil {
			p.problem(n, "correlation has no %q", key)
		}
	}
	switch {
	case find(entries, "group-by") == nil:
		p.problem(n, "correlation has no \"group-by\"; name one of %s", strings.Join(PersonFields(), ", "))
	case len(c.groupBy) > 0 && !slices.ContainsFunc(c.groupBy, func(g name) bool { return slices.Contains(PersonFields(), g.text) }):
		p.problemAt(c.groupBy[0].pos, "group-by must name one of %s, because events are partitioned by person and only what one person did meets in one place", strings.Join(PersonFields(), ", "))
	}
	cond := find(entries, "condition")
	switch {
	case cond == nil && c.typ != "" && !c.typ.temporal():
		p.problem(n, "correlation has no \"condition\"; write condition: {gte: 10}")
	case cond != nil && cond.Kind == yaml.ScalarNode && c.typ.temporal():
		if _, err := parseCondition(cond.Value); err != nil {
			p.problem(cond, "%v", err)
		}
	case cond != nil:
		p.correlationCondition(c, cond)
	}
}

func (p *parser) correlationCondition(c *correlationDoc, n *yaml.Node) {
	entries := p.mapping(n, "condition")
	for _, e := range entries {
		switch {
		case slices.Contains(operators, e.key):
			p.operator(c, e)
		case e.key == "field":
			p.correlationField(c, e.v)
		case e.key == "percentile" && c.typ == ValuePercentile:
			p.threshold(e)
		default:
			p.problem(e.keyNode, "condition has the unknown key %q%s", e.key, didYouMean(e.key, append(operators, "field")))
		}
	}
	valued := strings.HasPrefix(string(c.typ), "value_")
	switch {
	case n.Kind != yaml.MappingNode:
	case len(c.bounds) == 0:
		p.problem(n, "condition has no operator; write gte or gt with a number")
	case valued && find(entries, "field") == nil:
		p.problem(n, "condition of %s has no \"field\"", c.typ)
	case !valued && c.field != nil:
		p.problem(n, "condition of %s has a \"field\", which only value types have", c.typ)
	}
}

func (p *parser) operator(c *correlationDoc, e entry) {
	if len(c.bounds) > 0 {
		p.problem(e.keyNode, "condition has both %s and %s; ranges are not supported, write two correlations", c.bounds[0].Op, e.key)
		return
	}
	b := Bound{Op: Op(e.key)}
	var ok bool
	if b.Threshold, ok = p.threshold(e); ok && (b.Op == GT || b.Op == GTE) && b.Holds(0) {
		p.problem(e.v, "condition %s %s holds even where nothing happened", e.key, e.v.Value)
	}
	if c.bounds = append(c.bounds, b); b.Op != GT && b.Op != GTE {
		p.problem(e.keyNode, "condition operator %s is not supported yet: it can be decided only when a window closes; use gt or gte", e.key)
	}
}

func (p *parser) threshold(e entry) (float64, bool) {
	l, ok := p.literal(e.v, e.key+" of the condition")
	if ok && l.kind != numberLiteral {
		p.problem(e.v, "%s of the condition must be a number", e.key)
		ok = false
	}
	return l.num.f, ok
}

func (p *parser) correlationField(c *correlationDoc, n *yaml.Node) {
	if n.Kind == yaml.SequenceNode && len(n.Content) != 1 {
		p.problem(n, "field of the condition is a list; counting combinations is not supported yet, name one field")
		c.field = &name{}
		return
	}
	if refs := p.references(n, "field of the condition"); len(refs) == 1 {
		c.field = &refs[0]
	}
}

var timespan = regexp.MustCompile(`^([0-9]{1,9})([smhdwMy])$`)

// units are pySigma's; a month is a twelfth of a mean Gregorian year.
var units = map[string]time.Duration{
	"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour,
	"M": 2629746 * time.Second, "y": 31556952 * time.Second,
}

// maxTimespan bounds windows; nothing is kept longer than this.
const maxTimespan = 400 * 24 * time.Hour

func (p *parser) timespan(n *yaml.Node) time.Duration {
	m := timespan.FindStringSubmatch(n.Value)
	if n.Kind != yaml.ScalarNode || m == nil {
		p.problem(n, "timespan must be a number and one of s, m, h, d, w, M, y: 15m")
		return 0
	}
	count, _ := strconv.ParseInt(m[1], 10, 64) // at most nine digits
	unit := units[m[2]]
	if count == 0 || count > int64(maxTimespan/unit) {
		p.problem(n, "timespan %s is not between 1s and %dd", n.Value, maxTimespan/(24*time.Hour))
		return 0
	}
	return time.Duration(count) * unit
}
