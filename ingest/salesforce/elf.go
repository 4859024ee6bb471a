package salesforce

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/ingest"
)

// row maps one row of an event log file, or of another CSV export of Salesforce.
func (m *mapper) row(values []string, e *event.Event) error {
	m.fields.values = values
	if err := m.event(e); err != nil {
		return err
	}
	m.raw = m.raw[:0]
	for i, name := range m.header {
		m.raw = appendMember(m.raw, name, values[i])
	}
	m.raw = append(m.raw, '}')
	if len(m.raw) > event.MaxRaw {
		return tooLarge()
	}
	e.Raw = string(m.raw)
	if e.ID = m.fields.ownID(); e.ID == "" {
		e.ID = m.contentID()
	}
	return nil
}

func tooLarge() error {
	return ingest.Reject("raw", ingest.TooLarge,
		fmt.Sprintf("the record is larger than the %d KiB that are kept of one; shorten its longest fields", event.MaxRaw>>10))
}

// ownID is the id that the record has from Salesforce, empty where it has none
// that can serve as one. That of a stored real-time event is its
// EventIdentifier, its Id being zeros.
func (f *fields) ownID() string {
	id := f.get("EVENT_IDENTIFIER")
	if id == "" && !f.has("EVENT_TYPE") {
		id = id18(f.get("ID"))
	}
	if len(id) > 255 || strings.ContainsFunc(id, unicode.IsControl) {
		return ""
	}
	return id
}

// contentID names a row of an event log file, which has no id, and whose
// REQUEST_ID it shares with others: by all that it says, whatever the order of
// the columns, and whichever of them are empty.
func (m *mapper) contentID() string {
	f := m.fields
	m.parts = append(m.parts[:0], f.get("EVENT_TYPE"))
	for _, i := range m.sorted {
		if f.values[i] != "" {
			m.parts = append(m.parts, f.names[i], f.values[i])
		}
	}
	return m.ordinals.ID(event.Hash(m.parts...))
}

func appendMember(dst []byte, name, value string) []byte {
	if len(dst) == 0 {
		dst = append(dst, '{')
	} else {
		dst = append(dst, ',')
	}
	dst = append(appendString(dst, name), ':')
	return appendString(dst, value)
}

// appendString appends a JSON string; s is UTF-8.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := range len(s) {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\t':
			dst = append(dst, `\t`...)
		default:
			dst = fmt.Appendf(dst, `\u%04x`, c)
		}
	}
	return append(append(dst, s[start:]...), '"')
}

