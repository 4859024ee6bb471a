package window

import (
	"math"
	"math/bits"
	"time"

	"github.com/crmwatch/crmwatch/rules"
)

// series is a correlation as the engine runs it, for all its groups.
type series[P any] struct {
	meta        *rules.Meta
	correlation *rules.Correlation // nil for a rule of single events
	inputs      []rules.Input
	outer       []feed[P] // correlations that this one is an input of
	index       int
	level       int

	kind    rules.Type
	bounds  []rules.Bound
	clauses []clause
	ordered bool
	forward bool // a clause has a Without
	numeric bool // only entries with a number contribute
	alerts  bool

	span, suppress, lateness int64
	// keep is how long behind the watermark entries are needed.
	keep int64
	// early says that the condition, once it holds at an instant, holds for good.
	early bool
	// need is the least number of entries with which the condition can hold,
	// required the inputs that must have been seen.
	need     int
	required uint64

	tally func() tally // nil where counting the entries is enough
	spare []tally
	idle  fifo[P] // windows in the order of when to look whether they are idle
}

// clause is a way in which a temporal condition holds; slots are the inputs of
// With in the order of the rules.
type clause struct {
	rules.Clause
	slots []int
}

func ofRule[P any](r *rules.Rule) *series[P] {
	return &series[P]{
		meta: &r.Meta, kind: rules.EventCount, bounds: []rules.Bound{{Op: rules.GTE, Threshold: 1}},
		alerts: true, early: true, need: 1, suppress: r.Window.Suppress.Milliseconds(), lateness: r.Window.Lateness.Milliseconds(),
	}
}

func ofCorrelation[P any](c *rules.Correlation) *series[P] {
	s := &series[P]{
		meta: &c.Meta, correlation: c, kind: c.Type, bounds: c.Bounds, alerts: c.Alerts, need: 1,
		span: c.Timespan.Milliseconds(), suppress: c.Window.Suppress.Milliseconds(), lateness: c.Window.Lateness.Milliseconds(),
	}
	if s.suppress == 0 {
		s.suppress = s.span
	}
	growing := onlyLower(c.Bounds)
	switch c.Type {
	case rules.EventCount:
		s.early = growing
	case rules.ValueCount:
		s.early, s.tally = growing, newDistinct
	case rules.ValueSum:
		s.early, s.numeric, s.tally = growing, true, newSum
	case rules.ValueAvg:
		s.numeric, s.tally = true, newAverage
	case rules.ValueMedian, rules.ValuePercentile:
		s.numeric = true
		s.tally = func() tally { return newPercentile(c.Percentile) }
	default:
		s.setTemporal(c, growing)
	}
	if growing && (c.Type == rules.EventCount || c.Type == rules.ValueCount) {
		s.need = leastCount(c.Bounds)
	}
	return s
}

// onlyLower reports whether the condition, once true, stays true when what is
// measured grows.
func onlyLower(bounds []rules.Bound) bool {
	for _, b := range bounds {
		if b.Op != rules.GT && b.Op != rules.GTE {
			return false
		}
	}
	return true
}

// leastCount is the least whole number for which all lower bounds hold.
func leastCount(bounds []rules.Bound) int {
	least := 1.0
	for _, b := range bounds {
		n := math.Ceil(b.Threshold)
		if b.Op == rules.GT {
			n = math.Floor(b.Threshold) + 1
		}
		least = max(least, n)
	}
	return int(min(least, math.MaxInt32))
}

// setTemporal prepares a temporal or ordered condition. Without one all inputs
// must be seen.
func (s *series[P]) setTemporal(c *rules.Correlation, growing bool) {
	n := len(c.Inputs)
	s.early = growing
	s.ordered = c.Type == rules.TemporalOrdered
	switch {
	case c.Clauses != nil:
		for _, cl := range c.Clauses {
			s.forward = s.forward || cl.Without != 0
			s.clauses = append(s.clauses, clause{cl, slotsOf(cl.With)})
		}
		s.early = !s.forward
		s.required = s.clauses[0].With
		for _, cl := range s.clauses {
			s.required &= cl.With
		}
	case len(c.Bounds) == 0:
		s.bounds = []rules.Bound{{Op: rules.GTE, Threshold: float64(n)}}
		s.required = 1<<n - 1
		s.clauses = []clause{{rules.Clause{With: s.required}, slotsOf(s.required)}}
	case s.ordered:
		s.clauses = subsets(n, leastCount(c.Bounds))
	default:
		if growing && leastCount(c.Bounds) >= n {
			s.required = 1<<n - 1
		}
	}
	if s.ordered {
		s.tally = func() tally { return newSequence(n, s.clauses) }
	} else {
		s.tally = func() tally { return newSeen(n) }
	}
}

func slotsOf(mask uint64) (slots []int) {
	for ; mask != 0; mask &= mask - 1 {
		slots = append(slots, bits.TrailingZeros64(mask))
	}
	return slots
}

// subsets are the ways to choose k of n inputs, in their order. A threshold of
// two out of three asks for an ordered pair.
func subsets(n, k int) (list []clause) {
	for mask := uint64(1)<<k - 1; k > 0 && mask < 1<<n; {
		list = append(list, clause{rules.Clause{With: mask}, slotsOf(mask)})
		// The next number with as many bits (Gosper's hack).
		low := mask & -mask
		high := mask + low
		mask = (mask^high)/low>>2 | high
	}
	return list
}

// setTimes takes over what the rule leaves to the configuration.
func (s *series[P]) setTimes(cfg interface{ lateness() time.Duration }) {
	if s.lateness == 0 {
		s.lateness = cfg.lateness().Milliseconds()
	}
	if cfg.lateness() == 0 {
		s.lateness = 0
	}
	s.keep = s.span + s.lateness
	if s.forward {
		s.keep += s.span
	}
}

func (c *Config[P]) lateness() time.Duration {
	if c.Final {
		return 0
	}
	return c.Lateness
}

// holds reports whether the bounds hold for what was measured.
func (s *series[P]) holds(measured float64) bool {
	for _, b := range s.bounds {
		if !b.Holds(measured) {
			return false
		}
	}
	return true
}

// takeTally gives a tally that is empty.
func (s *series[P]) takeTally() tally {
	if n := len(s.spare); n > 0 {
		t := s.spare[n-1]
		s.spare = s.spare[:n-1]
		return t
	}
	return s.tally()
}

func (s *series[P]) giveTally(t tally) {
	t.reset()
	s.spare = append(s.spare, t)
}
