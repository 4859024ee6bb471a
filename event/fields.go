package event

import "time"

// Field is one field of an Event as rules, the JSON form and the documentation
// name it.
type Field struct {
	Path string // the JSON path, and the field name in Sigma rules
	Kind Kind
	Unit string // of the number, or the form of the text
	OCSF string // attribute in the event's OCSF 1.5.0 class (see Action.OCSF)
	Doc  string
	Get  func(*Event) Value

	// Exactly one of these is set; the JSON form reads and writes through it.
	text   func(*Event) *string
	moment func(*Event) *time.Time
	number func(*Event) *int64
	// shared says that many events have the same text here, so that one copy of
	// it can serve them all.
	shared bool
}

// Fields lists every field in the order of the JSON form. It is the one place
// where a field is declared.
var Fields = []Field{
	text("id", "", "metadata.uid", "Unique within the tenant; the same for every delivery of the same event.", func(e *Event) *string { return &e.ID }),
	moment("time", "time", "When it happened, by the source's clock.", func(e *Event) *time.Time { return &e.Time }),
	moment("collected", "metadata.logged_time", "When crmwatch first received it.", func(e *Event) *time.Time { return &e.Collected }),
	word("tenant", "", "metadata.tenant_uid", "Whose CRM it is.", func(e *Event) *string { return &e.Tenant }),
	word("source", "salesforce, zoho, jiandaoyun, yonyou, …", "metadata.product.name", "The CRM, or the name a native event was sent under.", func(e *Event) *string { return &e.Source }),
	word("type", "", "metadata.event_code", "The source's own name of the event.", func(e *Event) *string { return &e.Type }),
	word("action", "see Actions", "activity_id", "What was done, in one vocabulary over all sources.", func(e *Event) *string { return (*string)(&e.Action) }),
	word("actor.id", "", "actor.user.uid", "The account's id in the source.", func(e *Event) *string { return &e.Actor.ID }),
	word("actor.name", "", "actor.user.name", "The account's login or display name.", func(e *Event) *string { return &e.Actor.Name }),
	word("actor.email", "", "actor.user.email_addr", "The account's e-mail address.", func(e *Event) *string { return &e.Actor.Email }),
	word("actor.person", "", "actor.user.ldap_person.employee_uid", "The person's id in the roster.", func(e *Event) *string { return &e.Actor.Person }),
	word("actor.type", "user, integration, guest, system", "actor.user.type", "Person or machine.", func(e *Event) *string { return (*string)(&e.Actor.Type) }),
	word("actor.role", "", "actor.user.groups.name", "Role or profile in the source.", func(e *Event) *string { return &e.Actor.Role }),
	word("actor.department", "", "actor.user.org.ou_name", "Department by the source.", func(e *Event) *string { return &e.Actor.Department }),
	word("object.type", "", "web_resources.type", "The kind of record: Account, Report, User.", func(e *Event) *string { return &e.Object.Type }),
	text("object.id", "", "web_resources.uid", "The record's id in the source.", func(e *Event) *string { return &e.Object.ID }),
	text("object.name", "", "web_resources.name", "The record's name. May be customers' data: never in a message.", func(e *Event) *string { return &e.Object.Name }),
	number("rows", "records", "web_resources.data.row_count", "Records read, exported or changed; 0 where the source does not say.", func(e *Event) *int64 { return &e.Rows }),
	number("bytes", "bytes", "web_resources.data.bytes", "Size of what left the CRM; 0 where the source does not say.", func(e *Event) *int64 { return &e.Bytes }),
	word("src_ip", "IPv4 or IPv6, canonical text", "src_endpoint.ip", "The client's address.", func(e *Event) *string { return &e.SrcIP }),
	word("country", "ISO 3166-1 alpha-2", "src_endpoint.location.country", "The client's country.", func(e *Event) *string { return &e.Country }),
	word("user_agent", "", "http_request.user_agent", "The client's user agent.", func(e *Event) *string { return &e.UserAgent }),
	word("device_id", "", "device.uid", "The client's device.", func(e *Event) *string { return &e.DeviceID }),
	word("app", "", "actor.app_name", "The client application or connected app.", func(e *Event) *string { return &e.App }),
	text("session", "", "actor.session.uid", "Joins the events of one login session.", func(e *Event) *string { return &e.Session }),
	word("outcome", "success, failure", "status_id", "Whether it succeeded; absent where the source does not say.", func(e *Event) *string { return (*string)(&e.Outcome) }),
	text("reason", "", "status_code", "The source's status code or message for the outcome.", func(e *Event) *string { return &e.Reason }),
	text("raw", "", "raw_data", "The vendor's record as it came. May be customers' data: never in a log, a message or a metric.", func(e *Event) *string { return &e.Raw }),
}

// text declares a field whose content differs from event to event.
func text(path, unit, ocsf, doc string, at func(*Event) *string) Field {
	get := func(e *Event) Value { return StringValue(*at(e)) }
	return Field{Path: path, Kind: String, Unit: unit, OCSF: ocsf, Doc: doc, Get: get, text: at}
}

// word declares a text field whose content many events share.
func word(path, unit, ocsf, doc string, at func(*Event) *string) Field {
	f := text(path, unit, ocsf, doc, at)
	f.shared = true
	return f
}

func moment(path, ocsf, doc string, at func(*Event) *time.Time) Field {
	get := func(e *Event) Value { return timeValue(*at(e)) }
	return Field{Path: path, Kind: String, Unit: "RFC 3339, UTC, milliseconds", OCSF: ocsf, Doc: doc, Get: get, moment: at}
}

func number(path, unit, ocsf, doc string, at func(*Event) *int64) Field {
	get := func(e *Event) Value { return IntValue(*at(e)) }
	return Field{Path: path, Kind: Int, Unit: unit, OCSF: ocsf, Doc: doc, Get: get, number: at}
}

// In is where an event has the field: a *string, a *time.Time or a *int64, for
// whoever fills it in.
func (f *Field) In(e *Event) any {
	switch {
	case f.text != nil:
		return f.text(e)
	case f.moment != nil:
		return f.moment(e)
	default:
		return f.number(e)
	}
}

// limit is how long the field's text may be, in bytes; 0 where it has none.
func (f *Field) limit() int {
	switch {
	case f.text == nil:
		return 0
	case f.Path == "raw":
		return MaxRaw
	default:
		return MaxField
	}
}
