package rules

import (
	"slices"
	"strings"
	"testing"
)

func TestRequiredLiterals(t *testing.T) {
	for _, tt := range []struct{ expr, want string }{
		{"abc", "abc"},
		{"aBc", "abc"},
		{"(?i)K", "k"},
		{`^ab\.cd$`, "ab.cd"},
		{"ab.*longer.*cd", "longer"},
		{"x(abc)+y", "abc"},
		{"x(abc)*yz", "yz"},
		{"x(abc)?", "x"},
		{"(abc){2,3}", "abc"},
		{"(abc){0,3}", ""},
		{"(curl|wget)/[0-9]", "curl wget"},
		{"(curl|[0-9])/", "/"},
		{"(curl|)", ""},
		{"[ab]", ""},
		{".*", ""},
		{"", ""},
		{"客户", "客户"},
	} {
		got := requiredLiterals(tt.expr)
		slices.Sort(got)
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s requires %q, want %q", tt.expr, got, tt.want)
		}
	}
}
