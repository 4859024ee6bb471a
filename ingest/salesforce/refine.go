package salesforce

import (
	"net/url"
	"slices"
	"strings"

	"github.com/crmwatch/crmwatch/event"
)

// failed sets the outcome to a failure where the column says that there was an
// error. What the error was may repeat data, so it stays in Raw.
func (f *fields) failed(e *event.Event, name string) {
	if f.get(name) != "" {
		e.Outcome = event.Failure
		if e.Reason == "" {
			e.Reason = "error"
		}
	}
}

func refineLogin(f *fields, e *event.Event) {
	if status := f.get("LOGIN_STATUS"); status != "" {
		f.result(e, status == "LOGIN_NO_ERROR", status)
	}
	if e.Outcome == event.Failure {
		e.Action = event.LoginFailed
	}
}

// refineLoginAs: the row is filed under the user who was impersonated, and who
// did it is the delegated user.
func refineLoginAs(f *fields, e *event.Event) {
	e.Object = event.Object{Type: "User", ID: e.Actor.ID, Name: e.Actor.Name}
	e.Actor = event.Actor{
		ID:   clip(id18(f.get("DELEGATED_USER_ID_DERIVED", "DELEGATED_USER_ID", "DELEGATED_USER_IDENTIFIER")), 255),
		Name: clip(f.get("DELEGATED_USER_NAME", "DELEGATED_USERNAME"), 255),
		Type: event.User,
	}
}

func refineSupportLogin(f *fields, e *event.Event) {
	e.Object = event.Object{Type: "User", ID: e.Actor.ID, Name: e.Actor.Name}
	e.Actor = event.Actor{ID: clip(id18(f.get("ACTUAL_USER_ID_DERIVED", "ACTUAL_USER_ID")), 255)}
}

// refineReport tells a report that was exported from one that was looked at.
// RENDERING_TYPE is empty for exports from Lightning, and ORIGIN did not exist
// in old files, so either of them is enough.
func refineReport(f *fields, e *event.Event) {
	if isExport(f.get("ORIGIN")) || slices.Contains([]string{"C", "X", "P"}, f.get("RENDERING_TYPE")) {
		e.Action = event.Export
		e.Bytes = times(e.Rows, f.number("AVERAGE_ROW_SIZE"))
	}
}

func isExport(origin string) bool {
	switch origin {
	case "ReportExported", "ReportExportedAsynchronously", "ReportExportedUsingExcelConnector":
		return true
	}
	return false
}

// refineReportExport takes the report from the path where the id was not
// derived. How many rows went out is in the Report row of the same request.
func refineReportExport(f *fields, e *event.Event) {
	if e.Object.ID == "" {
		e.Object = event.Object{Type: "Report", ID: idInPath(f.get("URI"))}
	}
	if e.UserAgent == "" {
		e.UserAgent = clip(f.get("CLIENT_INFO"), 2048)
	}
}

// idInPath returns the first id among the elements of a path.
func idInPath(path string) string {
	if u, err := url.Parse(path); err == nil {
		path = u.Path
	}
	for part := range strings.SplitSeq(path, "/") {
		if (len(part) == 15 || len(part) == 18) && isAlphanumeric(part) && part[0] >= '0' && part[0] <= '9' {
			return id18(part)
		}
	}
	return ""
}

// refineSOAP tells writes from reads by the method.
func refineSOAP(f *fields, e *event.Event) {
	e.Action = methodAction(f.get("METHOD_NAME"))
	f.failed(e, "EXCEPTION_MESSAGE")
}

// methodAction is the action of a method of the SOAP API, or of an operation of
// a real-time event.
func methodAction(method string) event.Action {
	switch strings.ToLower(method) {
	case "create", "insert", "undelete", "insertreadonly":
		return event.Create
	case "update", "upsert", "merge", "convertlead":
		return event.Edit
	case "delete", "harddelete", "emptyrecyclebin":
		return event.Delete
	case "search":
		return event.Search
	}
	return event.APICall
}

