package rules

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Bounds on one document once its aliases are written out, so that a small file
// cannot become a large one.
const (
	maxNodes = 100_000
	maxDepth = 64
)

// parser reads documents of one file and collects what is wrong with them.
type parser struct {
	file    string
	schema  Schema
	foreign bool // documents are somebody else's, of another taxonomy, and may lack an id
	// problems is shared by the parsers of all files.
	problems *[]*LoadError
}

func (p *parser) position(n *yaml.Node) Position {
	return Position{File: p.file, Line: n.Line, Column: n.Column}
}

func (p *parser) problem(n *yaml.Node, format string, args ...any) {
	p.problemAt(p.position(n), format, args...)
}

func (p *parser) problemAt(pos Position, format string, args ...any) {
	*p.problems = append(*p.problems, &LoadError{Pos: pos, Message: fmt.Sprintf(format, args...)})
}

var (
	yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)
	// yamlParser are the messages for which the YAML library counts lines from 0.
	yamlParser = regexp.MustCompile(`^did not find expected (<|node content|'-' indicator|key|',' or)`)
)

// documents splits a file at "---" and resolves aliases.
func (p *parser) documents(data []byte) []*yaml.Node {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var docs []*yaml.Node
	for {
		var n yaml.Node
		err := dec.Decode(&n)
		if errors.Is(err, io.EOF) {
			return docs
		}
		if err != nil {
			p.syntaxError(err)
			return docs
		}
		if doc := p.resolve(&n); doc != nil && doc.Tag != "!!null" {
			docs = append(docs, doc)
		}
	}
}

func (p *parser) syntaxError(err error) {
	msg, line := err.Error(), 1
	if m := yamlLine.FindStringSubmatch(msg); m != nil {
		msg = msg[len(m[0]):]
		if n, err := strconv.Atoi(m[1]); err == nil {
			line = n
		}
	}
	if yamlParser.MatchString(msg) {
		line++
	}
	p.problemAt(Position{File: p.file, Line: line, Column: 1}, "is not YAML: %s", msg)
}

// resolve gives the content of a document with every alias replaced by what it
// stands for, nil where that is no tree of sensible size.
func (p *parser) resolve(doc *yaml.Node) *yaml.Node {
	left := maxNodes
	root, err := resolveNode(doc.Content[0], &left, maxDepth)
	if err != nil {
		p.problem(doc, "document %v", err)
	}
	return root
}

func resolveNode(n *yaml.Node, left *int, depth int) (*yaml.Node, error) {
	if *left--; *left < 0 {
		return nil, fmt.Errorf("has more than %d values", maxNodes)
	}
	if depth == 0 {
		return nil, fmt.Errorf("is nested deeper than %d, or an alias means itself", maxDepth)
	}
	if n.Kind == yaml.AliasNode {
		return resolveNode(n.Alias, left, depth-1)
	}
	out := *n
	out.Content = make([]*yaml.Node, len(n.Content))
	for i, c := range n.Content {
		var err error
		if out.Content[i], err = resolveNode(c, left, depth-1); err != nil {
			return nil, err
		}
	}
	return &out, nil
}

// entry is one key of a mapping with its value.
type entry struct {
	key        string
	keyNode, v *yaml.Node
}

// mapping lists the entries of a mapping in the order of the file.
func (p *parser) mapping(n *yaml.Node, what string) []entry {
	if n.Kind != yaml.MappingNode {
		p.problem(n, "%s must be a map of keys and values", what)
		return nil
	}
	var entries []entry
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		switch {
		case k.Kind != yaml.ScalarNode:
			p.problem(k, "%s has a key that is no text", what)
		case k.Tag == "!!merge":
			p.problem(k, "%s has a merge key %q; write the keys out", what, k.Value)
		case slices.ContainsFunc(entries, func(e entry) bool { return e.key == k.Value }):
			p.problem(k, "%s has the key %q twice", what, k.Value)
		default:
			entries = append(entries, entry{k.Value, k, v})
		}
	}
	return entries
}

func find(entries []entry, key string) *yaml.Node {
	for _, e := range entries {
		if e.key == key {
			return e.v
		}
	}
	return nil
}

