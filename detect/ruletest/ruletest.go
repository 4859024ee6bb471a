// Package ruletest runs the tests that authors put into their rules: events, and
// whether the rule must find something in them. It uses the matcher and the
// windows of the running detector. What the detector derives from roster and
// history (person.status, account.idle_days) is what the test says it is.
package ruletest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/crmwatch/crmwatch/detect"
	"github.com/crmwatch/crmwatch/detect/window"
	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/rules"
)

// Result is what a rule found in the events of a test.
type Result struct {
	// Found is how many alerts the rule made, or, of a rule that only feeds
	// correlations, how many events it matched.
	Found int
	// Events is how many events the test has.
	Events int
	// Inputs are the detection rules that the rule is or measures, and how many of
	// the events each matched.
	Inputs []Input
}

// Input is a detection rule with the number of events that it matched.
type Input struct {
	Name    string
	Matched int
}

// String says what happened, as a reader of a failed test wants to know it.
func (r Result) String() string {
	var parts []string
	for _, in := range r.Inputs {
		parts = append(parts, fmt.Sprintf("%s matched %d", in.Name, in.Matched))
	}
	return fmt.Sprintf("of %d events, %s", r.Events, strings.Join(parts, ", "))
}

// errFeeds says why a correlation cannot be tested by itself.
var errFeeds = errors.New("the correlation makes no alerts of its own; put the tests into the one that refers to it")

// Run runs one test of the rule that about belongs to, among all rules of the set.
func Run(set *rules.Set, t rules.Test, about *rules.Meta) (Result, error) {
	r := &run{about: about.ID, matcher: set.Matcher(), matched: map[*rules.Rule]int{}, alerts: map[string]bool{}}
	r.windows = window.New(window.Config[int]{Compare: r.compare, Emit: r.emit, Absorb: func(any, int) any { return nil }}, set, field("actor.key"))
	inputs, err := r.inputs(set)
	if err != nil {
		return Result{}, err
	}
	happened, err := events(t)
	if err != nil {
		return Result{}, err
	}
	for i, e := range happened {
		r.apply(i, e)
	}
	r.windows.Close()
	res := Result{Found: r.found(), Events: len(happened)}
	for _, in := range inputs {
		res.Inputs = append(res.Inputs, Input{in.Name, r.matched[in]})
	}
	return res, nil
}

// run is one test that is under way.
type run struct {
	about   string      // id of the rule
	feeder  *rules.Rule // the rule itself, where it makes no alerts of its own
	matcher *rules.Matcher
	windows *window.Engine[int]
	ids     []string // of the events
	matched map[*rules.Rule]int
	alerts  map[string]bool // by group and beginning, those that still hold
	single  int             // alerts on single events
}

// inputs lists the detection rules that the rule under test is or measures.
func (r *run) inputs(set *rules.Set) ([]*rules.Rule, error) {
	for _, rule := range set.Rules() {
		if rule.ID != r.about {
			continue
		}
		if !rule.Alerts {
			r.feeder = rule
		}
		return []*rules.Rule{rule}, nil
	}
	for _, c := range set.Correlations() {
		switch {
		case c.ID != r.about:
		case !c.Alerts:
			return nil, errFeeds
		default:
			return leaves(c, nil), nil
		}
	}
	return nil, fmt.Errorf("the set has no rule %s", r.about)
}

// leaves adds the detection rules under a correlation to those that are there.
func leaves(c *rules.Correlation, all []*rules.Rule) []*rules.Rule {
	for _, in := range c.Inputs {
		switch {
		case in.Correlation != nil:
			all = leaves(in.Correlation, all)
		case !slices.Contains(all, in.Rule):
			all = append(all, in.Rule)
		}
	}
	return all
}

// compare orders events of one time by their ids: an event that a test has twice
// counts once in a window.
func (r *run) compare(a, b int) int { return strings.Compare(r.ids[a], r.ids[b]) }

