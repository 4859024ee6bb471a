package rules_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

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

func checkMeta(t *testing.T, m *rules.Meta) {
	t.Helper()
	isTechnique := func(s string) bool { return strings.HasPrefix(s, "attack.t1") }
	switch {
	case !uuid4.MatchString(m.ID):
		t.Errorf("%s: the id is no UUIDv4", m.Name)
	case m.Author != "crmwatch" || m.Date == "" || m.License != "Apache-2.0" || m.Status == "":
		t.Errorf("%s: no author, date, license or status", m.Name)
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

func TestPackLevelsAndResponses(t *testing.T) {
	got := map[string]string{}
	set := loadPack(t)
	for _, r := range set.Rules() {
		if r.Alerts {
			got[r.Name] = r.Level + " " + r.Response
		}
	}
	for _, c := range set.Correlations() {
		got[c.Name] = c.Level + " " + c.Response
	}
	want := map[string]string{
		"mass_export_single":    "high freeze",
		"mass_export_hour":      "high freeze",
		"off_hours_data_access": "high review",
		"leaver_account":        "critical freeze",
		"leaver_login":          "high freeze",
		"dormant_account":       "high review",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestPackExamples has for every rule on single events what it matches and what
// it does not.
func TestPackExamples(t *testing.T) {
	set := loadPack(t)
	for _, tt := range []struct {
		what   string
		record []any
		want   []string
	}{
		{"a large export", r("action", "export", "rows", 10000, "outcome", "success"), []string{"mass_export_single"}},
		{"a large export of unknown outcome", r("action", "export", "rows", 250000), []string{"mass_export_single"}},
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
		got := names(set, newRecord(tt.record...))
		slices.Sort(got)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.what, diff)
		}
	}
}

func TestPackCorrelations(t *testing.T) {
	type summary struct {
		Type, Base, Group, Span, Field string
		Below, At                      bool // whether the condition holds
	}
	limits := map[string]float64{"mass_export_hour": 10000, "off_hours_data_access": 500, "leaver_account": 1, "dormant_account": 1}
	got := map[string]summary{}
	for _, c := range loadPack(t).Correlations() {
		limit := limits[c.Name]
		got[c.Name] = summary{
			string(c.Type), c.Inputs[0].Rule.Name, strings.Join(c.GroupBy, " "), c.Timespan.String(), strings.Join(c.FieldNames, " "),
			c.Holds(limit - 1), c.Holds(limit),
		}
	}
	want := map[string]summary{
		"mass_export_hour":      {"value_sum", "export_below_limit", "actor.key", "1h0m0s", "rows", false, true},
		"off_hours_data_access": {"value_sum", "off_hours_read", "actor.key", "1h0m0s", "rows", false, true},
		"leaver_account":        {"event_count", "leaver_reads", "actor.key", "1h0m0s", "", false, true},
		"dormant_account":       {"event_count", "dormant_reads", "actor.key", "1h0m0s", "", false, true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
