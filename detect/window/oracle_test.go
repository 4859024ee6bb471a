package window_test

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/rules"
)

// sample is an event of a property test. Its time is in seconds.
type sample struct {
	id    int
	at    int64
	kinds string // the rules it matches: some of "abc"
	user  string // empty for none
	x     string // a number as text, or empty for null
}

// question is a correlation over the rules ra, rb and rc, as the oracle knows it.
type question struct {
	kind     rules.Type
	inputs   string // "a" to "abc"
	op       rules.Op
	limit    float64
	words    string      // a temporal condition in words
	clauses  [][2]string // the same: With and Without
	percent  float64
	span     int64 // seconds
	suppress int64
	lateness int64
}

// document is the question as a rule file.
func (q *question) document() string {
	var b strings.Builder
	for _, r := range "abc" {
		fmt.Fprintf(&b, "title: r%c\nid: 11111111-1111-4111-8111-11111111111%c\nname: r%c\nlogsource: {product: crm}\ndetection: {s: {t|contains: %c}, condition: s}\n---\n", r, r, r, r)
	}
	var names []string
	for _, r := range q.inputs {
		names = append(names, fmt.Sprintf("r%c", r))
	}
	fmt.Fprintf(&b, "title: c1\nid: 22222222-2222-4222-8222-222222222221\nname: c1\ncorrelation:\n  type: %s\n  rules: [%s]\n  group-by: [u]\n  timespan: %ds\n", q.kind, strings.Join(names, ", "), q.span)
	switch {
	case q.words != "":
		fmt.Fprintf(&b, "  condition: %s\n", q.words)
	case q.op != "":
		fmt.Fprintf(&b, "  condition: {%s: %v", q.op, q.limit)
		if strings.HasPrefix(string(q.kind), "value_") {
			b.WriteString(", field: x")
		}
		if q.kind == rules.ValuePercentile {
			fmt.Fprintf(&b, ", percentile: %v", q.percent)
		}
		b.WriteString("}\n")
	}
	if q.suppress > 0 || q.lateness > 0 {
		b.WriteString("crmwatch:\n")
	}
	if q.suppress > 0 {
		fmt.Fprintf(&b, "  suppress: %ds\n", q.suppress)
	}
	if q.lateness > 0 {
		fmt.Fprintf(&b, "  lateness: %ds\n", q.lateness)
	}
	return b.String()
}

func (q *question) String() string { return fmt.Sprintf("%+v", *q) }

// moment is an instant at which the oracle finds the condition to hold. An alert
// is about all events of its windows; what an ordered correlation hands on are the
// links of its chain.
type moment struct {
	at     int64
	value  float64
	events []int
	links  []int
}

// moments are all instants of one user at which the condition holds, by brute
// force: every window is measured anew from all samples.
func (q *question) moments(samples []sample, user string) (found []moment) {
	var own []sample
	for _, s := range samples {
		if s.user == user && strings.ContainsAny(s.kinds, q.inputs) && !slices.ContainsFunc(own, func(o sample) bool { return o.id == s.id }) {
			own = append(own, s)
		}
	}
	slices.SortFunc(own, func(a, b sample) int { return int(a.at-b.at)*1000 + a.id - b.id })
	var instants []int64
	for _, s := range own {
		instants = append(instants, s.at)
		if q.forward() {
			instants = append(instants, s.at+q.span)
		}
	}
	slices.Sort(instants)
	for _, at := range slices.Compact(instants) {
		var in []sample
		for _, s := range own {
			if s.at >= at-q.span && s.at <= at {
				in = append(in, s)
			}
		}
		if value, events, ok := q.measure(in, at); ok {
			found = append(found, moment{at, value, events, q.links(in, events)})
		}
	}
	return found
}

func (q *question) forward() bool {
	return slices.ContainsFunc(q.clauses, func(c [2]string) bool { return c[1] != "" })
}

// measure decides the window that holds the samples and ends at a time.
func (q *question) measure(in []sample, at int64) (value float64, events []int, holds bool) {
	switch q.kind {
	case rules.Temporal:
		return q.temporal(in, at)
	case rules.TemporalOrdered:
		return q.orderedly(in)
	case rules.EventCount:
		value = float64(len(in))
		return value, idsOf(in), rules.Bound{Op: q.op, Threshold: q.limit}.Holds(value)
	default:
		return q.measureValues(in)
	}
}

func (q *question) measureValues(in []sample) (value float64, events []int, holds bool) {
	var xs []float64
	texts := map[string]bool{}
	var numbered []sample
	for _, s := range in {
		if s.x == "" {
			continue
		}
		var x float64
		fmt.Sscan(s.x, &x)
		xs = append(xs, x)
		texts[s.x] = true
		numbered = append(numbered, s)
	}
	if q.kind == rules.ValueCount {
		value = float64(len(texts))
		return value, idsOf(in), rules.Bound{Op: q.op, Threshold: q.limit}.Holds(value)
	}
	if len(xs) == 0 {
		return 0, nil, false
	}
	slices.Sort(xs)
	for _, x := range xs {
		value += x
	}
	rank := float64(len(xs)-1) / 2
	switch q.kind {
	case rules.ValueAvg:
		value /= float64(len(xs))
	case rules.ValuePercentile:
		rank = float64(len(xs)-1) * q.percent / 100
		fallthrough
	case rules.ValueMedian:
		lo := math.Floor(rank)
		value = xs[int(lo)]
		if rank > lo {
			value = value*(1-(rank-lo)) + xs[int(lo)+1]*(rank-lo)
		}
	default:
	}
	return value, idsOf(numbered), rules.Bound{Op: q.op, Threshold: q.limit}.Holds(value)
}

