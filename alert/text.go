package alert

import (
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// ellipsis ends a text that was cut.
const ellipsis = "…"

// maxMarks is how many combining marks in a row are kept: no script needs more,
// and towers of them hide the lines above.
const maxMarks = 4

// Plain makes a text from anywhere safe to show to a person: one line of at most
// limit characters without control, formatting and direction characters, in
// which no URL can be followed. What it returns is still plain text: a sink
// whose medium has markup must escape it. Plain of its own result changes
// nothing.
func Plain(s string, limit int) string {
	return Cut(defang(oneLine(s, limit+1)), limit)
}

// oneLine drops what cannot be seen or changes what is seen next to it, and
// makes every run of white space one blank. It stops after limit characters,
// because a hostile text may be long.
func oneLine(s string, limit int) string {
	var b strings.Builder
	marks, kept, blank := 0, 0, false
	for _, r := range s {
		if kept >= limit {
			break
		}
		switch {
		case isInvisible(r):
			continue
		case r > ' ' && r < unicode.MaxASCII || unicode.IsLetter(r):
			marks = 0
		case unicode.IsSpace(r) || r == unicode.ReplacementChar || unicode.IsControl(r):
			blank = blank || b.Len() > 0
			continue
		case unicode.In(r, unicode.Cf, unicode.Co, unicode.Cs, unicode.Zl, unicode.Zp):
			continue
		case unicode.In(r, unicode.Mn, unicode.Me):
			if marks++; marks > maxMarks {
				continue
			}
		default:
			marks = 0
		}
		if blank {
			b.WriteByte(' ')
			blank = false
			kept++
		}
		b.WriteRune(r)
		kept++
	}
	return b.String()
}

// isInvisible reports characters that are letters or marks by their category
// and yet are drawn as nothing or as a blank.
func isInvisible(r rune) bool {
	switch r {
	case '\u034f', '\u115f', '\u1160', '\u17b4', '\u17b5', '\u2800', '\u3164', '\uffa0':
		return true
	}
	return r >= '\ufe00' && r <= '\ufe0f' || r >= '\U000e0100' && r <= '\U000e01ef'
}

var (
	webScheme = regexp.MustCompile(`(?i)h(tt)(ps?)://`)
	anyScheme = regexp.MustCompile(`://`)
	webHost   = regexp.MustCompile(`(?i)\b(www)\.`)
)

// defang breaks URLs in the way analysts know, so that no medium makes a link of
// one.
func defang(s string) string {
	s = webScheme.ReplaceAllString(s, "hxx${2}[:]//")
	s = anyScheme.ReplaceAllString(s, "[:]//")
	return webHost.ReplaceAllString(s, "${1}[.]")
}

// Cut shortens a text to limit characters, the last of which is then an
// ellipsis.
func Cut(s string, limit int) string {
	if len(s) <= limit || utf8.RuneCountInString(s) <= limit {
		return s
	}
	n := 0
	for i := range s {
		if n++; n == limit {
			return strings.TrimRight(s[:i], " ") + ellipsis
		}
	}
	return ""
}

// thousands writes a number with separators: 48,210.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// counted writes a number and its noun, which has a regular plural.
func counted(n int64, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return thousands(n) + " " + noun
}

// size writes a number of bytes for people: 12.4 MB.
func size(n int64) string {
	const units = "kMGTPE"
	v, unit := float64(n), -1
	for v >= 999.95 && unit < len(units)-1 {
		v /= 1000
		unit++
	}
	if unit < 0 {
		return counted(n, "byte")
	}
	return strconv.FormatFloat(v, 'f', 1, 64) + " " + units[unit:unit+1] + "B"
}

// spans are the units of span, the largest first.
var spans = [...]struct {
	noun string
	is   time.Duration
}{{"day", 24 * time.Hour}, {"hour", time.Hour}, {"minute", time.Minute}, {"second", time.Second}}

// span writes a duration for people, in its two largest units: 1 hour 5 minutes.
func span(d time.Duration) string {
	var parts []string
	rest := d.Round(time.Second)
	for _, unit := range spans {
		if n := int64(rest / unit.is); n > 0 {
			parts = append(parts, counted(n, unit.noun))
			rest %= unit.is
		} else if len(parts) > 0 {
			break // 3 days 5 minutes is no better than 3 days
		}
		if len(parts) == 2 {
			break
		}
	}
	if len(parts) == 0 {
		return "less than a second"
	}
	return strings.Join(parts, " ")
}

// list joins words as in a sentence: a, b and c.
func list(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}

// capital makes the first letter a capital one.
func capital(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return s
	}
	return string(unicode.ToUpper(r)) + s[n:]
}
