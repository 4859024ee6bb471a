package rules

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// document is one rule, correlation or filter as its author wrote it.
type document struct {
	kind      documentKind
	meta      Meta
	logsource logsource
	logic     string // canonical form of what the document matches
	detection *detection
	filter    *filterDoc
	corr      *correlationDoc
	fields    []name       // the author's list of interesting fields
	mapping   *translation // what pipelines do to a rule
}

type documentKind uint8

const (
	ruleDocument documentKind = iota
	correlationDocument
	filterDocument
)

// name is a reference to something, with its place.
type name struct {
	text string
	pos  Position
}

// detection is the logic of a rule or a filter.
type detection struct {
	pos        Position
	selections []selection
	// conditions are alternatives; more than one where the condition is a list.
	conditions []condition
}

type condition struct {
	expr expr
	pos  Position
}

type selection struct {
	name string
	body search // nil where it has mistakes
}

// search is what a selection looks for: allOf, anyOf or item.
type search interface{ isSearch() }

type (
	allOf []search
	anyOf []search
	// item compares one field, or all content where field is empty, with values.
	item struct {
		field  string
		mods   modifiers
		values []literal
		pos    Position
	}
)

func (allOf) isSearch() {}
func (anyOf) isSearch() {}
func (item) isSearch()  {}

// filterDoc says which rules a filter narrows; its logic is in the detection.
type filterDoc struct {
	any   bool
	rules []name
}

// known keys of a document, by its kind. Other keys are the author's own, as the
// specification allows, unless they look like a slip of a known one.
var (
	commonKeys      = []string{"title", "id", "name", "status", "description", "author", "references", "date", "modified", "taxonomy", "falsepositives", "level", "tags", "license", "related", "scope"}
	ruleKeys        = []string{"logsource", "detection", "fields", "crmwatch"}
	correlationKeys = []string{"correlation", "generate", "crmwatch"}
	filterKeys      = []string{"logsource", "filter"}
)

// document reads one document; nil where it is none.
func (p *parser) document(n *yaml.Node) *document {
	entries := p.mapping(n, "document")
	if len(entries) == 0 {
		if n.Kind == yaml.MappingNode {
			p.problem(n, "document is empty")
		}
		return nil
	}
	d := &document{kind: kindOf(entries)}
	p.checkKeys(d.kind, entries)
	d.meta = p.meta(n, entries, d.kind)
	switch d.kind {
	case correlationDocument:
		p.correlationDocument(d, entries)
	case filterDocument:
		p.filterDocument(d, n, entries)
	default:
		p.ruleDocument(d, n, entries)
	}
	if p.foreign && d.meta.ID == "" && d.kind != filterDocument {
		d.nameItself()
	}
	return d
}

// nameItself gives a document without an id one that stays the same as long as
// what it matches does.
func (d *document) nameItself() {
	if d.meta.ID = d.meta.Name; d.meta.ID == "" {
		d.meta.ID = hash(d.meta.Title, d.logic)
		d.meta.Name = d.meta.ID
	}
}

func kindOf(entries []entry) documentKind {
	switch {
	case find(entries, "correlation") != nil:
		return correlationDocument
	case find(entries, "filter") != nil:
		return filterDocument
	default:
		return ruleDocument
	}
}

func (p *parser) checkKeys(kind documentKind, entries []entry) {
	own := map[documentKind][]string{ruleDocument: ruleKeys, correlationDocument: correlationKeys, filterDocument: filterKeys}[kind]
	known := slices.Concat(commonKeys, own)
	all := slices.Concat(known, ruleKeys, correlationKeys, filterKeys)
	for _, e := range entries {
		switch {
		case slices.Contains(known, e.key):
		case slices.Contains(all, e.key):
			p.problem(e.keyNode, "document has the key %q, which belongs to another kind of document; separate documents by ---", e.key)
		case e.key == "action":
			p.problem(e.keyNode, "document has the key \"action\" of the old Sigma converter; write every rule out, separated by ---")
		default:
			if near := didYouMean(e.key, all); near != "" {
				p.problem(e.keyNode, "document has the unknown key %q%s", e.key, near)
			}
		}
	}
}

