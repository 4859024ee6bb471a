package embedded_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
)

func urlEscape(s string) string { return url.QueryEscape(s) }

// request sends plain HTTP to the shared server.
func request(t *testing.T, method, target, body string, change func(*http.Request)) (resp *http.Response, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+clickHouse(t)+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("default", password)
	if change != nil {
		change(req)
	}
	resp, err = http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

func post(t *testing.T, target, body string) *http.Response {
	t.Helper()
	resp, _ := request(t, http.MethodPost, target, body, nil)
	return resp
}

func TestHTTP(t *testing.T) {
	for _, tt := range []struct {
		name, method, target, body string
		change                     func(*http.Request)
		status                     int
		code, answer               string // answer is a part of it
	}{
		{name: "ping", method: "GET", target: "/ping", status: 200, answer: "Ok."},
		{name: "other path", method: "GET", target: "/play", status: 404},
		{name: "statement in the body", method: "POST", target: "/", body: "SELECT 1 + 1", status: 200, answer: "2\n"},
		{name: "statement in the address", method: "GET", target: "/?query=" + urlEscape("SELECT 1 + 1"), status: 200, answer: "2\n"},
		{name: "statement in both", method: "POST", target: "/?query=SELECT", body: "1 + 1", status: 200, answer: "2\n"},
		{name: "semicolon", method: "POST", target: "/", body: "SELECT 1;\n", status: 200, answer: "1\n"},
		{name: "format clause", method: "POST", target: "/", body: "SELECT 1 AS a FORMAT JSONEachRow", status: 200, answer: `{"a":1}`},
		{name: "default format", method: "POST", target: "/?default_format=CSV", body: "SELECT 'a'", status: 200, answer: `"a"`},
		{name: "no result", method: "POST", target: "/", body: "SELECT 1 WHERE 0", status: 200},
		{name: "not streamed", method: "POST", target: "/", body: "EXISTS TABLE system.one", status: 200, answer: "1\n"},
		{name: "get is read-only", method: "GET", target: "/?query=" + urlEscape("CREATE DATABASE evil"), status: 500, code: "164"},
		{name: "get stays read-only", method: "GET", target: "/?readonly=0&query=" + urlEscape("CREATE DATABASE evil"), status: 500, code: "164"},
		{name: "empty", method: "POST", target: "/", body: " \n", status: 500, code: "62"},
		{name: "unknown database", method: "POST", target: "/?database=nosuch", body: "SELECT 1", status: 500, code: "81"},
		{name: "database is quoted", method: "POST", target: "/?database=" + urlEscape("a`; DROP"), body: "SELECT 1", status: 500, code: "81"},
		{name: "setting is quoted", method: "POST", target: "/?max_threads=" + urlEscape("1', readonly='0"), body: "SELECT 1", status: 500, code: "27"},
		{name: "session", method: "POST", target: "/?session_id=a", body: "SELECT 1", status: 500, code: "48"},
		{name: "compressed answer", method: "POST", target: "/?compress=1", body: "SELECT 1", status: 500, code: "48"},
		{
			name: "compressed body", method: "POST", target: "/", body: "SELECT 1", status: 500, code: "48",
			change: func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") },
		},
		{
			name: "external tables", method: "POST", target: "/", body: "SELECT 1", status: 500, code: "48",
			change: func(r *http.Request) { r.Header.Set("Content-Type", "multipart/form-data; boundary=x") },
		},
		{
			name: "wrong password", method: "POST", target: "/", body: "SELECT 1", status: 403, code: "516",
			change: func(r *http.Request) { r.SetBasicAuth("default", password+" ") },
		},
		{
			name: "wrong user", method: "POST", target: "/", body: "SELECT 1", status: 403, code: "516",
			change: func(r *http.Request) { r.SetBasicAuth("admin", password) },
		},
		{
			name: "no password", method: "POST", target: "/", body: "SELECT 1", status: 403, code: "516",
			change: func(r *http.Request) { r.Header.Del("Authorization") },
		},
		{
			name: "password in headers", method: "POST", target: "/", body: "SELECT 1", status: 200, answer: "1\n",
			change: func(r *http.Request) {
				r.Header.Del("Authorization")
				r.Header.Set("X-ClickHouse-User", "default")
				r.Header.Set("X-ClickHouse-Key", password)
			},
		},
		{
			name: "wrong password in headers", method: "POST", target: "/", body: "SELECT 1", status: 403, code: "516",
			change: func(r *http.Request) {
				r.Header.Del("Authorization")
				r.Header.Set("X-ClickHouse-Key", "guess")
			},
		},
		{
			name: "web page", method: "POST", target: "/", body: "SELECT 1", status: 403, code: "516",
			change: func(r *http.Request) { r.Header.Set("Origin", "https://example.com") },
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp, answer := request(t, tt.method, tt.target, tt.body, tt.change)
			if resp.StatusCode != tt.status || resp.Header.Get("X-ClickHouse-Exception-Code") != tt.code || !strings.Contains(answer, tt.answer) {
				t.Errorf("got %d, code %q, %q; want %d, code %q, %q", resp.StatusCode,
					resp.Header.Get("X-ClickHouse-Exception-Code"), answer, tt.status, tt.code, tt.answer)
			}
			if strings.Contains(answer, password) {
				t.Error("the answer shows the password")
			}
		})
	}
}

func TestWrongPasswordOfTheClient(t *testing.T) {
	conn, err := clickhouse.Open(options(clickHouse(t), "guess"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.Ping(t.Context()); code(err) != 516 {
		t.Errorf("got %v, want code 516", err)
	}
}
