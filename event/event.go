// Package event holds the words everything in crmwatch is said in: one access
// event as it happened in a CRM, who did it, to what, and how much.
//
// An Event is immutable once written to Kafka. Its JSON form (AppendJSON, Decode)
// is the Kafka message; docs/event.md lists every field with its unit and its
// OCSF class and attribute, and is generated from the table in fields.go.
package event

import "time"

// Event is one thing somebody did in a CRM. Empty strings and zero numbers mean
// that the source does not say.
type Event struct {
	// ID names the event uniquely within its tenant, from the source's own id
	// or from the content of its record, so that a repeated delivery carries
	// the same ID and can be recognised.
	ID string
	// Time is when it happened, by the source's clock, UTC, to the millisecond.
	Time time.Time
	// Collected is when crmwatch first received it, UTC, to the millisecond.
	Collected time.Time
	// Tenant is the customer of crmwatch whose CRM it is.
	Tenant string
	// Source is the CRM: "salesforce", "zoho", "jiandaoyun", "yonyou", or the
	// name under which a native event was sent.
	Source string
	// Type is the source's own name of the event, such as "ReportExport".
	Type string

	Action Action
	Actor  Actor
	Object Object

	// Rows is the number of records that were read, exported or changed.
	Rows int64
	// Bytes is the size of what left the CRM, in bytes.
	Bytes int64

	// SrcIP is the client's IPv4 or IPv6 address in its canonical text form.
	SrcIP string
	// Country is the ISO 3166-1 alpha-2 code of the client's country.
	Country   string
	UserAgent string
	DeviceID  string
	// App is the client application: a connected app, an API client, "web".
	App string
	// Session joins the events of one login session.
	Session string
	Outcome Outcome
	// Reason is the source's status code or message for the outcome.
	Reason string

	// Raw is the vendor's record as it came, for forensics. It may hold
	// customers' data and never goes into a log, a message or a metric.
	Raw string
}

// Actor is the account that acted and, where known, the person behind it.
type Actor struct {
	// ID is the account's id in the source.
	ID string
	// Name is the account's login or display name in the source.
	Name  string
	Email string
	// Person is the id of the person in the roster, over all CRMs.
	Person     string
	Type       ActorType
	Role       string
	Department string
}

// Object is what was acted on.
type Object struct {
	// Type is the kind of record in the source: "Account", "Report", "User".
	Type string
	ID   string
	// Name may be customers' data and never goes into a message.
	Name string
}

// Action is what was done, in one vocabulary over all sources.
type Action string

// The actions. Other is for what the source reports and crmwatch has no word
// for; such an event is kept whole in Raw and counted.
const (
	Login            Action = "login"
	LoginFailed      Action = "login_failed"
	Logout           Action = "logout"
	LoginAs          Action = "login_as" // Actor is who impersonates, Object the user impersonated
	View             Action = "view"
	Search           Action = "search"
	Export           Action = "export"
	Download         Action = "download" // a file or an attachment
	APICall          Action = "api_call" // Rows counts the records read
	Create           Action = "create"
	Edit             Action = "edit"
	Delete           Action = "delete"
	Import           Action = "import"
	Share            Action = "share"
	PermissionChange Action = "permission_change"
	UserChange       Action = "user_change" // an account was created, enabled, disabled or frozen
	AppAuthorize     Action = "app_authorize"
	ConfigChange     Action = "config_change"
	Other            Action = "other"
)

// Outcome says whether the action succeeded.
type Outcome string

// The outcomes; empty where the source does not say.
const (
	Success Outcome = "success"
	Failure Outcome = "failure"
)

// ActorType tells people from machines.
type ActorType string

// The actor types; empty where the source does not say.
const (
	User        ActorType = "user"
	Integration ActorType = "integration"
	Guest       ActorType = "guest"
	System      ActorType = "system"
)

// Earliest and Latest bound the event times that are believed: before any of
// the CRMs existed, or in a century that no ClickHouse DateTime64 sort order
// and no retention rule is made for, a time is a defect of its record.
var (
	Earliest = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	Latest   = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
)

// Limits on single fields, in bytes.
const (
	MaxField = 64 << 10 // any field but Raw
	MaxRaw   = 512 << 10
)

// PersonKey names who acted for grouping: the person where one is known, the
// account within its source where not. It is never empty for a valid event.
func (e *Event) PersonKey() string {
	if e.Actor.Person != "" {
		return e.Actor.Person
	}
	return e.AccountKey()
}

// AccountKey names the account over all sources: "source:id", or by its name
// where the source gives no id.
func (e *Event) AccountKey() string {
	if e.Actor.ID != "" {
		return e.Source + ":" + e.Actor.ID
	}
	return e.Source + ":" + e.Actor.Name
}

// Key is the Kafka key: tenant and person (the account where no person is
// known), so that everything one person does meets in one partition.
func (e *Event) Key() []byte { return []byte(e.Tenant + "/" + e.PersonKey()) }
