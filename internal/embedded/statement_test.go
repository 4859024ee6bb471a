package embedded

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func TestParseStatement(t *testing.T) {
	type parsed struct {
		Text, Format, Data string
		Params, Settings   []param
		Streamed           bool
	}
	for _, tt := range []struct {
		name, query, body string
		options           url.Values
		want              parsed
	}{
		{"text in the body", "", "SELECT 1", nil, parsed{Text: "SELECT 1", Format: "TabSeparated"}},
		{"text in both", "SELECT", "1", nil, parsed{Text: "SELECT\n1", Format: "TabSeparated"}},
		{
			"options", "SELECT 1", "",
			url.Values{
				"param_b": {"2"}, "param_a": {"1"}, "max_threads": {"1"}, "default_format": {"Native"}, "log_comment": {"x"},
				"client_protocol_version": {"54485"}, "quota_key": {"q"}, "compress": {"0"}, "database": {"d"},
			},
			parsed{Text: "SELECT 1", Format: "Native", Params: []param{{"a", "1"}, {"b", "2"}}, Settings: []param{{"max_threads", "1"}}},
		},
		{"insert", "INSERT INTO t (a, b) FORMAT Native", "data", nil, parsed{Text: "INSERT INTO t (a, b)", Format: "Native", Data: "data", Streamed: true}},
		{"insert in small letters", "\n insert\ninto t\nformat csv ;\n", "1", nil, parsed{Text: "\n insert\ninto t", Format: "csv", Data: "1", Streamed: true}},
		{"insert of values", "INSERT INTO t VALUES", "(1)", nil, parsed{Text: "INSERT INTO t", Format: "Values", Data: "(1)", Streamed: true}},
		{"insert with settings", "INSERT INTO t SETTINGS async_insert = 0 FORMAT TSV", "", nil, parsed{Text: "INSERT INTO t SETTINGS async_insert = 0", Format: "TSV", Streamed: true}},
		{"insert into a table called format", "INSERT INTO `a format b` FORMAT TSV", "", nil, parsed{Text: "INSERT INTO `a format b`", Format: "TSV", Streamed: true}},
		{"insert with its data", "", "INSERT INTO t FORMAT CSV 1", nil, parsed{Text: "INSERT INTO t FORMAT CSV 1", Format: "TabSeparated"}},
		{"insert of a query", "INSERT INTO t SELECT 1", "", nil, parsed{Text: "INSERT INTO t SELECT 1", Format: "TabSeparated"}},
		{"query that mentions one", "SELECT 'INSERT INTO t FORMAT Native'", "", nil, parsed{Text: "SELECT 'INSERT INTO t FORMAT Native'", Format: "TabSeparated"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := url.Values{"query": {tt.query}}
			for name, values := range tt.options {
				q[name] = values
			}
			st, err := parseStatement(httptest.NewRequest(http.MethodPost, "/?"+q.Encode(), strings.NewReader(tt.body)))
			if err != nil {
				t.Fatal(err)
			}
			got := parsed{Text: st.text, Format: st.format, Params: st.params, Settings: st.settings, Streamed: st.data != nil}
			if st.data != nil {
				data, err := io.ReadAll(st.data)
				if err != nil {
					t.Fatal(err)
				}
				got.Data = string(data)
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(param{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestPrepareQuotes(t *testing.T) {
	st := &statement{comment: `it's \ me`, settings: []param{{"a", `1', readonly = '0`}, {"readonly", "1"}}}
	got, err := st.prepare("TAG")
	want := `SET log_comment = 'TAG it\'s \\ me', a = '1\', readonly = \'0', readonly = '1'`
	if err != nil || got != want {
		t.Errorf("got %s, %v\nwant %s", got, err, want)
	}
}

// A broken connection and an end must stay apart: the one must not be committed.
func TestFill(t *testing.T) {
	broken := errors.New("broken")
	for _, tt := range []struct {
		name string
		data io.Reader
		want string
		err  error
	}{
		{"end", strings.NewReader("ab"), "ab", io.EOF},
		{"full", strings.NewReader("abcdef"), "abcd", nil},
		{"byte by byte", iotest.OneByteReader(strings.NewReader("abcdef")), "abcd", nil},
		{"end with the last byte", iotest.DataErrReader(strings.NewReader("abcd")), "abcd", io.EOF},
		{"broken", io.MultiReader(strings.NewReader("ab"), iotest.ErrReader(broken)), "ab", broken},
		{"broken off", io.MultiReader(strings.NewReader("ab"), iotest.ErrReader(io.ErrUnexpectedEOF)), "ab", io.ErrUnexpectedEOF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			buf := make([]byte, 4)
			n, err := fill(buf, tt.data)
			if string(buf[:n]) != tt.want || err != tt.err {
				t.Errorf("got %q, %v; want %q, %v", buf[:n], err, tt.want, tt.err)
			}
		})
	}
}

func TestErrorCode(t *testing.T) {
	for text, want := range map[string]int{
		"Code: 60. DB::Exception: x": 60, "Code:7. x": 7, "x Code: 60.": codeUnknown, "": codeUnknown,
		"Code: 99999999999999999999. x": codeUnknown,
	} {
		if got := (&engineError{text}).code(); got != want {
			t.Errorf("%q: got %d, want %d", text, got, want)
		}
	}
}
