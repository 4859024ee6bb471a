package rules

import (
	"fmt"
	"net/netip"
	"regexp"
	"time"

	"github.com/crmwatch/crmwatch/event"
)

// test is a compiled value.
type test interface {
	// holds decides about a value that is no list. Absent and null values pass no
	// test but null and exists.
	holds(x *operand) bool
	// key is the same for equal tests.
	key() string
	// atoms are literals one of which is in every text that passes, so that an
	// index can find them; none where there are no such literals.
	atoms() []atom
}

// textTest compares with a Sigma string.
type textTest struct{ pattern pattern }

func (t *textTest) holds(x *operand) bool { return x.isText() && t.pattern.matches(x.asText()) }

func (t *textTest) key() string { return t.pattern.key() }

func (t *textTest) atoms() []atom {
	a := t.pattern.atom()
	switch {
	case a.literal == "" && a.place != whole:
		return nil
	case !t.pattern.plain():
		a.test = t
	}
	return []atom{a}
}

// regexTest searches for a regular expression.
type regexTest struct {
	re       *regexp.Regexp
	literals []string // one of them is in every text that matches
}

func (t *regexTest) holds(x *operand) bool { return x.isText() && t.re.MatchString(x.asText()) }

func (t *regexTest) key() string { return "re " + t.re.String() }

func (t *regexTest) atoms() []atom {
	atoms := make([]atom, len(t.literals))
	for i, l := range t.literals {
		atoms[i] = atom{l, anywhere, t}
	}
	return atoms
}

// unindexed is embedded by tests that no literal can stand for.
type unindexed struct{}

func (unindexed) atoms() []atom { return nil }

// nullTest holds where the field is absent or null.
type nullTest struct{ unindexed }

func (nullTest) holds(x *operand) bool { return x.isNull() }

func (nullTest) key() string { return "null" }

// existsTest holds where the field is present, be it empty or null, or absent.
type existsTest struct {
	unindexed
	want bool
}

func (t existsTest) holds(x *operand) bool { return (x.Kind != event.Absent) == t.want }

func (t existsTest) key() string { return fmt.Sprint("exists ", t.want) }

// cidrTest holds for addresses in a network.
type cidrTest struct {
	unindexed
	prefix netip.Prefix
}

func (t cidrTest) holds(x *operand) bool { return t.prefix.Contains(x.asAddr()) }

func (t cidrTest) key() string { return "cidr " + t.prefix.String() }

// orderTest compares numbers.
type orderTest struct {
	unindexed
	op  string // lt, lte, gt, gte
	num number
}

func (t orderTest) holds(x *operand) bool {
	num, ok := x.asNumber()
	return ok && t.ordered(num)
}

func (t orderTest) key() string { return fmt.Sprint(t.op, t.num) }

func (t orderTest) ordered(x number) bool {
	c := x.compare(t.num)
	switch t.op {
	case "lt":
		return c < 0
	case "lte":
		return c <= 0
	case "gt":
		return c > 0
	default:
		return c >= 0
	}
}

func (x number) compare(y number) int {
	less, more := x.f < y.f, x.f > y.f
	if x.whole && y.whole {
		less, more = x.i < y.i, x.i > y.i
	}
	switch {
	case less:
		return -1
	case more:
		return 1
	default:
		return 0
	}
}

// timeTest compares a part of a time, in UTC, with a number.
type timeTest struct {
	part  string
	order orderTest
	equal bool
	unindexed
}

func (t *timeTest) holds(x *operand) bool {
	at, ok := x.asTime()
	if !ok {
		return false
	}
	n := timePart(at, t.part)
	if t.equal {
		return n == t.order.num.i
	}
	return t.order.ordered(number{whole: true, i: n, f: float64(n)})
}

func (t *timeTest) key() string { return t.part + " " + t.order.key() }

func timePart(at time.Time, part string) int64 {
	switch part {
	case "minute":
		return int64(at.Minute())
	case "hour":
		return int64(at.Hour())
	case "day":
		return int64(at.Day())
	case "week":
		_, week := at.ISOWeek()
		return int64(week)
	case "month":
		return int64(at.Month())
	default:
		return int64(at.Year())
	}
}

func compareTexts(s, part, compare string, cased bool) bool {
	switch compare {
	case "contains":
		for ; len(s) > 0; s = s[runeLen(s):] {
			if _, ok := cutText(s, part, cased); ok {
				return true
			}
		}
		return part == ""
	case "startswith":
		_, ok := cutText(s, part, cased)
		return ok
	case "endswith":
		for ; len(s) > 0; s = s[runeLen(s):] {
			if rest, ok := cutText(s, part, cased); ok && rest == "" {
				return true
			}
		}
		return part == ""
	default:
		rest, ok := cutText(s, part, cased)
		return ok && rest == ""
	}
}
