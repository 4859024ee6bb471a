package salesforce

import (
	"strings"

	"github.com/crmwatch/crmwatch/event"
)

// kind is how the records of one type become events, beyond what all of them
// have in common.
type kind struct {
	action event.Action
	// Columns, of which the first with a value counts.
	ip         []string // before CLIENT_IP and SOURCE_IP
	objectID   []string
	objectType []string
	objectName []string
	object     string // the object's type where no column says it
	rows       string
	bytes      string
	refine     func(f *fields, e *event.Event)
	// refuse says why the record is no event at all.
	refuse string
}

// common fills in what the records of most types have.
func (f *fields) common(e *event.Event, k *kind) {
	e.Actor = event.Actor{
		ID:    clip(id18(f.get("USER_ID_DERIVED", "USER_ID", "USER_IDENTIFIER")), 255),
		Name:  clip(f.get("USER_NAME", "USERNAME"), 255),
		Email: clip(f.get("USER_EMAIL"), 320),
		Type:  actorType(f.get("USER_TYPE")),
	}
	e.Object = event.Object{
		Type: clip(f.get(k.objectType...), 255),
		ID:   clip(id18(f.get(k.objectID...)), 255),
		Name: clip(f.get(k.objectName...), 1024),
	}
	if e.Object.Type == "" && e.Object.ID != "" {
		e.Object.Type = k.object
	}
	e.SrcIP = f.address(k.ip)
	e.Country = country(f.get("COUNTRY_ISO", "COUNTRY_CODE"))
	e.UserAgent = f.userAgent()
	e.DeviceID = clip(f.get("DEVICE_ID"), 255)
	e.App = clip(f.get("CONNECTED_APP_NAME", "APPLICATION", "CLIENT_NAME", "CLIENT", "APP_NAME", "CONNECTED_APP_ID"), 255)
	e.Session = clip(f.get("SESSION_KEY", "LOGIN_KEY"), 255)
	f.outcome(e)
}

// address takes the first column that holds an address; others may hold the
// text "Salesforce.com IP".
func (f *fields) address(first []string) string {
	for _, name := range first {
		if ip := address(f.get(name)); ip != "" {
			return ip
		}
	}
	if ip := address(f.get("CLIENT_IP")); ip != "" {
		return ip
	}
	return address(f.get("SOURCE_IP"))
}

// userAgent leaves out the numeric code that API calls have in USER_AGENT.
func (f *fields) userAgent() string {
	agent := f.get("USER_AGENT")
	if agent == "" || isDigits(agent) {
		agent = f.get("BROWSER_TYPE", "CLIENT_INFO", "BROWSER")
	}
	return clip(agent, 2048)
}

// actorType reads a user type, as a word, as the letter that Logout and
// Lightning have, or as both: "Standard(db=S,api=Standard)".
func actorType(s string) event.ActorType {
	s, _, _ = strings.Cut(s, "(")
	switch s {
	case "":
		return ""
	case "G", "Guest":
		return event.Guest
	case "A", "AutomatedProcess", "AutomatedProcessUser", "Automated Process":
		return event.System
	case "CloudIntegrationUser", "Cloud Integration User":
		return event.Integration
	}
	return event.User
}

// outcome reads whether it succeeded from the columns that say so for any type.
// Some types have their own.
func (f *fields) outcome(e *event.Event) {
	if code := f.get("STATUS_CODE"); len(code) == 3 && isDigits(code) {
		f.result(e, code < "400", code)
		return
	}
	switch status := f.get("REQUEST_STATUS"); status {
	case "S", "R", "Success":
		e.Outcome = event.Success
	case "F", "A", "N":
		e.Outcome, e.Reason = event.Failure, status
	}
	if status := f.get("OPERATION_STATUS"); status != "" {
		f.result(e, strings.EqualFold(status, "Success"), status)
	}
	switch policy := f.get("POLICY_OUTCOME"); policy {
	case "Block", "MeteringBlock", "TwoFAFailedGeneralError", "TwoFAFailedInvalidCode", "TwoFAFailedTooManyAttempts", "TwoFADenied", "FailedInvalidPassword", "FailedPasswordLockout":
		e.Outcome, e.Reason = event.Failure, policy
	}
}

// result sets the outcome; only a failure has a reason.
func (f *fields) result(e *event.Event, ok bool, reason string) {
	e.Outcome, e.Reason = event.Success, ""
	if !ok {
		e.Outcome, e.Reason = event.Failure, clip(reason, 255)
	}
}

// flag reads a column of yes or no.
func (f *fields) flag(e *event.Event, name, reason string) {
	switch strings.ToLower(f.get(name)) {
	case "1", "true", "success":
		f.result(e, true, "")
	case "0", "false":
		f.result(e, false, reason)
	}
}

// numbers fills in the volume. Rows that a type counts in its own way are
// cleared again by its refine.
func (f *fields) numbers(e *event.Event, k *kind) (err error) {
	if k.rows != "" {
		if e.Rows, err = f.count(k.rows); err != nil {
			return err
		}
	}
	if k.bytes != "" {
		e.Bytes, err = f.count(k.bytes)
	}
	return err
}

// number is count for a column that only refines, where a defect is no reason
// to lose the event.
func (f *fields) number(name string) int64 {
	n, err := f.count(name)
	if err != nil {
		return 0
	}
	return n
}

// kind returns the type of the record and how it is mapped. A type that is not
// in the tables keeps its name and becomes event.Other.
func (f *fields) kind() (string, *kind) {
	// The record of an object says so, and may have an EventType of its own.
	name := strings.TrimSpace(f.get("ATTRIBUTES.TYPE", "EVENT_TYPE"))
	if name == "" {
		name = strings.TrimPrefix(f.get("CHANNEL"), "/event/")
	}
	if name == "" {
		name = f.infer()
	}
	for _, table := range []map[string]*kind{logFiles, realTime, objectKinds} {
		if k, ok := table[name]; ok {
			return name, k
		}
	}
	for _, suffix := range []string{"Stream", "Store", "EventLog"} {
		if base, ok := strings.CutSuffix(name, suffix); ok {
			if k := lookUp(base, suffix == "EventLog"); k != nil {
				return name, k
			}
		}
	}
	return name, &kind{action: event.Other}
}

func lookUp(base string, eventLog bool) *kind {
	if eventLog { // an event log object holds what the event log file of the name does
		return logFiles[base]
	}
	return realTime[base]
}
