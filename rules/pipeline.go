package rules

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Pipeline translates rules that were written for other field names, as pySigma's
// processing pipelines do. It never changes.
type Pipeline struct {
	// Name is the author's; the file's where there is none.
	Name string
	// Priority is its place among others: the least comes first.
	Priority int

	steps []*transformation
}

// byPriority gives the pipelines in the order in which they apply.
func byPriority(list []*Pipeline) []*Pipeline {
	return slices.SortedStableFunc(slices.Values(list), func(a, b *Pipeline) int { return cmp.Compare(a.Priority, b.Priority) })
}

// transformation is one step of a pipeline.
type transformation struct {
	pipeline  *Pipeline
	kind      string
	when      guard[logsource] // which rules
	fields    guard[fieldSet]  // which of their fields
	mapping   map[string][]string
	prefix    string
	added     search // of add_condition
	negated   bool
	logsource logsource // of change_logsource
	message   string    // of rule_failure
	canonical string
}

// guard is a list of conditions, all or any of which must hold.
type guard[T any] struct {
	list         []T
	any, negated bool
}

func (g *guard[T]) holds(one func(T) bool) bool {
	if len(g.list) == 0 {
		return true
	}
	if g.any {
		return slices.ContainsFunc(g.list, one) != g.negated
	}
	return !slices.ContainsFunc(g.list, func(t T) bool { return !one(t) }) != g.negated
}

// fieldSet holds for some fields, or with exclude for all others.
type fieldSet struct {
	names   []string
	exclude bool
}

func (t *transformation) holdsFor(field string) bool {
	return t.fields.holds(func(s fieldSet) bool { return slices.Contains(s.names, field) != s.exclude })
}

// field gives the names that the step makes of one.
func (t *transformation) field(name string) []string {
	switch {
	case !t.holdsFor(name):
	case t.kind == "field_name_mapping" && len(t.mapping[name]) > 0:
		return t.mapping[name]
	case t.kind == "field_name_prefix":
		return []string{t.prefix + name}
	}
	return []string{name}
}

// translation is what the pipelines do to one rule.
type translation struct {
	logsource logsource // that the rule has in the end
	steps     []*transformation
}

// translate finds the steps that are for a rule.
func (l *loader) translate(d *document) *translation {
	t := &translation{logsource: d.logsource}
	for _, p := range l.pipelines {
		for _, s := range p.steps {
			if !s.when.holds(func(c logsource) bool { return c.includes(t.logsource) }) {
				continue
			}
			switch s.kind {
			case "change_logsource":
				t.logsource = s.logsource
			case "rule_failure":
				l.report(d.meta.Pos, "pipeline %q refuses the rule: %s", p.Name, s.message)
			}
			t.steps = append(t.steps, s)
		}
	}
	return t
}

// versions are what of the pipelines changes what the rule matches.
func (t *translation) versions() []string {
	var list []string
	for _, s := range t.steps {
		list = append(list, s.canonical)
	}
	return list
}

// field gives the names that a rule's field has in the end.
func (t *translation) field(name string) []string {
	names := []string{name}
	for _, s := range t.steps {
		var next []string
		for _, n := range names {
			next = append(next, s.field(n)...)
		}
		names = next
	}
	return names
}

// detection translates a rule's detection, or that of a filter for it.
func (t *translation) detection(l *loader, d *detection) *detection {
	for i, s := range t.steps {
		switch s.kind {
		case "field_name_mapping", "field_name_prefix":
			d = d.rewrite(s.rename)
		case "drop_detection_item":
			d = s.drop(l, d)
		case "add_condition":
			d = s.add(d, fmt.Sprintf("_%s %d", s.pipeline.Name, i+1))
		}
	}
	return d
}

// rename gives the item for the names that its field has: one of them must hold,
// or under neq, where the whole item is negated, all of them.
func (t *transformation) rename(it item) search {
	if it.mods.fieldref {
		it.values = t.references(it.values)
	}
	names := []string{it.field}
	if it.field != "" {
		names = t.field(it.field)
	}
	var items []search
	for _, n := range names {
		renamed := it
		renamed.field = n
		items = append(items, renamed)
	}
	switch {
	case len(items) == 1:
		return items[0]
	case it.mods.neq:
		return allOf(items)
	default:
		return anyOf(items)
	}
}

// references renames the fields that a "fieldref" compares with.
func (t *transformation) references(values []literal) []literal {
	var out []literal
	for _, l := range values {
		for _, n := range t.field(l.text) {
			l.text = n
			out = append(out, l)
		}
	}
	return out
}

// drop leaves out the items of some fields. A selection of which nothing is left
// would match everything, and is refused.
func (t *transformation) drop(l *loader, d *detection) *detection {
	out := d.rewrite(func(it item) search {
		if it.field != "" && t.holdsFor(it.field) {
			return nil
		}
		return it
	})
	for i, s := range out.selections {
		if s.body == nil && d.selections[i].body != nil {
			l.report(d.pos, "pipeline %q drops all that the selection %q looks for, and it would match everything; name fewer fields in field_name_conditions", t.pipeline.Name, s.name)
		}
	}
	return out
}

