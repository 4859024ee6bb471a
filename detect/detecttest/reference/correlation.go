package reference

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// correlation is a correlation as its author wrote it.
type correlation struct {
	Type      string
	Rules     names
	GroupBy   names `yaml:"group-by"`
	Timespan  string
	Condition yaml.Node
	Aliases   map[string]map[string]string
	Generate  bool

	inputs     []*document
	span       time.Duration
	bounds     []bound
	field      names
	percentile float64
	// clauses are the ways in which a condition on which rules were seen holds.
	clauses []clause
	words   bool // the condition is written in words
}

// names is a list, or one name alone.
type names []string

// UnmarshalYAML reads either.
func (l *names) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*l = names{n.Value}
		return nil
	}
	return n.Decode((*[]string)(l))
}

type bound struct {
	op        string
	threshold float64
}

// clause says which inputs must have been seen and which not.
type clause struct{ with, without []int }

func (r *Rules) resolve(d *document) {
	c := d.Correlation
	c.span = duration(c.Timespan)
	c.percentile = 50
	if c.words = c.Condition.Kind == yaml.ScalarNode; c.words && len(c.Rules) == 0 {
		c.Rules = ruleNames(c.Condition.Value)
	}
	for _, ref := range c.Rules {
		c.inputs = append(c.inputs, r.find(ref))
	}
	for i := 0; i+1 < len(c.Condition.Content); i += 2 {
		switch key, v := c.Condition.Content[i].Value, c.Condition.Content[i+1]; key {
		case "field":
			must(v.Decode(&c.field))
		case "percentile":
			must(v.Decode(&c.percentile))
		default:
			c.bounds = append(c.bounds, bound{key, numberOf(v)})
		}
	}
	c.clauses = r.clauses(c)
}

func duration(s string) time.Duration {
	units := map[byte]time.Duration{
		's': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour,
		'M': 2629746 * time.Second, 'y': 31556952 * time.Second,
	}
	n, err := strconv.Atoi(s[:len(s)-1])
	must(err)
	return time.Duration(n) * units[s[len(s)-1]]
}

// entry is what a correlation measures: an event, or an instant of an inner
// correlation.
type entry struct {
	id     string
	at     time.Time
	events []int
	group  []string
	inputs []int
	value  string // what value_count counts
	valued bool
	number float64 // what the other value types measure
	isNum  bool
}

// alert is an instant at which a correlation holds.
type alert struct {
	at     time.Time
	group  []string
	value  float64
	events []int
}

// run is one run over records.
type run struct {
	id      string // the field that tells events apart
	records []record
	newest  time.Time
}

// alerts gives the instants at which a correlation holds, by group and time.
func (run *run) alerts(d *document) []alert {
	c := d.Correlation
	groups := map[string][]*entry{}
	for i := range c.inputs {
		for _, e := range run.entries(c, i) {
			key := strings.Join(e.group, "\x00")
			groups[key] = add(groups[key], e)
		}
	}
	var list []alert
	for _, entries := range groups {
		list = append(list, c.judge(entries, run.newest)...)
	}
	slices.SortFunc(list, func(a, b alert) int {
		return cmp.Or(a.at.Compare(b.at), slices.Compare(a.group, b.group))
	})
	return list
}

// add adds an entry. The same event counts once, for all inputs that it matches.
func add(list []*entry, e *entry) []*entry {
	for _, o := range list {
		if o.id == e.id && o.value == e.value && o.valued == e.valued {
			o.inputs = append(o.inputs, e.inputs...)
			return list
		}
	}
	return append(list, e)
}

// entries gives what one input has: matches, or instants of an inner correlation.
func (run *run) entries(c *correlation, i int) []*entry {
	in := c.inputs[i]
	var list []*entry
	take := func(e *entry, get func(name string) field) {
		for _, name := range c.GroupBy {
			value, ok := get(c.alias(name, in)).single()
			if !ok {
				return // what lacks a value to group by is not counted
			}
			e.group = append(e.group, value)
		}
		e.inputs = []int{i}
		c.measure(e, func(name string) field { return get(c.alias(name, in)) })
		list = append(list, e)
	}
	if in.Correlation == nil {
		for k, rec := range run.records {
			if at, ok := rec.time(); ok && in.matches(rec) {
				take(&entry{id: run.identity(k, at), at: at, events: []int{k}}, rec.field)
			}
		}
		return list
	}
	for _, a := range run.alerts(in) {
		carried := groupOf(in.Correlation.GroupBy, a.group)
		id := fmt.Sprint(in.Name, in.ID, a.at, a.group)
		take(&entry{id: id, at: a.at, events: a.events}, func(name string) field {
			return field{exists: true, values: []any{carried[name]}}
		})
	}
	return list
}

// identity tells the event of record k apart from all others.
func (run *run) identity(k int, at time.Time) string {
	if id, _ := run.records[k].field(run.id).single(); run.id != "" && id != "" {
		return fmt.Sprint("event ", id, " at ", at)
	}
	return fmt.Sprint("record ", k)
}

