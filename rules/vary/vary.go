// Package vary changes one number of a rule, so that what follows from it can be
// tried out. The changed rule is loaded as any other is, with the errors that any
// other has, and the places in them are those of the author's file.
package vary

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/crmwatch/crmwatch/rules"
)

// The names of what can be varied.
const (
	Threshold = "threshold" // the bound of a correlation's condition
	Timespan  = "timespan"
)

var bounds = []string{string(rules.GT), string(rules.GTE), string(rules.LT), string(rules.LTE), string(rules.EQ), string(rules.NEQ)}

// Files are rule files in which a correlation has another value for what is
// varied: Threshold, Timespan, or a bound by its operator ("gte"). The correlation
// is one that was loaded from the files.
func Files(fsys fs.FS, m *rules.Meta, what, value string) (fs.FS, error) {
	if strings.ContainsAny(value, "\r\n") {
		return nil, fmt.Errorf("a value for %s must be one line", what)
	}
	src := m.Sources[0]
	node, err := find(src.Text, what)
	if err != nil {
		return nil, fmt.Errorf("vary %s of %s: %w", what, m.Name, err)
	}
	from, to, ok := place(src.Text, node)
	if !ok {
		return nil, fmt.Errorf("vary %s of %s: write it as a plain value at %s", what, m.Name, rules.Position{File: src.File, Line: src.Line + node.Line - 1, Column: node.Column})
	}
	file, err := fs.ReadFile(fsys, src.File)
	if err != nil {
		return nil, fmt.Errorf("vary %s of %s: %w", what, m.Name, err)
	}
	start := offset(string(file), src.Line, 1)
	if !strings.HasPrefix(string(file[start:]), src.Text) {
		return nil, fmt.Errorf("vary %s of %s: %s has changed since it was read; try again", what, m.Name, src.File)
	}
	text := slices.Concat(file[:start+from], []byte(value), file[start+to:])
	return &overlay{fsys, src.File, text}, nil
}

// find finds the value that is varied in a correlation's document.
func find(text, what string) (*yaml.Node, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		return nil, fmt.Errorf("read the rule: %w", err)
	}
	body := get(doc.Content[0], "correlation")
	if body == nil {
		return nil, errors.New("it is a rule of single events; only correlations have a threshold and a timespan")
	}
	if what == Timespan {
		return present(get(body, Timespan), "it has no timespan")
	}
	condition := get(body, "condition")
	if condition == nil || condition.Kind != yaml.MappingNode {
		return nil, errors.New("its condition has no number")
	}
	var has []string
	for _, op := range bounds {
		if get(condition, op) != nil {
			has = append(has, op)
		}
	}
	switch {
	case what != Threshold && !slices.Contains(bounds, what):
		return nil, fmt.Errorf("it is none of %s, %s, %s", Threshold, Timespan, strings.Join(bounds, ", "))
	case what != Threshold:
		return present(get(condition, what), "its condition has "+strings.Join(has, " and "))
	case len(has) != 1:
		return nil, fmt.Errorf("its condition has not one number but %d; name one of %s", len(has), strings.Join(has, ", "))
	default:
		return get(condition, has[0]), nil
	}
}

func present(n *yaml.Node, otherwise string) (*yaml.Node, error) {
	if n == nil {
		return nil, errors.New(otherwise)
	}
	return n, nil
}

// get gives the value of a mapping's key, nil where it has none.
func get(n *yaml.Node, key string) *yaml.Node {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// place says where a plain or quoted value stands in the text; not for one that
// stands elsewhere, behind an alias, or with a tag or an anchor before it.
func place(text string, n *yaml.Node) (from, to int, ok bool) {
	if n.Kind != yaml.ScalarNode || n.Value == "" {
		return 0, 0, false
	}
	from = offset(text, n.Line, n.Column)
	for _, quote := range []string{"", `"`, "'"} {
		if strings.HasPrefix(text[from:], quote+n.Value+quote) {
			return from, from + len(n.Value) + 2*len(quote), true
		}
	}
	return 0, 0, false
}

// offset is where a line and a column begin, which count characters from 1.
func offset(text string, line, column int) int {
	at := 0
	for ; line > 1; line-- {
		i := strings.IndexByte(text[at:], '\n')
		if i < 0 {
			return len(text)
		}
		at += i + 1
	}
	for i := range text[at:] {
		if column--; column == 0 {
			return at + i
		}
	}
	return len(text)
}

// overlay is a file system in which one file has another content.
type overlay struct {
	fs.FS
	name string
	text []byte
}

// ReadFile reads the whole of a file.
func (o *overlay) ReadFile(name string) ([]byte, error) {
	if name == o.name {
		return slices.Clone(o.text), nil
	}
	return fs.ReadFile(o.FS, name)
}
