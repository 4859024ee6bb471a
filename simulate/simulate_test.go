package simulate_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/simulate"
)

func digest(c *simulate.Company) string {
	var b strings.Builder
	sum := func(name string, records func(func(simulate.Record) bool)) {
		h, n := sha256.New(), 0
		for r := range records {
			h.Write(fmt.Appendf(nil, "%d %s %s\n", r.At.UnixMilli(), r.ID, r.Line))
			n++
		}
		fmt.Fprintf(&b, "%s %d %x\n", name, n, h.Sum(nil))
	}
	var people []byte
	for _, p := range c.Roster() {
		// Field by field: how package roster prints a person is its own affair.
		people = fmt.Appendf(people, "%s %s %s %s %s %s %s %s", p.ID, p.Tenant, p.Name, p.Email, p.Department, p.Role, p.Manager, p.TimeZone)
		people = fmt.Appendf(people, " %d %d %d %d %d", p.Hours.Days, p.Hours.From, p.Hours.To, int(p.FirstDay), int(p.LastDay))
		for _, a := range p.Accounts {
			people = fmt.Appendf(people, " %s %s %d", a.Source, a.ID, a.LastActive.UnixMilli())
		}
	}
	fmt.Fprintf(&b, "roster %d %x\n", len(c.Roster()), sha256.Sum256(people))
	fmt.Fprintf(&b, "incidents %d %x\n", len(c.Incidents()), sha256.Sum256(fmt.Append(nil, c.Incidents())))
	sum("history", c.History())
	sum("today", c.Today())
	return b.String()
}

// The same configuration yields the same bytes in every process.
func TestGolden(t *testing.T) {
	const golden = "testdata/default.sum"
	c := simulate.New(simulate.Config{})
	got := digest(c)
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the default company has changed (-want +got); -update accepts it:\n%s", diff)
	}
}

// A second use of a company yields the same again, another seed does not.
func TestSeeds(t *testing.T) {
	small := simulate.Config{People: 80, Days: 2}
	c := simulate.New(small)
	a := digest(c)
	if again := digest(c); again != a {
		t.Errorf("a second use of the company yields something else:\n%s%s", a, again)
	}
	small.Seed = 1
	if digest(simulate.New(small)) == a {
		t.Error("another seed yields the same company")
	}
}

// Today does not depend on the length of the history, and a receiver may stop.
func TestTodayStandsAlone(t *testing.T) {
	lines := func(days int) (out []string) {
		c := simulate.New(simulate.Config{People: 80, Days: days, Seed: 3})
		for range c.History() {
			break
		}
		for r := range c.Today() {
			out = append(out, r.At.String()+string(r.Line))
		}
		return out
	}
	a := lines(5)
	if len(a) < 1000 {
		t.Fatalf("today has %d records", len(a))
	}
	if !slices.Equal(a, lines(9)) {
		t.Error("today is another one after a longer history")
	}
}

// Every line is one JSON object with what its form requires, delivered in order,
// within its day, shortly after it happened; no id comes twice.
func TestRecords(t *testing.T) {
	c := simulate.New(simulate.Config{People: 200, Days: 8, Seed: 7})
	ids := map[string]bool{}
	var last time.Time
	check := func(r simulate.Record) {
		if ids[r.ID] {
			t.Fatalf("id %s comes twice", r.ID)
		}
		ids[r.ID] = true
		if r.At.Before(last) {
			t.Fatalf("record %s is delivered before the one before it", r.ID)
		}
		last = r.At
		happened := checkLine(t, c.Tenant(), r)
		if d := r.At.Sub(happened); d <= 0 || d > 3*time.Minute+time.Second {
			t.Fatalf("record %s is delivered %v after it happened", r.ID, d)
		}
	}
	for r := range c.History() {
		if check(r); !r.At.Before(c.Start()) || r.At.Before(c.Start().AddDate(0, 0, -8)) {
			t.Fatalf("record %s of the history is delivered at %v", r.ID, r.At)
		}
	}
	for r := range c.Today() {
		if check(r); r.At.Before(c.Start()) || !r.At.Before(c.End()) {
			t.Fatalf("record %s of today is delivered at %v", r.ID, r.At)
		}
	}
}

func checkLine(t *testing.T, tenant string, r simulate.Record) time.Time {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal(r.Line, &members); err != nil {
		t.Fatalf("record %s: %v\n%s", r.ID, err, r.Line)
	}
	if members["attributes"] != nil {
		return checkSalesforce(t, r.ID, members)
	}
	var e event.Event
	if err := event.Decode(r.Line, &e); err != nil {
		t.Fatalf("record %s: %v\n%s", r.ID, err, r.Line)
	}
	if err := e.Validate(); err != nil {
		t.Fatalf("record %s: %v\n%s", r.ID, err, r.Line)
	}
	if e.ID != r.ID || e.Tenant != tenant || e.Actor.ID == "" || e.SrcIP == "" || e.Session == "" || e.Type == "" {
		t.Fatalf("record %s lacks something\n%s", r.ID, r.Line)
	}
	return e.Time
}

