package rules_test

import (
	"bytes"
	stdcmp "cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/crmwatch/crmwatch/detect/window"
	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/rules"
	"github.com/crmwatch/crmwatch/rules/pack"
)

func loadPack(t *testing.T) *rules.Set {
	t.Helper()
	set, err := rules.Load(pack.FS, fields(), options)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// packFiles gives the documents of every file of the pack.
func packFiles(t *testing.T) map[string][]map[string]any {
	t.Helper()
	files := map[string][]map[string]any{}
	paths, err := fs.Glob(pack.FS, "*/*.yml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, p := range paths {
		data, err := fs.ReadFile(pack.FS, p)
		if err != nil {
			t.Fatal(err)
		}
		if path.Dir(p) != "lookups" {
			files[p] = documents(t, p, data)
		}
	}
	return files
}

func documents(t *testing.T, file string, data []byte) (docs []map[string]any) {
	t.Helper()
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var doc map[string]any
		if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
			return docs
		} else if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		docs = append(docs, doc)
	}
}

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// shown gives the documents that the documentation shows.
func shown(t *testing.T, file string) (docs []map[string]any) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range yamlBlock.FindAllSubmatch(data, -1) {
		docs = append(docs, documents(t, file, m[1])...)
	}
	if len(docs) == 0 {
		t.Fatalf("%s shows nothing", file)
	}
	return docs
}

// The rules that ship, and those that the documentation shows, are valid by
// Sigma's own schemas, not only by our parser.
func TestRulesAreValidSigma(t *testing.T) {
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	schemas := map[string]*jsonschema.Schema{}
	for key, file := range map[string]string{
		"detection": "sigma-detection-rule-schema.json", "correlation": "sigma-correlation-rules-schema.json", "filter": "sigma-filters-schema.json",
	} {
		s, err := c.Compile("testdata/schema/" + file)
		if err != nil {
			t.Fatal(err)
		}
		schemas[key] = s
	}
	files := packFiles(t)
	for _, file := range []string{"README.md", "../docs/rules.md"} {
		files[file] = shown(t, file)
	}
	for file, docs := range files {
		for i, doc := range docs {
			key := "detection"
			for kind := range schemas {
				if doc[kind] != nil {
					key = kind
				}
			}
			if err := schemas[key].Validate(asJSON(t, doc)); err != nil {
				t.Errorf("%s, document %d: %v", file, i+1, err)
			}
		}
	}
}

