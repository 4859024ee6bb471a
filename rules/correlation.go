package rules

import "time"

// Type is a type of correlation.
type Type string

// The types of correlation in the Sigma specification 2.1.0, and the median of
// pySigma.
const (
	EventCount      Type = "event_count"
	ValueCount      Type = "value_count"
	ValueSum        Type = "value_sum"
	ValueAvg        Type = "value_avg"
	ValueMedian     Type = "value_median"
	ValuePercentile Type = "value_percentile"
	Temporal        Type = "temporal"
	TemporalOrdered Type = "temporal_ordered"
)

// Op compares what a correlation measures with its threshold.
type Op string

// The operators.
const (
	GT  Op = "gt"
	GTE Op = "gte"
	LT  Op = "lt"
	LTE Op = "lte"
	EQ  Op = "eq"
	NEQ Op = "neq"
)

// Correlation is a correlation rule: it measures the matches of other rules, by
// group and over a span of event time.
type Correlation struct {
	Meta
	// Index is the correlation's place in Set.Correlations. What a correlation
	// refers to comes before it.
	Index int
	Type  Type
	// Inputs are what is measured, in the order of the file: at most MaxInputs.
	Inputs []Input
	// GroupBy are the names of what makes a group, in the order of the file: fields
	// or aliases. Each input says where it has them. Empty for one group of all.
	GroupBy []string
	// Timespan is the length of the window. Events exactly this far apart are in
	// one window.
	Timespan time.Duration
	// Bounds are the condition's comparisons, all of which must hold for what was
	// measured: one, or two that make a range.
	Bounds []Bound
	// FieldNames are what is counted, added up or averaged; of the value types.
	// More than one only in ValueCount, which counts combinations.
	FieldNames []string
	// Percentile is between 0 and 100, of ValuePercentile and ValueMedian.
	Percentile float64
	// Clauses are the condition of a Temporal or TemporalOrdered rule that is
	// written in words ("a and (b or c) and not d"), in disjunctive normal form;
	// nil where it is not.
	Clauses []Clause
	// Generate says that the rules alert on their own, too.
	Generate bool
	// Alerts says that what holds is a finding. It is false for a correlation that
	// only feeds others, none of which says "generate: true".
	Alerts bool
}

// MaxInputs is how many rules one correlation may name.
const MaxInputs = 64

// Input is one of the rules that a correlation measures: a detection rule, or a
// correlation whose every instant counts as an event.
type Input struct {
	Rule        *Rule        // nil for a correlation
	Correlation *Correlation // nil for a rule
	// GroupBy says, for each name in the correlation's GroupBy, which field of the
	// record it is; for an input that is a correlation, which of its own GroupBy,
	// by index.
	GroupBy []Field
	// Values says the same for the correlation's FieldNames.
	Values []Field
}

// meta is what the input says about itself.
func (in *Input) meta() *Meta {
	if in.Rule != nil {
		return &in.Rule.Meta
	}
	return &in.Correlation.Meta
}

// Bound compares what a correlation measures with a threshold.
type Bound struct {
	Op        Op
	Threshold float64
}

// Holds reports whether the comparison holds for what was measured.
func (b Bound) Holds(measured float64) bool {
	switch b.Op {
	case GT:
		return measured > b.Threshold
	case GTE:
		return measured >= b.Threshold
	case LT:
		return measured < b.Threshold
	case LTE:
		return measured <= b.Threshold
	case EQ:
		return measured == b.Threshold
	default:
		return measured != b.Threshold
	}
}

// Clause is one way in which a condition in words holds: all inputs of With were
// seen in the window, and none of Without. Bit i is input i. With is never 0.
type Clause struct{ With, Without uint64 }

// Holds reports whether the condition holds for what was measured.
func (c *Correlation) Holds(measured float64) bool {
	for _, b := range c.Bounds {
		if !b.Holds(measured) {
			return false
		}
	}
	return true
}

// PersonFields are the fields that name a person or an account. A correlation
// groups by at least one of them, because the stream of events is partitioned by
// person: only what one person did meets in one place.
func PersonFields() []string { return []string{"actor.key", "actor.person", "actor.id"} }