// logFiles are the types of event log files.
var logFiles = map[string]*kind{
	"Login":             {action: event.Login, ip: []string{"SOURCE_IP"}, refine: refineLogin},
	"Logout":            {action: event.Logout},
	"LoginAs":           {action: event.LoginAs, refine: refineLoginAs},
	"SalesforceLoginAs": {action: event.LoginAs, ip: []string{"IP_ADDRESS"}, refine: refineSupportLogin},

	"Report":                {action: event.View, object: "Report", objectID: reportID, rows: "ROW_COUNT", refine: refineReport},
	"AsyncReportRun":        {action: event.View, object: "Report", objectID: reportID, rows: "ROW_COUNT", refine: refineReport},
	"AsynchronousReportRun": {action: event.View, object: "Report", objectID: reportID, rows: "ROW_COUNT", refine: refineReport},
	"MultiBlockReport":      {action: event.View, object: "Report", objectID: []string{"REPORT_ID_DERIVED", "REPORT_ID", "MASTER_REPORT_ID"}, rows: "ROW_COUNT", refine: refineReport},
	"ReportExport":          {action: event.Export, object: "Report", objectID: []string{"URI_ID_DERIVED"}, refine: refineReportExport},
	"WaveDownload": {
		action: event.Export, objectType: []string{"ASSET_TYPE"}, objectID: []string{"ASSET_ID"}, rows: "NUMBER_OF_RECORDS",
		refine: func(f *fields, e *event.Event) { f.failed(e, "DOWNLOAD_ERROR") },
	},

	"API":            {action: event.APICall, objectType: entityName, rows: "ROWS_PROCESSED", bytes: "RESPONSE_SIZE", refine: refineSOAP},
	"RestApi":        {action: event.APICall, objectType: entityName, rows: "ROWS_PROCESSED", bytes: "RESPONSE_SIZE", refine: refineREST},
	"ApexRestApi":    {action: event.APICall, objectType: entityName, rows: "ROWS_PROCESSED", bytes: "RESPONSE_SIZE", refine: refineApexREST},
	"ApiTotalUsage":  {action: event.APICall, objectType: entityName},
	"BulkApi":        {action: event.APICall, objectType: entityType, rows: "ROWS_PROCESSED", refine: refineBulk},
	"BulkApi2":       {action: event.APICall, objectType: entityType, rows: "RECORDS_PROCESSED", refine: refineBulk2},
	"BulkApiRequest": {action: event.APICall, refine: refineBulkRequest},
	"ApexCallout":    {action: event.APICall, bytes: "REQUEST_SIZE", refine: func(f *fields, e *event.Event) { f.flag(e, "SUCCESS", f.get("STATUS_CODE")) }},
	"AuraRequest":    {action: event.APICall},

	"URI":               {action: event.View, objectID: []string{"URI_ID_DERIVED"}, refine: refineRecordView},
	"LightningPageView": {action: event.View, objectType: []string{"PAGE_ENTITY_TYPE"}, objectID: []string{"PAGE_ENTITY_ID"}, refine: refineRecordView},
	"VisualforceRequest": {
		action: event.View, object: "Page", objectID: []string{"PAGE_NAME"},
	},
	"Search":             {action: event.Search, rows: "NUM_RESULTS", refine: func(f *fields, e *event.Event) { e.Object.Type = entityOf(f.get("PREFIXES_SEARCHED")) }},
	"SearchClick":        {action: event.View, objectID: []string{"CLICKED_RECORD_ID"}, refine: refineRecordView},
	"InsufficientAccess": {action: event.View, objectType: entityType, objectID: []string{"RECORD_ID"}, refine: refineDenied},

	"ContentTransfer":             {action: event.Other, object: "ContentDocument", objectID: documentID, bytes: "SIZE_BYTES", refine: refineTransfer},
	"ContentDistribution":         {action: event.Other, object: "ContentVersion", objectID: []string{"VERSION_ID_DERIVED", "VERSION_ID"}, refine: refineDistribution},
	"ContentDocumentLink":         {action: event.Share, object: "ContentDocument", objectID: documentID, refine: refineLink},
	"DocumentAttachmentDownloads": {action: event.Download, object: "Document", objectID: []string{"ENTITY_ID"}, refine: refineRecordView},

	"GroupMembership":      {action: event.PermissionChange, object: "Group", objectID: []string{"GROUP_ID"}},
	"PermissionUpdate":     {action: event.PermissionChange, objectType: []string{"PERMISSION_TYPE"}, objectID: []string{"FEATURE_ID"}},
	"PlatformEncryption":   {action: event.ConfigChange, object: "EncryptionKey", objectID: []string{"KEY_ID_DERIVED", "KEY_ID"}},
	"MetadataApiOperation": {action: event.APICall, refine: refineMetadata},
	"PackageInstall": {
		action: event.ConfigChange, object: "Package", objectID: []string{"PACKAGE_NAME"},
		refine: func(f *fields, e *event.Event) { f.flag(e, "IS_SUCCESSFUL", f.get("FAILURE_TYPE")) },
	},
	"ChangeSetOperation": {action: event.ConfigChange, object: "ChangeSet", objectID: []string{"CHANGE_SET_NAME"}},
	"DatabaseSave":       {action: event.Edit, objectID: []string{"FIRST_ENTITY_ID"}, rows: "NUM_ROWS", refine: refineSave},

	// What these tell is not about data or access.
	"ApexExecution":     {action: event.Other},
	"HostnameRedirects": {action: event.Other},
	"UniqueQuery":       {action: event.Other},
}

var (
	reportID   = []string{"REPORT_ID_DERIVED", "REPORT_ID"}
	documentID = []string{"DOCUMENT_ID_DERIVED", "DOCUMENT_ID"}
	entityName = []string{"ENTITY_NAME"}
	entityType = []string{"ENTITY_TYPE"}
)
