// Package rules is Sigma as a language (specification 2.1.0): it reads rule
// files, checks them to the last key, and compiles them into an immutable Set
// that says which rules an event matches.
//
// It works in four steps, each of which needs the one before only: parse (YAML
// to typed trees with positions: yaml.go, parse.go, condition.go, pattern.go),
// compile (trees against a Schema to conditions over shared predicates: compile.go,
// predicate.go), link (all rules to one program with its indexes: program.go,
// anchor.go, automaton.go), and match (matcher.go, probe.go). What a
// rule file holds and crmwatch cannot do is an error when it is loaded, with
// file, line and remedy; nothing is ever ignored silently, because a rule that
// silently never matches is worse than none.
//
// Where the specification leaves room, crmwatch follows pySigma, the reference
// implementation. Where it differs, the comment at the place says why.
package rules

import (
	"fmt"
	"time"

	"github.com/crmwatch/crmwatch/event"
)

// Field is a field of a Schema, by its index.
type Field int

// Schema says which fields rules may name. A name that it does not have is an
// error when the rule is loaded.
//
// A schema of raw records, of which nobody knows all fields, is open: it gives
// every path that it is asked for the next free Field. Load asks it for what rules
// name, and for nothing else.
type Schema interface {
	// Field finds a field by its path, "actor.id". Case matters.
	Field(path string) (Field, bool)
	// Paths lists the fields that there are, so that an error can name what was
	// meant.
	Paths() []string
}

// FieldList is a Schema: field i is FieldList[i].
type FieldList []string

// Field finds a field by its path.
func (l FieldList) Field(path string) (Field, bool) {
	for i, p := range l {
		if p == path {
			return Field(i), true
		}
	}
	return 0, false
}

// Paths lists all fields.
func (l FieldList) Paths() []string { return l }

// Record is one event as rules see it.
type Record struct {
	// Values are the fields of the Schema that the Set was loaded with, by Field.
	// Those that Set.Uses denies need not be filled in.
	Values []event.Value
	// Leaves is all content in which a keyword is searched; names of fields are no
	// content. It is needed only where Set.Keywords says so.
	Leaves []event.Value
}

// Position is a place in a rule file. Lines and columns count from 1.
type Position struct {
	File         string
	Line, Column int
}

// String is "file:line:column".
func (p Position) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column) }

// LoadError is one thing that is wrong with a rule file. Load joins them.
type LoadError struct {
	Pos     Position
	Message string
}

// Error is "file:line:column: message".
func (e *LoadError) Error() string { return e.Pos.String() + ": " + e.Message }

// Meta is what every rule says about itself.
type Meta struct {
	// ID is the rule's UUID, in lower case.
	ID string
	// Name is the short name under which correlations refer to the rule; the ID
	// where the rule gives none. Both are unique in a Set.
	Name  string
	Title string
	// Version is a hash of what the rule matches, 12 hexadecimal digits: of its
	// log source and its detection or correlation, of the look-up tables, pipelines
	// and filters that apply to it, of the rules a correlation refers to, and of how
	// its windows are kept. Comments, the order of keys, titles, levels, responses,
	// runbooks and tests do not change it.
	Version string
	// Status is a Sigma status, empty where the rule gives none.
	Status string
	// Level is a Sigma level: "informational", "low", "medium", "high" or
	// "critical"; "medium" where the rule gives none.
	Level       string
	Description string
	Author      string
	License     string // SPDX identifier
	// Date and Modified are days as 2006-01-02, or empty.
	Date, Modified                   string
	FalsePositives, References, Tags []string
	// Response is what the author proposes to do: ResponseFreeze or
	// ResponseReview.
	Response string
	// Reason is the author's sentence on why this is unusual, with fields of the
	// event in braces; empty where the rule gives none. See ExpandReason.
	Reason string
	// Runbook says to a responder, step by step, what to do.
	Runbook Runbook
	// Requires says what of which CRMs the rule cannot do without, none where every
	// CRM has it.
	Requires []Requirement
	// Window is how the rule's windows are kept, where the rule says it.
	Window Window
	// Tests are the author's examples.
	Tests []Test
	// Sources are the texts that Version follows from: the rule's own, those of the
	// filters and look-up tables that apply to it, and those of the rules that a
	// correlation measures.
	Sources []Source
	Pos     Position // where the rule's document begins

	reason []reasonPart
}

