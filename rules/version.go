package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// canonical writes a node so that two nodes of one meaning read the same: keys
// sorted, style and comments gone. Lengths are written before texts, so that no
// two trees run together.
func canonical(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		var pairs []string
		for i := 0; i+1 < len(n.Content); i += 2 {
			pairs = append(pairs, canonical(n.Content[i])+canonical(n.Content[i+1]))
		}
		slices.Sort(pairs)
		return "{" + strings.Join(pairs, "") + "}"
	case yaml.SequenceNode:
		var b strings.Builder
		b.WriteByte('[')
		for _, c := range n.Content {
			b.WriteString(canonical(c))
		}
		return b.String() + "]"
	default:
		tag, value := canonicalScalar(n)
		return fmt.Sprintf("%s %d:%s", tag, len(value), value)
	}
}

func canonicalScalar(n *yaml.Node) (tag, value string) {
	switch n.Tag {
	case "!!null":
		return n.Tag, ""
	case "!!bool":
		return n.Tag, strings.ToLower(n.Value)
	case "!!int", "!!float":
		if num, err := parseNumber(n); err == nil {
			return "number", num.String()
		}
	}
	return n.Tag, n.Value
}

// without is a mapping without some of its keys.
func without(n *yaml.Node, keys ...string) *yaml.Node {
	if n.Kind != yaml.MappingNode {
		return n
	}
	out := *n
	out.Content = nil
	for i := 0; i+1 < len(n.Content); i += 2 {
		if !slices.Contains(keys, n.Content[i].Value) {
			out.Content = append(out.Content, n.Content[i], n.Content[i+1])
		}
	}
	return &out
}

func (l logsource) canonical() string {
	return fmt.Sprintf("%q %q %q ", l.product, l.category, l.service)
}

// hash is the first 12 hexadecimal digits of the parts' hash.
func hash(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}