func (q *question) temporal(in []sample, at int64) (value float64, events []int, holds bool) {
	seen := q.seen(in)
	if q.clauses == nil {
		op, limit := q.op, q.limit
		if op == "" {
			op, limit = rules.GTE, float64(len(q.inputs))
		}
		return float64(len(seen)), idsOf(in), rules.Bound{Op: op, Threshold: limit}.Holds(float64(len(seen)))
	}
	with := ""
	for _, c := range q.clauses {
		begins := false // whether an event makes the clause hold at this very instant
		for _, s := range in {
			begins = begins || c[1] == "" && s.at == at || c[1] != "" && s.at == at-q.span && strings.ContainsAny(s.kinds, c[0])
		}
		if begins && containsAll(seen, c[0]) && !strings.ContainsAny(seen, c[1]) {
			with += c[0]
		}
	}
	for _, s := range in {
		if strings.ContainsAny(s.kinds, with) {
			events = append(events, s.id)
		}
	}
	return float64(len(seen)), events, with != ""
}

// orderedly looks for the inputs one after the other, each strictly later.
func (q *question) orderedly(in []sample) (value float64, events []int, holds bool) {
	last := int64(math.MinInt64)
	for _, r := range q.inputs {
		i := slices.IndexFunc(in, func(s sample) bool { return s.at > last && strings.ContainsRune(s.kinds, r) })
		if i < 0 {
			return 0, nil, false
		}
		last = in[i].at
	}
	return float64(len(q.seen(in))), idsOf(in), true
}

// links are the samples at the links of the chain that begins and goes on
// earliest.
func (q *question) links(in []sample, all []int) (ids []int) {
	if q.kind != rules.TemporalOrdered {
		return all
	}
	last := int64(math.MinInt64)
	for _, r := range q.inputs {
		i := slices.IndexFunc(in, func(s sample) bool { return s.at > last && strings.ContainsRune(s.kinds, r) })
		last = in[i].at
		for _, s := range in {
			if s.at == last && strings.ContainsRune(s.kinds, r) {
				ids = append(ids, s.id)
			}
		}
	}
	return ids
}

// seen are the inputs that occur.
func (q *question) seen(in []sample) (seen string) {
	for _, r := range q.inputs {
		if slices.ContainsFunc(in, func(s sample) bool { return strings.ContainsRune(s.kinds, r) }) {
			seen += string(r)
		}
	}
	return seen
}

func containsAll(s, chars string) bool {
	for _, c := range chars {
		if !strings.ContainsRune(s, c) {
			return false
		}
	}
	return true
}

func idsOf(in []sample) (ids []int) {
	for _, s := range in {
		ids = append(ids, s.id)
	}
	return ids
}

// alerts are the runs of moments, as lines.
func (q *question) alerts(samples []sample) (lines []string) {
	for _, user := range users(samples) {
		lines = append(lines, runs(user, q.moments(samples, user), cmp.Or(q.suppress, q.span))...)
	}
	slices.Sort(lines)
	return lines
}

// runs are moments that are no further apart than the time of quiet, as lines.
func runs(user string, found []moment, quiet int64) (lines []string) {
	for len(found) > 0 {
		n := 1
		for n < len(found) && found[n].at-found[n-1].at <= quiet {
			n++
		}
		peak, events := math.Inf(-1), []int{}
		for _, m := range found[:n] {
			peak = max(peak, m.value)
			events = append(events, m.events...)
		}
		slices.Sort(events)
		lines = append(lines, alertLine(user, found[0].at, found[n-1].at, peak, slices.Compact(events)))
		found = found[n:]
	}
	return lines
}

// chain is a count of the moments of another correlation.
type chain struct {
	inner question
	limit int
	span  int64
}

func (c *chain) document() string {
	return c.inner.document() + fmt.Sprintf("---\ntitle: c2\nid: 22222222-2222-4222-8222-222222222222\nname: c2\ncorrelation:\n  type: event_count\n  rules: [c1]\n  group-by: [u]\n  timespan: %ds\n  condition: {gte: %d}\n", c.span, c.limit)
}

// alerts are those of the outer correlation, as lines.
func (c *chain) alerts(samples []sample) (lines []string) {
	for _, user := range users(samples) {
		var outer []moment
		inner := c.inner.moments(samples, user)
		for _, m := range inner {
			o := moment{at: m.at}
			for _, other := range inner {
				if other.at >= m.at-c.span && other.at <= m.at {
					o.value++
					o.events = append(o.events, other.links...)
				}
			}
			if int(o.value) >= c.limit {
				outer = append(outer, o)
			}
		}
		lines = append(lines, runs(user, outer, c.span)...)
	}
	slices.Sort(lines)
	return lines
}

func users(samples []sample) (names []string) {
	for _, s := range samples {
		if s.user != "" && !slices.Contains(names, s.user) {
			names = append(names, s.user)
		}
	}
	return names
}

func alertLine(user string, first, last int64, value float64, events []int) string {
	return fmt.Sprintf("%s %04d to %04d: %.9g of %v", user, first, last, value, events)
}

// record is the sample as rules see it.
func (s sample) record() *rules.Record {
	rec := &rules.Record{Values: make([]event.Value, len(caseFields))}
	rec.Values[0] = event.StringValue(s.kinds)
	if s.user != "" {
		rec.Values[1] = event.StringValue(s.user)
	}
	if s.x != "" {
		rec.Values[3] = event.StringValue(s.x)
	}
	return rec
}
