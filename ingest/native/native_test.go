package native

import (
	"flag"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/ingest"
	"github.com/crmwatch/crmwatch/ingest/ingesttest"
)

var update = flag.Bool("update", false, "write the golden files")

func formats() []ingest.Format { return []ingest.Format{Format()} }

func TestCases(t *testing.T) { ingesttest.Cases(t, "testdata", formats(), *update) }

func full() event.Event {
	return event.Event{
		ID: "7", Time: time.Date(2026, 9, 1, 1, 2, 3, 4e6, time.UTC), Collected: time.Date(2026, 9, 1, 2, 0, 0, 0, time.UTC),
		Tenant: "acme", Source: "zoho", Type: "export", Action: event.Export,
		Actor:  event.Actor{ID: "1", Name: "li, \"wei\"", Email: "li@example.com", Person: "E1", Type: event.User, Role: "sales", Department: "east\nwest"},
		Object: event.Object{Type: "Lead", ID: "2", Name: "客户"},
		Rows:   1 << 60, Bytes: 9, SrcIP: "203.0.113.7", Country: "CN", UserAgent: "ua", DeviceID: "d", App: "web", Session: "s",
		Outcome: event.Success, Reason: "ok", Raw: `{"a":1}`,
	}
}

// A header made of all fields there are carries all of an event.
func TestCSVCarriesEveryField(t *testing.T) {
	e := full()
	var header, values []string
	for _, f := range event.Fields {
		header = append(header, f.Path)
		values = append(values, `"`+strings.ReplaceAll(f.Get(&e).Text(), `"`, `""`)+`"`)
	}
	for range 2 { // and backwards
		r, _, err := ingest.Open(strings.NewReader(strings.Join(header, ",")+"\n"+strings.Join(values, ",")+"\n"), "f", formats())
		if err != nil {
			t.Fatal(err)
		}
		item, err := r.Next()
		if err != nil || item.Rejection != nil {
			t.Fatalf("%v, %v", item.Rejection, err)
		}
		if diff := cmp.Diff(e, *item.Event); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		for i, j := 0, len(header)-1; i < j; i, j = i+1, j-1 {
			header[i], header[j], values[i], values[j] = header[j], header[i], values[j], values[i]
		}
	}
}

func TestIDsAreMadeFromTheContent(t *testing.T) {
	const line = `{"time":"2026-09-01T00:00:00Z","source":"x","action":"view","rows":%}`
	ids := func() (ids []string) {
		in := strings.ReplaceAll(line, "%", "1") + "\n" + strings.ReplaceAll(line, "%", "1") + "\n" + strings.ReplaceAll(line, "%", "2")
		r, _, err := ingest.Open(strings.NewReader(in), "f", formats())
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			item, err := r.Next()
			if err != nil || item.Rejection != nil {
				t.Fatalf("%v, %v", item.Rejection, err)
			}
			ids = append(ids, item.Event.ID)
		}
		return ids
	}
	first := ids()
	if first[0] == first[1] || first[0] == first[2] || first[0] == "" {
		t.Errorf("ids %q", first)
	}
	if diff := cmp.Diff(first, ids()); diff != "" {
		t.Errorf("again they differ:\n%s", diff)
	}
}

func FuzzCSV(f *testing.F) {
	f.Add("time,action,actor.id,rows,object.id", "2026-09-01T00:00:00Z,view,a,1,b")
	f.Add("action,rows,time", "view,1e5,x")
	f.Fuzz(func(t *testing.T, header, row string) {
		r, _, err := ingest.Open(strings.NewReader(header+"\n"+row+"\n"), "f", formats())
		if err != nil {
			return
		}
		for n := 0; ; n++ {
			item, err := r.Next()
			if err != nil {
				return
			}
			if (item.Event == nil) == (item.Rejection == nil) || n > len(header)+len(row)+2 {
				t.Fatal("record " + strconv.Itoa(n) + " is neither an event nor rejected")
			}
		}
	})
}