func (r *run) apply(i int, e happening) {
	r.ids = append(r.ids, e.record.Values[field("id")].Text())
	for _, rule := range r.matcher.Match(&e.record) {
		r.matched[rule]++
		if r.windows.Feeds(rule) {
			r.windows.Match(rule, &e.record, e.record.Values[field("tenant")].Text(), e.at.UnixMilli(), i)
		}
		// A rule with a time of suppression is told by the windows, once per burst.
		if rule.ID == r.about && rule.Alerts && rule.Window.Suppress == 0 {
			r.single++
		}
	}
}

func (r *run) emit(a *window.Alert[int]) {
	if a.Meta.ID != r.about {
		return
	}
	key := fmt.Sprint(a.Group, a.First)
	if r.alerts[key] = !a.Withdrawn; a.Withdrawn {
		delete(r.alerts, key)
	}
}

func (r *run) found() int {
	if r.feeder != nil {
		return r.matched[r.feeder]
	}
	return r.single + len(r.alerts)
}

// happening is an event of a test at its time.
type happening struct {
	at     time.Time
	record rules.Record
}

// began is when every test begins: a Monday morning, for the sake of fields that
// a test leaves to it.
var began = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)

// maxEvents bounds how many events one test may stand for.
const maxEvents = 200_000

// events writes the events of a test out, in the order of their time.
func events(t rules.Test) ([]happening, error) {
	var all []happening
	for _, line := range t.Events {
		repeat := max(line.Repeat, 1)
		if len(all)+repeat > maxEvents {
			return nil, fmt.Errorf("%s: the test has more than %d events", line.Pos, maxEvents)
		}
		for n := range repeat {
			at := began.Add(line.After + time.Duration(n)*line.Every)
			all = append(all, happening{at, record(line.Fields, n+1, at, len(all)+1)})
		}
	}
	slices.SortStableFunc(all, func(a, b happening) int { return a.at.Compare(b.at) })
	return all, nil
}

// record is an event with what the test says, and with what every event has where
// it says nothing. n is the number of the repetition, serial that of the event.
func record(said map[string]event.Value, n int, at time.Time, serial int) rules.Record {
	text := func(s string) event.Value { return event.StringValue(s) }
	moment := text(at.Format("2006-01-02T15:04:05.000Z"))
	values := map[string]event.Value{
		"id": text("test-" + strconv.Itoa(serial)), "time": moment, "collected": moment, "tenant": text("t"), "source": text("test"),
		"actor.id": text("test:1"), "outcome": text(string(event.Success)),
		"rows": event.IntValue(0), "bytes": event.IntValue(0), "account.idle_days": event.IntValue(0),
	}
	for path, v := range said {
		if v.Kind == event.String {
			v = text(strings.ReplaceAll(v.Str, "{n}", strconv.Itoa(n)))
		}
		values[path] = v
	}
	if _, given := values["actor.key"]; !given {
		values["actor.key"] = text(keyOf(values))
	}
	return rules.Record{Values: byField(values), Leaves: contents(said, values)}
}

// keyOf says who acted: the person, or else the account, which the tests of one
// file share over all sources.
func keyOf(values map[string]event.Value) string {
	if p := values["actor.person"].Text(); p != "" {
		return p
	}
	return "test:" + strings.TrimPrefix(values["actor.id"].Text(), "test:")
}

// contents are what keywords are searched in: what the test itself says of the
// event, and nothing derived.
func contents(said, values map[string]event.Value) (leaves []event.Value) {
	for _, path := range slices.Sorted(maps.Keys(said)) {
		if v := values[path]; v.Kind == event.String && int(field(path)) < len(event.Fields) {
			leaves = append(leaves, v)
		}
	}
	return leaves
}

// schema is that of the running detector; it never changes.
var (
	schema = detect.NewSchema()
	width  = len(schema.Paths())
)

func byField(values map[string]event.Value) []event.Value {
	all := make([]event.Value, width)
	for path, v := range values {
		all[field(path)] = v
	}
	return all
}

// field finds a field that the loader has already found.
func field(path string) rules.Field {
	f, _ := schema.Field(path)
	return f
}