// text reads a scalar as text; ok is false, and the problem noted, where it is
// none or empty.
func (p *parser) text(n *yaml.Node, what string) (s string, ok bool) {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" || strings.TrimSpace(n.Value) == "" {
		p.problem(n, "%s must be a text", what)
		return "", false
	}
	return n.Value, true
}

func (p *parser) texts(n *yaml.Node, what string) []string {
	if n.Kind != yaml.SequenceNode {
		p.problem(n, "%s must be a list", what)
		return nil
	}
	var list []string
	for _, c := range n.Content {
		if s, ok := p.text(c, "every entry of "+what); ok {
			list = append(list, s)
		}
	}
	return list
}

func (p *parser) boolean(n *yaml.Node, what string) bool {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" {
		p.problem(n, "%s must be true or false", what)
		return false
	}
	return strings.EqualFold(n.Value, "true")
}

// literal is one value in a detection.
type literal struct {
	kind literalKind
	// text is what Sigma compares: all values are texts there.
	text string
	num  number // of a number
	pos  Position
}

type literalKind uint8

const (
	textLiteral literalKind = iota
	numberLiteral
	boolLiteral
	nullLiteral
)

// literal reads a scalar of a detection; ok is false, and the problem noted,
// where it is none.
func (p *parser) literal(n *yaml.Node, what string) (l literal, ok bool) {
	l = literal{text: n.Value, pos: p.position(n)}
	if n.Kind != yaml.ScalarNode {
		p.problem(n, "%s must be a text, a number, true, false or null, not a %s", what, kindName(n))
		return l, false
	}
	switch tagOf(n) {
	case "!!null":
		l.kind, l.text = nullLiteral, ""
	case "!!bool":
		l.kind, l.text = boolLiteral, strings.ToLower(n.Value)
	case "!!int", "!!float":
		var err error
		if l.num, err = parseNumber(n); err != nil {
			p.problem(n, "%s %v", what, err)
			return l, false
		}
		l.kind, l.text = numberLiteral, l.num.String()
	case "!!str", "!!timestamp":
	default:
		p.problem(n, "%s has the YAML tag %s; write a text or a number", what, n.Tag)
		return l, false
	}
	return l, true
}

// tagOf is the tag of a scalar. For the library 0429 is a float; by YAML 1.1 it is
// a text, because 9 is no octal digit, and so it is for pySigma.
func tagOf(n *yaml.Node) string {
	if n.Tag == "!!float" && leadingZero.MatchString(n.Value) && strings.Trim(n.Value, "+-0123456789") == "" {
		return "!!str"
	}
	return n.Tag
}

func kindName(n *yaml.Node) string {
	if n.Kind == yaml.MappingNode {
		return "map"
	}
	return "list"
}

// number is an integer where it is one, so that large ones compare exactly.
type number struct {
	whole bool
	i     int64
	f     float64
}

func (x number) String() string {
	if x.whole {
		return strconv.FormatInt(x.i, 10)
	}
	return strconv.FormatFloat(x.f, 'f', -1, 64)
}

var leadingZero = regexp.MustCompile(`^[+-]?0[0-9_]`)

func parseNumber(n *yaml.Node) (number, error) {
	s := strings.ReplaceAll(n.Value, "_", "")
	if n.Tag == "!!int" {
		if leadingZero.MatchString(n.Value) {
			return number{}, fmt.Errorf("is %s, which YAML reads as octal; quote it if it is a text", n.Value)
		}
		i, err := strconv.ParseInt(s, 0, 64)
		if err != nil {
			return number{}, fmt.Errorf("is the number %s, which is out of range; quote it if it is a text", n.Value)
		}
		return number{whole: true, i: i, f: float64(i)}, nil
	}
	if strings.Trim(s, "+-0123456789") == "" { // YAML reads what is too large for an integer as a float
		return number{}, fmt.Errorf("is the number %s, which is out of range; quote it if it is a text", n.Value)
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return number{}, fmt.Errorf("is %s, which is no number to compare with", n.Value)
	}
	if i := int64(f); float64(i) == f && math.Abs(f) < 1<<53 {
		return number{whole: true, i: i, f: f}, nil
	}
	return number{f: f}, nil
}
