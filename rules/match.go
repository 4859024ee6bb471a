package rules

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/crmwatch/crmwatch/event"
)

// node is a compiled condition, selection or item.
type node interface{ match(*Record) bool }

type (
	allNode []node
	anyNode []node
	notNode struct{ node }
)

func (n allNode) match(rec *Record) bool {
	for _, c := range n {
		if !c.match(rec) {
			return false
		}
	}
	return true
}

func (n anyNode) match(rec *Record) bool {
	for _, c := range n {
		if c.match(rec) {
			return true
		}
	}
	return false
}

func (n notNode) match(rec *Record) bool { return !n.node.match(rec) }

// test is a compiled value. An absent field passes no test but null and exists.
type test interface{ holds(event.Value) bool }

// fieldNode compares one field with values.
type fieldNode struct {
	field Field
	tests []test
	all   bool
}

func (n *fieldNode) match(rec *Record) bool { return holds(rec.Values[n.field], n.tests, n.all) }

func holds(v event.Value, tests []test, all bool) bool {
	for _, t := range tests {
		if t.holds(v) != all {
			return !all
		}
	}
	return all
}

// keywordNode searches all content of a record for texts. With all, each of
// them must be somewhere, not all in one place: the specification searches the
// entire event.
type keywordNode struct {
	tests []test
	all   bool
}

func (n *keywordNode) match(rec *Record) bool {
	for i := range n.tests {
		if someLeaf(rec, n.tests[i]) != n.all {
			return !n.all
		}
	}
	return n.all
}

func someLeaf(rec *Record, t test) bool {
	for _, v := range rec.Leaves {
		if t.holds(v) {
			return true
		}
	}
	return false
}

// textTest compares with a Sigma string.
type textTest struct{ pattern pattern }

func (t *textTest) holds(v event.Value) bool {
	switch v.Kind {
	case event.Absent:
		return false
	case event.Int:
		// Unlike v.Text, this leaves the text on the stack.
		var buf [20]byte
		return t.pattern.matches(string(strconv.AppendInt(buf[:0], v.Int, 10)))
	default:
		return t.pattern.matches(v.Text())
	}
}

// plainTest compares with a string without wildcards. It spares numbers the way
// over their text.
type plainTest struct {
	pattern pattern
	isInt   bool // the string is how n is written
	n       int64
}

func newPlainTest(text string, p pattern) *plainTest {
	n, err := strconv.ParseInt(text, 10, 64)
	return &plainTest{pattern: p, n: n, isInt: err == nil && strconv.FormatInt(n, 10) == text}
}

func (t *plainTest) holds(v event.Value) bool {
	switch v.Kind {
	case event.Absent:
		return false
	case event.Int:
		return t.isInt && t.n == v.Int
	default:
		return t.pattern.matches(v.Text())
	}
}

// regexTest searches for a regular expression.
type regexTest struct{ re *regexp.Regexp }

func (t regexTest) holds(v event.Value) bool {
	return v.Kind != event.Absent && t.re.MatchString(v.Text())
}

// nullTest holds where the field is absent.
type nullTest struct{}

func (nullTest) holds(v event.Value) bool { return v.Kind == event.Absent }

// existsTest holds where the field is present, or absent.
type existsTest struct{ want bool }

func (t existsTest) holds(v event.Value) bool { return (v.Kind != event.Absent) == t.want }

// cidrTest holds for addresses in a network. An IPv4 address in IPv6 form
// counts as what it is.
type cidrTest struct{ prefix netip.Prefix }

func (t cidrTest) holds(v event.Value) bool {
	// Most texts that are no address are told apart without making an error.
	if v.Kind != event.String || strings.Trim(v.Str, "0123456789abcdefABCDEF.:") != "" {
		return false
	}
	addr, err := netip.ParseAddr(v.Str)
	return err == nil && t.prefix.Contains(addr.Unmap())
}

// orderTest compares numbers.
type orderTest struct {
	op  string // lt, lte, gt, gte
	num number
}

func (t orderTest) holds(v event.Value) bool {
	switch v.Kind {
	case event.Int:
		return t.ordered(number{whole: true, i: v.Int, f: float64(v.Int)})
	case event.String:
		num, ok := textNumber(v.Str)
		return ok && t.ordered(num)
	default:
		return false
	}
}

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

// textNumber reads a number in decimal form.
func textNumber(s string) (number, bool) {
	if s == "" || strings.Trim(s, "0123456789+-.eE") != "" {
		return number{}, false
	}
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return number{whole: true, i: i, f: float64(i)}, true
	}
	f, err := strconv.ParseFloat(s, 64)
	return number{f: f}, err == nil
}

// timeTest compares a part of a time, in UTC, with a number.
type timeTest struct {
	part  string
	order orderTest
	equal bool
}

func (t *timeTest) holds(v event.Value) bool {
	if v.Kind != event.String || len(v.Str) < len("2006-01-02T15:04:05Z") {
		return false
	}
	at, err := time.Parse(time.RFC3339, v.Str)
	if err != nil {
		return false
	}
	n := timePart(at.UTC(), t.part)
	if t.equal {
		return n == t.order.num.i
	}
	return t.order.ordered(number{whole: true, i: n})
}

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

// refNode compares two fields of a record as texts.
type refNode struct {
	field, other Field
	compare      string // "", contains, startswith, endswith
	cased        bool
}

func (n *refNode) match(rec *Record) bool {
	v, w := rec.Values[n.field], rec.Values[n.other]
	if v.Kind == event.Absent || w.Kind == event.Absent {
		return false
	}
	return compareTexts(v.Text(), w.Text(), n.compare, n.cased)
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

// anyTest holds where one of the tests does.
type anyTest []test

func (t anyTest) holds(v event.Value) bool { return holds(v, t, false) }
