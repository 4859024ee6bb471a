package rules

import (
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// show writes wildcards as ⁎ and ⁇, so that literal ones can be told apart.
func show(tokens []token) string {
	var b strings.Builder
	for _, t := range tokens {
		switch t {
		case anyRun:
			b.WriteRune('⁎')
		case anyOne:
			b.WriteRune('⁇')
		case anyDash:
			b.WriteRune('⁓')
		default:
			b.WriteRune(rune(t))
		}
	}
	return b.String()
}

// What pySigma 1.5.1 makes of the same strings.
func TestParseString(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{``, ``},
		{`abc`, `abc`},
		{`a*c`, `a⁎c`},
		{`a?c`, `a⁇c`},
		{`a\*c`, `a*c`},
		{`a\?c`, `a?c`},
		{`a\\*c`, `a\⁎c`},
		{`a\\\*c`, `a\*c`},
		{`a\\\\c`, `a\\c`},
		{`a\\c`, `a\c`},
		{`a\bc`, `a\bc`},
		{`a\`, `a\`},
		{`C:\Windows\*`, `C:\Windows*`},
		{`C:\\*`, `C:\⁎`},
		{`\\\\server\\share`, `\\server\share`},
		{`\\server\share`, `\server\share`},
		{`*\foo`, `⁎\foo`},
		{`\*`, `*`},
		{`\\\\*`, `\\⁎`},
		{`\\`, `\`},
		{`\\\`, `\\`},
		{`**`, `⁎⁎`},
		{`\?*`, `?⁎`},
		{`a\"b`, `a\"b`},
		{`ä*Ö`, `ä⁎Ö`},
	} {
		if got := show(parseString(tt.in)); got != tt.want {
			t.Errorf("%s is %s, want %s", tt.in, got, tt.want)
		}
	}
}

// What pySigma 1.5.1 makes of the same strings, ⁓ for its five dashes.
func TestWindash(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{" -foo", " ⁓foo"},
		{" -param-name", " ⁓param-name"},
		{"/a -b", "⁓a ⁓b"},
		{"a/b", "a/b"},
		{"--x", "-⁓x"},
		{"x -", "x -"},
		{"-*", "-⁎"},
		{"*-x", "⁎⁓x"},
		{"- a", "- a"},
	} {
		if got := show(windash(parseString(tt.in))); got != tt.want {
			t.Errorf("%q is %q, want %q", tt.in, got, tt.want)
		}
	}
	p := compilePattern(windash(parseString("cmd -x")), false)
	for s, want := range map[string]bool{
		"cmd -x": true, "CMD /X": true, "cmd –x": true, "cmd —x": true, "cmd ―x": true, "cmd +x": false, "cmd ‒x": false,
	} {
		if p.matches(s) != want {
			t.Errorf("%q matches: %v", s, !want)
		}
	}
}

// What pySigma 1.5.1 makes of the same texts, but for utf16: the byte order
// mark is FF FE by the specification, while pySigma writes that of UTF-8.
func TestEncodeText(t *testing.T) {
	for _, tt := range []struct {
		in, encodings string
		want          []string
	}{
		{"foobar", "base64", []string{"Zm9vYmFy"}},
		{"foobar", "base64offset", []string{"Zm9vYmFy", "Zvb2Jhc", "mb29iYX"}},
		{"foobar", "wide|base64offset", []string{"ZgBvAG8AYgBhAHIA", "YAbwBvAGIAYQByA", "mAG8AbwBiAGEAcg"}},
		{"foobar", "utf16le|base64", []string{"ZgBvAG8AYgBhAHIA"}},
		{"foobar", "utf16be|base64", []string{"AGYAbwBvAGIAYQBy"}},
		{"http://", "base64offset", []string{"aHR0cDovL", "h0dHA6Ly", "odHRwOi8v"}},
		{"secret1", "base64offset", []string{"c2VjcmV0M", "NlY3JldD", "zZWNyZXQx"}},
		{"ab", "wide|base64offset", []string{"YQBiA", "EAYg", "hAGIA"}},
		{"a", "base64offset", []string{"Y", "h"}},
		{"a", "utf16|base64", []string{"//5hAA=="}},
		{"", "base64offset", nil},
	} {
		if diff := cmp.Diff(tt.want, encodeText(tt.in, strings.Split(tt.encodings, "|"))); diff != "" {
			t.Errorf("%q %s (-want +got):\n%s", tt.in, tt.encodings, diff)
		}
	}
}

func TestFoldIsSimpleFolding(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		next := unicode.SimpleFold(r)
		if fold(r) != fold(next) {
			t.Fatalf("fold(%U) = %U, but fold(%U) = %U", r, fold(r), next, fold(next))
		}
		if f := fold(r); f != r && !strings.EqualFold(string(f), string(r)) {
			t.Fatalf("fold(%U) = %U, which is another character", r, f)
		}
	}
}

// The oracle is a regular expression made from the same tokens.
func TestPatternMatchesLikeRegexp(t *testing.T) {
	alphabet := []rune("abABkKſs*?\\ä\n世 ")
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.SampledFrom(alphabet))
		tokens := parseString(text.Draw(t, "pattern"))
		cased := rapid.Bool().Draw(t, "cased")
		s := text.Draw(t, "text")
		p := compilePattern(tokens, cased)
		if got, want := p.matches(s), oracle(tokens, cased).MatchString(s); got != want {
			t.Fatalf("%q matches %q: %v, want %v", show(tokens), s, got, want)
		}
	})
}

func oracle(tokens []token, cased bool) *regexp.Regexp {
	expr := `(?is)\A`
	if cased {
		expr = `(?s)\A`
	}
	for _, t := range tokens {
		switch t {
		case anyRun:
			expr += ".*"
		case anyOne:
			expr += "."
		default:
			expr += regexp.QuoteMeta(string(rune(t)))
		}
	}
	return regexp.MustCompile(expr + `\z`)
}

func TestCompareTextsLikeStrings(t *testing.T) {
	text := rapid.StringOf(rapid.SampledFrom([]rune("abAä世")))
	rapid.Check(t, func(t *rapid.T) {
		s, part := text.Draw(t, "s"), text.Draw(t, "part")
		ls, lp := strings.ToLower(s), strings.ToLower(part)
		for _, tt := range []struct {
			compare     string
			cased, fold bool
		}{
			{"", s == part, ls == lp},
			{"contains", strings.Contains(s, part), strings.Contains(ls, lp)},
			{"startswith", strings.HasPrefix(s, part), strings.HasPrefix(ls, lp)},
			{"endswith", strings.HasSuffix(s, part), strings.HasSuffix(ls, lp)},
		} {
			if compareTexts(s, part, tt.compare, true) != tt.cased || compareTexts(s, part, tt.compare, false) != tt.fold {
				t.Fatalf("%q %s %q: want cased %v, folded %v", s, tt.compare, part, tt.cased, tt.fold)
			}
		}
	})
}