// asJSON is what a reader that knows only JSON types sees of a YAML document.
func asJSON(t *testing.T, doc map[string]any) any {
	t.Helper()
	for _, key := range []string{"date", "modified"} {
		if d, ok := doc[key].(interface{ Format(string) string }); ok {
			doc[key] = d.Format("2006-01-02")
		}
	}
	data, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

var uuid4 = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// Every rule tells a responder what it needs to, and fires under its file's name.
func TestPackIsComplete(t *testing.T) {
	set := loadPack(t)
	metas := map[string][]*rules.Meta{}
	for _, r := range set.Rules() {
		metas[r.Pos.File] = append(metas[r.Pos.File], &r.Meta)
		if r.Alerts && r.Level == "informational" || !r.Alerts && r.Level != "informational" {
			t.Errorf("%s alerts: %v, with the level %s", r.Name, r.Alerts, r.Level)
		}
	}
	for _, c := range set.Correlations() {
		metas[c.Pos.File] = append(metas[c.Pos.File], &c.Meta)
	}
	for file, list := range metas {
		named := false
		for _, m := range list {
			named = named || m.Name == strings.TrimSuffix(path.Base(file), ".yml")
			checkMeta(t, m)
		}
		if !named {
			t.Errorf("%s has no rule of its own name", file)
		}
	}
}

// explained are the rules that need no reason, because what the detector tells of
// the roster and of the account's history is all there is to say.
var explained = []string{"leaver_account", "dormant_account", "off_hours_data_access"}

func checkMeta(t *testing.T, m *rules.Meta) {
	t.Helper()
	isTechnique := func(s string) bool { return strings.HasPrefix(s, "attack.t1") }
	switch {
	case !uuid4.MatchString(m.ID):
		t.Errorf("%s: the id is no UUIDv4", m.Name)
	case m.Author != "crmwatch" || m.Date == "" || m.License != "Apache-2.0" || m.Status == "":
		t.Errorf("%s: no author, date, license or status", m.Name)
	case m.Level != "informational" && (m.Runbook.English == "" || m.Runbook.Chinese == ""):
		t.Errorf("%s: no runbook in both languages", m.Name)
	case m.Level != "informational" && m.Reason == "" && !slices.Contains(explained, m.Name):
		t.Errorf("%s: no reason", m.Name)
	case m.Level != "informational" && !enoughTests(m.Tests):
		t.Errorf("%s: fewer than three tests of either kind", m.Name)
	case len(m.Description) < 80 || len(m.FalsePositives) == 0 || !slices.ContainsFunc(m.Tags, isTechnique):
		t.Errorf("%s: no description, false positives or technique", m.Name)
	}
	// What the roster and the account's history say of an event, the detector tells
	// by itself, whatever the rule: a reason would say it twice.
	for _, told := range []string{"{person.", "{local.", "{account."} {
		if strings.Contains(m.Reason, told) {
			t.Errorf("%s: the reason says again what %s…} says", m.Name, told)
		}
	}
}

func enoughTests(tests []rules.Test) bool {
	var match, other int
	for _, t := range tests {
		if t.Matches {
			match++
		} else {
			other++
		}
	}
	return match >= 3 && other >= 3
}

func TestPackLevelsAndResponses(t *testing.T) {
	got := map[string]string{}
	set := loadPack(t)
	for _, r := range set.Rules() {
		if r.Alerts {
			got[r.Name] = r.Level + " " + r.Response
		}
	}
	for _, c := range set.Correlations() {
		if c.Alerts {
			got[c.Name] = c.Level + " " + c.Response
		}
	}
	want := map[string]string{
		"account_created":         "low review",
		"account_reopened":        "medium review",
		"account_without_person":  "medium review",
		"after_hours_app":         "medium review",
		"api_read_flood":          "critical freeze",
		"api_read_hour":           "high review",
		"app_authorized":          "medium review",
		"attack_tool":             "critical freeze",
		"backup_stopped":          "high review",
		"backup_taken":            "high review",
		"brute_force":             "medium review",
		"brute_force_success":     "high freeze",
		"bulk_result_download":    "medium review",
		"bulk_tool":               "high freeze",
		"change_as_other":         "high review",
		"dormant_account":         "high review",
		"export_drip_week":        "medium review",
		"export_then_bulk_delete": "critical freeze",
		"export_then_delete":      "critical freeze",
		"file_burst":              "high review",
		"file_download_hour":      "high freeze",
		"hard_delete":             "high freeze",
		"integration_new_network": "high freeze",
		"leaked_api_key":          "critical freeze",
		"leaver_account":          "critical freeze",
		"leaver_change":           "high freeze",
		"leaver_knocks":           "low review",
		"leaver_login":            "high freeze",
		"limits_loosened":         "medium review",
		"list_scraping":           "medium review",
		"login_as":                "medium review",
		"many_devices":            "medium review",
		"mass_change":             "high review",
		"mass_change_bulk":        "high review",
		"mass_delete":             "high review",
		"mass_delete_bulk":        "high freeze",
		"mass_export_hour":        "high freeze",
		"mass_export_huge":        "critical freeze",
		"mass_export_single":      "high freeze",
		"new_app_reads":           "high freeze",
		"notice_export":           "high review",
		"off_hours_data_access":   "high review",
		"outsider_reads":          "high review",
		"powerful_right":          "medium review",
		"public_link":             "medium review",
		"query_job_deleted":       "high freeze",
		"record_scraping":         "high freeze",
		"records_day":             "medium review",
		"rights_then_export":      "high review",
		"role_bills_only":         "medium review",
		"role_no_export":          "medium review",
		"role_view_only":          "medium review",
		"salesforce_anomaly":      "medium review",
		"salesforce_hijack":       "high freeze",
		"script_client":           "medium review",
		"secret_hunting":          "high review",
		"self_granted":            "high review",
		"sensitive_bulk_read":     "high freeze",
		"session_moved":           "high freeze",
		"takeover_by_admin":       "medium review",
		"two_countries":           "high review",
		"unapproved_api_client":   "medium review",
		"vendor_support_login":    "low review",
		"watch_blinded":           "high review",
		"weak_session_export":     "medium review",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestPackExamples has for the rules that the demonstration is found by what they
// match and what they do not. Every rule has examples in its own file as well.
func TestPackExamples(t *testing.T) {
	about := []string{"mass_export_single", "mass_export_huge", "export_below_limit", "off_hours_read", "leaver_reads", "leaver_login", "dormant_reads"}
	set := loadPack(t)
	for _, tt := range []struct {
		what   string
		record []any
		want   []string
	}{
		{"a large export", r("action", "export", "rows", 10000, "outcome", "success"), []string{"mass_export_single"}},
		{"a large export of unknown outcome", r("action", "export", "rows", 250000), []string{"mass_export_huge"}},
		{"a large API request", r("action", "api_call", "rows", 10000), []string{"mass_export_single"}},
		{"a large download", r("action", "download", "rows", 10000), nil},
		{"a large export that failed", r("action", "export", "rows", 10000, "outcome", "failure"), nil},
		{"a smaller export", r("action", "export", "rows", 9999), []string{"export_below_limit"}},
		{"a smaller export that failed", r("action", "export", "rows", 9999, "outcome", "failure"), nil},
		{"a smaller API request", r("action", "api_call", "rows", 9999), nil},

		{"an export at night", r("action", "export", "rows", 20, "actor.type", "user", "local.off_hours", true), []string{"export_below_limit", "off_hours_read"}},
		{"an API request at night", r("action", "api_call", "rows", 600, "local.off_hours", true), []string{"off_hours_read"}},
		{"a download at night", r("action", "download", "local.off_hours", true), []string{"off_hours_read"}},
		{"a view at night", r("action", "view", "rows", 1, "local.off_hours", true), nil},
		{"an integration at night", r("action", "api_call", "rows", 600, "actor.type", "integration", "local.off_hours", true), nil},
		{"the system at night", r("action", "download", "actor.type", "system", "local.off_hours", true), nil},
		{"a failed download at night", r("action", "download", "outcome", "failure", "local.off_hours", true), nil},
		{"an API request by day", r("action", "api_call", "rows", 600, "local.off_hours", false), nil},
		{"an API request in no known time zone", r("action", "api_call", "rows", 600), nil},

		{"a leaver's view", r("action", "view", "person.status", "left"), []string{"leaver_reads"}},
		{"a leaver's search", r("action", "search", "person.status", "left"), []string{"leaver_reads"}},
		{"a leaver's download", r("action", "download", "person.status", "left"), []string{"leaver_reads"}},
		{"a leaver's API request", r("action", "api_call", "person.status", "left"), []string{"leaver_reads"}},
		{"a leaver's export", r("action", "export", "rows", 5, "person.status", "left"), []string{"export_below_limit", "leaver_reads"}},
		{"a leaver's failed view", r("action", "view", "outcome", "failure", "person.status", "left"), nil},
		{"a leaver's login", r("action", "login", "person.status", "left", "outcome", "success"), []string{"leaver_login"}},
		{"a leaver as somebody else", r("action", "login_as", "person.status", "left"), []string{"leaver_login"}},
		{"a leaver's failed login", r("action", "login_failed", "person.status", "left"), nil},
		{"a leaver's login that failed", r("action", "login", "outcome", "failure", "person.status", "left"), nil},
		{"a leaver's logout", r("action", "logout", "person.status", "left"), nil},
		{"a colleague's view", r("action", "view", "person.status", "active"), nil},
		{"a stranger's login", r("action", "login"), nil},

		{"a view after 60 days", r("action", "view", "account.idle_days", 60), []string{"dormant_reads"}},
		{"an API request after a year", r("action", "api_call", "account.idle_days", 365, "person.status", "active"), []string{"dormant_reads"}},
		{"a view after 59 days", r("action", "view", "account.idle_days", 59), nil},
		{"a login after 60 days", r("action", "login", "account.idle_days", 60), nil},
		{"an edit after 60 days", r("action", "edit", "account.idle_days", 60), nil},
		{"a failed view after 60 days", r("action", "view", "outcome", "failure", "account.idle_days", 60), nil},
		{"a leaver's view after 60 days", r("action", "view", "account.idle_days", 60, "person.status", "left"), []string{"leaver_reads"}},
		{"an account in use", r("action", "view", "account.idle_days", 0), nil},
	} {
		// Others take part in other patterns, too.
		got := slices.DeleteFunc(names(set, newRecord(tt.record...)), func(name string) bool { return !slices.Contains(about, name) })
		slices.Sort(got)
		if len(got) == 0 {
			got = nil
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.what, diff)
		}
	}
}

// measures says on one line what a correlation looks for.
func measures(c *rules.Correlation) string {
	var inputs []string
	for _, in := range c.Inputs {
		if in.Rule != nil {
			inputs = append(inputs, in.Rule.Name)
		} else {
			inputs = append(inputs, in.Correlation.Name)
		}
	}
	text := fmt.Sprintf("%s(%s)", c.Type, strings.Join(inputs, ", "))
	if len(c.FieldNames) > 0 {
		text += " of " + strings.Join(c.FieldNames, ", ")
	}
	for _, b := range c.Bounds {
		text += fmt.Sprintf(" %s %g", b.Op, b.Threshold)
	}
	return fmt.Sprintf("%s in %v by %s", text, c.Timespan, strings.Join(c.GroupBy, ", "))
}

func TestPackCorrelations(t *testing.T) {
	got := map[string]string{}
	for _, c := range loadPack(t).Correlations() {
		got[c.Name] = measures(c)
	}
	want := map[string]string{
		"api_read_flood":          "value_sum(api_read) of rows gte 100000 in 1h0m0s by actor.key",
		"api_read_hour":           "value_sum(api_read) of rows gte 20000 in 1h0m0s by actor.key",
		"brute_force":             "event_count(login_refused) gte 10 in 20m0s by actor.key",
		"brute_force_success":     "temporal_ordered(many_refused, login_succeeded) gte 2 in 20m0s by actor.key",
		"delete_burst":            "event_count(deleted_by_hand) gte 20 in 10m0s by actor.key",
		"dormant_account":         "event_count(dormant_reads) gte 1 in 1h0m0s by actor.key",
		"export_drip_week":        "value_sum(export_small) of rows gte 20000 in 168h0m0s by actor.key",
		"export_then_bulk_delete": "temporal_ordered(taken_much, deleted_in_bulk) gte 2 in 24h0m0s by actor.key",
		"export_then_delete":      "temporal_ordered(taken_much, delete_burst) gte 2 in 24h0m0s by actor.key",
		"file_burst":              "value_count(file_download) of object.id gte 25 in 3m0s by actor.key",
		"file_download_hour":      "value_count(file_download) of object.id gte 50 in 1h0m0s by actor.key",
		"leaked_api_key":          "value_sum(integration_reads_elsewhere) of rows gte 1000 in 1h0m0s by actor.key",
		"leaver_account":          "event_count(leaver_reads) gte 1 in 1h0m0s by actor.key",
		"leaver_knocks":           "event_count(leaver_login_failed) gte 5 in 24h0m0s by actor.key",
		"list_scraping":           "value_sum(list_shown) of rows gte 20000 in 1h0m0s by actor.key",
		"many_devices":            "value_count(device_seen) of device_id gte 4 in 1h0m0s by actor.key",
		"many_refused":            "event_count(login_refused) gte 10 in 20m0s by actor.key",
		"mass_change":             "value_count(changed_by_hand) of object.id gte 200 in 10m0s by actor.key",
		"mass_delete":             "event_count(deleted_by_hand) gte 50 in 10m0s by actor.key",
		"mass_export_hour":        "value_sum(export_below_limit) of rows gte 10000 in 1h0m0s by actor.key",
		"new_app_reads":           "temporal_ordered(app_given, taken_much) gte 2 in 24h0m0s by actor.key",
		"notice_export":           "value_sum(leaving_export) of rows gte 5000 in 24h0m0s by actor.key",
		"off_hours_data_access":   "value_sum(off_hours_read) of rows gte 500 in 1h0m0s by actor.key",
		"outsider_reads":          "value_sum(outsider_read) of rows gte 1000 in 1h0m0s by actor.key",
		"query_job_deleted":       "temporal_ordered(bulk_query_done, bulk_job_deleted) gte 2 in 30m0s by actor.key",
		"record_scraping":         "value_count(record_page) of object.id gte 300 in 10m0s by actor.key",
		"records_day":             "value_count(record_touched) of object.id gte 2000 in 24h0m0s by actor.key",
		"rights_then_export":      "temporal_ordered(rights_changed, taken_much) gte 2 in 24h0m0s by actor.key",
		"session_addresses":       "value_count(session_address) of src_ip gte 2 in 1h0m0s by actor.key, session, type",
		"session_agents":          "value_count(session_address) of user_agent gte 2 in 1h0m0s by actor.key, session, type",
		"session_moved":           "temporal(session_addresses, session_agents) gte 2 in 1h0m0s by actor.key, session, type",
		"takeover_by_admin":       "temporal(user_email_changed, user_password_reset) gte 2 in 1h0m0s by actor.key",
		"two_countries":           "value_count(login_country) of country gte 2 in 30m0s by actor.key",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestPackOwnTests has every rule judge the examples in its own file, with windows
// as the detector keeps them.
func TestPackOwnTests(t *testing.T) {
	set := loadPack(t)
	var metas []*rules.Meta
	for _, r := range set.Rules() {
		metas = append(metas, &r.Meta)
	}
	for _, c := range set.Correlations() {
		metas = append(metas, &c.Meta)
	}
	for _, m := range metas {
		for _, test := range m.Tests {
			if got := alerting(set, test)[m.Name]; got != test.Matches {
				t.Errorf("%s: %s, test %q: alerts: %v", test.Pos, m.Name, test.Name, got)
			}
		}
	}
}

// alerting says which rules alert on the events of a test.
func alerting(set *rules.Set, test rules.Test) map[string]bool {
	found := map[string]bool{}
	group, _ := fields().Field("actor.key")
	engine := window.New(window.Config[int]{
		Compare: stdcmp.Compare[int],
		Emit:    func(a *window.Alert[int]) { found[a.Meta.Name] = found[a.Meta.Name] || !a.Withdrawn },
		Absorb:  func(any, int) any { return nil },
		// The events of a test are written in any order.
		Lateness: 400 * 24 * time.Hour,
	}, set, group)
	m, number := set.Matcher(), 0
	for _, e := range test.Events {
		for i := range e.Repeat {
			number++
			rec := testRecord(e, i+1)
			at := (e.After + time.Duration(i)*e.Every).Milliseconds()
			for _, r := range m.Match(rec) {
				found[r.Name] = found[r.Name] || r.Alerts
				engine.Match(r, rec, "t", at, number)
			}
		}
	}
	engine.Close()
	return found
}

// testRecord is the nth repetition of an event of a test.
func testRecord(e rules.TestEvent, n int) *rules.Record {
	rec := newRecord("tenant", "t", "source", "test", "actor.id", "1", "actor.key", "test:1", "outcome", "success")
	if id, ok := e.Fields["actor.id"]; ok {
		rec.Values[field("actor.key")] = event.StringValue("test:" + strings.ReplaceAll(id.Str, "{n}", strconv.Itoa(n)))
	}
	for path, v := range e.Fields {
		if v.Kind == event.String {
			v = event.StringValue(strings.ReplaceAll(v.Str, "{n}", strconv.Itoa(n)))
		}
		rec.Values[field(path)] = v
	}
	return rec
}

func field(path string) rules.Field {
	f, _ := fields().Field(path)
	return f
}
