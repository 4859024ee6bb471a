package rules

import (
	"strings"
	"testing"
)

func TestParseCondition(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"a", "a"},
		{"(a)", "a"},
		{"((a))", "a"},
		{" a\n\tand b ", "(and a b)"},
		{"a and b and c", "(and a b c)"},
		{"a or b and c", "(or a (and b c))"},
		{"a and b or c", "(or (and a b) c)"},
		{"a or b or c and d or e", "(or a b (and c d) e)"},
		{"(a or b) and c", "(and (or a b) c)"},
		{"a and (b or c)", "(and a (or b c))"},
		{"not a and b", "(and (not a) b)"},
		{"not (a and b)", "(not (and a b))"},
		{"not not a", "(not (not a))"},
		{"a or not b and not c", "(or a (and (not b) (not c)))"},
		{"1 of them", "(any them)"},
		{"any of them", "(any them)"},
		{"all of them", "(all them)"},
		{"1 of sel_*", "(any sel_*)"},
		{"all of *_x", "(all *_x)"},
		{"not 1 of filter*", "(not (any filter*))"},
		{"sel and not 1 of filter_main_* and not all of f*", "(and sel (not (any filter_main_*)) (not (all f*)))"},
		{"1 of a* or all of b*", "(or (any a*) (all b*))"},
		{"1 of sel", "(any sel)"},
		{"1 of _x*", "(any _x*)"},
		{"all", "all"},
		{"any and all", "(and any all)"},
		{"1", "1"},
		{"a-b and c_d", "(and a-b c_d)"},
		{"selection1and", "selection1and"},
		{"notepad or android", "(or notepad android)"},
		{"a and(b)or c", "(or (and a b) c)"},
		{"them", "them"},
	} {
		got, err := parseCondition(tt.in)
		if err != nil {
			t.Errorf("%q: %v", tt.in, err)
		} else if got.String() != tt.want {
			t.Errorf("%q is %s, want %s", tt.in, got, tt.want)
		}
	}
}

func TestParseConditionErrors(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", "condition is empty"},
		{"  ", "condition is empty"},
		{"a b", `has "b" where "and", "or" or the end should be`},
		{"a and", "ends where a selection should follow"},
		{"and a", `has "and" where a selection should be`},
		{"a or or b", `has "or" where a selection`},
		{"not", "ends where a selection"},
		{"(a", `ends where ")" should follow`},
		{"a)", `has ")" where "and", "or" or the end`},
		{"()", `has ")" where a selection`},
		{"a AND b", "operators are written in lower case"},
		{"NOT a", "operators are written in lower case"},
		{"1 of", `ends where "them" or a pattern`},
		{"1 of (a)", `has "(" where "them"`},
		{"2 of sel*", `has "2" before "of"`},
		{"of them", `has "of" where a selection`},
		{"sel*", `write "1 of sel*" or "all of sel*"`},
		{"a | count() > 5", "write a correlation rule instead"},
		{"a near b", "write a correlation rule of type temporal"},
		{"1 OF a*", "operators are written in lower case"},
		{"a & b", "has the character '&'"},
		{"ä", "has the character 'ä'"},
		{"a\x00", "has the character"},
		{strings.Repeat("(", 200) + "a" + strings.Repeat(")", 200), "nested deeper than 100"},
		{strings.Repeat("not ", 200) + "a", "nested deeper than 100"},
	} {
		if e, err := parseCondition(tt.in); err == nil {
			t.Errorf("%q is %s, want an error", tt.in, e)
		} else if !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %q, want %q in it", tt.in, err, tt.want)
		}
	}
}

func TestQuantifierSelects(t *testing.T) {
	for _, tt := range []struct {
		pattern, name string
		want          bool
	}{
		{"them", "sel", true},
		{"them", "_sel", false},
		{"sel*", "sel", true},
		{"sel*", "sel_1", true},
		{"sel*", "a_sel", false},
		{"*", "_sel", false},
		{"_*", "_sel", true},
		{"_sel", "_sel", true},
		{"*_x", "a_x", true},
		{"*_x", "a_xy", false}, // a pattern means the whole name
		{"a*b*c", "a12b34c", true},
		{"sel", "SEL", false},
	} {
		if got := (quantExpr{pattern: tt.pattern}).selects(tt.name); got != tt.want {
			t.Errorf("%q selects %q: %v", tt.pattern, tt.name, got)
		}
	}
}
