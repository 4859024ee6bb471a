package salesforce

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/ingest"
	"github.com/crmwatch/crmwatch/ingest/ingesttest"
)

var update = flag.Bool("update", false, "write the golden files")

func formats() []ingest.Format { return []ingest.Format{Format()} }

func TestCases(t *testing.T) {
	ingesttest.Cases(t, "testdata", formats(), *update)
}

// The golden files say what comes out; this says what has to, type by type, by
// the table of columns that Salesforce documents.
func TestVolumeIsWhereTheTypeHasIt(t *testing.T) {
	const row = "EVENT_TYPE,TIMESTAMP,ROW_COUNT,ROWS_PROCESSED,RECORDS_PROCESSED,NUMBER_OF_RECORDS,SIZE_BYTES,JOB_STATUS,TRANSACTION_TYPE,ORIGIN\n" +
		"%s,20260921093000.1,1,2,3,4,5,JobComplete,VersionDownloadApi,ReportExported\n"
	for typ, want := range map[string][2]int64{
		"Report": {1, 0}, "AsyncReportRun": {1, 0}, "ReportExport": {0, 0},
		"API": {2, 0}, "RestApi": {2, 0}, "ApexRestApi": {2, 0}, "BulkApi": {2, 0}, "ApiTotalUsage": {0, 0},
		"BulkApi2": {3, 0}, "WaveDownload": {4, 0}, "ContentTransfer": {0, 5}, "Login": {0, 0},
	} {
		e := one(t, fmt.Sprintf(row, typ))
		if got := [2]int64{e.Rows, e.Bytes}; got != want {
			t.Errorf("%s: rows and bytes are %d, want %d", typ, got, want)
		}
	}
}

func one(t *testing.T, input string) event.Event {
	t.Helper()
	r, _, err := ingest.Open(strings.NewReader(input), "input", formats())
	if err != nil {
		t.Fatal(err)
	}
	item, err := r.Next()
	if err != nil || item.Rejection != nil {
		t.Fatalf("%v, %v", item.Rejection, err)
	}
	return *item.Event
}

// The hourly and the daily file hold the same rows; so do exports as JSON.
func TestSameRowSameIDWhateverTheFile(t *testing.T) {
	csv := one(t, "EVENT_TYPE,TIMESTAMP,USER_ID,URI\nLogout,20260921093000.1,005AA000001bCdE,\n")
	moved := one(t, "user_id,\"timestamp\",event_type\r\n005AA000001bCdE,20260921093000.1,Logout\r\n")
	object := one(t, `{"EVENT_TYPE":"Logout","USER_ID":"005AA000001bCdE","TIMESTAMP":"20260921093000.1","URI":null}`)
	if csv.ID != moved.ID || csv.ID != object.ID {
		t.Errorf("ids differ: %s, %s, %s", csv.ID, moved.ID, object.ID)
	}
	if other := one(t, "EVENT_TYPE,TIMESTAMP,USER_ID\nLogout,20260921093000.2,005AA000001bCdE\n"); other.ID == csv.ID {
		t.Error("another row has the same id")
	}
}

func TestRawIsTheRowInItsOrder(t *testing.T) {
	e := one(t, "TIMESTAMP,EVENT_TYPE,URI\n20260921093000,Logout,\"a \"\"b\"\"\n\t\x01客\"\n")
	if want := `{"TIMESTAMP":"20260921093000","EVENT_TYPE":"Logout","URI":"a \"b\"\n\t\u0001客"}`; e.Raw != want {
		t.Errorf("raw = %s, want %s", e.Raw, want)
	}
}

func TestALongFieldDoesNotHideTheEvent(t *testing.T) {
	e := one(t, "EVENT_TYPE,TIMESTAMP,BROWSER_TYPE\nLogout,20260921093000,"+strings.Repeat("x", 100_000)+"\n")
	e.Tenant = "acme"
	if err := e.Validate(); err != nil || len(e.UserAgent) == 0 {
		t.Errorf("user agent of %d bytes, %v", len(e.UserAgent), err)
	}
}

func TestARecordBeyondRawIsRejected(t *testing.T) {
	r, _, err := ingest.Open(strings.NewReader("EVENT_TYPE,TIMESTAMP,URI\nLogout,20260921093000,"+strings.Repeat("x", event.MaxRaw)+"\n"), "input", formats())
	if err != nil {
		t.Fatal(err)
	}
	item, err := r.Next()
	if err != nil || item.Rejection == nil || item.Rejection.Reason != ingest.TooLarge || item.Size < event.MaxRaw {
		t.Errorf("%+v, %v", item.Rejection, err)
	}
}

func FuzzReader(f *testing.F) {
	inputs, err := filepath.Glob("testdata/*/input.*")
	if err != nil || len(inputs) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, name := range inputs {
		content, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, _, err := ingest.Open(bytes.NewReader(data), "input", formats())
		if err != nil {
			return
		}
		for {
			item, err := r.Next()
			if errors.Is(err, io.EOF) || err != nil {
				return
			}
			if (item.Event == nil) == (item.Rejection == nil) {
				t.Fatal("a record is neither an event nor rejected, or both")
			}
			if item.Rejection != nil {
				if item.Rejection.Reason == "" || item.Rejection.Detail == "" {
					t.Fatalf("a rejection says nothing: %+v", item.Rejection)
				}
				continue
			}
			e := *item.Event
			e.Tenant = "acme"
			if err := e.Validate(); err != nil {
				t.Fatalf("an event is not valid: %v", err)
			}
		}
	})
}
