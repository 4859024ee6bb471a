package rules

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/crmwatch/crmwatch/event"
)

var (
	responses = []string{ResponseFreeze, ResponseReview}
	ownKeys   = []string{"response", "reason", "suppress", "lateness", "runbook", "requires", "tests"}
	crms      = []string{"salesforce", "zoho", "jiandaoyun", "yonyou"}
)

// CRMs lists the CRMs that a rule may name under requires.
func CRMs() []string { return slices.Clone(crms) }

// own reads crmwatch's own keys.
func (p *parser) own(m *Meta, e entry) {
	for _, o := range p.mapping(e.v, e.key) {
		switch o.key {
		case "response":
			m.Response = p.oneOf(o, responses)
		case "reason":
			p.reason(m, o)
		case "suppress":
			m.Window.Suppress = p.duration(o.v, "suppress", time.Second)
		case "lateness":
			m.Window.Lateness = p.duration(o.v, "lateness", time.Second)
		case "runbook":
			p.runbook(m, o)
		case "requires":
			m.Requires = p.requires(o.v)
		case "tests":
			m.Tests = p.tests(o)
		default:
			p.problem(o.keyNode, "crmwatch has the unknown key %q%s", o.key, didYouMean(o.key, ownKeys))
		}
	}
}

func (p *parser) reason(m *Meta, o entry) {
	s, ok := p.text(o.v, "reason")
	if !ok {
		return
	}
	m.Reason = strings.TrimSpace(s)
	var err error
	if m.reason, err = parseReason(m.Reason, p.schema); err != nil {
		p.problem(o.v, "reason %v", err)
	}
}

func (p *parser) runbook(m *Meta, o entry) {
	for _, e := range p.mapping(o.v, "runbook") {
		switch e.key {
		case "en":
			m.Runbook.English, _ = p.text(e.v, "runbook in en")
		case "zh":
			m.Runbook.Chinese, _ = p.text(e.v, "runbook in zh")
		default:
			p.problem(e.keyNode, "runbook has the unknown key %q; it has en and zh", e.key)
		}
	}
}

func (p *parser) requires(n *yaml.Node) []Requirement {
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		p.problem(n, "requires must be a list: [{crm: salesforce, license: Event Monitoring, delay: 3h}]")
		return nil
	}
	var list []Requirement
	for _, c := range n.Content {
		r := p.requirement(c)
		if r.CRM != "" && slices.ContainsFunc(list, func(o Requirement) bool { return o.CRM == r.CRM }) {
			p.problem(c, "requires has the CRM %q twice", r.CRM)
		}
		list = append(list, r)
	}
	return list
}

func (p *parser) requirement(n *yaml.Node) (r Requirement) {
	entries := p.mapping(n, "entry of requires")
	for _, e := range entries {
		switch e.key {
		case "crm":
			r.CRM = p.oneOf(e, crms)
		case "license":
			r.License, _ = p.text(e.v, e.key)
		case "delay":
			r.Delay = p.duration(e.v, e.key, 0)
		case "blind":
			r.Blind = p.boolean(e.v, e.key)
		default:
			p.problem(e.keyNode, "entry of requires has the unknown key %q%s", e.key, didYouMean(e.key, []string{"crm", "license", "delay", "blind"}))
		}
	}
	switch {
	case len(entries) > 0 && find(entries, "crm") == nil:
		p.problem(n, "entry of requires has no \"crm\"")
	case r.Blind && (r.Delay > 0 || r.License != ""):
		p.problem(n, "entry of requires is blind, but has a delay or a license; what is never reported has neither")
	}
	return r
}

// tests reads the author's examples.
func (p *parser) tests(o entry) []Test {
	var list []Test
	for _, e := range p.mapping(o.v, "tests") {
		if e.key != "match" && e.key != "no_match" {
			p.problem(e.keyNode, "tests has the unknown key %q; it has match and no_match", e.key)
			continue
		}
		if e.v.Kind != yaml.SequenceNode || len(e.v.Content) == 0 {
			p.problem(e.v, "%s of tests must be a list of tests, each with a name and events", e.key)
			continue
		}
		for _, c := range e.v.Content {
			t := p.test(c)
			t.Matches = e.key == "match"
			if t.Name != "" && slices.ContainsFunc(list, func(o Test) bool { return o.Name == t.Name }) {
				p.problem(c, "tests have the name %q twice", t.Name)
			}
			list = append(list, t)
		}
	}
	return list
}

