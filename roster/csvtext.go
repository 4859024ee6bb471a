package roster

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
)

// MaxFile is the size of the largest roster file that is read, in bytes.
const MaxFile = 64 << 20

// readText reads a file of text in whichever encoding it is.
func readText(r io.Reader) (string, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxFile+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("read: %w", err)
	case len(data) > MaxFile:
		return "", fmt.Errorf("is larger than %d megabytes", MaxFile>>20)
	case len(data) == 0:
		return "", errors.New("is empty")
	}
	const utf8Mark, littleMark, bigMark = "\xef\xbb\xbf", "\xff\xfe", "\xfe\xff"
	if s := string(data[:min(2, len(data))]); s == littleMark || s == bigMark {
		data, err = unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM).NewDecoder().Bytes(data)
	} else if !utf8.Valid(data) {
		data, err = simplifiedchinese.GB18030.NewDecoder().Bytes(data)
	}
	text := strings.TrimPrefix(string(data), utf8Mark)
	// The decoders put U+FFFD in the place of what they cannot read.
	if err != nil || strings.ContainsRune(text, utf8.RuneError) {
		return "", errors.New("is not text in UTF-8, UTF-16 or GB18030")
	}
	return text, nil
}

// separator is the character that separates the columns: the one of which the
// first line has most.
func separator(text string) rune {
	line, _, _ := strings.Cut(text, "\n")
	best, most := ',', 0
	for _, c := range ",;\t" {
		if n := strings.Count(line, string(c)); n > most {
			best, most = c, n
		}
	}
	return best
}

// formulas are the beginnings that make spreadsheet programs take a cell for a
// formula.
const formulas = "=+-@\t\r"

// guard keeps a cell from being taken for a formula, by an apostrophe before it,
// and unguard takes that away.
func guard(s string) string {
	if isFormula(s) {
		return "'" + s
	}
	return s
}

func unguard(s string) string {
	if strings.HasPrefix(s, "'") && isFormula(s) {
		return s[1:]
	}
	return s
}

func isFormula(s string) bool {
	s = strings.TrimLeft(s, "'")
	return s != "" && strings.IndexByte(formulas, s[0]) >= 0
}

func formatAccounts(accounts []Account) string {
	var b strings.Builder
	for i, a := range accounts {
		if i > 0 {
			b.WriteByte(';')
		}
		b.WriteString(a.Source + ":" + a.ID)
		if !a.LastActive.IsZero() {
			b.WriteString("@" + a.LastActive.UTC().Format(time.RFC3339Nano))
		}
	}
	return b.String()
}

// parseAccounts reads "salesforce:0055…@2026-09-01T00:00:00Z;zoho:…". An id may
// have an @ of its own; what follows the last one is a time or belongs to the id.
func parseAccounts(s string) ([]Account, error) {
	var all []Account
	for part := range strings.SplitSeq(s, ";") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		source, id, _ := strings.Cut(part, ":")
		a := Account{Source: strings.TrimSpace(source), ID: strings.TrimSpace(id)}
		if at := strings.LastIndexByte(a.ID, '@'); at >= 0 {
			if t, err := time.Parse(time.RFC3339, a.ID[at+1:]); err == nil {
				a.ID, a.LastActive = a.ID[:at], t.UTC()
			}
		}
		if a.Source == "" || a.ID == "" {
			return nil, fmt.Errorf("account %d is not like salesforce:0055g000001", len(all)+1)
		}
		all = append(all, a)
	}
	return all, nil
}
