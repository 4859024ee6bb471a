package window

import (
	"math"
	"math/bits"
)

// sum adds numbers up: the correlation types value_sum and, divided, value_avg.
// Whole numbers are added exactly, in 128 bits, so that no hostile number makes
// it overflow and blinds a rule; fractions with the error of every addition
// carried along (Neumaier 1974), so that what is taken out again leaves nothing
// behind.
type sum struct {
	hi          int64
	lo          uint64
	f, carry    float64
	fractions   int
	n           int
	wantAverage bool
}

func newSum() tally     { return &sum{} }
func newAverage() tally { return &sum{wantAverage: true} }

func (s *sum) add(_ int64, _ uint64, v value, _ bool) { s.plus(v, 1) }

func (s *sum) remove(_ int64, _ uint64, v value, _ bool) { s.plus(v, -1) }

func (s *sum) plus(v value, sign int) {
	switch v[1] {
	case whole:
		s.whole(int64(v[0]), sign < 0)
	case fraction:
		s.fraction(float64(sign)*math.Float64frombits(v[0]), sign)
	default:
		return
	}
	s.n += sign
}

func (s *sum) whole(i int64, minus bool) {
	lo, hi := uint64(i), uint64(i>>63)
	if minus {
		var borrow uint64
		s.lo, borrow = bits.Sub64(s.lo, lo, 0)
		h, _ := bits.Sub64(uint64(s.hi), hi, borrow)
		s.hi = int64(h)
		return
	}
	var carry uint64
	s.lo, carry = bits.Add64(s.lo, lo, 0)
	h, _ := bits.Add64(uint64(s.hi), hi, carry)
	s.hi = int64(h)
}

func (s *sum) fraction(x float64, sign int) {
	t := s.f + x
	if math.Abs(s.f) >= math.Abs(x) {
		s.carry += (s.f - t) + x
	} else {
		s.carry += (x - t) + s.f
	}
	s.f = t
	if s.fractions += sign; s.fractions == 0 {
		s.f, s.carry = 0, 0
	}
}

func (s *sum) total() float64 {
	if s.hi == int64(s.lo)>>63 {
		return float64(int64(s.lo)) + s.f + s.carry
	}
	return float64(s.hi)*(1<<64) + float64(s.lo) + s.f + s.carry
}

func (s *sum) measured(int64) (float64, bool) {
	if s.wantAverage {
		return s.total() / float64(s.n), s.n > 0
	}
	return s.total(), s.n > 0
}

func (s *sum) reset() { *s = sum{wantAverage: s.wantAverage} }