// add makes the rule hold only where another selection does, too. It must not be
// one of those that "them" means, so these are named one by one.
func (t *transformation) add(d *detection, selectionName string) *detection {
	out := *d
	out.selections = append(slices.Clone(d.selections), selection{selectionName, t.added})
	out.conditions = nil
	var added expr = nameExpr(selectionName)
	if t.negated {
		added = notExpr{added}
	}
	for _, c := range d.conditions {
		out.conditions = append(out.conditions, condition{andExpr{added, d.named(c.expr)}, c.pos})
	}
	return &out
}

// named writes a condition without "1 of" and "all of". Those that mean no
// selection stay, to be refused.
func (d *detection) named(e expr) expr {
	each := func(list []expr) []expr {
		out := make([]expr, len(list))
		for i, x := range list {
			out[i] = d.named(x)
		}
		return out
	}
	switch e := e.(type) {
	case andExpr:
		return andExpr(each(e))
	case orExpr:
		return orExpr(each(e))
	case notExpr:
		return notExpr{d.named(e.x)}
	case quantExpr:
		return d.namedQuantifier(e)
	default:
		return e
	}
}

func (d *detection) namedQuantifier(e quantExpr) expr {
	var list []expr
	for _, s := range d.selections {
		if e.selects(s.name) {
			list = append(list, nameExpr(s.name))
		}
	}
	switch {
	case len(list) == 0:
		return e
	case e.all:
		return andExpr(list)
	default:
		return orExpr(list)
	}
}

// ParsePipeline reads a pipeline as pySigma writes it in YAML. The error joins a
// *LoadError for everything that is wrong with it; what crmwatch cannot do is
// refused by its name.
func ParsePipeline(file string, data []byte) (*Pipeline, error) {
	var problems []*LoadError
	p := pipelineParser{parser{file: file, problems: &problems}, &Pipeline{Name: file}}
	docs := p.documents(data)
	if len(docs) != 1 && len(problems) == 0 {
		p.problemAt(Position{File: file, Line: 1, Column: 1}, "pipeline must be one document, with the keys name, priority and transformations")
	}
	for _, n := range docs[:min(1, len(docs))] {
		p.read(n)
	}
	var errs []error
	for _, problem := range problems {
		errs = append(errs, problem)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return p.pipeline, nil
}

type pipelineParser struct {
	parser
	pipeline *Pipeline
}

func (p *pipelineParser) read(n *yaml.Node) {
	entries := p.mapping(n, "pipeline")
	for _, e := range entries {
		switch e.key {
		case "name":
			if s, ok := p.text(e.v, "name"); ok {
				p.pipeline.Name = s
			}
		case "priority":
			p.pipeline.Priority = p.priority(e.v)
		case "transformations":
			p.transformations(e.v)
		default:
			p.problem(e.keyNode, "pipeline has the key %q, which crmwatch does not know%s", e.key, cmp.Or(didYouMean(e.key, []string{"name", "priority", "transformations"}), "; only name, priority and transformations change how events are matched"))
		}
	}
	if len(entries) > 0 && find(entries, "transformations") == nil {
		p.problem(n, "pipeline has no \"transformations\"")
	}
}

func (p *pipelineParser) priority(n *yaml.Node) int {
	l, ok := p.literal(n, "priority")
	if ok && (l.kind != numberLiteral || !l.num.whole) {
		p.problem(n, "priority must be a whole number")
	}
	return int(l.num.i)
}

func (p *pipelineParser) transformations(n *yaml.Node) {
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		p.problem(n, "transformations must be a list")
		return
	}
	for _, c := range n.Content {
		if t := p.transformation(c); t != nil {
			p.pipeline.steps = append(p.pipeline.steps, t)
		}
	}
}

// guardKeys are the keys that every transformation may have.
var guardKeys = []string{"id", "type", "rule_conditions", "rule_cond_op", "rule_cond_not", "field_name_conditions", "field_name_cond_op", "field_name_cond_not"}

// transformationKeys are the keys of each type of transformation.
var transformationKeys = map[string][]string{
	"field_name_mapping":  {"mapping"},
	"field_name_prefix":   {"prefix"},
	"add_condition":       {"conditions", "negated"},
	"change_logsource":    {"category", "product", "service"},
	"drop_detection_item": {},
	"rule_failure":        {"message"},
}

// needs are the keys that a type of transformation cannot do without.
var needs = map[string]string{
	"field_name_mapping": "mapping", "field_name_prefix": "prefix", "add_condition": "conditions",
	"drop_detection_item": "field_name_conditions", "rule_failure": "message",
}

