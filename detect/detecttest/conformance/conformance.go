// Package conformance is a corpus of cases that say what Sigma rules find in which
// events. Each names the clause of the Sigma specification 2.1.0 that it covers,
// and where implementations disagree, what is chosen here and why.
//
// The cases are in cases/*.yml, written by hand: see README.md. Those in
// given.json and oracle.json are correlations over generated events; what they
// expect was computed by pySigma-backend-sqlite 2.0.0.
package conformance

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"
	"testing/fstest"
	"time"

	"go.yaml.in/yaml/v3"
)

//go:embed cases/*.yml given.json oracle.json
var files embed.FS

// Epoch is the time from which events and instants count their seconds.
var Epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Case is one case.
type Case struct {
	// Clause is the document of the specification and the titles of its section.
	Clause string
	Name   string
	// Note says where implementations disagree, what is chosen and why.
	Note string
	// Rules is a rule file, Lookups are look-up tables by name.
	Rules   string
	Lookups map[string][]string
	// Lines are events as lines of JSON, with their time in "time".
	Lines [][]byte
	// ID is the field that tells events apart, empty for none.
	ID string
	// Error is a part of the message with which the rules are refused; empty where
	// they are not.
	Error string
	// Expect says what is found, by the titles of rules. Rules that it does not name
	// find nothing.
	Expect map[string]Expectation
	// Only says that rules which Expect does not name are of no interest.
	Only bool
}

// Expectation is what one rule finds.
type Expectation struct {
	// Events are the numbers of the events that a rule of one event matches.
	Events []int
	// Instants are those at which a correlation holds.
	Instants []Instant
}

// Instant is an instant at which a correlation holds.
type Instant struct {
	At     float64 // in seconds after Epoch
	Group  map[string]any
	Value  float64
	Events []int
}

// FS is the case's rule directory.
func (c *Case) FS() fs.FS {
	fsys := fstest.MapFS{"rules.yml": {Data: []byte(c.Rules)}}
	if len(c.Lookups) > 0 {
		// JSON is YAML.
		data, _ := json.Marshal(c.Lookups)
		fsys["lookups/tables.yml"] = &fstest.MapFile{Data: data}
	}
	return fsys
}

// Findings are what is expected, one line for each, sorted.
func (c *Case) Findings() []string {
	var lines []string
	for title, e := range c.Expect {
		for _, i := range e.Events {
			lines = append(lines, EventLine(title, i))
		}
		for _, i := range e.Instants {
			group := map[string]string{}
			for k, v := range i.Group {
				group[k] = fmt.Sprint(v)
			}
			at := Epoch.Add(time.Duration(math.Round(i.At*1000)) * time.Millisecond)
			lines = append(lines, InstantLine(title, at, group, i.Value, i.Events))
		}
	}
	slices.Sort(lines)
	return lines
}

// EventLine writes that a rule matches an event.
func EventLine(title string, event int) string { return fmt.Sprintf("%s: event %d", title, event) }

// InstantLine writes that a correlation holds at an instant. The events may be in
// any order.
func InstantLine(title string, at time.Time, group map[string]string, value float64, events []int) string {
	events = slices.Clone(events)
	slices.Sort(events)
	// Implementations add up in different orders.
	if value = math.Round(value*1e6) / 1e6; value == 0 {
		value = 0 // not -0
	}
	return fmt.Sprintf("%s: at %s %v value %v events %v", title, at.UTC().Format("15:04:05.000"), group, value, events)
}

// Written lists the cases that were written by hand.
func Written() ([]Case, error) {
	names, err := fs.Glob(files, "cases/*.yml")
	if err != nil {
		return nil, err
	}
	var list []Case
	for _, name := range names {
		data, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		cases, err := parse(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		list = append(list, cases...)
	}
	return list, nil
}

// Computed lists the cases whose expectations another implementation computed.
func Computed() ([]Case, error) {
	var list []Case
	for _, name := range []string{"given.json", "oracle.json"} {
		data, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var cases []computed
		if err := json.Unmarshal(data, &cases); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for i := range cases {
			c, err := cases[i].toCase(fmt.Sprintf("%s %03d %s", strings.TrimSuffix(name, ".json"), i, cases[i].Kind))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			list = append(list, c)
		}
	}
	return list, nil
}

// computed is a case as it stands in the JSON files.
type computed struct {
	Kind     string
	Rule     string
	Events   []map[string]any
	Expected []Instant
}

func (c *computed) toCase(name string) (Case, error) {
	out := Case{Clause: "sigma-correlation-rules-specification: " + c.Kind, Name: name, Rules: c.Rule, Only: true}
	var title string
	dec := yaml.NewDecoder(strings.NewReader(c.Rule))
	for {
		var doc struct {
			Title       string
			Correlation *yaml.Node
		}
		if dec.Decode(&doc) != nil {
			break
		}
		title = doc.Title // the last correlation is what is asked for
	}
	out.Expect = map[string]Expectation{title: {Instants: c.Expected}}
	for _, ev := range c.Events {
		line, err := eventLine(ev)
		if err != nil {
			return out, err
		}
		out.Lines = append(out.Lines, line)
	}
	return out, nil
}

// eventLine writes an event as JSON. Its time may be given as seconds after Epoch,
// under "at".
func eventLine(ev map[string]any) ([]byte, error) {
	if at, ok := ev["at"]; ok {
		seconds, ok := at.(float64)
		if n, isInt := at.(int); isInt {
			seconds, ok = float64(n), true
		}
		if !ok {
			return nil, fmt.Errorf("event has the time %v, which is no number of seconds", at)
		}
		delete(ev, "at")
		ev["time"] = Epoch.Add(time.Duration(math.Round(seconds*1000)) * time.Millisecond).Format(time.RFC3339Nano)
	}
	return json.Marshal(ev)
}
