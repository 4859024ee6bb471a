package salesforce

import (
	"strings"

	"github.com/crmwatch/crmwatch/event"
)

// realTime are the real-time events by the name they are streamed or stored
// under, without "Stream" and "Store".
var realTime = map[string]*kind{
	"LoginEvent":   {action: event.Login, refine: refineLoginStatus},
	"LogoutEvent":  {action: event.Logout},
	"LoginAsEvent": {action: event.LoginAs, refine: refineLoginAs},

	"ReportEvent": {
		action: event.View, object: "Report", objectID: []string{"REPORT_ID"}, objectName: []string{"NAME"},
		rows: "ROWS_PROCESSED", refine: refineReportEvent,
	},
	"ListViewEvent": {
		action: event.Search, object: "ListView", objectID: []string{"LIST_VIEW_ID"}, objectName: []string{"NAME"},
		rows: "ROWS_PROCESSED", refine: refineChunk,
	},
	"ApiEvent":           {action: event.APICall, objectType: queried, rows: "ROWS_PROCESSED", refine: refineAPIEvent},
	"BulkApiResultEvent": {action: event.Export, refine: func(f *fields, e *event.Event) { e.Object.Type = fromClause(f.get("QUERY")) }},
	"FileEvent": {
		action: event.Other, object: "ContentDocument", objectID: []string{"DOCUMENT_ID"}, objectName: []string{"FILE_NAME"},
		bytes: "CONTENT_SIZE", refine: refineFileEvent,
	},

	"UriEvent":          {action: event.View, objectType: queried, objectID: []string{"RECORD_ID"}, refine: refineURIEvent},
	"LightningUriEvent": {action: event.View, objectType: queried, objectID: []string{"RECORD_ID"}, refine: refineURIEvent},

	"PermissionSetEvent": {
		action: event.PermissionChange, object: "PermissionSet", objectID: []string{"PARENT_ID_LIST"}, objectName: []string{"PARENT_NAME_LIST"},
	},
	"IdentityProviderEvent": {
		action: event.Login, refine: func(f *fields, e *event.Event) {
			if code := f.get("ERROR_CODE"); code != "" {
				f.result(e, strings.EqualFold(code, "Success"), code)
			}
			if e.Outcome == event.Failure {
				e.Action = event.LoginFailed
			}
		},
	},
	"IdentityVerificationEvent": {action: event.Other, refine: refineStatus},

	// What Salesforce itself finds suspicious. Rules match it by its type; what
	// was read is told by events of its own.
	"ApiAnomalyEvent":         {action: event.Other, objectType: queried},
	"ReportAnomalyEvent":      {action: event.Other, object: "Report", objectID: []string{"REPORT"}},
	"SessionHijackingEvent":   {action: event.Other, ip: []string{"CURRENT_IP"}},
	"CredentialStuffingEvent": {action: event.Other},
	"GuestUserAnomalyEvent":   {action: event.Other, refine: func(_ *fields, e *event.Event) { e.Actor.Type = event.Guest }},
	"LoginAnomalyEvent":       {action: event.Other},
	"UniversalAnomalyEvent":   {action: event.Other},
}

var queried = []string{"QUERIED_ENTITIES"}

// objectKinds are the audit objects that every org has.
var objectKinds = map[string]*kind{
	"LoginHistory":        {action: event.Login, refine: refineLoginStatus},
	"SetupAuditTrail":     {action: event.ConfigChange, refine: refineSetup},
	"VerificationHistory": {action: event.Other, refine: refineStatus},

	"EventLogFile": {refuse: "the record lists a log file and is no event; download what its LogFile names, and ingest that"},
}

// marks tell the type of a real-time event that does not say it, by fields that
// only that type has, the most telling first.
var marks = []struct{ column, typ string }{
	{"DELEGATED_USERNAME", "LoginAsEvent"},
	{"LIST_VIEW_ID", "ListViewEvent"},
	{"REPORT_ID", "ReportEvent"},
	{"EXPORT_FILE_FORMAT", "ReportEvent"},
	{"FILE_ACTION", "FileEvent"},
	{"PARENT_ID_LIST", "PermissionSetEvent"},
	{"IMPACTED_USER_IDS", "PermissionSetEvent"},
	{"SAML_ENTITY_URL", "IdentityProviderEvent"},
	{"SSO_TYPE", "IdentityProviderEvent"},
	{"PREVIOUS_IP", "SessionHijackingEvent"},
	{"SOQL_COMMANDS", "GuestUserAnomalyEvent"},
	{"REQUESTED_ENTITIES", "GuestUserAnomalyEvent"},
	{"FEATURE_CONTRIBUTION", "LoginAnomalyEvent"},
	{"FEATURE_NAME", "LoginAnomalyEvent"},
	{"ANOMALY_SUB_TYPE", "UniversalAnomalyEvent"},
	{"ACCEPT_LANGUAGE", "CredentialStuffingEvent"},
	{"REPORT", "ReportAnomalyEvent"},
	{"VERIFICATION_TIME", "VerificationHistory"},
	{"VERIFICATION_METHOD", "IdentityVerificationEvent"},
	{"SCORE", "ApiAnomalyEvent"},
	{"ROWS_RETURNED", "ApiEvent"},
	{"PAGE_START_TIME", "LightningUriEvent"},
	{"LOGIN_TIME", "LoginHistory"},
	{"LOGIN_TYPE", "LoginEvent"},
	{"LOGIN_URL", "LoginEvent"},
	{"SECTION", "SetupAuditTrail"},
	{"RECORD_ID", "UriEvent"},
	{"API_TYPE", "ApiEvent"},
	{"QUERY", "BulkApiResultEvent"},
}

