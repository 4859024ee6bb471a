package terminal

import (
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// cells is how many columns a text takes: Chinese characters and emoji take
// two, combining marks none.
func cells(s string) int {
	n := 0
	for _, r := range s {
		n += runeCells(r)
	}
	return n
}

func runeCells(r rune) int {
	if r <= unicode.MaxASCII {
		return 1
	}
	switch kind := width.LookupRune(r).Kind(); {
	case kind == width.EastAsianWide || kind == width.EastAsianFullwidth:
		return 2
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	default:
		return 1
	}
}

// wrap breaks a text into lines of at most columns, at blanks where it can and
// inside a word that is longer than a line or is written without blanks.
func wrap(s string, columns int) []string {
	columns = max(columns, 2) // the widest character
	var lines []string
	line, used := "", 0
	for _, word := range strings.Fields(s) {
		n := cells(word)
		if line != "" && used+1+n <= columns {
			line, used = line+" "+word, used+1+n
			continue
		}
		if line != "" {
			lines = append(lines, line)
		}
		for n > columns {
			head := fit(word, columns)
			lines = append(lines, head)
			word = word[len(head):]
			n -= cells(head)
		}
		line, used = word, n
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// fit returns the beginning of s that takes at most columns.
func fit(s string, columns int) string {
	n := 0
	for i, r := range s {
		if n += runeCells(r); n > columns {
			return s[:i]
		}
	}
	return s
}

// ours are the characters beyond ASCII that crmwatch itself writes.
var ours = strings.NewReplacer("…", "...", "–", "-", "·", "|", "→", "->", "±", "+/-")

// toASCII escapes what is not ASCII, so that a name can still be told from
// another.
func toASCII(s string) string {
	quoted := strconv.QuoteToASCII(ours.Replace(s))
	return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(quoted[1 : len(quoted)-1])
}