// required are the fields of each real-time event that crmwatch reads.
var required = map[string][]string{
	"LoginEvent":        {"Status", "LoginType", "Browser", "Platform", "CountryIso", "Application"},
	"LogoutEvent":       {"SessionKey"},
	"LightningUriEvent": {"SessionKey", "Operation", "QueriedEntities", "RecordId"},
	"ListViewEvent":     {"SessionKey", "ListViewId", "QueriedEntities", "RowsProcessed"},
	"ReportEvent":       {"SessionKey", "ReportId", "Operation", "QueriedEntities", "RowsProcessed"},
	"ApiEvent":          {"SessionKey", "Operation", "QueriedEntities", "RowsProcessed", "Query", "Client"},
}

func checkSalesforce(t *testing.T, id string, e map[string]any) time.Time {
	t.Helper()
	typ, _ := e["attributes"].(map[string]any)["type"].(string)
	for _, name := range append([]string{"EventDate", "CreatedDate", "UserId", "Username", "SourceIp", "LoginKey"}, required[typ]...) {
		if e[name] == nil || e[name] == "" {
			t.Fatalf("%s %s lacks %s", typ, id, name)
		}
	}
	if required[typ] == nil || e["EventIdentifier"] != id {
		t.Fatalf("%s %s is not what it says", typ, id)
	}
	for _, name := range []string{"UserId", "RecordId", "ReportId", "ListViewId", "LoginHistoryId", "ConnectedAppId"} {
		if v, ok := e[name].(string); ok && !validSalesforceID(v) {
			t.Fatalf("%s %s: %s %q has a wrong checksum", typ, id, name, v)
		}
	}
	at, err := time.Parse("2006-01-02T15:04:05.000-0700", e["EventDate"].(string))
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// validSalesforceID computes the checksum another way than the simulator: each
// of the last three characters is looked up by the five characters' case written
// as binary digits, last one first.
func validSalesforceID(id string) bool {
	if len(id) != 18 {
		return false
	}
	var want strings.Builder
	for _, block := range []string{id[0:5], id[5:10], id[10:15]} {
		digits := ""
		for _, ch := range block {
			digit := "0"
			if strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZ", ch) {
				digit = "1"
			}
			digits = digit + digits
		}
		n, err := strconv.ParseUint(digits, 2, 8)
		if err != nil {
			return false
		}
		want.WriteByte("ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"[n])
	}
	return id[15:] == want.String()
}

// The oracle itself is right about ids from the vendor's own documentation.
func TestSalesforceChecksumOracle(t *testing.T) {
	for id, want := range map[string]bool{"001D000000IqhSLIAZ": true, "005D0000001GjlpIAC": true, "001D000000IqhSLIAY": false, "001D000000IqhSL": false} {
		if validSalesforceID(id) != want {
			t.Errorf("%s: got %v", id, !want)
		}
	}
}

// Collectors deliver out of the order of events, but not by much; only the
// polled CRMs are minutes late.
func TestDisorder(t *testing.T) {
	c := simulate.New(simulate.Config{People: 200, Days: 2})
	var newest time.Time
	late := map[string]time.Duration{}
	disordered := 0
	for r := range c.Today() {
		s := read(t, r)
		late[s.source] = max(late[s.source], s.at.Sub(s.t))
		if s.t.Before(newest) {
			disordered++
		} else {
			newest = s.t
		}
	}
	if disordered == 0 {
		t.Error("everything is in order")
	}
	for source, most := range map[string]time.Duration{"salesforce": 2 * time.Second, "zoho": 2 * time.Second, "jiandaoyun": 61 * time.Second, "yonyou": 181 * time.Second} {
		if late[source] == 0 || late[source] > most {
			t.Errorf("%s is up to %v late", source, late[source])
		}
	}
}

func TestConfigDefaults(t *testing.T) {
	c := simulate.New(simulate.Config{People: 1, Now: time.Date(2027, 2, 28, 17, 0, 0, 0, time.UTC)})
	if n := len(c.Roster()); n != simulate.MinPeople {
		t.Errorf("%d people", n)
	}
	// 17:00 in Greenwich is one in the morning of the first of March in Shanghai.
	if want := time.Date(2027, 2, 28, 16, 0, 0, 0, time.UTC); !c.Start().Equal(want) || c.End().Sub(c.Start()) != 24*time.Hour {
		t.Errorf("today is from %v to %v", c.Start(), c.End())
	}
	if n := slices.Collect(c.Today()); len(n) == 0 {
		t.Error("today is empty")
	}
}
