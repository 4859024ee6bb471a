// Package reference is Sigma as plainly as it can be written down: it interprets
// rules over records that encoding/json has decoded, and correlations by trying
// every window. It is slow, checks nothing, and shares no code with package rules,
// so that tests can hold the real engine to it.
//
// Where implementations of Sigma disagree it does what rules/README.md says; the
// conformance corpus has a case for each.
package reference

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Match is a record that a rule matches, or an instant at which a correlation
// holds.
type Match struct {
	Title string
	At    time.Time // zero for a rule of one event, if the event has no time
	// Event is the record's number, of a rule.
	Event int
	// Correlation says that the following are set, and Event is not.
	Correlation bool
	Group       map[string]string
	Value       float64
	Events      []int // sorted
}

// Rules are the documents of one or several rule files.
type Rules struct {
	// ID is the field that tells events apart, empty for none: a correlation counts
	// an event that comes again at its time as the first one.
	ID      string
	docs    []*document
	lookups map[string][]string
}

// document is a rule, a filter or a correlation.
type document struct {
	Title       string
	ID          string
	Name        string
	Logsource   map[string]string
	Detection   yaml.Node
	Filter      yaml.Node
	Correlation *correlation
	Generate    bool // where the JSON schema has it

	matches func(record) bool // of a rule
	alerts  bool
	isRule  bool
}

// Load reads rules that have no mistakes. Lookups are the values of placeholders.
func Load(text string, lookups map[string][]string) (r *Rules, err error) {
	// What is wrong in a rule is said by panicking with an error: only tests see it.
	defer func() {
		if bad, ok := recover().(error); ok {
			err = fmt.Errorf("reference: %w", bad)
		}
	}()
	r = &Rules{lookups: lookups}
	dec := yaml.NewDecoder(strings.NewReader(text))
	for {
		d := &document{alerts: true}
		err := dec.Decode(d)
		if errors.Is(err, io.EOF) {
			break
		}
		must(err)
		writeOut(&d.Detection)
		writeOut(&d.Filter)
		r.docs = append(r.docs, d)
	}
	for _, d := range r.docs {
		if d.isRule = d.Correlation == nil && d.Filter.IsZero(); d.isRule {
			d.matches = r.detection(&d.Detection)
		}
	}
	for _, d := range r.docs {
		if !d.Filter.IsZero() {
			r.filter(d)
		}
	}
	for _, d := range r.docs {
		if d.Correlation != nil {
			r.resolve(d)
		}
	}
	r.silence()
	return r, nil
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// writeOut puts what they stand for in place of YAML's aliases.
func writeOut(n *yaml.Node) {
	for i, c := range n.Content {
		if c.Kind == yaml.AliasNode {
			n.Content[i] = c.Alias
		}
		writeOut(n.Content[i])
	}
}

// find gives the document that an id or a name means.
func (r *Rules) find(ref string) *document {
	for _, d := range r.docs {
		if ref == d.Name || strings.EqualFold(ref, d.ID) {
			return d
		}
	}
	panic(fmt.Errorf("no rule %q", ref))
}

// filter narrows the rules that a filter names, or all of its log source.
func (r *Rules) filter(f *document) {
	var head struct{ Rules yaml.Node }
	must(f.Filter.Decode(&head))
	var refs []string
	if head.Rules.Kind == yaml.SequenceNode {
		must(head.Rules.Decode(&refs))
	} else if head.Rules.Value != "any" {
		refs = []string{head.Rules.Value}
	}
	condition := r.detection(&f.Filter)
	for _, d := range r.docs {
		named := slices.ContainsFunc(refs, func(ref string) bool { return r.find(ref) == d })
		if d.isRule && (named || len(refs) == 0 && within(d.Logsource, f.Logsource)) {
			before := d.matches
			d.matches = func(rec record) bool { return before(rec) && condition(rec) }
		}
	}
}

// within reports whether a log source is one of a broader one.
func within(narrow, broad map[string]string) bool {
	for _, key := range []string{"product", "category", "service"} {
		if broad[key] != "" && broad[key] != narrow[key] {
			return false
		}
	}
	return true
}

// silence finds the documents that feed correlations and so do not alert.
func (r *Rules) silence() {
	for _, d := range r.docs {
		if d.Correlation != nil {
			for _, in := range d.Correlation.inputs {
				in.alerts = false
			}
		}
	}
	for _, d := range r.docs {
		if d.Correlation != nil && (d.Generate || d.Correlation.Generate) {
			for _, in := range d.Correlation.inputs {
				in.alerts = true
			}
		}
	}
}

// Run matches records, lines of JSON, whose time is in the field "time".
func (r *Rules) Run(lines [][]byte) ([]Match, error) {
	run := run{id: r.ID}
	for i, line := range lines {
		rec, err := decode(line)
		if err != nil {
			return nil, fmt.Errorf("reference: record %d: %w", i, err)
		}
		run.records = append(run.records, rec)
		if at, ok := rec.time(); ok && at.After(run.newest) {
			run.newest = at
		}
	}
	var matches []Match
	for _, d := range r.docs {
		switch {
		case !d.alerts:
		case d.isRule:
			for i, rec := range run.records {
				if d.matches(rec) {
					at, _ := rec.time()
					matches = append(matches, Match{Title: d.Title, At: at, Event: i})
				}
			}
		case d.Correlation != nil:
			for _, a := range run.alerts(d) {
				matches = append(matches, Match{
					Title: d.Title, At: a.at, Correlation: true, Value: a.value, Events: a.events,
					Group: groupOf(d.Correlation.GroupBy, a.group),
				})
			}
		}
	}
	slices.SortStableFunc(matches, func(a, b Match) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Event, b.Event))
	})
	return matches, nil
}

// MatchOne lists the titles of the rules that one record matches.
func (r *Rules) MatchOne(line []byte) ([]string, error) {
	rec, err := decode(line)
	if err != nil {
		return nil, err
	}
	var titles []string
	for _, d := range r.docs {
		if d.isRule && d.matches(rec) {
			titles = append(titles, d.Title)
		}
	}
	return titles, nil
}

func decode(line []byte) (record, error) {
	dec := json.NewDecoder(strings.NewReader(string(line)))
	dec.UseNumber()
	var rec record
	return rec, dec.Decode(&rec)
}

func groupOf(names, values []string) map[string]string {
	group := map[string]string{}
	for i, n := range names {
		group[n] = values[i]
	}
	return group
}