func (p *parser) test(n *yaml.Node) Test {
	t := Test{Pos: p.position(n)}
	entries := p.mapping(n, "test")
	for _, e := range entries {
		switch e.key {
		case "name":
			t.Name, _ = p.text(e.v, "name of the test")
		case "events":
			t.Events = p.testEvents(e.v)
		default:
			p.problem(e.keyNode, "test has the unknown key %q; it has name and events", e.key)
		}
	}
	for _, key := range []string{"name", "events"} {
		if len(entries) > 0 && find(entries, key) == nil {
			p.problem(n, "test has no %q", key)
		}
	}
	return t
}

func (p *parser) testEvents(n *yaml.Node) []TestEvent {
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		p.problem(n, "events of the test must be a list: [{action: export, rows: 10000}]")
		return nil
	}
	var list []TestEvent
	for _, c := range n.Content {
		list = append(list, p.testEvent(c))
	}
	return list
}

// maxRepeat bounds how many events one line of a test stands for.
const maxRepeat = 100_000

func (p *parser) testEvent(n *yaml.Node) TestEvent {
	t := TestEvent{Repeat: 1, Fields: make(map[string]event.Value), Pos: p.position(n)}
	entries := p.mapping(n, "event of the test")
	for _, e := range entries {
		switch e.key {
		case "after":
			t.After = p.duration(e.v, e.key, 0)
		case "every":
			t.Every = p.duration(e.v, e.key, 0)
		case "repeat":
			t.Repeat = p.repeat(e.v)
		default:
			p.testField(t.Fields, e)
		}
	}
	if every := find(entries, "every"); every != nil && find(entries, "repeat") == nil {
		p.problem(every, "event of the test has an \"every\" without a \"repeat\"; say how often: repeat: 10")
	}
	return t
}

func (p *parser) repeat(n *yaml.Node) int {
	l, ok := p.literal(n, "repeat")
	if ok && (l.kind != numberLiteral || !l.num.whole || l.num.i < 1 || l.num.i > maxRepeat) {
		p.problem(n, "repeat must be a whole number from 1 to %d", maxRepeat)
		return 1
	}
	return int(l.num.i)
}

func (p *parser) testField(fields map[string]event.Value, e entry) {
	if _, ok := p.schema.Field(e.key); !ok {
		p.problem(e.keyNode, "event of the test has the unknown field %q%s", e.key, didYouMean(e.key, slices.Concat(p.schema.Paths(), []string{"after", "repeat", "every"})))
		return
	}
	l, ok := p.literal(e.v, fmt.Sprintf("field %q of the test", e.key))
	switch {
	case !ok:
	case l.kind == nullLiteral:
		p.problem(e.v, "field %q of the test is null; leave it out where the event does not have it", e.key)
	default:
		fields[e.key] = l.value()
	}
}

// value is the literal as an event holds it.
func (l *literal) value() event.Value {
	switch {
	case l.kind == boolLiteral:
		return event.BoolValue(l.text == "true")
	case l.kind == numberLiteral && l.num.whole:
		return event.IntValue(l.num.i)
	case l.kind == numberLiteral:
		return event.FloatValue(l.num.f)
	default:
		return event.Value{Kind: event.String, Str: l.text}
	}
}

// canonical is what of the window changes what is found.
func (w Window) canonical() string {
	if w == (Window{}) {
		return ""
	}
	return fmt.Sprintf(" window %d %d", w.Suppress, w.Lateness)
}

var spdx = regexp.MustCompile(`^[A-Za-z0-9.+-]+( (AND|OR|WITH) [A-Za-z0-9.+-]+)*$`)

// relations are the ways in which a rule can be related to another.
var relations = []string{"derived", "obsolete", "merged", "renamed", "similar"}

// related checks what a rule says of its relatives. Nothing follows from it.
func (p *parser) related(n *yaml.Node) {
	if n.Kind != yaml.SequenceNode {
		p.problem(n, "related must be a list: [{id: a rule's UUID, type: derived}]")
		return
	}
	for _, c := range n.Content {
		entries := p.mapping(c, "entry of related")
		for _, e := range entries {
			switch e.key {
			case "id":
				p.id(e)
			case "type":
				p.oneOf(e, relations)
			default:
				p.problem(e.keyNode, "entry of related has the unknown key %q; it has id and type", e.key)
			}
		}
		for _, key := range []string{"id", "type"} {
			if len(entries) > 0 && find(entries, key) == nil {
				p.problem(c, "entry of related has no %q", key)
			}
		}
	}
}
