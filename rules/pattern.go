package rules

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// token is one element of a Sigma string: a character, or one of the specials.
type token rune

const (
	anyOne  token = -1 - iota // "?"
	anyRun                    // "*"
	anyDash                   // a dash under windash: - / – — ―
)

// parseString reads a Sigma string. Its escapes are pySigma's: going from left
// to right, a backslash makes a following wildcard or backslash literal, and is
// itself literal before anything else and at the end.
func parseString(s string) []token {
	runes := []rune(s)
	tokens := make([]token, 0, len(runes))
	for i := 0; i < len(runes); i++ {
		switch r := runes[i]; {
		case r == '\\' && i+1 < len(runes) && strings.ContainsRune(`*?\`, runes[i+1]):
			i++
			tokens = append(tokens, token(runes[i]))
		case r == '*':
			tokens = append(tokens, anyRun)
		case r == '?':
			tokens = append(tokens, anyOne)
		default:
			tokens = append(tokens, token(r))
		}
	}
	return tokens
}

// plainTokens is the text without wildcards.
func plainTokens(s string) []token {
	tokens := make([]token, 0, len(s))
	for _, r := range s {
		tokens = append(tokens, token(r))
	}
	return tokens
}

var errWildcard = errors.New("has a wildcard, which cannot be encoded; write \\* or \\? for the character itself")

// plainText is the string that the tokens stand for, an error where they stand
// for more than one.
func plainText(tokens []token) (string, error) {
	var b strings.Builder
	for _, t := range tokens {
		if t < 0 {
			return "", errWildcard
		}
		b.WriteRune(rune(t))
	}
	return b.String(), nil
}

// windash makes a dash that begins a word stand for any of the dashes that Windows
// programs take for a parameter. As in pySigma (\B[-/]\b), the character before it
// is none of a word and the one after it is.
func windash(tokens []token) []token {
	out := make([]token, len(tokens))
	for i, t := range tokens {
		out[i] = t
		if isDash(rune(t)) && (i == 0 || !isWord(tokens[i-1])) && i+1 < len(tokens) && isWord(tokens[i+1]) {
			out[i] = anyDash
		}
	}
	return out
}

func isDash(r rune) bool { return r == '-' || r == '/' || r >= '–' && r <= '―' }

func isWord(t token) bool {
	r := rune(t)
	return t >= 0 && (r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r))
}

// pattern is a compiled Sigma string. It matches whole texts.
type pattern struct {
	// segments lie between the runs of anything; there is at least one, and an
	// empty first or last one stands for a pattern that begins or ends with "*".
	segments [][]token
	cased    bool
}

func compilePattern(tokens []token, cased bool) pattern {
	p := pattern{cased: cased}
	var seg []token
	for _, t := range tokens {
		switch {
		case t == anyRun:
			p.segments = append(p.segments, seg)
			seg = nil
		case t >= 0 && !cased:
			seg = append(seg, token(fold(rune(t))))
		default:
			seg = append(seg, t)
		}
	}
	p.segments = append(p.segments, seg)
	return p
}

// matches reports whether the pattern matches the whole of s. Every segment but
// the last is taken where it first fits, which is enough because a run takes
// anything that lies between.
func (p *pattern) matches(s string) bool {
	rest, ok := p.cutPrefix(s, p.segments[0])
	if !ok || len(p.segments) == 1 {
		return ok && rest == ""
	}
	last := len(p.segments) - 1
	for _, seg := range p.segments[1:last] {
		if rest, ok = p.cutFirst(rest, seg); !ok {
			return false
		}
	}
	return p.hasSuffix(rest, p.segments[last])
}

// cutPrefix gives what follows the segment at the beginning of s.
func (p *pattern) cutPrefix(s string, seg []token) (string, bool) {
	for _, t := range seg {
		if s == "" {
			return "", false
		}
		r, size := rune(s[0]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(s)
		}
		if !p.accepts(t, r) {
			return "", false
		}
		s = s[size:]
	}
	return s, true
}

// cutFirst gives what follows the first place in s where the segment fits.
func (p *pattern) cutFirst(s string, seg []token) (string, bool) {
	for {
		if rest, ok := p.cutPrefix(s, seg); ok {
			return rest, true
		}
		if s == "" {
			return "", false
		}
		_, size := utf8.DecodeRuneInString(s)
		s = s[size:]
	}
}

func (p *pattern) hasSuffix(s string, seg []token) bool {
	for i := len(seg) - 1; i >= 0; i-- {
		if s == "" {
			return false
		}
		r, size := utf8.DecodeLastRuneInString(s)
		if !p.accepts(seg[i], r) {
			return false
		}
		s = s[:len(s)-size]
	}
	return true
}

func (p *pattern) accepts(t token, r rune) bool {
	switch t {
	case anyOne:
		return true
	case anyRun:
		return true
	case anyDash:
		return isDash(r)
	}
	return rune(t) == r || !p.cased && rune(t) == fold(r)
}

// fold maps all characters that Unicode's simple case folding holds for equal
// to one of them.
func fold(r rune) rune {
	switch {
	case 'A' <= r && r <= 'Z':
		return r + 'a' - 'A'
	case r < utf8.RuneSelf:
		return r
	case 0x2E80 <= r && r < 0xA640, 0xAC00 <= r && r < 0xD800:
		return r // Chinese, Japanese and Korean have no case; most texts here are Chinese.
	}
	least := r
	for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
		least = min(least, next)
	}
	if 'A' <= least && least <= 'Z' {
		return least + 'a' - 'A'
	}
	return least
}

// cutText gives what follows prefix at the beginning of s.
func cutText(s, prefix string, cased bool) (string, bool) {
	if cased {
		return strings.CutPrefix(s, prefix)
	}
	for _, want := range prefix {
		if s == "" {
			return "", false
		}
		r, size := utf8.DecodeRuneInString(s)
		if r != want && fold(r) != fold(want) {
			return "", false
		}
		s = s[size:]
	}
	return s, true
}

// runeLen is the length of the first character in bytes.
func runeLen(s string) int {
	_, size := utf8.DecodeRuneInString(s)
	return size
}

// key is the same for equal patterns.
func (p *pattern) key() string {
	return fmt.Sprint("text ", p.cased, p.segments)
}

// plain reports whether a folded text matches wherever the literal of atom is in
// its place: the pattern has that literal, wildcards around it, and nothing else.
func (p *pattern) plain() bool {
	literals := 0
	for _, seg := range p.segments {
		if len(seg) == 0 {
			continue
		}
		for _, t := range seg {
			if t < 0 {
				return false
			}
		}
		literals++
	}
	return !p.cased && literals <= 1
}

// atom is the longest literal that every text that matches has when it is folded,
// and where it is; its test is left to the caller. The literal is empty where the
// pattern has wildcards only.
func (p *pattern) atom() atom {
	last := len(p.segments) - 1
	var best atom
	best.place = anywhere
	for i, seg := range p.segments {
		for from := 0; from <= len(seg); {
			to := from
			for to < len(seg) && seg[to] >= 0 {
				to++
			}
			l := foldTokens(seg[from:to])
			pl := placeOf(i == 0 && from == 0, i == last && to == len(seg))
			if len(l) > len(best.literal) || last == 0 && len(seg) == 0 {
				best = atom{literal: l, place: pl}
			}
			from = to + 1
		}
	}
	return best
}

func placeOf(first, last bool) place {
	switch {
	case first && last:
		return whole
	case first:
		return atStart
	case last:
		return atEnd
	default:
		return anywhere
	}
}

func foldTokens(tokens []token) string {
	var b strings.Builder
	for _, t := range tokens {
		b.WriteRune(fold(rune(t)))
	}
	return b.String()
}