func (p *parser) ruleDocument(d *document, n *yaml.Node, entries []entry) {
	d.logsource = p.logsource(n, entries)
	body := find(entries, "detection")
	if body == nil {
		p.problem(n, "rule has no \"detection\", \"correlation\" or \"filter\"")
		return
	}
	d.detection = p.detection(body, "detection", nil)
	d.logic = d.logsource.canonical() + canonical(body) + d.meta.Window.canonical()
	if f := find(entries, "fields"); f != nil {
		p.texts(f, "fields")
		for _, c := range f.Content {
			d.fields = append(d.fields, name{c.Value, p.position(c)})
		}
	}
}

func (p *parser) filterDocument(d *document, n *yaml.Node, entries []entry) {
	d.logsource = p.logsource(n, entries)
	body := find(entries, "filter")
	d.filter = &filterDoc{}
	d.logic = canonical(without(body, "rules"))
	d.detection = p.detection(body, "filter", func(e entry) bool {
		if e.key != "rules" {
			return false
		}
		d.filter.any, d.filter.rules = p.filterRules(e.v)
		return true
	})
	if !d.filter.any && len(d.filter.rules) == 0 && find(p.quietMapping(body), "rules") == nil {
		p.problem(body, "filter has no \"rules\"; list ids or names, or write \"rules: any\"")
	}
}

// quietMapping lists entries that mapping has already complained about.
func (p *parser) quietMapping(n *yaml.Node) []entry {
	quiet := parser{file: p.file, schema: p.schema, problems: new([]*LoadError)}
	return quiet.mapping(n, "")
}

// filterRules reads which rules a filter is for: a list of ids and names, or any
// rule, which is also what an empty list means to pySigma.
func (p *parser) filterRules(n *yaml.Node) (all bool, rules []name) {
	if n.Kind == yaml.ScalarNode && n.Value == "any" || n.Kind == yaml.SequenceNode && len(n.Content) == 0 {
		return true, nil
	}
	rules = p.references(n, "rules of the filter")
	return false, rules
}

// references reads a list of ids and names of rules, or a single one.
func (p *parser) references(n *yaml.Node, what string) []name {
	nodes := n.Content
	if n.Kind == yaml.ScalarNode {
		nodes = []*yaml.Node{n}
	} else if n.Kind != yaml.SequenceNode || len(nodes) == 0 {
		p.problem(n, "%s must be a list of names", what)
		return nil
	}
	var refs []name
	for _, c := range nodes {
		s, ok := p.text(c, what)
		if ok && slices.ContainsFunc(refs, func(r name) bool { return r.text == s }) {
			p.problem(c, "%s has %q twice", what, s)
			continue
		}
		if ok {
			refs = append(refs, name{s, p.position(c)})
		}
	}
	return refs
}

// detection reads selections and condition. Keys that special takes are no
// selections.
func (p *parser) detection(n *yaml.Node, what string, special func(entry) bool) *detection {
	d := &detection{pos: p.position(n)}
	var cond *yaml.Node
	for _, e := range p.mapping(n, what) {
		switch {
		case special != nil && special(e):
		case e.key == "condition":
			cond = e.v
		case e.key == "timeframe":
			p.problem(e.keyNode, "%s has a \"timeframe\", which Sigma 2.0 removed; write a correlation rule with a \"timespan\" instead", what)
		default:
			p.selectionName(e)
			// A selection with mistakes keeps its name, so that the condition is not
			// said to be wrong, too.
			body := p.search(e.v, "selection \""+e.key+"\"")
			d.selections = append(d.selections, selection{e.key, body})
		}
	}
	if cond == nil {
		if n.Kind == yaml.MappingNode {
			p.problem(n, "%s has no \"condition\"", what)
		}
		return d
	}
	d.conditions = p.conditions(cond)
	return d
}

