package catalog

import (
	"flag"
	"strings"
	"testing"

	"github.com/crmwatch/crmwatch/ingest/ingesttest"
)

var update = flag.Bool("update", false, "write the golden files")

// Inputs that hold records of several formats.
func TestCases(t *testing.T) { ingesttest.Cases(t, "testdata", Formats(), *update) }

func TestRecognise(t *testing.T) {
	for head, want := range map[string]string{
		"EVENT_TYPE,TIMESTAMP\n":                         "Salesforce CSV",
		"\"event_type\";\"timestamp\"\r\n":               "Salesforce CSV",
		"EventIdentifier\tEventDate\n":                   "Salesforce CSV",
		"\xef\xbb\xbftime,action,rows\n":                 "native CSV",
		`{"time":"x","action":"view"}`:                   "JSON lines",
		"broken\n{\"time\":\"x\",\"action\":\"view\"}\n": "JSON lines",
		`{"EVENT_TYPE":"Login"`:                          "JSON lines",
		`[{"attributes":{"type":"LoginEvent"}}]`:         "JSON document",
		"{\n \"totalSize\": 0,\n \"records\": []}":       "JSON document",
		"{\n  \"EventIdentifier\": \"x\"\n}":             "JSON document",
		"":                                               "JSON lines",
	} {
		kind, err := Recognise([]byte(head), "f")
		if err != nil || kind.String() != want {
			t.Errorf("%q is %q, %v, want %q", head, kind, err, want)
		}
	}
	for head, want := range map[string]string{
		"name,age\n":       "expected native events as JSON",
		`{"name":"x"}`:     "Salesforce event log file",
		"PK\x03\x04":       "ZIP",
		"\xff\xfeE\x00":    "UTF-16",
		"time,action,x\n":  "is no field of an event",
		"hello\n":          "expected",
		"\x00\x01\x02\x03": "expected",
	} {
		if kind, err := Recognise([]byte(head), "report.csv"); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "report.csv") {
			t.Errorf("%q is %q, %v, want an error with %q", head, kind, err, want)
		}
	}
}

func TestFormatsDescribeThemselves(t *testing.T) {
	for _, f := range Formats() {
		if f.Name == "" || len(f.Expect) == 0 || f.Columns == nil || f.Claims == nil || f.Objects == nil {
			t.Errorf("%q is not complete", f.Name)
		}
	}
}
