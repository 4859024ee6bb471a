package dashboards_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// query is what an expression of PromQL asks for.
type query struct {
	metrics    []selector
	grouping   []string // the labels of by (…), the innermost first
	aggregates bool
}

type selector struct {
	name   string
	labels []string // those that are matched
}

var token = regexp.MustCompile(`^(?:(\s+|#[^\n]*)|("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(\[(?:\d+(?:ms|[smhdwy]))+\])|((?:\d+(?:ms|[smhdwy]))+\b)|(\d+(?:\.\d*)?|\.\d+)|([a-zA-Z_:][a-zA-Z0-9_:]*)|(=~|!~|!=|==|<=|>=|[-+*/%^=<>(){},@]))`)

// kinds of token, by the group of the pattern above.
const (
	space = iota + 1
	text
	window
	duration
	number
	name
	operator
)

type lexeme struct {
	kind int
	text string
}

func lex(expr string) ([]lexeme, error) {
	var all []lexeme
	for rest := expr; rest != ""; {
		m := token.FindStringSubmatch(rest)
		if m == nil {
			return nil, fmt.Errorf("no PromQL at %.20q", rest)
		}
		kind := slices.IndexFunc(m[1:], func(s string) bool { return s != "" }) + 1
		if kind != space {
			all = append(all, lexeme{kind, m[0]})
		}
		rest = rest[len(m[0]):]
	}
	return all, nil
}

var (
	words      = []string{"and", "or", "unless", "offset", "bool", "on", "ignoring", "by", "without"}
	aggregates = []string{"sum", "min", "max", "avg", "count", "topk", "quantile"}
	functions  = []string{"rate", "increase", "deriv", "changes", "absent", "time", "vector", "histogram_quantile", "day_of_week", "round"}
)

// scan finds what an expression asks for. It knows the tokens, the brackets and
// the names of functions; whether the whole is well formed is promtool's to say.
func scan(expr string) (query, error) {
	toks, err := lex(expr)
	if err != nil {
		return query{}, err
	}
	if err := balanced(toks); err != nil {
		return query{}, err
	}
	var q query
	for i := 0; i < len(toks); i++ {
		t := toks[i]
		called := i+1 < len(toks) && toks[i+1].text == "("
		switch {
		case t.kind != name:
		case slices.Contains([]string{"by", "without", "on", "ignoring"}, t.text):
			labels := until(toks[i+1:], ")")
			if t.text == "by" {
				q.grouping = append(q.grouping, names(labels)...)
			}
			i += len(labels) + 1
		case slices.Contains(words, t.text):
		case slices.Contains(aggregates, t.text):
			q.aggregates = true
		case called && slices.Contains(functions, t.text):
		case called:
			return q, fmt.Errorf("%s is no function that this test knows", t.text)
		default:
			s := selector{name: t.text}
			if i+1 < len(toks) && toks[i+1].text == "{" {
				inside := until(toks[i+1:], "}")
				s.labels = names(inside)
				i += len(inside) + 1
			}
			q.metrics = append(q.metrics, s)
		}
	}
	return q, nil
}

func until(toks []lexeme, end string) []lexeme {
	return toks[:slices.IndexFunc(toks, func(t lexeme) bool { return t.text == end && t.kind == operator })]
}

func names(toks []lexeme) []string {
	var all []string
	for _, t := range toks {
		if t.kind == name {
			all = append(all, t.text)
		}
	}
	return all
}

func balanced(toks []lexeme) error {
	var open []string
	closes := map[string]string{")": "(", "}": "{"}
	for _, t := range toks {
		switch {
		case t.kind != operator:
		case t.text == "(" || t.text == "{":
			open = append(open, t.text)
		case closes[t.text] != "":
			if len(open) == 0 || open[len(open)-1] != closes[t.text] {
				return fmt.Errorf("a %q closes nothing", t.text)
			}
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		return fmt.Errorf("a %q is not closed", open[len(open)-1])
	}
	return nil
}

func TestScan(t *testing.T) {
	for _, c := range []struct{ expr, want string }{
		{`up`, "up[] by[]"},
		{`sum by (a, b) (rate(x_total{c="sum(}",d=~'e'}[5m])) > 1.5`, "x_total[c d] by[a b]"},
		{`time() - max(r:s:t) and on (z) x offset 1h30m`, "r:s:t[] x[] by[]"},
		{`sum(x`, `a "(" is not closed`},
		{`sum)x`, `a ")" closes nothing`},
		{`sum(x}`, `a "}" closes nothing`},
		{`summ(x)`, "summ is no function that this test knows"},
		{`x & y`, `no PromQL at "& y"`},
		{`x{a="b}`, `no PromQL at "\"b}"`},
		{`rate(x[5 minutes])`, `no PromQL at "[5 minutes])"`},
	} {
		q, err := scan(c.expr)
		var b strings.Builder
		for _, m := range q.metrics {
			fmt.Fprintf(&b, "%s%v ", m.name, m.labels)
		}
		got := fmt.Sprintf("%sby%v", b.String(), q.grouping)
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: got %s, want %s", c.expr, got, c.want)
		}
	}
}
