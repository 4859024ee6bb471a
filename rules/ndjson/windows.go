package ndjson

import (
	"strings"

	"github.com/crmwatch/crmwatch/rules"
)

// Windows event logs as JSON keep their fields below "Event", where Sigma's rules
// name them alone:
//
//	{"Event":{"System":{"EventID":1,"Provider":{"#attributes":{"Name":"Sysmon"}}},
//	          "EventData":{"Image":"cmd.exe"}}}
//
// So a field that a record does not have otherwise is looked for in EventData,
// then in System, then in whatever UserData holds. They have a trie of their own
// that is walked only where a record has the key "Event", so that others pay
// nothing.
//
// The ranks of these ways are above all of plain paths.
const (
	windowsRank  = uint64(1) << 63
	systemRank   = uint64(1) << 61
	userDataRank = uint64(2) << 61
)

// providerField is what Sigma calls the name of a log's provider, the one field
// that it calls otherwise than Windows does.
const providerField = "Provider_Name"

// windowsTrie leads to fields from what is under "Event".
func windowsTrie(paths []string) *node {
	root := &node{edges: map[string]*edge{}}
	for _, group := range []struct {
		key  string
		rank uint64
	}{{"EventData", 0}, {"System", systemRank}, {"UserData", userDataRank}} {
		content := windowsGroup(paths, group.rank)
		root.below = content.below
		if group.key == "UserData" {
			// UserData holds one element, which is named after the schema of the log.
			content = &node{edges: map[string]*edge{}, below: content.below, any: &edge{to: content, many: true}}
		}
		root.edges[group.key] = &edge{to: content}
	}
	return root
}

// windowsGroup leads to fields from one group of them.
func windowsGroup(paths []string, rank uint64) *node {
	t := trie{nodes: map[string]*node{}}
	for f, path := range paths {
		t.addText(t.add(rules.Field(f), path), path, rules.Field(f))
		if path == providerField {
			t.add(rules.Field(f), "Provider.#attributes.Name")
		}
	}
	t.node("", 0).split = rank
	return t.node("", 0)
}

// addText leads to the field by "#text" below its node too: an element that has
// attributes is an object, {"#attributes":{...},"#text":1}, and its text is what
// rules mean. So the text is more welcome than that the object exists.
func (t trie) addText(n *node, path string, f rules.Field) {
	text := t.node(path+".#text", strings.Count(path, ".")+2)
	text.terms = append(text.terms, term{field: f})
	t.link(n, "#text", text)
	n.addBelow(f)
	n.terms[len(n.terms)-1].penalty = n.split | 1
}
