package simulate

import (
	"strconv"
	"time"
)

// apiVersion is the release whose fields are written.
const apiVersion = "67.0"

// salesforce writes the act as the REST API returns the stored real-time event:
// the object's fields as a query selects them, times in UTC with milliseconds and
// a numeric offset, everything absent as null.
func (p *pen) salesforce(b []byte, a *act) []byte {
	f := form{b}
	typ := salesforceType(a.kind)
	f.open(typ, p.id)
	commonFields(&f, a)
	switch typ {
	case "LoginEvent":
		loginFields(&f, a)
	case "LightningUriEvent":
		recordFields(&f, a)
	case "ListViewEvent":
		summaryFields(&f, a, "ListViewId", "All recent records")
		f.str("AppName", "Sales")
	case "ReportEvent":
		summaryFields(&f, a, "ReportId", "Monthly overview")
		reportFields(&f, a)
	case "ApiEvent":
		apiFields(&f, a)
	}
	return append(f.b, '}')
}

func salesforceType(k kind) string {
	switch k {
	case login, badLogin:
		return "LoginEvent"
	case logout:
		return "LogoutEvent"
	case list, search:
		return "ListViewEvent"
	case report, export:
		return "ReportEvent"
	case call:
		return "ApiEvent"
	default:
		return "LightningUriEvent"
	}
}

func commonFields(f *form, a *act) {
	v := a.visit
	f.time("EventDate", a.t)
	f.time("CreatedDate", a.at)
	f.str("UserId", v.account.id)
	f.str("Username", v.account.name)
	f.str("SourceIp", v.ip)
	f.key("LoginKey", mix64(v.key))
	if a.kind == login || a.kind == badLogin { // there is no session yet
		f.null("SessionKey")
	} else {
		f.key("SessionKey", v.key)
	}
	f.str("SessionLevel", "STANDARD")
	f.null("PolicyId")
	f.null("PolicyOutcome")
	f.num("EvaluationTime", 0)
}

func recordFields(f *form, a *act) {
	var operation string
	switch a.kind {
	case edit:
		operation = "Update"
	case create:
		operation = "Create"
	default:
		operation = "Read"
	}
	f.str("AppName", "Sales")
	f.str("Operation", operation)
	f.str("QueriedEntities", a.object.name())
	f.record("RecordId", a.object)
	f.str("UserType", "Standard")
	f.str("UserAgent", a.visit.device.agent)
}

func reportFields(f *form, a *act) {
	if a.kind == export {
		f.str("Operation", "ReportExported")
		f.str("ExportFileFormat", "CSV")
	} else {
		f.str("Operation", "ReportRunFromLightning")
		f.null("ExportFileFormat")
	}
	f.str("Format", "Tabular")
	f.bool("IsScheduled", false)
	f.null("DashboardId")
}

func loginFields(f *form, a *act) {
	v := a.visit
	status := "Success"
	if a.kind == badLogin {
		status = "Invalid Password"
	}
	f.str("Status", status)
	f.str("LoginType", "Application")
	f.null("LoginSubType")
	f.str("Application", "Browser")
	f.str("Browser", v.device.browser)
	f.str("Platform", v.device.platform)
	f.str("ApiType", "N/A")
	f.str("ApiVersion", "N/A")
	f.str("ClientVersion", "N/A")
	f.str("HttpMethod", "POST")
	f.str("TlsProtocol", "TLS 1.3")
	f.str("CipherSuite", "TLS_AES_256_GCM_SHA384")
	f.str("LoginUrl", "beihu.my.salesforce.com")
	f.id("LoginHistoryId", "0Ya", v.key)
	f.str("CountryIso", v.country)
	if at := v.near; at != nil {
		f.str("City", at.city)
		f.str("Subdivision", at.region)
		f.float("LoginLatitude", at.lat)
		f.float("LoginLongitude", at.lon)
	}
	f.null("ForwardedForIp")
	f.str("AdditionalInfo", "{}")
	f.str("UserType", "Standard")
}

