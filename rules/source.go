package rules

import (
	"slices"
	"strings"
)

// Source is a text that a rule's version follows from: a document of a rule file
// with the comments around it, or the whole file of a look-up table.
type Source struct {
	File string
	Line int // in the file where the text begins, from 1
	Text string
}

// addSources adds those that are not there yet.
func (m *Meta) addSources(more ...Source) {
	for _, s := range more {
		if !slices.Contains(m.Sources, s) {
			// Copies of a Meta must not grow into each other.
			m.Sources = append(m.Sources[:len(m.Sources):len(m.Sources)], s)
		}
	}
}

// documentAt cuts the document out of a file that has the line: what stands
// between two lines that begin with "---", which can be nothing else in YAML.
func documentAt(file, text string, line int) Source {
	s := Source{File: file, Line: 1}
	from, at := 0, 1
	for rest := 0; rest < len(text); at++ {
		end := len(text)
		if i := strings.IndexByte(text[rest:], '\n'); i >= 0 {
			end = rest + i + 1
		}
		switch marker, inline := separator(text[rest:end]); {
		case !marker:
		case at > line || at == line && !inline:
			s.Text = text[from:rest]
			return s
		case inline:
			from, s.Line = rest, at
		default:
			from, s.Line = end, at+1
		}
		rest = end
	}
	s.Text = text[from:]
	return s
}

// separator reports whether the line is a mark between documents, and whether the
// next one begins in it.
func separator(line string) (marker, inline bool) {
	after, ok := strings.CutPrefix(line, "---")
	if !ok || after != "" && !strings.ContainsAny(after[:1], " \t\r\n") {
		return false, false
	}
	after = strings.TrimSpace(after)
	return true, after != "" && !strings.HasPrefix(after, "#")
}