// infer returns the type by the marks. LogoutEvent has none: it is what has no
// field beyond those of all real-time events.
func (f *fields) infer() string {
	for _, m := range marks {
		if f.has(m.column) {
			return m.typ
		}
	}
	if !f.hasAll("EVENT_IDENTIFIER", "EVENT_DATE") {
		return ""
	}
	for _, name := range f.names {
		if !commonNames[name] {
			return "unknown"
		}
	}
	return "LogoutEvent"
}

var commonNames = map[string]bool{
	"EVENT_IDENTIFIER": true, "EVENT_DATE": true, "EVENT_UUID": true, "CREATED_DATE": true, "CREATED_BY_ID": true, "ID": true,
	"USER_ID": true, "USERNAME": true, "LOGIN_KEY": true, "SESSION_KEY": true, "SESSION_LEVEL": true, "SOURCE_IP": true,
	"POLICY_ID": true, "POLICY_OUTCOME": true, "EVALUATION_TIME": true, "RELATED_EVENT_IDENTIFIER": true, "REPLAY_ID": true,
}

// refineLoginStatus reads Status, which is text for people: "Success", or what
// went wrong.
func refineLoginStatus(f *fields, e *event.Event) {
	refineStatus(f, e)
	if e.Outcome == event.Failure {
		e.Action = event.LoginFailed
	}
}

func refineStatus(f *fields, e *event.Event) {
	if status := f.get("STATUS"); status != "" {
		f.result(e, strings.EqualFold(status, "Success") || strings.EqualFold(status, "Succeeded"), status)
	}
}

func refineReportEvent(f *fields, e *event.Event) {
	if isExport(f.get("OPERATION")) || f.get("EXPORT_FILE_FORMAT") != "" {
		e.Action = event.Export
	}
	refineChunk(f, e)
}

// refineChunk counts an execution once: a large result comes as several events
// with growing Sequence, each with the rows of the whole.
func refineChunk(f *fields, e *event.Event) {
	if f.number("SEQUENCE") > 1 {
		e.Rows = 0
	}
}

// refineAPIEvent: RowsProcessed is of the whole query, RowsReturned of this
// batch of it.
func refineAPIEvent(f *fields, e *event.Event) {
	if f.get("ROWS_RETURNED") != "" {
		e.Rows = f.number("ROWS_RETURNED")
	}
	e.Action = methodAction(f.get("OPERATION"))
	if e.Object.Type == "" {
		e.Object.Type = fromClause(f.get("QUERY"))
	}
}

// refineFileEvent: bytes leave only with a download.
func refineFileEvent(f *fields, e *event.Event) {
	action := strings.ToUpper(f.get("FILE_ACTION"))
	switch {
	case strings.Contains(action, "DOWNLOAD"):
		e.Action = event.Download
		return
	case strings.Contains(action, "PREVIEW"):
		e.Action = event.View
	case strings.Contains(action, "UPLOAD"):
		e.Action = event.Create
	}
	e.Bytes = 0
}

func refineURIEvent(f *fields, e *event.Event) {
	switch strings.ToLower(f.get("OPERATION")) {
	case "create", "insert":
		e.Action = event.Create
	case "update", "edit":
		e.Action = event.Edit
	case "delete":
		e.Action = event.Delete
	}
	refineRecordView(f, e)
}

// setupActions say what a line of the setup audit trail is about, by what its
// Action contains; the first that fits counts, and the rest is configuration.
var setupActions = []struct {
	part   string
	action event.Action
}{
	{"suorgadminlog", event.LoginAs},
	{"dataexport", event.Export},
	{"connectedapplication", event.AppAuthorize},
	{"permset", event.PermissionChange},
	{"profileforuser", event.PermissionChange},
	{"roleforuser", event.PermissionChange},
	{"groupmember", event.PermissionChange},
	{"frozeuser", event.UserChange}, // unfrozeuser too
	{"activateduser", event.UserChange},
	{"createduser", event.UserChange},
	{"useremail", event.UserChange},
	{"resetpassword", event.UserChange},
}

func refineSetup(f *fields, e *event.Event) {
	e.Actor = event.Actor{
		ID:    clip(id18(f.get("CREATED_BY_ID")), 255),
		Name:  clip(f.get("CREATED_BY.USERNAME", "CREATED_BY.NAME"), 255),
		Email: clip(f.get("CREATED_BY.EMAIL"), 320),
	}
	e.Object = event.Object{Type: clip(f.get("SECTION"), 255), ID: clip(f.get("ACTION"), 255)}
	e.Outcome = event.Success
	action := strings.ToLower(f.get("ACTION"))
	for _, s := range setupActions {
		if strings.Contains(action, s.part) {
			e.Action = s.action
			return
		}
	}
}
