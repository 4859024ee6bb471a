package conformance

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// section is the cases of one clause, as they stand in a file.
type section struct {
	Clause string
	Cases  []written
}

// written is a case as it stands in a file. The rules are given as a whole, or in
// short.
type written struct {
	Name  string
	Note  string
	Rules string
	// Selection is the one selection of the one rule, Detection its detection.
	Selection, Detection yaml.Node
	// Base has the selections of rules by their names, Correlation is one over them.
	Base, Correlation yaml.Node
	Lookups           map[string][]string
	ID                string
	Events            []yaml.Node
	Expect            yaml.Node
	Error             string
}

// The titles of the rules that are given in short.
const (
	ruleTitle        = "rule"
	correlationTitle = "correlation"
)

func parse(data []byte) ([]Case, error) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	var sections []section
	if err := dec.Decode(&sections); err != nil {
		return nil, err
	}
	var list []Case
	for _, s := range sections {
		for i := range s.Cases {
			c, err := s.Cases[i].toCase(s.Clause)
			if err != nil {
				return nil, fmt.Errorf("case %q: %w", s.Cases[i].Name, err)
			}
			list = append(list, c)
		}
	}
	return list, nil
}

func (w *written) toCase(clause string) (Case, error) {
	c := Case{Clause: clause, Name: w.Name, Note: w.Note, Error: w.Error, ID: w.ID, Lookups: w.Lookups, Expect: map[string]Expectation{}}
	if w.Name == "" || clause == "" {
		return c, fmt.Errorf("has no name or no clause")
	}
	var err error
	if c.Rules, err = w.rules(); err != nil {
		return c, err
	}
	for i := range w.Events {
		line, err := w.event(&w.Events[i])
		if err != nil {
			return c, fmt.Errorf("event %d: %w", i, err)
		}
		c.Lines = append(c.Lines, line)
	}
	if (c.Error == "") == w.Expect.IsZero() {
		return c, fmt.Errorf("must have either an error or an expectation")
	}
	return c, w.expect(&c, &w.Expect)
}

// event is a map, or a text that is a line of JSON already.
func (w *written) event(n *yaml.Node) ([]byte, error) {
	if n.Kind == yaml.ScalarNode {
		return []byte(n.Value), nil
	}
	var ev map[string]any
	if err := n.Decode(&ev); err != nil {
		return nil, err
	}
	return eventLine(ev)
}

// expect reads [0, 2], which is about the one rule; a list of instants, which is
// about the correlation; or a map of titles to these.
func (w *written) expect(c *Case, n *yaml.Node) error {
	switch {
	case n.IsZero():
		return nil
	case n.Kind == yaml.MappingNode:
		for i := 0; i < len(n.Content); i += 2 {
			e, err := expectation(n.Content[i+1])
			if err != nil {
				return err
			}
			c.Expect[n.Content[i].Value] = e
		}
		return nil
	}
	e, err := expectation(n)
	title := ruleTitle
	if !w.Correlation.IsZero() {
		title = correlationTitle
	}
	c.Expect[title] = e
	return err
}

func expectation(n *yaml.Node) (e Expectation, err error) {
	if len(n.Content) > 0 && n.Content[0].Kind == yaml.ScalarNode {
		return e, n.Decode(&e.Events)
	}
	return e, n.Decode(&e.Instants)
}

// rules writes out rules that are given in short.
func (w *written) rules() (string, error) {
	detection := w.Detection
	if !w.Selection.IsZero() {
		detection = mapping("selection", &w.Selection, "condition", scalar("selection"))
	}
	var docs []string
	add := func(doc yaml.Node) error {
		text, err := yaml.Marshal(&doc)
		docs = append(docs, string(text))
		return err
	}
	if w.Rules != "" {
		docs = append(docs, w.Rules)
	}
	if !detection.IsZero() {
		if err := add(ruleDocument(ruleTitle, &detection)); err != nil {
			return "", err
		}
	}
	for i := 0; i < len(w.Base.Content); i += 2 {
		detection := mapping("selection", w.Base.Content[i+1], "condition", scalar("selection"))
		if err := add(ruleDocument(w.Base.Content[i].Value, &detection)); err != nil {
			return "", err
		}
	}
	if !w.Correlation.IsZero() {
		if err := add(mapping("title", scalar(correlationTitle), "name", scalar(correlationTitle), "correlation", &w.Correlation)); err != nil {
			return "", err
		}
	}
	return strings.Join(docs, "---\n"), nil
}

func ruleDocument(title string, detection *yaml.Node) yaml.Node {
	logsource := mapping("product", scalar("test"))
	return mapping("title", scalar(title), "name", scalar(title), "logsource", &logsource, "detection", detection)
}

func scalar(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: s} }

func mapping(pairs ...any) yaml.Node {
	n := yaml.Node{Kind: yaml.MappingNode}
	for pair := range slices.Chunk(pairs, 2) {
		n.Content = append(n.Content, scalar(pair[0].(string)), pair[1].(*yaml.Node))
	}
	return n
}
