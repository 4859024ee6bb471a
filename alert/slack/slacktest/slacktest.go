// Package slacktest is a stand-in for Slack's API, for tests: it takes
// chat.postMessage and chat.update, refuses what Slack refuses, and remembers the
// rest.
package slacktest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
)

// Message is a message that was accepted, as it was last edited.
type Message struct {
	Channel  string
	TS       string
	Edits    int
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
	posted   int                // guarded by mu
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

// Delete takes a message away, as somebody in the channel may.
func (s *Slack) Delete(ts string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = slices.DeleteFunc(s.messages, func(m Message) bool { return m.TS == ts })
}

// Messages returns what was accepted so far and not deleted.
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

// ServeHTTP is the API; its methods may be below any path.
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
	ts, code := s.call(r)
	if code != "" {
		reply(w, map[string]any{"ok": false, "error": code})
		return
	}
	reply(w, map[string]any{"ok": true, "channel": s.ID, "ts": ts})
}

func reply(w http.ResponseWriter, answer map[string]any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(answer)
}

// call does what is asked and returns the message's timestamp, or Slack's code
// for what is wrong.
func (s *Slack) call(r *http.Request) (ts, code string) {
	if code := s.authorise(r); code != "" {
		return "", code
	}
	m := Message{Channel: s.ID, Text: r.PostForm.Get("text"), Form: r.PostForm}
	do := s.post
	switch path.Base(r.URL.Path) {
	case "chat.postMessage":
	case "chat.update":
		do = s.update
	default:
		return "", "unknown_method"
	}
	if code, problem := m.read(); code != "" {
		return "", s.refuse(code, problem)
	}
	return do(m)
}

// authorise reads the form and takes the token out of it.
func (s *Slack) authorise(r *http.Request) (code string) {
	switch {
	case r.Method != http.MethodPost:
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
	}
	return ""
}

func (s *Slack) post(m Message) (ts, code string) {
	if channel := m.Form.Get("channel"); channel != s.ID && strings.TrimPrefix(channel, "#") != s.Name {
		return "", "channel_not_found"
	}
	s.posted++
	m.TS = fmt.Sprintf("1795463381.%06d", s.posted)
	s.messages = append(s.messages, m)
	return m.TS, ""
}

// update takes the channel's id only, unlike post.
func (s *Slack) update(m Message) (ts, code string) {
	m.TS = m.Form.Get("ts")
	switch {
	case m.Form.Get("channel") != s.ID:
		return "", "channel_not_found"
	case m.TS == "":
		return "", s.refuse("invalid_arguments", "an edit without a timestamp")
	}
	i := slices.IndexFunc(s.messages, func(old Message) bool { return old.TS == m.TS })
	if i < 0 {
		return "", "message_not_found"
	}
	m.Edits = s.messages[i].Edits + 1
	s.messages[i] = m // without blocks, those that were there are gone
	return m.TS, ""
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
