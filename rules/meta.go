package rules

import (
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

var (
	statuses = []string{"stable", "test", "experimental", "deprecated", "unsupported"}
	levels   = []string{"informational", "low", "medium", "high", "critical"}
	uuid     = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	tag      = regexp.MustCompile(`^[a-z0-9_-]+\.[a-z0-9._-]+$`)
)

// maxTitle is the longest title, name or taxonomy in characters, by the
// specification.
const maxTitle = 256

// meta reads what a document says about itself.
func (p *parser) meta(doc *yaml.Node, entries []entry, kind documentKind) Meta {
	m := Meta{Pos: p.position(doc), Level: "medium", Response: ResponseReview}
	if find(entries, "title") == nil {
		p.problem(doc, "document has no \"title\"")
	}
	// Filters raise no findings, so nothing needs to tell them apart.
	if find(entries, "id") == nil && kind != filterDocument && !p.foreign {
		p.problem(doc, "document has no \"id\"; give it a UUID of its own")
	}
	for _, e := range entries {
		p.metaEntry(&m, e)
	}
	if m.Name == "" {
		m.Name = m.ID
	}
	return m
}

func (p *parser) metaEntry(m *Meta, e entry) {
	switch e.key {
	case "title":
		m.Title = p.short(e)
	case "id":
		m.ID = p.id(e)
	case "name":
		m.Name = p.short(e)
	case "taxonomy":
		if s := p.short(e); s != "" && s != "sigma" && !p.foreign {
			p.problem(e.v, "taxonomy %q is not known; write the fields in crmwatch's names and leave the taxonomy out", s)
		}
	case "status":
		m.Status = p.oneOf(e, statuses)
	case "level":
		m.Level = p.oneOf(e, levels)
	case "description":
		m.Description, _ = p.text(e.v, e.key)
	case "author":
		m.Author, _ = p.text(e.v, e.key)
	case "license":
		m.License = p.license(e)
	case "date":
		m.Date = p.date(e)
	case "modified":
		m.Modified = p.date(e)
	case "references":
		m.References = p.texts(e.v, e.key)
	case "falsepositives":
		m.FalsePositives = p.textOrTexts(e)
	case "tags":
		m.Tags = p.tags(e)
	case "related":
		p.related(e.v)
	case "scope":
		p.texts(e.v, e.key)
	case "crmwatch":
		p.own(m, e)
	}
}

func (p *parser) short(e entry) string {
	s, _ := p.text(e.v, e.key)
	if utf8.RuneCountInString(s) > maxTitle {
		p.problem(e.v, "%s is longer than %d characters", e.key, maxTitle)
	}
	return s
}

func (p *parser) id(e entry) string {
	s, ok := p.text(e.v, e.key)
	if ok && !uuid.MatchString(s) {
		p.problem(e.v, "id %q is no UUID; make one with uuidgen", s)
	}
	return strings.ToLower(s)
}

func (p *parser) oneOf(e entry, allowed []string) string {
	s, ok := p.text(e.v, e.key)
	if ok && !slices.Contains(allowed, s) {
		p.problem(e.v, "%s %q is not one of %s", e.key, s, strings.Join(allowed, ", "))
	}
	return s
}

func (p *parser) date(e entry) string {
	s, ok := p.text(e.v, e.key)
	if !ok {
		return ""
	}
	if _, err := time.Parse(time.DateOnly, s); err != nil {
		remedy := ""
		if dashed := strings.ReplaceAll(s, "/", "-"); dashed != s {
			remedy = "; write " + dashed
		}
		p.problem(e.v, "%s %q is no day of the form 2026-01-31%s", e.key, s, remedy)
	}
	return s
}

func (p *parser) license(e entry) string {
	s, ok := p.text(e.v, e.key)
	if ok && !spdx.MatchString(s) {
		p.problem(e.v, "license %q is no SPDX identifier such as Apache-2.0 or DRL-1.1", s)
	}
	return s
}

func (p *parser) textOrTexts(e entry) []string {
	if e.v.Kind == yaml.SequenceNode {
		return p.texts(e.v, e.key)
	}
	if s, ok := p.text(e.v, e.key); ok {
		return []string{s}
	}
	return nil
}

func (p *parser) tags(e entry) []string {
	list := p.texts(e.v, e.key)
	for i, n := range e.v.Content {
		if n.Kind != yaml.ScalarNode || n.Value == "" {
			continue // texts has said so
		}
		if !tag.MatchString(n.Value) {
			p.problem(n, "tag %q is not of the form namespace.name, in lower case", n.Value)
		}
		if slices.ContainsFunc(e.v.Content[:i], func(o *yaml.Node) bool { return o.Value == n.Value }) {
			p.problem(n, "tag %q is there twice", n.Value)
		}
	}
	return list
}

// logsource says which events a rule is for. Empty parts mean any.
type logsource struct {
	category, product, service string
	custom                     []entry
	pos                        Position
}

// ownLogsource is the log source of the events that crmwatch sees.
var ownLogsource = logsource{product: "crm", category: "audit"}

// own reports whether the log source is crmwatch's.
func (l logsource) own() bool { return l.product == ownLogsource.product }

func (l logsource) String() string {
	return strings.Join([]string{l.product, l.category, l.service}, "/")
}

// includes reports whether every event of o is also one of l.
func (l logsource) includes(o logsource) bool {
	part := func(broad, narrow string) bool { return broad == "" || broad == narrow }
	return part(l.product, o.product) && part(l.category, o.category) && part(l.service, o.service)
}

func (p *parser) logsource(doc *yaml.Node, entries []entry) logsource {
	n := find(entries, "logsource")
	if n == nil {
		p.problem(doc, "document has no \"logsource\"; crmwatch's is {product: crm, category: audit}")
		return logsource{}
	}
	l := logsource{pos: p.position(n)}
	for _, e := range p.mapping(n, "logsource") {
		switch e.key {
		case "category":
			l.category, _ = p.text(e.v, e.key)
		case "product":
			l.product, _ = p.text(e.v, e.key)
		case "service":
			l.service, _ = p.text(e.v, e.key)
		case "definition": // for readers only, by the specification
		default:
			l.custom = append(l.custom, e)
		}
	}
	near := didYouMean(l.product, []string{ownLogsource.product})
	switch {
	case l.own():
		p.checkOwn(&l)
	case l.category == "" && l.product == "" && l.service == "" && n.Kind == yaml.MappingNode:
		p.problemAt(l.pos, "logsource is empty; name a product, a category or a service, crmwatch's are {product: crm, category: audit}")
	case near != "" && !p.foreign:
		p.problemAt(l.pos, "logsource has the product %q%s", l.product, near)
	}
	return l
}

// checkOwn refuses a log source of crmwatch's product that no event has.
func (p *parser) checkOwn(l *logsource) {
	switch l.category {
	case "":
		l.category = ownLogsource.category
	case ownLogsource.category:
	default:
		p.problemAt(l.pos, "logsource has the category %q; product crm has only %q", l.category, ownLogsource.category)
	}
	if l.service != "" {
		p.problemAt(l.pos, "logsource has the service %q; product crm has none, compare the field \"source\" instead", l.service)
	}
	for _, e := range l.custom {
		p.problem(e.keyNode, "logsource has the unknown key %q", e.key)
	}
}