func refineREST(f *fields, e *event.Event) {
	switch method := strings.ToUpper(f.get("METHOD")); {
	case method == "DELETE":
		e.Action = event.Delete
	case method == "PATCH" || method == "PUT":
		e.Action = event.Edit
	case method == "POST" && strings.Contains(f.get("URI"), "/sobjects"):
		// Other posts are queries, GraphQL and composite requests as well.
		e.Action = event.Create
	}
	f.failed(e, "EXCEPTION_MESSAGE")
}

// refineApexREST: what a POST to a customer's own endpoint does is not known.
func refineApexREST(f *fields, e *event.Event) {
	switch strings.ToUpper(f.get("METHOD")) {
	case "DELETE":
		e.Action = event.Delete
	case "PATCH", "PUT":
		e.Action = event.Edit
	}
	f.failed(e, "EXCEPTION_MESSAGE")
}

// bulkAction is the action of a bulk job.
func bulkAction(operation string) event.Action {
	switch strings.ToLower(operation) {
	case "insert", "upsert":
		return event.Import
	case "update":
		return event.Edit
	case "delete", "harddelete":
		return event.Delete
	}
	return event.APICall
}

func refineBulk(f *fields, e *event.Event) {
	e.Action = bulkAction(f.get("OPERATION_TYPE"))
	f.flag(e, "SUCCESS", "batch failed")
}

// refineBulk2 counts a job once. There is a row for every state that a job goes
// through, each with the rows so far, so only the last one counts.
func refineBulk2(f *fields, e *event.Event) {
	e.Action = bulkAction(f.get("OPERATION_TYPE"))
	state := strings.ToLower(f.get("JOB_STATUS"))
	switch state {
	case "jobcomplete", "complete", "completed":
		e.Bytes = megabytes(f.get("RESULT_SIZE_MB"))
		f.result(e, true, "")
		return
	case "failed", "aborted":
		f.result(e, false, state)
	}
	e.Rows = 0
}

func refineBulkRequest(f *fields, e *event.Event) {
	f.flag(e, "SUCCESS", f.get("STATUS_CODE"))
}

func refineRecordView(_ *fields, e *event.Event) {
	if t := entityOf(e.Object.ID); t != "" && (e.Object.Type == "" || e.Object.Type == "Document") {
		e.Object.Type = t
	}
}

func refineDenied(f *fields, e *event.Event) {
	e.Outcome, e.Reason = event.Failure, clip(f.get("ACCESS_ERROR", "REQUESTED_ACCESS_LEVEL"), 255)
}

// refineTransfer: bytes leave only with a download.
func refineTransfer(f *fields, e *event.Event) {
	transaction := f.get("TRANSACTION_TYPE")
	switch {
	case strings.HasPrefix(transaction, "VersionRendition"):
		e.Action, e.Bytes = event.View, 0
	case strings.HasPrefix(transaction, "VersionDownload"):
		e.Action = event.Download
	case strings.EqualFold(transaction, "saveVersion"):
		e.Action, e.Bytes = event.Create, 0
	default:
		e.Bytes = 0
	}
}

func refineDistribution(f *fields, e *event.Event) {
	switch f.get("ACTION") {
	case "VIEW":
		e.Action = event.View
	case "INSERT", "UPDATE":
		e.Action = event.Share
	}
}

func refineLink(f *fields, e *event.Event) {
	if f.get("SHARING_OPERATION") == "DELETE" {
		e.Action = event.Edit
	}
}

func refineMetadata(f *fields, e *event.Event) {
	e.App = clip(f.get("CLIENT_ID"), 255)
	op := strings.ToLower(f.get("OPERATION"))
	for _, change := range []string{"deploy", "create", "update", "upsert", "delete", "rename"} {
		if strings.Contains(op, change) && !strings.Contains(op, "check") {
			e.Action = event.ConfigChange
		}
	}
}

// refineSave: the rows are sampled, one in SAMPLE_FACTOR.
func refineSave(f *fields, e *event.Event) {
	e.Rows = times(e.Rows, max(f.number("SAMPLE_FACTOR"), 1))
	e.Action = methodAction(f.get("DML_TYPE"))
	if e.Action == event.APICall {
		e.Action = event.Edit
	}
	if e.Object.Type = entityOf(f.get("KEY_PREFIX")); e.Object.Type == "" {
		e.Object.Type = entityOf(e.Object.ID)
	}
}