func (p *pipelineParser) transformation(n *yaml.Node) *transformation {
	entries := p.mapping(n, "transformation")
	if len(entries) == 0 {
		return nil
	}
	t := &transformation{pipeline: p.pipeline, canonical: canonical(n)}
	types := slices.Sorted(maps.Keys(transformationKeys))
	kind := find(entries, "type")
	if kind == nil {
		p.problem(n, "transformation has no \"type\"; it is one of %s", strings.Join(types, ", "))
		return nil
	}
	t.kind, _ = p.text(kind, "type of the transformation")
	if !slices.Contains(types, t.kind) {
		p.problem(kind, "transformation has the type %q, which crmwatch does not know; it is one of %s", t.kind, strings.Join(types, ", "))
		return nil
	}
	for _, e := range entries {
		p.transformationEntry(t, e)
	}
	if key := needs[t.kind]; key != "" && find(entries, key) == nil {
		p.problem(n, "transformation %s has no %q", t.kind, key)
	}
	return t
}

func (p *pipelineParser) transformationEntry(t *transformation, e entry) {
	known := slices.Concat(guardKeys, transformationKeys[t.kind])
	if !slices.Contains(known, e.key) {
		p.problem(e.keyNode, "transformation %s has the key %q, which crmwatch does not know%s", t.kind, e.key, didYouMean(e.key, known))
		return
	}
	switch e.key {
	case "rule_conditions":
		t.when.list = p.ruleConditions(e.v)
	case "rule_cond_op":
		t.when.any = p.oneOf(e, []string{"and", "or"}) == "or"
	case "rule_cond_not":
		t.when.negated = p.boolean(e.v, e.key)
	case "field_name_conditions":
		t.fields.list = p.fieldConditions(e.v)
	case "field_name_cond_op":
		t.fields.any = p.oneOf(e, []string{"and", "or"}) == "or"
	case "field_name_cond_not":
		t.fields.negated = p.boolean(e.v, e.key)
	case "mapping":
		t.mapping = p.fieldMapping(e.v)
	case "prefix":
		t.prefix, _ = p.text(e.v, e.key)
	case "conditions":
		t.added = p.added(e.v)
	case "negated":
		t.negated = p.boolean(e.v, e.key)
	case "message":
		t.message, _ = p.text(e.v, e.key)
	case "category", "product", "service":
		p.logsourcePart(&t.logsource, e)
	}
}

func (p *pipelineParser) fieldMapping(n *yaml.Node) map[string][]string {
	m := make(map[string][]string)
	for _, e := range p.mapping(n, "mapping") {
		m[e.key] = texts(p.references(e.v, "mapping of \""+e.key+"\""))
	}
	return m
}

// added reads the selection of add_condition.
func (p *pipelineParser) added(n *yaml.Node) search {
	if n.Kind != yaml.MappingNode {
		p.problem(n, "conditions must be a map of fields and values")
		return nil
	}
	return p.search(n, "conditions of the transformation")
}

// conditionList reads a list of conditions, each a map with a type.
func (p *pipelineParser) conditionList(n *yaml.Node, what string, types []string, read func(kind string, n *yaml.Node, entries []entry)) {
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		p.problem(n, "%s must be a list", what)
		return
	}
	for _, c := range n.Content {
		entries := p.mapping(c, what)
		kind := find(entries, "type")
		switch {
		case len(entries) == 0:
		case kind == nil || !slices.Contains(types, kind.Value):
			p.problem(c, "%s has a condition without a type that crmwatch knows; it is one of %s", what, strings.Join(types, ", "))
		default:
			read(kind.Value, c, entries)
		}
	}
}

func (p *pipelineParser) ruleConditions(n *yaml.Node) (list []logsource) {
	p.conditionList(n, "rule_conditions", []string{"logsource"}, func(_ string, n *yaml.Node, entries []entry) {
		var l logsource
		for _, e := range entries {
			if e.key != "type" {
				p.logsourcePart(&l, e)
			}
		}
		if l.category == "" && l.product == "" && l.service == "" {
			p.problem(n, "condition logsource is empty; name a category, product or service")
		}
		list = append(list, l)
	})
	return list
}

func (p *pipelineParser) logsourcePart(l *logsource, e entry) {
	parts := map[string]*string{"category": &l.category, "product": &l.product, "service": &l.service}
	if parts[e.key] == nil {
		p.problem(e.keyNode, "logsource has the key %q, which crmwatch does not know; it compares category, product and service", e.key)
		return
	}
	*parts[e.key], _ = p.text(e.v, e.key)
}

func (p *pipelineParser) fieldConditions(n *yaml.Node) (list []fieldSet) {
	p.conditionList(n, "field_name_conditions", []string{"include_fields", "exclude_fields"}, func(kind string, n *yaml.Node, entries []entry) {
		s := fieldSet{exclude: kind == "exclude_fields"}
		for _, e := range entries {
			switch {
			case e.key == "type":
			case e.key == "fields":
				s.names = texts(p.references(e.v, "fields of "+kind))
			case e.key == "mode" && e.v.Value == "plain":
			default:
				p.problem(e.keyNode, "condition %s has the key %q, which crmwatch does not know; it compares whole names in \"fields\"", kind, e.key)
			}
		}
		if find(entries, "fields") == nil {
			p.problem(n, "condition %s has no \"fields\"", kind)
		}
		list = append(list, s)
	})
	return list
}
