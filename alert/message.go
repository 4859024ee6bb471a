package alert

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Message is what a person reads: one alert, or one digest of many. There is one
// Message for all sinks, and a sink draws all of it in the order of its fields.
//
// Every text is plain text made by Plain and holds no customers' data, but it
// may be what an insider typed into a name: a sink draws it literally, whatever
// its medium has for markup. Only Link.URL may be followed.
type Message struct {
	// ID is the finding's id, or the digest's: opaque, and the same for every
	// repetition.
	ID string
	// Level is one of Sigma's, or empty where the rule has none.
	Level Level
	// State is where the alert stands; a digest has none.
	State State
	Title string
	// Status says what has become of the alert since it was first told, in a
	// sentence or two; it is empty while there is nothing to say.
	Status string
	// Summary says in one sentence what happened.
	Summary  string
	Sections []Section
	// Advice is what the rule's author proposes to do, a sentence; it may be empty.
	Advice  string
	Buttons []Button
	Links   []Link
	// Notes are the small print.
	Notes []string
}

// Section is a part of a message with a heading: facts first, then sentences.
type Section struct {
	Heading string
	Facts   []Fact
	Lines   []string
}

// Fact is one thing that is known, such as the department.
type Fact struct{ Label, Value string }

// Link leads to a place that the configuration or a rule names, never to one
// from an event.
type Link struct{ Text, URL string }

// Button is a decision that the reader can take.
type Button struct {
	Action string // "freeze", "legit" or "escalate"
	Text   string
	// Danger marks a decision that takes something away from somebody. Confirm is
	// then what to ask before it is taken.
	Danger  bool
	Confirm string
}

// Further limits on what a message shows, in characters and in lines.
const (
	maxTitle   = 120
	maxList    = 500
	maxConfirm = 250
	maxReasons = 8
	maxHints   = 4
)

// NewMessage draws up the message about a finding. consoleURL is where the
// console is served; without one there are no links into it.
func NewMessage(f *Finding, consoleURL string) Message {
	m := Message{
		ID: f.ID, Level: f.Rule.Level.known(), State: f.State.known(), Title: f.title(), Summary: f.Summary(),
		Status: f.standing(nil), Links: f.links(consoleURL), Notes: f.notes(),
	}
	if m.State != Withdrawn { // there is nothing left to decide here
		m.Advice, m.Buttons = f.advice(), f.buttons()
	}
	m.add("Why this is unusual", nil, lines(f.Reasons, maxReasons))
	m.add("Who", f.who(), nil)
	m.add("What", f.what(), nil)
	m.add("When", f.when(), nil)
	m.add("Where from", f.where(), nil)
	m.add("What the rule looks for", nil, lines([]string{f.Rule.Description}, 1))
	m.add("It could also be", nil, lines(f.Rule.FalsePositives, maxHints))
	return m
}

func (m *Message) add(heading string, facts []Fact, lines []string) {
	if len(facts) > 0 || len(lines) > 0 {
		m.Sections = append(m.Sections, Section{heading, facts, lines})
	}
}

// known is the level if Sigma has it, else empty.
func (l Level) known() Level {
	switch l {
	case Informational, Low, Medium, High, Critical:
		return l
	default:
		return ""
	}
}

func (f *Finding) title() string {
	for _, s := range []string{f.Rule.Title, f.Rule.Name, f.Rule.ID} {
		if title := Plain(s, maxTitle); title != "" {
			return title
		}
	}
	return "Alert"
}

// facts collects the facts that are known.
type facts []Fact

func (all *facts) add(label, value string) {
	if value != "" {
		*all = append(*all, Fact{label, value})
	}
}

// words cleans a list of texts and joins what is left of them.
func words(texts []string, as func(string) string) string {
	var clean []string
	for _, s := range texts {
		if s = as(s); s != "" {
			clean = append(clean, s)
		}
	}
	return Cut(strings.Join(clean, ", "), maxList)
}

func value(s string) string { return Plain(s, maxValue) }

func (f *Finding) who() []Fact {
	s := &f.Subject
	var all facts
	all.add("Name", value(s.Name))
	all.add("Department", value(s.Department))
	all.add("Role", value(s.Role))
	all.add("Manager", value(s.Manager))
	all.add("E-mail", value(s.Email))
	all.add("Employment", s.employment())
	var accounts []string
	for _, a := range s.Accounts {
		accounts = append(accounts, a.display())
	}
	all.add("Accounts", words(accounts, func(s string) string { return s }))
	if len(all) == 0 {
		all.add("Account", value(s.Key))
	}
	return all
}

func (s *Subject) employment() string {
	text, day := "", value(s.LastDay)
	switch s.Employment {
	case "left":
		text = "has left"
	case "active":
		text = "employed"
	}
	if day == "" {
		return text
	}
	if text == "" {
		return "last day " + day
	}
	return text + ", last day " + day
}

func (a *Account) display() string {
	name := value(a.Name)
	if name == "" {
		name = value(a.ID)
	}
	if source := capital(value(a.Source)); source != "" {
		return source + " " + name
	}
	return name
}

func (f *Finding) what() []Fact {
	var all facts
	if f.Rows > 0 {
		all.add("Rows", thousands(f.Rows))
	}
	if f.Bytes > 0 {
		all.add("Volume", size(f.Bytes))
	}
	if f.Count > 0 {
		all.add("Events", thousands(f.Count))
	}
	all.add("Kinds of record", words(f.ObjectTypes, value))
	all.add("CRM", words(f.Sources, func(s string) string { return capital(value(s)) }))
	return all
}

