package reference

import (
	"encoding/base64"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
)

// token is a character of a Sigma string, or one of the wildcards * and ?, or
// windash's "any dash", written as '-'.
type token struct {
	r    rune
	wild bool
}

// tokens reads a Sigma string: a backslash makes a wildcard or a backslash after
// it literal, and is itself literal otherwise.
func tokens(s string) []token {
	var list []token
	runes := []rune(s)
	for i := 0; i < len(runes); i++ {
		r := runes[i]
		if r == '\\' && i+1 < len(runes) && strings.ContainsRune(`*?\`, runes[i+1]) {
			i++
			list = append(list, token{r: runes[i]})
			continue
		}
		list = append(list, token{r, r == '*' || r == '?'})
	}
	return list
}

func literal(s string) []token {
	var list []token
	for _, r := range s {
		list = append(list, token{r: r})
	}
	return list
}

// plain is the text that tokens without wildcards stand for.
func plain(list []token) string {
	var b strings.Builder
	for _, t := range list {
		if t.wild {
			panic(fmt.Errorf("a wildcard cannot be encoded"))
		}
		b.WriteRune(t.r)
	}
	return b.String()
}

// glob matches a whole text with a pattern.
func glob(pattern []token, s []rune, cased bool) bool {
	if len(pattern) == 0 {
		return len(s) == 0
	}
	p, rest := pattern[0], pattern[1:]
	if p == (token{'*', true}) {
		for n := 0; n <= len(s); n++ {
			if glob(rest, s[n:], cased) {
				return true
			}
		}
		return false
	}
	return len(s) > 0 && p.accepts(s[0], cased) && glob(rest, s[1:], cased)
}

func (t token) accepts(r rune, cased bool) bool {
	switch {
	case t == token{'?', true}:
		return true
	case t == token{'-', true}:
		return strings.ContainsRune(dashes, r)
	case cased:
		return t.r == r
	default:
		return strings.EqualFold(string(t.r), string(r))
	}
}

// dashes are those that stand for each other.
const dashes = "-/–—―"

// windash makes a dash at the beginning of a word stand for all dashes.
func windash(list []token) []token {
	isWord := func(i int) bool {
		if i < 0 || i >= len(list) || list[i].wild {
			return false
		}
		r := list[i].r
		return r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r)
	}
	var out []token
	for i, t := range list {
		if !t.wild && strings.ContainsRune(dashes, t.r) && !isWord(i-1) && isWord(i+1) {
			t = token{'-', true}
		}
		out = append(out, t)
	}
	return out
}

// encode gives the texts that a text may look like in an event.
func encode(s, encoding string) []string {
	switch encoding {
	case "base64":
		return []string{base64.StdEncoding.EncodeToString([]byte(s))}
	case "base64offset":
		return base64Offset(s)
	case "utf16be":
		return []string{utf16Text(s, true)}
	case "utf16":
		return []string{"\xFF\xFE" + utf16Text(s, false)}
	default:
		return []string{utf16Text(s, false)}
	}
}

func utf16Text(s string, bigEndian bool) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		hi, lo := byte(u>>8), byte(u)
		if bigEndian {
			b = append(b, hi, lo)
		} else {
			b = append(b, lo, hi)
		}
	}
	return string(b)
}

// base64Offset encodes s behind zero, one and two other bytes and cuts off the
// characters in which neighbours have a part.
func base64Offset(s string) []string {
	var out []string
	for offset := range 3 {
		e := base64.StdEncoding.EncodeToString([]byte(strings.Repeat(" ", offset) + s))
		first := []int{0, 2, 3}[offset]
		last := len(e) - []int{0, 3, 2}[(offset+len(s))%3]
		if first < last {
			out = append(out, e[first:last])
		}
	}
	return out
}