func (c *correlation) alias(name string, in *document) string {
	for ref, path := range c.Aliases[name] {
		if ref == in.Name || strings.EqualFold(ref, in.ID) {
			return path
		}
	}
	return name
}

// measure notes what an entry contributes to a value type.
func (c *correlation) measure(e *entry, get func(name string) field) {
	if len(c.field) == 0 {
		return
	}
	e.valued = true
	var parts []string
	for _, name := range c.field {
		s, ok := get(name).single()
		e.valued = e.valued && ok
		parts = append(parts, strconv.Quote(s))
	}
	if e.valued {
		e.value = strings.Join(parts, ",")
	}
	if f := get(c.field[0]); len(f.values) == 1 && !f.array {
		v := f.values[0]
		if s, ok := v.(string); ok {
			v = strings.TrimSpace(s) // as SQLite's casts and pySigma's backend do
		}
		e.number, e.isNum = number(v)
	}
}

// judge gives the instants at which the correlation holds in one group.
func (c *correlation) judge(entries []*entry, newest time.Time) []alert {
	slices.SortStableFunc(entries, func(a, b *entry) int { return a.at.Compare(b.at) })
	var list []alert
	for i, e := range entries {
		if i > 0 && entries[i-1].at.Equal(e.at) {
			continue // all entries of an instant are judged together
		}
		if len(c.clauses) == 0 {
			if value, ok := c.value(between(entries, e.at.Add(-c.span), e.at)); ok && c.holds(value) {
				list = append(list, newAlert(e, e.at, value, c.evidence(between(entries, e.at.Add(-c.span), e.at))))
			}
			continue
		}
		for _, cl := range c.clauses {
			if a, ok := c.clause(cl, entries, e, newest); ok {
				list = merge(list, a)
			}
		}
	}
	return list
}

// between are the entries of a window, both ends included.
func between(entries []*entry, from, to time.Time) []*entry {
	var list []*entry
	for _, e := range entries {
		if !e.at.Before(from) && !e.at.After(to) {
			list = append(list, e)
		}
	}
	return list
}

func newAlert(e *entry, at time.Time, value float64, evidence []*entry) alert {
	a := alert{at: at, group: e.group, value: value}
	for _, e := range evidence {
		a.events = append(a.events, e.events...)
	}
	slices.Sort(a.events)
	a.events = slices.Compact(a.events)
	return a
}

// merge puts two ways in which a condition holds at one instant into one alert.
func merge(list []alert, a alert) []alert {
	for i := range list {
		if o := &list[i]; o.at.Equal(a.at) {
			o.value = max(o.value, a.value)
			o.events = append(o.events, a.events...)
			slices.Sort(o.events)
			o.events = slices.Compact(o.events)
			return list
		}
	}
	return append(list, a)
}

func (c *correlation) holds(value float64) bool {
	for _, b := range c.bounds {
		holds := map[string]bool{
			"gt": value > b.threshold, "gte": value >= b.threshold, "lt": value < b.threshold,
			"lte": value <= b.threshold, "eq": value == b.threshold, "neq": value != b.threshold,
		}
		if !holds[b.op] {
			return false
		}
	}
	return true
}

// value is what is measured in a window; false where there is nothing to measure.
func (c *correlation) value(window []*entry) (float64, bool) {
	distinct := map[string]bool{}
	var numbers []float64
	for _, e := range window {
		if e.valued {
			distinct[e.value] = true
		}
		if e.isNum {
			numbers = append(numbers, e.number)
		}
	}
	switch c.Type {
	case "event_count":
		return float64(len(window)), true
	case "value_count":
		return float64(len(distinct)), true
	case "temporal", "temporal_ordered":
		return float64(len(seen(window))), true
	}
	if len(numbers) == 0 {
		return 0, false
	}
	switch c.Type {
	case "value_sum":
		return sum(numbers), true
	case "value_avg":
		return sum(numbers) / float64(len(numbers)), true
	default:
		return percentile(numbers, c.percentile), true
	}
}

func sum(numbers []float64) (total float64) {
	for _, x := range numbers {
		total += x
	}
	return total
}

// percentile interpolates between the two ranks next to it.
func percentile(numbers []float64, p float64) float64 {
	slices.Sort(numbers)
	position := float64(len(numbers)-1) * p / 100
	below := int(math.Floor(position))
	above := min(below+1, len(numbers)-1)
	return numbers[below] + (position-float64(below))*(numbers[above]-numbers[below])
}

// evidence are the entries of a window that contribute.
func (c *correlation) evidence(window []*entry) []*entry {
	if len(c.field) == 0 || c.Type == "value_count" {
		return window
	}
	return slices.DeleteFunc(slices.Clone(window), func(e *entry) bool { return !e.isNum })
}
