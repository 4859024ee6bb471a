package alert

import (
	"strings"
	"time"

	"github.com/crmwatch/crmwatch/event"
)

// Limits on what a message shows of one value, in characters.
const (
	maxName    = 80
	maxValue   = 150
	maxSummary = 600
)

// Summary says in one sentence what happened, with the numbers: "Wang Fang
// (Sales East) exported 48,210 rows from Salesforce in 37 minutes, threshold
// 10,000." It is plain text and holds no customers' data.
func (f *Finding) Summary() string {
	var b strings.Builder
	b.WriteString(f.Subject.display())
	b.WriteString(f.Subject.station())
	b.WriteString(" ")
	b.WriteString(f.deed())
	b.WriteString(f.pace())
	b.WriteString(f.limit())
	b.WriteString(".")
	return Cut(b.String(), maxSummary)
}

// display is what people call the subject: the person's name, else the
// account's, else the key.
func (s *Subject) display() string {
	if name := Plain(s.Name, maxName); name != "" {
		return name
	}
	for _, a := range s.Accounts {
		if name := Plain(a.Name, maxName); name != "" {
			return "Account " + name
		}
	}
	if key := Plain(s.Key, maxName); key != "" {
		return "Account " + key
	}
	return "An unknown account"
}

// station is the department, and the last day of somebody who leaves or left.
func (s *Subject) station() string {
	text := ""
	if d := Plain(s.Department, maxName); d != "" {
		text = " (" + d + ")"
	}
	day := Plain(s.LastDay, maxName)
	switch {
	case s.Employment == "left" && day != "":
		text += ", whose last day was " + day + ","
	case s.Employment == "left":
		text += ", who has left,"
	case day != "":
		text += ", whose last day is " + day + ","
	}
	return text
}

// phrase says an action in the past tense. Rows and times are the words for
// it with a number of rows, and without; in is the preposition before the CRM.
type phrase struct{ rows, times, in string }

var phrases = map[event.Action]phrase{
	event.Login:            {times: "logged in", in: "to"},
	event.LoginFailed:      {times: "failed to log in", in: "to"},
	event.Logout:           {times: "logged out", in: "of"},
	event.LoginAs:          {times: "logged in as somebody else", in: "in"},
	event.View:             {rows: "viewed", times: "viewed records", in: "in"},
	event.Search:           {rows: "listed", times: "searched", in: "in"},
	event.Export:           {rows: "exported", times: "exported data", in: "from"},
	event.Download:         {rows: "downloaded", times: "downloaded files", in: "from"},
	event.APICall:          {rows: "read by API", times: "called the API", in: "of"},
	event.Create:           {rows: "created", times: "created records", in: "in"},
	event.Edit:             {rows: "changed", times: "changed records", in: "in"},
	event.Delete:           {rows: "deleted", times: "deleted records", in: "in"},
	event.Import:           {rows: "imported", times: "imported data", in: "into"},
	event.Share:            {rows: "shared", times: "shared records", in: "in"},
	event.PermissionChange: {times: "changed permissions", in: "in"},
	event.UserChange:       {times: "changed user accounts", in: "in"},
	event.AppAuthorize:     {times: "authorised an app", in: "in"},
	event.ConfigChange:     {times: "changed the configuration", in: "of"},
}

// deed says what was done, how often or to how many rows, and where.
func (f *Finding) deed() string {
	p, ok := phrases[f.Action]
	if !ok {
		p = phrase{times: "acted", in: "in"}
	}
	text, in := p.times, p.in
	if f.Rows > 0 && p.rows != "" {
		text = p.rows + " " + counted(f.Rows, "row")
		if f.Action == event.APICall {
			in = "from"
		}
	} else if f.Count > 1 {
		text += " " + thousands(f.Count) + " times"
	}
	if len(f.Sources) > 0 {
		text += " " + in + " " + list(sourceNames(f.Sources))
	}
	return text
}

func sourceNames(sources []string) []string {
	names := make([]string, 0, len(sources))
	for _, s := range sources {
		names = append(names, capital(Plain(s, maxName)))
	}
	return names
}

// pace says how long it took; one event takes no time.
func (f *Finding) pace() string {
	if f.Count <= 1 || f.Start.IsZero() {
		return ""
	}
	took := f.End.Sub(f.Start)
	if took < time.Second {
		return " within a second"
	}
	return " in " + span(took)
}

// limit says what was measured against which threshold, as far as the sentence
// has not said it.
func (f *Finding) limit() string {
	if f.Threshold == 0 && f.Measured == 0 {
		return ""
	}
	unit := Plain(f.Unit, maxName)
	said := f.margin() == "" && (unit == "rows" && f.Measured == f.Rows || unit == "events" && f.Measured == f.Count && f.Rows == 0)
	text := ""
	switch {
	case said:
	case unit == "days":
		text = " after " + counted(f.Measured, "day") + " without activity"
	default:
		text = ", " + f.amount(f.Measured, unit)
	}
	if f.Threshold == 0 {
		return text
	}
	if unit == "bytes" {
		return text + ", threshold " + size(f.Threshold)
	}
	return text + ", threshold " + thousands(f.Threshold)
}

// amount writes an exact number with the unit of a rule.
func amount(n int64, unit string) string {
	switch {
	case unit == "bytes":
		return size(n)
	case unit == "":
		return thousands(n)
	case strings.HasPrefix(unit, "different "):
		return thousands(n) + " " + unit
	default:
		return counted(n, strings.TrimSuffix(unit, "s"))
	}
}