func (f *Finding) where() []Fact {
	var all facts
	all.add("Addresses", words(f.IPs, value))
	all.add("Countries", words(f.Countries, value))
	all.add("Clients", words(f.UserAgents, client))
	all.add("Applications", words(f.Apps, value))
	return all
}

// slow is how late an alert may be before the reader is told: what happened is
// then not going on any more.
const slow = 2 * time.Minute

// when says when it was in the person's own day, which is what makes it odd or
// not, and in UTC, which is what logs have.
func (f *Finding) when() []Fact {
	var all facts
	if !f.Start.IsZero() {
		if zone := f.Subject.zone(); zone != nil {
			all.add("Local time", period(f.Start.In(zone), f.End.In(zone))+" ("+zone.String()+")")
		}
		all.add("UTC", period(f.Start.UTC(), f.End.UTC()))
	}
	if late := f.Detected.Sub(f.End); !f.Detected.IsZero() && !f.End.IsZero() && late >= slow {
		all.add("Reported by the CRM", span(late)+" later")
	}
	return all
}

// zone is nil where the person's time zone is not known.
func (s *Subject) zone() *time.Location {
	if s.TimeZone == "" || s.TimeZone == "Local" || s.TimeZone == "UTC" {
		return nil
	}
	zone, err := time.LoadLocation(s.TimeZone)
	if err != nil {
		return nil
	}
	return zone
}

func period(start, end time.Time) string {
	const day, clock = "Mon 2 Jan 2006", "15:04"
	text := start.Format(day + ", " + clock)
	switch {
	case !end.After(start) || end.Format(day+clock) == start.Format(day+clock):
		return text
	case end.Format(day) == start.Format(day):
		return text + "–" + end.Format(clock)
	default:
		return text + " – " + end.Format(day+", "+clock)
	}
}

func (f *Finding) advice() string {
	switch f.Rule.Response {
	case "freeze":
		return "The rule proposes to freeze the account now and to review afterwards."
	case "review":
		return "The rule proposes a review; it is no reason to freeze by itself."
	default:
		return ""
	}
}

func (f *Finding) buttons() []Button {
	name := f.Subject.display()
	return []Button{
		{Action: "freeze", Text: "Freeze", Danger: true, Confirm: Cut(
			"All CRM accounts of "+name+" will be locked until somebody lifts it. Your name goes into the record.", maxConfirm)},
		{Action: "legit", Text: "Legit"},
		{Action: "escalate", Text: "Escalate"},
	}
}

var (
	findingID = regexp.MustCompile(`^[0-9a-f]{32}$`)
	// webURL is narrower than RFC 3986, so that no medium reads anything else
	// into a link.
	webURL = regexp.MustCompile(`^https?://[A-Za-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._~!$'()*+,;=:@%/-]*)?(\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?(#[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?$`)
)

const maxURL = 1000

// WebURL reports whether s is an http or https URL of the plain kind that no
// medium reads anything else into; a sink makes a link of no other.
func WebURL(s string) bool { return len(s) <= maxURL && webURL.MatchString(s) }

func (f *Finding) links(consoleURL string) []Link {
	var all []Link
	if base := console(consoleURL); base != nil {
		if findingID.MatchString(f.ID) {
			all = append(all, Link{"Case", base.JoinPath("alerts", f.ID).String()})
		}
		if findingID.MatchString(f.ReplacedBy) {
			all = append(all, Link{"The alert it was joined with", base.JoinPath("alerts", f.ReplacedBy).String()})
		}
		if f.Subject.Key != "" {
			person := base.JoinPath("people")
			person.RawQuery = url.Values{"tenant": {f.Tenant}, "key": {f.Subject.Key}}.Encode()
			all = append(all, Link{"Person", person.String()})
		}
	}
	for _, reference := range f.Rule.References {
		if WebURL(reference) {
			all = append(all, Link{"Runbook", reference})
			break
		}
	}
	fit := all[:0]
	for _, link := range all {
		if WebURL(link.URL) {
			fit = append(fit, link)
		}
	}
	return fit
}

// console is nil where there is no console.
func console(consoleURL string) *url.URL {
	if !WebURL(consoleURL) {
		return nil
	}
	base, err := url.Parse(consoleURL)
	if err != nil {
		return nil
	}
	return base
}

func (f *Finding) notes() []string {
	var all []string
	add := func(label, text string) {
		if text != "" {
			all = append(all, label+" "+text)
		}
	}
	add("Rule", value(f.Rule.Name))
	add("level", value(string(f.Rule.Level)))
	add("version", value(f.Rule.Version))
	add("alert", value(f.ID))
	if f.Revision > 0 {
		add("revision", strconv.Itoa(f.Revision))
	}
	return all
}

// lines cleans sentences; of more than limit it says how many there are.
func lines(texts []string, limit int) []string {
	var all []string
	for _, s := range texts {
		if s = Plain(s, maxList); s != "" {
			all = append(all, s)
		}
	}
	if more := len(all) - limit; more > 0 {
		all = append(all[:limit], "and "+thousands(int64(more))+" more")
	}
	return all
}