// selectionName refuses a name that no condition can mean. Names with characters
// that a condition cannot have stay: a pattern reaches them, and SigmaHQ has some.
func (p *parser) selectionName(e entry) {
	if e.key == "" || isOperator(e.key) {
		p.problem(e.keyNode, "selection has the name %q, which a condition cannot say; call it something else", e.key)
	}
}

func (p *parser) conditions(n *yaml.Node) []condition {
	nodes := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		nodes = n.Content
		if len(nodes) == 0 {
			p.problem(n, "condition is an empty list; name a selection")
		}
	}
	var list []condition
	for _, c := range nodes {
		if c.Kind != yaml.ScalarNode {
			p.problem(c, "condition must be a text")
			continue
		}
		e, err := parseCondition(c.Value)
		if err != nil {
			p.problem(c, "%v", err)
			continue
		}
		list = append(list, condition{e, p.position(c)})
	}
	return list
}

// search reads the body of a selection: a map is an and, a list is an or.
func (p *parser) search(n *yaml.Node, what string) search {
	switch n.Kind {
	case yaml.MappingNode:
		return p.searchMap(n, what)
	case yaml.SequenceNode:
		return p.searchList(n, what)
	default:
		return p.keywords([]*yaml.Node{n}, what)
	}
}

func (p *parser) searchMap(n *yaml.Node, what string) search {
	entries := p.mapping(n, what)
	if len(n.Content) == 0 {
		p.problem(n, "%s is empty and would match everything", what)
		return nil
	}
	var list allOf
	for _, e := range entries {
		if it := p.item(e); it != nil {
			list = append(list, *it)
		}
	}
	return list
}

func (p *parser) searchList(n *yaml.Node, what string) search {
	if len(n.Content) == 0 {
		p.problem(n, "%s is an empty list and would match nothing", what)
		return nil
	}
	var list anyOf
	var words []*yaml.Node
	for _, c := range n.Content {
		if c.Kind == yaml.ScalarNode {
			words = append(words, c)
			continue
		}
		if c.Kind == yaml.SequenceNode {
			p.problem(c, "%s has a list in a list", what)
			continue
		}
		if s := p.search(c, what); s != nil {
			list = append(list, s)
		}
	}
	if len(words) > 0 {
		if s := p.keywords(words, what); s != nil {
			list = append(list, s)
		}
	}
	return list
}

// keywords are values without a field: texts that may stand anywhere.
func (p *parser) keywords(nodes []*yaml.Node, what string) search {
	it := item{pos: p.position(nodes[0])}
	for _, c := range nodes {
		l, ok := p.literal(c, "keyword of "+what)
		if ok && (l.kind == nullLiteral || l.text == "") {
			p.problem(c, "keyword of %s is empty and would match everything", what)
			ok = false
		}
		if ok {
			it.values = append(it.values, l)
		}
	}
	if len(it.values) == 0 {
		return nil
	}
	return it
}

// item reads "field|modifiers: values".
func (p *parser) item(e entry) *item {
	parts := strings.Split(e.key, "|")
	it := &item{field: parts[0], pos: p.position(e.keyNode)}
	what := "field \"" + it.field + "\""
	if it.field == "" {
		what = "key \"" + e.key + "\""
	}
	var err error
	if it.mods, err = parseModifiers(parts[1:]); err != nil {
		p.problem(e.keyNode, "%s %v", what, err)
		return nil
	}
	nodes := []*yaml.Node{e.v}
	if e.v.Kind == yaml.SequenceNode {
		if nodes = e.v.Content; len(nodes) == 0 {
			p.problem(e.v, "%s has an empty list of values; write null for an absent field", what)
			return nil
		}
	}
	for _, c := range nodes {
		if l, ok := p.literal(c, "value of "+what); ok {
			it.values = append(it.values, l)
		}
	}
	if len(it.values) < len(nodes) {
		return nil
	}
	return it
}