// summaryFields are what reports and list views have in common.
func summaryFields(f *form, a *act, idField, name string) {
	o := a.object
	f.record(idField, o)
	f.str("Name", kinds[o.of].name+": "+name)
	f.str("QueriedEntities", kinds[o.of].name)
	f.str("EventSource", "Lightning")
	f.str("Scope", "organization")
	f.str("ColumnHeaders", "[Name, Owner, City, Phone, Last Activity]")
	f.num("NumberOfColumns", 5)
	f.num("RowsProcessed", a.rows)
	f.num("Sequence", 1)
	f.id("ExecutionIdentifier", "0Ex", mix64(a.id))
	f.null("Records")
}

func apiFields(f *form, a *act) {
	entity := a.object.name()
	f.str("Operation", "Query")
	f.str("OperationStatus", "SUCCESS")
	f.str("ApiType", "REST")
	f.str("ApiVersion", apiVersion)
	f.str("QueriedEntities", entity)
	f.raw("Query", "SELECT Id, Name, OwnerId, LastModifiedDate FROM "+entity+" ORDER BY Id LIMIT ", strconv.FormatInt(a.rows, 10))
	f.num("RowsProcessed", a.rows)
	f.num("RowsReturned", a.rows)
	f.num("ElapsedTime", 20+int64(mix64(a.id)%400))
	f.str("UserAgent", a.visit.device.agent)
	f.str("Platform", a.visit.device.platform)
	if a.visit.account.machine {
		f.str("Client", a.visit.device.agent)
		f.str("Application", "N/A")
		f.id("ConnectedAppId", "0H4", a.visit.account.salt)
	} else {
		f.str("Client", "SalesforceMobileSDK/13.1")
		f.str("Application", "Salesforce for "+a.visit.device.platform)
		f.null("ConnectedAppId")
	}
	f.null("Records")
}

// form appends the members of a JSON object. Its texts come from the tables of
// this package and need no escaping.
type form struct{ b []byte }

func (f *form) open(typ, id string) {
	f.b = append(f.b, `{"attributes":{"type":"`...)
	f.b = append(f.b, typ...)
	f.b = append(f.b, `","url":"/services/data/v`+apiVersion+`/sobjects/`...)
	f.b = append(f.b, typ...)
	f.b = append(f.b, `/000000000000000AAA"},"EventIdentifier":"`...)
	f.b = append(f.b, id...)
	f.b = append(f.b, '"')
}

func (f *form) name(name string) {
	f.b = append(f.b, ',', '"')
	f.b = append(f.b, name...)
	f.b = append(f.b, '"', ':')
}

func (f *form) str(name, v string) { f.raw(name, v, "") }

func (f *form) raw(name, v, w string) {
	f.name(name)
	f.b = append(f.b, '"')
	f.b = append(f.b, v...)
	f.b = append(f.b, w...)
	f.b = append(f.b, '"')
}

func (f *form) null(name string) {
	f.name(name)
	f.b = append(f.b, "null"...)
}

func (f *form) bool(name string, v bool) {
	f.name(name)
	f.b = strconv.AppendBool(f.b, v)
}

func (f *form) num(name string, v int64) {
	f.name(name)
	f.b = strconv.AppendInt(f.b, v, 10)
}

func (f *form) float(name string, v float64) {
	f.name(name)
	f.b = strconv.AppendFloat(f.b, v, 'f', 4, 64)
}

func (f *form) id(name, prefix string, n uint64) {
	f.name(name)
	f.b = append(f.b, '"')
	f.b = append(appendSalesforceID(f.b, prefix, n%recordNumbers), '"')
}

// recordNumbers keeps ids looking like those of an organisation of some age:
// leading zeros, then seven digits.
const recordNumbers = 3_521_614_606_208 // 62⁷

func (f *form) record(name string, o object) { f.id(name, kinds[o.kind].prefix, mix64(uint64(o.id))) }

func (f *form) key(name string, n uint64) {
	f.name(name)
	f.b = append(f.b, '"')
	f.b = append(appendKey(f.b, n), '"')
}

func (f *form) time(name string, ms int64) {
	f.name(name)
	f.b = append(f.b, '"')
	f.b = time.UnixMilli(ms).UTC().AppendFormat(f.b, "2006-01-02T15:04:05.000")
	f.b = append(f.b, `+0000"`...)
}
