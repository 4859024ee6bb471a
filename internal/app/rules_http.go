package app

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/crmwatch/crmwatch/ingest"
	"github.com/crmwatch/crmwatch/rules"
)

// withToken lets only those through who show the token that senders of events
// have.
func (a *App) withToken(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !ingest.Authorized(r.Header.Get("Authorization"), a.cfg.HTTP.Token.Reveal()) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="crmwatch"`)
			http.Error(w, "the request has to carry the configured bearer token", http.StatusUnauthorized)
			return
		}
		next(w, r)
	})
}

// rulesAnswer says which rules are in force.
type rulesAnswer struct {
	Version string       `json:"version"`
	Loaded  time.Time    `json:"loaded"`
	Rules   []RuleAnswer `json:"rules"`
}

// RuleAnswer is a rule as the API and "rules list --json" tell of it.
type RuleAnswer struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Version string `json:"version"`
	Title   string `json:"title"`
	// Kind is "rule", or the type of a correlation.
	Kind     string   `json:"kind"`
	Level    string   `json:"level"`
	Response string   `json:"response"`
	Status   string   `json:"status,omitempty"`
	Tags     []string `json:"tags,omitempty"`
	// Alerts is false for a rule that only feeds correlations.
	Alerts bool   `json:"alerts"`
	File   string `json:"file"`
	Line   int    `json:"line"`
}

// Answers lists all rules of a set: those on single events, then correlations.
func Answers(set *rules.Set) []RuleAnswer {
	all := make([]RuleAnswer, 0, len(set.Rules())+len(set.Correlations()))
	for _, r := range set.Rules() {
		all = append(all, answerOf(r.Meta, "rule", r.Alerts))
	}
	for _, c := range set.Correlations() {
		all = append(all, answerOf(c.Meta, string(c.Type), c.Alerts))
	}
	return all
}

func answerOf(m rules.Meta, kind string, alerts bool) RuleAnswer {
	return RuleAnswer{
		ID: m.ID, Name: m.Name, Version: m.Version, Title: m.Title, Kind: kind, Level: m.Level, Response: m.Response,
		Status: m.Status, Tags: m.Tags, Alerts: alerts, File: m.Pos.File, Line: m.Pos.Line,
	}
}

func (a *App) listRules(w http.ResponseWriter, _ *http.Request) {
	set := a.Rules.Current()
	answer(w, http.StatusOK, "application/json", rulesAnswer{Version: set.Version(), Loaded: a.Rules.Loaded().UTC(), Rules: Answers(set)})
}

// reloadProblem is the answer to a reload that was refused, by RFC 9457.
type reloadProblem struct {
	Type    string   `json:"type"`
	Title   string   `json:"title"`
	Status  int      `json:"status"`
	Detail  string   `json:"detail"`
	InForce string   `json:"version"` // of the rules that stay in force
	Reasons []string `json:"reasons"`
}

// reloadRules loads the rules anew and answers which are in force then, or
// everything that is wrong.
func (a *App) reloadRules(w http.ResponseWriter, r *http.Request) {
	err := a.Rules.Reload()
	if err == nil {
		a.listRules(w, r)
		return
	}
	const status = http.StatusUnprocessableEntity
	p := reloadProblem{
		Type: "about:blank", Title: http.StatusText(status), Status: status, InForce: a.Rules.Current().Version(),
		Detail: "the rules are refused, and those before them stay in force",
	}
	all := []error{err}
	if refused := (*RulesError)(nil); errors.As(err, &refused) {
		all = refused.Reasons
	}
	for _, reason := range all {
		p.Reasons = append(p.Reasons, reason.Error())
	}
	answer(w, status, "application/problem+json", p)
}

func answer(w http.ResponseWriter, status int, kind string, body any) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // who asked has gone
}
