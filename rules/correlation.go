package rules

import "time"

// Type is a type of correlation.
type Type string

// The types of correlation in the Sigma specification 2.1.0, and the median of
// pySigma. EventCount, ValueCount and ValueSum are supported.
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

// The operators. GT and GTE are supported.
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
	// Index is the correlation's place in Set.Correlations.
	Index int
	Type  Type
	// Rules are the detection rules whose matches are measured, in the order of
	// the file.
	Rules []*Rule
	// GroupBy are the fields that make a group, GroupByNames their paths. At least
	// one of them names the person, see PersonFields.
	GroupBy      []Field
	GroupByNames []string
	// Timespan is the length of the window. Events exactly this far apart are in
	// one window.
	Timespan time.Duration
	// Op and Threshold are the condition: it holds where measured Op Threshold.
	Op        Op
	Threshold float64
	// Field is the field whose distinct values are counted or whose numbers are
	// added up, FieldName its path; of ValueCount and ValueSum.
	Field     Field
	FieldName string
	// Generate says that the rules alert on their own, too.
	Generate bool
}

// Holds reports whether the condition holds for what was measured.
func (c *Correlation) Holds(measured float64) bool {
	switch c.Op {
	case GT:
		return measured > c.Threshold
	case GTE:
		return measured >= c.Threshold
	default:
		return false
	}
}

// PersonFields are the fields that name a person or an account. A correlation
// groups by at least one of them, because the stream of events is partitioned by
// person: only what one person did meets in one place.
func PersonFields() []string { return []string{"actor.key", "actor.person", "actor.id"} }