// Runbook is what a responder does about a finding, in English and in Chinese.
type Runbook struct{ English, Chinese string }

// Requirement is a channel of a CRM from which a rule's events come.
type Requirement struct {
	CRM string // "salesforce", "zoho", "jiandaoyun", "yonyou"
	// License is the edition or add-on that has the channel, empty where all have.
	License string
	// Delay is how long after the event it comes, by the vendor's word; 0 is within
	// seconds.
	Delay time.Duration
	// Blind says that the CRM does not report what the rule needs.
	Blind bool
}

// Window is how windows are kept. Zero means as the detector is configured.
type Window struct {
	// Suppress is how long a group must have been quiet, in event time, before
	// another alert begins; until then the one that is open is extended. Zero means
	// the timespan.
	Suppress time.Duration
	// Lateness is how far behind its source an event may come and still be counted.
	Lateness time.Duration
}

// Test is one of the author's examples: events, and whether the rule must find
// something in them.
type Test struct {
	Name    string
	Matches bool
	Events  []TestEvent
	Pos     Position
}

// TestEvent is an event of a test: fields by their paths, as they are written.
type TestEvent struct {
	// After is when it happens, counted from the test's beginning.
	After time.Duration
	// Repeat is how often, Every how far apart. In texts "{n}" is the number of the
	// repetition, from 1.
	Repeat int
	Every  time.Duration
	Fields map[string]event.Value
	Pos    Position
}

// The responses that a rule may propose. An account is frozen only by a person's
// decision, whatever the rule proposes.
const (
	ResponseFreeze = "freeze"
	ResponseReview = "review"
)

// Rule is a detection rule: it looks at one event.
type Rule struct {
	Meta
	// Index is the rule's place in Set.Rules.
	Index int
	// Alerts says that a match is a finding of its own. It is false for a rule
	// that only feeds correlations, none of which says "generate: true".
	Alerts bool
	// Applies says that the rule's log source is crmwatch's own, {product: crm,
	// category: audit}, or that Options.AnyLogsource is set. Others load and never
	// match.
	Applies bool
	// Correlated says that a correlation measures the rule's matches.
	Correlated bool

	program node // what is matched, until it is linked with that of all rules
}

// Set is a set of rules, all of them checked and compiled. It never changes,
// and all methods are safe for concurrent use. What its methods return belongs
// to it and must not be changed.
type Set struct {
	rules        []*Rule
	active       []*Rule  // those that can match
	program      *program // of those
	predicates   []predicate
	correlations []*Correlation
	lookups      []string
	version      string
	uses         []bool // by Field
	keywords     bool
}

// Rules lists the detection rules in the order of their files and documents.
func (s *Set) Rules() []*Rule { return s.rules }

// Correlations lists the correlation rules, each after those it refers to, and
// otherwise in the order of their files and documents.
func (s *Set) Correlations() []*Correlation { return s.correlations }

// Lookups lists the names of all look-up tables, sorted.
func (s *Set) Lookups() []string { return s.lookups }

// Version is a hash of the ids and versions of all rules, 12 hexadecimal digits.
// It does not depend on how they are spread over files.
func (s *Set) Version() string { return s.version }

// Uses reports whether a rule or a correlation reads the field.
func (s *Set) Uses(f Field) bool { return int(f) < len(s.uses) && s.uses[f] }

// Keywords reports whether a rule searches all content of a record.
func (s *Set) Keywords() bool { return s.keywords }
