package event

// Field is one field of an Event as rules, the JSON form and the documentation
// name it.
type Field struct {
	Path string // the JSON path, and the field name in Sigma rules
	Kind Kind
	Unit string // of the number, or the form of the text
	OCSF string // attribute in the event's OCSF 1.5.0 class (see Action.OCSF)
	Doc  string
	Get  func(*Event) Value
}

// Fields lists every field in the order of the JSON form. It is the one place
// where a field is declared.
var Fields = []Field{
	{"id", String, "", "metadata.uid", "Unique within the tenant; the same for every delivery of the same event.", func(e *Event) Value { return StringValue(e.ID) }},
	{"time", String, "RFC 3339, UTC, milliseconds", "time", "When it happened, by the source's clock.", func(e *Event) Value { return timeValue(e.Time) }},
	{"collected", String, "RFC 3339, UTC, milliseconds", "metadata.logged_time", "When crmwatch first received it.", func(e *Event) Value { return timeValue(e.Collected) }},
	{"tenant", String, "", "metadata.tenant_uid", "Whose CRM it is.", func(e *Event) Value { return StringValue(e.Tenant) }},
	{"source", String, "salesforce, zoho, jiandaoyun, yonyou, …", "metadata.product.name", "The CRM, or the name a native event was sent under.", func(e *Event) Value { return StringValue(e.Source) }},
	{"type", String, "", "metadata.event_code", "The source's own name of the event.", func(e *Event) Value { return StringValue(e.Type) }},
	{"action", String, "see Actions", "activity_id", "What was done, in one vocabulary over all sources.", func(e *Event) Value { return StringValue(string(e.Action)) }},
	{"actor.id", String, "", "actor.user.uid", "The account's id in the source.", func(e *Event) Value { return StringValue(e.Actor.ID) }},
	{"actor.name", String, "", "actor.user.name", "The account's login or display name.", func(e *Event) Value { return StringValue(e.Actor.Name) }},
	{"actor.email", String, "", "actor.user.email_addr", "The account's e-mail address.", func(e *Event) Value { return StringValue(e.Actor.Email) }},
	{"actor.person", String, "", "actor.user.ldap_person.employee_uid", "The person's id in the roster.", func(e *Event) Value { return StringValue(e.Actor.Person) }},
	{"actor.type", String, "user, integration, guest, system", "actor.user.type", "Person or machine.", func(e *Event) Value { return StringValue(string(e.Actor.Type)) }},
	{"actor.role", String, "", "actor.user.groups.name", "Role or profile in the source.", func(e *Event) Value { return StringValue(e.Actor.Role) }},
	{"actor.department", String, "", "actor.user.org.ou_name", "Department by the source.", func(e *Event) Value { return StringValue(e.Actor.Department) }},
	{"object.type", String, "", "web_resources.type", "The kind of record: Account, Report, User.", func(e *Event) Value { return StringValue(e.Object.Type) }},
	{"object.id", String, "", "web_resources.uid", "The record's id in the source.", func(e *Event) Value { return StringValue(e.Object.ID) }},
	{"object.name", String, "", "web_resources.name", "The record's name. May be customers' data: never in a message.", func(e *Event) Value { return StringValue(e.Object.Name) }},
	{"rows", Int, "records", "web_resources.data.row_count", "Records read, exported or changed; 0 where the source does not say.", func(e *Event) Value { return IntValue(e.Rows) }},
	{"bytes", Int, "bytes", "web_resources.data.bytes", "Size of what left the CRM; 0 where the source does not say.", func(e *Event) Value { return IntValue(e.Bytes) }},
	{"src_ip", String, "IPv4 or IPv6, canonical text", "src_endpoint.ip", "The client's address.", func(e *Event) Value { return StringValue(e.SrcIP) }},
	{"country", String, "ISO 3166-1 alpha-2", "src_endpoint.location.country", "The client's country.", func(e *Event) Value { return StringValue(e.Country) }},
	{"user_agent", String, "", "http_request.user_agent", "The client's user agent.", func(e *Event) Value { return StringValue(e.UserAgent) }},
	{"device_id", String, "", "device.uid", "The client's device.", func(e *Event) Value { return StringValue(e.DeviceID) }},
	{"app", String, "", "actor.app_name", "The client application or connected app.", func(e *Event) Value { return StringValue(e.App) }},
	{"session", String, "", "actor.session.uid", "Joins the events of one login session.", func(e *Event) Value { return StringValue(e.Session) }},
	{"outcome", String, "success, failure", "status_id", "Whether it succeeded; absent where the source does not say.", func(e *Event) Value { return StringValue(string(e.Outcome)) }},
	{"reason", String, "", "status_code", "The source's status code or message for the outcome.", func(e *Event) Value { return StringValue(e.Reason) }},
	{"raw", String, "", "raw_data", "The vendor's record as it came. May be customers' data: never in a log, a message or a metric.", func(e *Event) Value { return StringValue(e.Raw) }},
}

func (f *Field) limit() int {
	switch {
	case f.Kind != String:
		return 0
	case f.Path == "raw":
		return MaxRaw
	default:
		return MaxField
	}
}
