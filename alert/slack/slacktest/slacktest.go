// Package slacktest is a stand-in for Slack's API, for tests: it takes
// chat.postMessage, refuses what Slack refuses, and remembers the rest.
package slacktest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// Message is a message that was accepted.
type Message struct {
	Channel  string
	Text     string
	Blocks   []map[string]any
	Metadata map[string]any
	// Form is the whole request but the token.
	Form url.Values
}

// Slack answers like a workspace with one app in one channel.
type Slack struct {
	// Token is the only token that is valid; Name and ID are the channel's.
	Token, Name, ID string

	mu       sync.Mutex
	messages []Message          // guarded by mu
	requests int                // guarded by mu
	script   []http.HandlerFunc // guarded by mu
	problems []string           // guarded by mu
}

// New returns a workspace with the token xoxb-test-token and the channel
// crm-alerts, C0CRMWATCH.
func New() *Slack {
	return &Slack{Token: "xoxb-" + "test-token", Name: "crm-alerts", ID: "C0CRMWATCH"}
}

// Next makes the next requests be answered by the handlers, one each.
func (s *Slack) Next(answers ...http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = append(s.script, answers...)
}

// Fail answers a request with one of Slack's error codes, which come with HTTP
// status 200.
func Fail(code string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { reply(w, map[string]any{"ok": false, "error": code}) }
}

// Status answers a request with an HTTP status and headers, in pairs.
func Status(code int, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(code)
		_, _ = w.Write([]byte("<html>not JSON</html>"))
	}
}

// Messages returns what was accepted so far.
func (s *Slack) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Message(nil), s.messages...)
}

// Requests is how many requests there were.
func (s *Slack) Requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// Problems says what was wrong with requests that were refused.
func (s *Slack) Problems() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.problems...)
}

// ServeHTTP is the API; /chat.postMessage may be below any path.
func (s *Slack) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	if len(s.script) > 0 {
		answer := s.script[0]
		s.script = s.script[1:]
		answer(w, r)
		return
	}
	if code := s.post(r); code != "" {
		reply(w, map[string]any{"ok": false, "error": code})
		return
	}
	reply(w, map[string]any{"ok": true, "channel": s.ID, "ts": fmt.Sprintf("1795463381.%06d", len(s.messages))})
}

func reply(w http.ResponseWriter, answer map[string]any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(answer)
}

// post takes a message or returns Slack's code for what is wrong with it.
func (s *Slack) post(r *http.Request) string {
	switch {
	case r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/chat.postMessage"):
		return "unknown_method"
	case r.URL.RawQuery != "":
		return s.refuse("invalid_arguments", "the request has a query")
	case r.ParseForm() != nil:
		return s.refuse("invalid_form_data", "the body is no form")
	}
	form := r.PostForm
	token := form.Get("token")
	if header, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		token = header
	}
	form.Del("token")
	switch {
	case token == "":
		return "not_authed"
	case token != s.Token:
		return "invalid_auth"
	case form.Get("channel") != s.ID && strings.TrimPrefix(form.Get("channel"), "#") != s.Name:
		return "channel_not_found"
	}
	m := Message{Channel: s.ID, Text: form.Get("text"), Form: form}
	if code, problem := m.read(); code != "" {
		return s.refuse(code, problem)
	}
	s.messages = append(s.messages, m)
	return ""
}

func (s *Slack) refuse(code, problem string) string {
	s.problems = append(s.problems, problem)
	return code
}

// read reads and checks the parts of the form that are JSON.
func (m *Message) read() (code, problem string) {
	if len([]rune(m.Text)) > 40_000 {
		return "msg_too_long", "the text is too long"
	}
	if metadata := m.Form.Get("metadata"); metadata != "" {
		if json.Unmarshal([]byte(metadata), &m.Metadata) != nil || m.Metadata["event_type"] == "" || m.Metadata["event_payload"] == nil {
			return "invalid_metadata_format", "the metadata lacks its type or its payload"
		}
	}
	if blocks := m.Form.Get("blocks"); blocks != "" {
		if json.Unmarshal([]byte(blocks), &m.Blocks) != nil {
			return "invalid_blocks_format", "the blocks are no list of objects"
		}
		if problem := checkBlocks(m.Blocks); problem != "" {
			return "invalid_blocks", problem
		}
	}
	if m.Text == "" && len(m.Blocks) == 0 {
		return "no_text", "there is neither text nor a block"
	}
	return "", ""
}
