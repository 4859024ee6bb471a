// Package alert takes findings to people: a finding becomes an alert, a message
// that a responder can decide on.
package alert

import (
	"strconv"
	"time"

	"github.com/crmwatch/crmwatch/event"
)

// Finding is what a rule found about one subject in one window of event time.
// The detector makes it; its id is a hash of rule, version, subject and window,
// so that a replay makes the same finding with the same id and every sink can
// recognise it.
type Finding struct {
	ID   string // 32 hexadecimal digits
	Rule Rule
	// Tenant and Subject say whom it is about.
	Tenant  string
	Subject Subject
	// Start and End bound the window in event time: the first and the last event
	// that count for the finding.
	Start, End time.Time
	// Detected is the Collected time of the event that made it fire.
	Detected time.Time

	// Revision counts how often the finding has been amended: 0 when it is first
	// told. A finding is extended while its burst goes on, and by events that come
	// late; every revision carries the whole of it, so that the newest replaces all
	// before. ID, Rule and Detected stay what they were.
	Revision int
	// State is where the finding stands; empty is Open.
	State State
	// Replaces are ids of findings that this one has taken in, because a late event
	// showed that they are one burst. They are withdrawn, ReplacedBy naming this.
	Replaces   []string
	ReplacedBy string

	// Count is the number of events in the window, Rows and Bytes their sums.
	Count, Rows, Bytes int64
	// Measured is what the rule's condition compared and Threshold with what, in
	// Unit ("rows", "events", "days"); both are zero for a rule on single events.
	Measured, Threshold int64
	Unit                string
	// Uncertainty is how far Measured may be off, as a share of it (0.02 is two per
	// cent), where the window held too many events to be counted one by one; 0
	// where it is exact.
	Uncertainty float64

	// Action, Sources, ObjectTypes, IPs, Countries, UserAgents and Apps are what was
	// seen in the window, each at most MaxSeen distinct values, first seen first.
	Action      event.Action
	Sources     []string
	ObjectTypes []string
	IPs         []string
	Countries   []string
	UserAgents  []string
	Apps        []string
	// Events are the ids of the events that count, first MaxEvents of Count.
	Events []EventRef
	// Reasons say why it is unusual, one plain sentence each, without customers' data.
	Reasons []string
}

// State is where a finding stands.
type State string

// The states. An Open finding may still be extended; a Closed one was quiet for
// long enough that what comes next is another. Withdrawn is one that late events
// have shown not to hold, or to be part of another (ReplacedBy).
const (
	Open      State = "open"
	Closed    State = "closed"
	Withdrawn State = "withdrawn"
)

// FindingID names what a version of a rule found about a subject in the window
// that began at start: the same finding has the same id on every run.
func FindingID(ruleID, version, tenant, subjectKey string, start time.Time) string {
	return event.Hash("finding", ruleID, version, tenant, subjectKey, strconv.FormatInt(start.UnixMilli(), 10))
}

// Limits of a finding.
const (
	MaxSeen   = 8
	MaxEvents = 100
)

// EventRef names an event that a finding rests on.
type EventRef struct {
	ID     string
	Time   time.Time
	Action event.Action
	Rows   int64
}

// Rule is the part of a rule that a responder and an auditor need.
type Rule struct {
	ID      string // the Sigma rule's UUID
	Version string // hash of the rule's logic, 12 hexadecimal digits
	Name    string // short stable name, a metric label: "mass_export_hour"
	Title   string
	Level   Level
	// Description is the author's explanation; FalsePositives what else it could be.
	Description    string
	FalsePositives []string
	Tags           []string // Sigma tags such as "attack.t1213"
	Author         string
	References     []string
	// Response is what the rule's author proposes: "freeze" or "review".
	Response string
}

// Level is a Sigma level.
type Level string

// The levels of the Sigma specification 2.1.0, lowest first.
const (
	Informational Level = "informational"
	Low           Level = "low"
	Medium        Level = "medium"
	High          Level = "high"
	Critical      Level = "critical"
)

// Subject is who a finding is about: the account that acted, and the person
// behind it where the roster knows one.
type Subject struct {
	// Key is the person's id in the roster, or "source:account".
	Key        string
	Person     string // empty where no person is known
	Name       string
	Email      string
	Department string
	Role       string
	Manager    string // display name
	TimeZone   string // IANA name
	// Employment is "active", "left", or empty where no person is known;
	// LastDay is the last day of employment, as 2006-01-02, where it is set.
	Employment string
	LastDay    string
	Accounts   []Account
}

// Account is an account that took part in a finding.
type Account struct {
	Source string
	ID     string
	Name   string
}
