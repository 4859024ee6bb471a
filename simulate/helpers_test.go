package simulate_test

import (
	"bytes"
	"flag"
	"strconv"
	"testing"
	"time"

	"github.com/crmwatch/crmwatch/roster"
	"github.com/crmwatch/crmwatch/simulate"
)

var update = flag.Bool("update", false, "write the golden files")

// seen is what the tests read out of a record, without the code that wrote it.
type seen struct {
	id, typ, source, account, action string
	rows                             int64
	at, t                            time.Time
}

// read takes the few fields that matter out of a line, by searching for them:
// decoding whole lines would make the tests over many companies slow.
func read(t *testing.T, r simulate.Record) seen {
	t.Helper()
	s := seen{id: r.ID, at: r.At}
	layout, when := "2006-01-02T15:04:05.000Z", text(r.Line, `"time":"`)
	if typ := text(r.Line, `{"attributes":{"type":"`); typ != "" {
		s.typ, s.source, s.account = typ, "salesforce", text(r.Line, `"UserId":"`)
		s.rows = number(r.Line, `"RowsProcessed":`)
		s.action = salesforceAction(typ, text(r.Line, `"Operation":"`), text(r.Line, `"Status":"`))
		layout, when = "2006-01-02T15:04:05.000-0700", text(r.Line, `"EventDate":"`)
	} else {
		s.typ, s.source, s.account = text(r.Line, `"type":"`), text(r.Line, `"source":"`), text(r.Line, `"actor":{"id":"`)
		s.action, s.rows = text(r.Line, `"action":"`), number(r.Line, `"rows":`)
	}
	var err error
	if s.t, err = time.Parse(layout, when); err != nil {
		t.Fatalf("record %s: %v", r.ID, err)
	}
	return s
}

func salesforceAction(typ, operation, status string) string {
	switch {
	case typ == "LoginEvent" && status == "Success":
		return "login"
	case typ == "LoginEvent":
		return "login_failed"
	case typ == "LogoutEvent":
		return "logout"
	case typ == "ReportEvent" && operation == "ReportExported":
		return "export"
	case typ == "ApiEvent":
		return "api_call"
	default:
		return "view"
	}
}

// data reports whether the action reads or takes customers' data.
func (s seen) data() bool {
	switch s.action {
	case "login", "login_failed", "logout", "user_change":
		return false
	default:
		return true
	}
}

func text(line []byte, label string) string {
	_, rest, _ := bytes.Cut(line, []byte(label))
	v, _, _ := bytes.Cut(rest, []byte(`"`))
	return string(v)
}

func number(line []byte, label string) int64 {
	_, rest, found := bytes.Cut(line, []byte(label))
	if !found {
		return 0
	}
	end := bytes.IndexAny(rest, ",}")
	n, err := strconv.ParseInt(string(rest[:end]), 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

// people finds the owner of an account.
type people map[string]*roster.Person

func owners(c *simulate.Company) people {
	m := people{}
	list := c.Roster()
	for i := range list {
		for _, a := range list[i].Accounts {
			m[a.Source+":"+a.ID] = &list[i]
		}
	}
	return m
}

func (p people) of(s seen) *roster.Person { return p[s.source+":"+s.account] }

// planted is the set of the events of the answer key.
func planted(c *simulate.Company) map[string]bool {
	m := map[string]bool{}
	for _, in := range c.Incidents() {
		for _, id := range in.Events {
			m[id] = true
		}
	}
	return m
}

// all yields history and today.
func all(c *simulate.Company) func(func(simulate.Record) bool) {
	return func(yield func(simulate.Record) bool) {
		for r := range c.History() {
			if !yield(r) {
				return
			}
		}
		for r := range c.Today() {
			if !yield(r) {
				return
			}
		}
	}
}
