package embedded

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// maxStatement bounds a statement's text, which is held in memory; data of an
// INSERT is streamed and has no bound.
const maxStatement = 256 << 20

// statement is one request of the HTTP interface.
type statement struct {
	text     string
	format   string    // of the result, or of data
	data     io.Reader // of a streamed INSERT, else nil
	database string
	params   []param
	settings []param
	comment  string // the client's own log_comment
}

// reserved are the URL parameters that are neither settings nor bound parameters.
// What they ask for either is given anyway or means nothing here.
var reserved = map[string]bool{
	"query": true, "database": true, "default_format": true, "user": true, "password": true,
	"client_protocol_version": true, "query_id": true, "quota_key": true, "role": true,
	"session_timeout": true, "session_check": true, "close_session": true,
	"buffer_size": true, "wait_end_of_query": true, "stacktrace": true,
}

// unsupported are those that would change the meaning of a request if they were
// passed over.
var unsupported = []string{"session_id", "compress", "decompress"}

// parseStatement reads a request. The body is the statement, or the data of the
// INSERT in the query parameter.
func parseStatement(r *http.Request) (*statement, error) {
	q := r.URL.Query()
	for _, name := range unsupported {
		if v := q.Get(name); v != "" && v != "0" && v != "false" {
			return nil, refusal(codeNotImplemented, fmt.Sprintf("the embedded ClickHouse does not support %s", name))
		}
	}
	if enc := r.Header.Get("Content-Encoding"); enc != "" && enc != "identity" {
		return nil, refusal(codeNotImplemented, "the embedded ClickHouse does not support compression")
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/") {
		return nil, refusal(codeNotImplemented, "the embedded ClickHouse does not support external tables")
	}
	st := &statement{text: q.Get("query"), format: q.Get("default_format"), database: q.Get("database")}
	if st.format == "" {
		st.format = "TabSeparated"
	}
	st.readOptions(q)
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		st.settings = append(st.settings, param{"readonly", "2"})
	}
	return st, st.readBody(r.Body)
}

// readOptions takes the bound parameters and the settings from the URL, in order
// of their names, so that equal requests are equal statements.
func (st *statement) readOptions(q url.Values) {
	names := make([]string, 0, len(q))
	for name := range q {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		value := q.Get(name)
		bound, isParam := strings.CutPrefix(name, "param_")
		switch {
		case isParam:
			st.params = append(st.params, param{bound, value})
		case name == "log_comment":
			st.comment = value
		case !reserved[name] && !slices.Contains(unsupported, name):
			st.settings = append(st.settings, param{name, value})
		}
	}
}

// insertWithData is an INSERT whose data follows in a format.
var insertWithData = regexp.MustCompile(`(?is)^(\s*INSERT\s+INTO\b.*?)\s(?:FORMAT\s+([a-z][a-z0-9]*)|(VALUES))\s*;?\s*$`)

func (st *statement) readBody(body io.Reader) error {
	if m := insertWithData.FindStringSubmatch(st.text); m != nil {
		st.text, st.data = m[1], body
		st.format = m[2]
		if m[3] != "" {
			st.format = "Values"
		}
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(body, maxStatement+1))
	if err != nil {
		return fmt.Errorf("read statement: %w", err)
	}
	if len(text) > maxStatement {
		return refusal(codeSyntax, "the statement is too long")
	}
	if st.text != "" && len(text) > 0 {
		st.text += "\n"
	}
	st.text += string(text)
	if strings.TrimSpace(st.text) == "" {
		return refusal(codeSyntax, "the statement is empty (SYNTAX_ERROR)")
	}
	return nil
}

// readonly reports whether the statement asks to be kept from changing anything.
func (st *statement) readonly() bool {
	return slices.ContainsFunc(st.settings, func(s param) bool { return s.name == "readonly" && s.value != "0" })
}

var settingName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// prepare is the SET that gives a fresh session the statement's settings. They
// take effect together, so readonly does not forbid the ones beside it. A tag in
// the comment is what the statement can be found by, to stop it.
func (st *statement) prepare(tag string) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "SET log_comment = %s", quote(strings.TrimRight(tag+" "+st.comment, " ")))
	for _, s := range st.settings {
		if !settingName.MatchString(s.name) {
			return "", refusal(codeUnknownSetting, "Unknown setting. (UNKNOWN_SETTING)")
		}
		fmt.Fprintf(&b, ", %s = %s", s.name, quote(s.value))
	}
	return b.String(), nil
}

var (
	stringEscaper     = strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	identifierEscaper = strings.NewReplacer(`\`, `\\`, "`", "\\`")
)

// quote makes a string literal.
func quote(s string) string { return "'" + stringEscaper.Replace(s) + "'" }

// quoteName makes an identifier.
func quoteName(s string) string { return "`" + identifierEscaper.Replace(s) + "`" }
