package alert_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/crmwatch/crmwatch/alert"
	"github.com/crmwatch/crmwatch/alert/alerttest"
	"github.com/crmwatch/crmwatch/event"
)

var update = flag.Bool("update", false, "write the golden files")

// schemas compiles the schemas that OCSF publishes, for every version that
// alerts are promised to be valid in.
func schemas(t *testing.T) map[string]*jsonschema.Schema {
	t.Helper()
	all := map[string]*jsonschema.Schema{}
	for _, version := range []string{"1.5.0", "1.8.0"} {
		s, err := jsonschema.NewCompiler().Compile(filepath.Join("testdata", "ocsf", version+"_detection_finding.schema.json"))
		if err != nil {
			t.Fatal(err)
		}
		all[version] = s
	}
	return all
}

// conforms validates an alert against a schema and checks the four things that
// the schemas cannot say.
func conforms(schema *jsonschema.Schema, alert []byte) error {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(alert))
	if err != nil {
		return err
	}
	var o map[string]any
	if err := json.Unmarshal(alert, &o); err != nil {
		return err
	}
	return errors.Join(schema.Validate(doc), checkUIDs(o), checkCaptions(o), checkProfiles(o), checkObservables(o))
}

func checkUIDs(o map[string]any) error {
	class, activity := number(o, "class_uid"), number(o, "activity_id")
	if number(o, "type_uid") != class*100+activity {
		return errors.New("type_uid is not class_uid*100+activity_id")
	}
	if number(o, "category_uid") != class/1000 {
		return errors.New("category_uid is not that of the class")
	}
	return nil
}

// number is -1 where the attribute is no number.
func number(o map[string]any, name string) int {
	if n, ok := o[name].(float64); ok {
		return int(n)
	}
	return -1
}

// checkCaptions checks the texts beside the numbers, by the enumerations at
// https://schema.ocsf.io/1.5.0/classes/detection_finding.
func checkCaptions(o map[string]any) error {
	want := map[string]string{
		"class_name": "Detection Finding", "category_name": "Findings",
		"activity_name": map[int]string{1: "Create", 2: "Update", 3: "Close"}[number(o, "activity_id")],
		"status":        map[int]string{1: "New", 3: "Suppressed"}[number(o, "status_id")],
	}
	want["type_name"] = "Detection Finding: " + want["activity_name"]
	severities := map[int]string{0: "Unknown", 1: "Informational", 2: "Low", 3: "Medium", 4: "High", 5: "Critical", 6: "Fatal"}
	if s, ok := severities[number(o, "severity_id")]; ok {
		want["severity"] = s
	}
	for name, caption := range want {
		if o[name] != caption {
			return fmt.Errorf("%s is %q, not %q", name, o[name], caption)
		}
	}
	return nil
}

// checkProfiles checks that attributes of a profile come with its declaration.
func checkProfiles(o map[string]any) error {
	declared := fmt.Sprint(o["metadata"].(map[string]any)["profiles"])
	for _, attribute := range []string{"actor", "device"} {
		if o[attribute] != nil && !strings.Contains(declared, "host") {
			return fmt.Errorf("%s needs the host profile", attribute)
		}
	}
	return nil
}

// checkObservables checks that every observable's name leads to its value.
func checkObservables(o map[string]any) error {
	observables, _ := o["observables"].([]any)
	for _, v := range observables {
		observable := v.(map[string]any)
		found := follow(o, strings.Split(observable["name"].(string), "."))
		if !strings.Contains(strings.Join(found, "\n"), observable["value"].(string)) {
			return fmt.Errorf("observable %v does not lead to its value", observable["name"])
		}
	}
	return nil
}

func follow(v any, path []string) []string {
	switch v := v.(type) {
	case []any:
		var all []string
		for _, member := range v {
			all = append(all, follow(member, path)...)
		}
		return all
	case map[string]any:
		if len(path) > 0 {
			return follow(v[path[0]], path[1:])
		}
	case string:
		if len(path) == 0 {
			return []string{v}
		}
	}
	return nil
}

func samples() map[string]alert.Finding {
	all := map[string]alert.Finding{
		"mass-export": alerttest.MassExport(), "ghost-account": alerttest.GhostAccount(),
		"bare": alerttest.Bare(), "id-only": {ID: "x"},
	}
	for i, attack := range alerttest.Attacks() {
		all[fmt.Sprintf("hostile-%d", i)] = alerttest.Hostile(attack)
	}
	for i, f := range alerttest.Amended() {
		all[fmt.Sprintf("amended-%d", i)] = f
	}
	return all
}

func TestOCSFConforms(t *testing.T) {
	compiled := schemas(t)
	for name, f := range samples() {
		b, err := alert.EncodeOCSF(f)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for version, schema := range compiled {
			if err := conforms(schema, b); err != nil {
				t.Errorf("%s by OCSF %s: %v", name, version, err)
			}
		}
	}
}

// TestOCSFCheckFindsMistakes is the negative control: each mistake must be found.
func TestOCSFCheckFindsMistakes(t *testing.T) {
	compiled := schemas(t)
	good, err := alert.EncodeOCSF(alerttest.MassExport())
	if err != nil {
		t.Fatal(err)
	}
	mistakes := []struct{ name, from, to string }{
		{"a required attribute is missing", `"severity_id":5,`, ``},
		{"no product", `"product":{"name":"crmwatch","vendor_name":"crmwatch"},`, ``},
		{"an unknown attribute", `"count":6`, `"number":6`},
		{"a number as text", `"count":6`, `"count":"6"`},
		{"an unknown severity", `"severity_id":5`, `"severity_id":7`},
		{"no uid", `"finding_info":{"uid":`, `"finding_info":{"uid_alt":`},
		{"an address that is none", `"src_endpoint":{"ip":"203.0.113.77"}`, `"src_endpoint":{"ip":"nowhere"}`},
		{"an e-mail address that is none", `"email_addr":"wang.fang@acme.example"`, `"email_addr":"nobody"`},
		{"an empty evidence", `"evidences":[{`, `"evidences":[{},{`},
		{"an actor without anything", `"actor":{"app_name":"web"}`, `"actor":{}`},
		{"another activity's type", `"type_uid":200401`, `"type_uid":200402`},
		{"another category", `"category_uid":2,`, `"category_uid":3,`},
		{"another class's name", `"class_name":"Detection Finding"`, `"class_name":"Incident Finding"`},
		{"another severity's caption", `"severity":"Critical"`, `"severity":"High"`},
		{"an undeclared profile", `"profiles":["host"]`, `"profiles":[]`},
		{"an observable of nothing", `"value":"203.0.113.77"`, `"value":"203.0.113.78"`},
	}
	for _, m := range mistakes {
		bad := bytes.Replace(good, []byte(m.from), []byte(m.to), 1)
		if bytes.Equal(bad, good) {
			t.Fatalf("%s: %s is not in the alert", m.name, m.from)
		}
		for version, schema := range compiled {
			if conforms(schema, bad) == nil {
				t.Errorf("%s by OCSF %s: not found", m.name, version)
			}
		}
	}
}

func TestOCSFGolden(t *testing.T) {
	for _, name := range []string{"mass-export", "ghost-account", "bare", "amended-1", "amended-3", "amended-4"} {
		b, err := alert.EncodeOCSF(samples()[name])
		if err != nil {
			t.Fatal(err)
		}
		var indented bytes.Buffer
		if err := json.Indent(&indented, b, "", "  "); err != nil {
			t.Fatal(err)
		}
		golden(t, filepath.Join("testdata", "ocsf", name+".json"), append(indented.Bytes(), '\n'))
	}
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func TestOCSFIsLossless(t *testing.T) {
	for name, f := range samples() {
		checkRoundTrip(t, name, f)
	}
	rapid.Check(t, func(t *rapid.T) { checkRoundTrip(t, "drawn", drawFinding(t)) })
}

type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

func checkRoundTrip(t failer, name string, f alert.Finding) {
	t.Helper()
	first, err := alert.EncodeOCSF(f)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	back, err := alert.DecodeOCSF(first)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	valid := validText(f)
	if diff := cmp.Diff(valid, back); diff != "" {
		t.Fatalf("%s (-sent +received):\n%s", name, diff)
	}
	one, errOne := alert.EncodeOCSF(valid)
	two, errTwo := alert.EncodeOCSF(back)
	if errOne != nil || errTwo != nil || !bytes.Equal(one, two) {
		t.Fatalf("%s: equal findings have different bytes (%v, %v)", name, errOne, errTwo)
	}
}

// validText is the finding with U+FFFD for what is not UTF-8, by the standard
// library's own reading.
func validText(f alert.Finding) alert.Finding {
	b, _ := json.Marshal(f)
	var valid alert.Finding
	_ = json.Unmarshal(b, &valid)
	if valid.State != alert.Closed && valid.State != alert.Withdrawn {
		valid.State = alert.Open
	}
	return valid
}

func drawFinding(t *rapid.T) alert.Finding {
	text := rapid.OneOf(rapid.Just(""), rapid.String(), rapid.SampledFrom([]string{"a@b.example", "203.0.113.9", "::1", "x"}))
	texts := rapid.Custom(func(t *rapid.T) []string {
		if list := rapid.SliceOfN(text, 0, 4).Draw(t, "list"); len(list) > 0 {
			return list
		}
		return nil
	})
	number := rapid.Int64()
	at := rapid.Custom(func(t *rapid.T) time.Time {
		if rapid.Bool().Draw(t, "unset") {
			return time.Time{}
		}
		return time.UnixMilli(rapid.Int64Range(0, 4e12).Draw(t, "ms")).UTC()
	})
	s := func(name string) string { return text.Draw(t, name) }
	f := alert.Finding{
		Revision:    rapid.OneOf(rapid.Just(0), rapid.IntRange(0, math.MaxInt32)).Draw(t, "revision"),
		State:       rapid.SampledFrom([]alert.State{"", alert.Open, alert.Closed, alert.Withdrawn, "strange"}).Draw(t, "state"),
		Replaces:    texts.Draw(t, "replaces"),
		ReplacedBy:  s("replaced by"),
		Uncertainty: rapid.Float64().Draw(t, "uncertainty"),
		ID:          "x" + s("id"), Tenant: s("tenant"), Start: at.Draw(t, "start"), End: at.Draw(t, "end"), Detected: at.Draw(t, "detected"),
		Count: number.Draw(t, "count"), Rows: number.Draw(t, "rows"), Bytes: number.Draw(t, "bytes"),
		Measured: number.Draw(t, "measured"), Threshold: number.Draw(t, "threshold"), Unit: s("unit"),
		Action: event.Action(s("action")), Sources: texts.Draw(t, "sources"), ObjectTypes: texts.Draw(t, "types"),
		IPs: texts.Draw(t, "ips"), Countries: texts.Draw(t, "countries"), UserAgents: texts.Draw(t, "agents"),
		Apps: texts.Draw(t, "apps"), Reasons: texts.Draw(t, "reasons"),
		Rule: alert.Rule{
			ID: s("rule"), Version: s("version"), Name: s("name"), Title: s("title"), Level: alert.Level(s("level")),
			Description: s("description"), FalsePositives: texts.Draw(t, "fps"), Tags: texts.Draw(t, "tags"),
			Author: s("author"), References: texts.Draw(t, "references"), Response: s("response"),
		},
		Subject: alert.Subject{
			Key: s("key"), Person: s("person"), Name: s("subject"), Email: s("email"), Department: s("department"),
			Role: s("role"), Manager: s("manager"), TimeZone: s("zone"), Employment: s("employment"), LastDay: s("last"),
		},
	}
	for range rapid.IntRange(0, 3).Draw(t, "accounts") {
		f.Subject.Accounts = append(f.Subject.Accounts, alert.Account{Source: s("source"), ID: s("account"), Name: s("login")})
	}
	for range rapid.IntRange(0, 3).Draw(t, "events") {
		f.Events = append(f.Events, alert.EventRef{ID: s("event"), Time: at.Draw(t, "time"), Action: event.Action(s("did")), Rows: number.Draw(t, "n")})
	}
	return f
}

func TestDecodeOCSFRefuses(t *testing.T) {
	const canary = "CANARY-4711"
	records := map[string]struct{ record, reason string }{
		"nothing":        {``, event.BadJSON},
		"no JSON":        {canary, event.BadJSON},
		"cut short":      {`{"class_uid":2004,"message":"` + canary, event.BadJSON},
		"an array":       {`["` + canary + `"]`, event.WrongType},
		"a text":         {`"` + canary + `"`, event.WrongType},
		"another class":  {`{"class_uid":6001,"type_uid":600107,"message":"` + canary + `"}`, event.BadValue},
		"no activity":    {`{"class_uid":2004,"type_uid":200400,"finding_info":{"uid":"x"}}`, event.BadValue},
		"another thing":  {`{"class_uid":2004,"type_uid":200499,"finding_info":{"uid":"` + canary + `"}}`, event.BadValue},
		"before 0":       {`{"class_uid":2004,"type_uid":200402,"metadata":{"sequence":-4711},"finding_info":{"uid":"x"}}`, event.BadValue},
		"no revision":    {`{"class_uid":2004,"type_uid":200402,"metadata":{"sequence":4711471147},"finding_info":{"uid":"x"}}`, event.BadValue},
		"no id":          {`{"class_uid":2004,"type_uid":200401,"message":"` + canary + `"}`, event.Missing},
		"a wrong type":   {`{"class_uid":2004,"type_uid":200401,"count":"` + canary + `"}`, event.WrongType},
		"too big":        {`{"class_uid":2004,"type_uid":200401,"count":47114711471147114711}`, event.WrongType},
		"null":           {`null`, event.BadValue},
		"something else": {`{"class_uid":2004} ` + canary, event.BadJSON},
	}
	for name, r := range records {
		_, err := alert.DecodeOCSF([]byte(r.record))
		_, reason, ok := event.Cause(err)
		if !ok || reason != r.reason {
			t.Errorf("%s: %v, want reason %s", name, err, r.reason)
		}
		if err != nil && (strings.Contains(err.Error(), "CANARY") || strings.Contains(err.Error(), "4711")) {
			t.Errorf("%s: the error repeats the record: %v", name, err)
		}
	}
}

func TestDecodeOCSFIgnoresWhatItDoesNotKnow(t *testing.T) {
	b, err := alert.EncodeOCSF(alerttest.Bare())
	if err != nil {
		t.Fatal(err)
	}
	later := bytes.Replace(b, []byte(`{`), []byte(`{"risk_score":70,`), 1)
	f, err := alert.DecodeOCSF(later)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(alerttest.Bare(), f); diff != "" {
		t.Error(diff)
	}
}

// TestOCSFLifeCycle holds what consumers other than crmwatch go by.
func TestOCSFLifeCycle(t *testing.T) {
	type life struct{ uid, event, activity, status, related any }
	f := alerttest.MassExport()
	other := event.Hash("other")
	cases := map[string]struct {
		change func(*alert.Finding)
		want   life
	}{
		"new":       {func(*alert.Finding) {}, life{f.ID, f.ID, 1., 1., nil}},
		"amended":   {func(f *alert.Finding) { f.Revision = 1 }, life{f.ID, f.ID + "/1", 2., 1., nil}},
		"joined":    {func(f *alert.Finding) { f.Revision, f.Replaces = 2, []string{other} }, life{f.ID, f.ID + "/2", 2., 1., other}},
		"closed":    {func(f *alert.Finding) { f.Revision, f.State = 3, alert.Closed }, life{f.ID, f.ID + "/3", 3., 1., nil}},
		"withdrawn": {func(f *alert.Finding) { f.Revision, f.State, f.ReplacedBy = 4, alert.Withdrawn, other }, life{f.ID, f.ID + "/4", 3., 3., other}},
	}
	for name, c := range cases {
		f := alerttest.MassExport()
		c.change(&f)
		b, err := alert.EncodeOCSF(f)
		if err != nil {
			t.Fatal(err)
		}
		var o map[string]any
		if err := json.Unmarshal(b, &o); err != nil {
			t.Fatal(err)
		}
		info := o["finding_info"].(map[string]any)
		got := life{info["uid"], o["metadata"].(map[string]any)["uid"], o["activity_id"], o["status_id"], nil}
		related := info["related_events"].([]any)
		if last := related[len(related)-1].(map[string]any); last["type_uid"] == 200401. {
			got.related = last["uid"]
		}
		if got != c.want {
			t.Errorf("%s: %+v, not %+v", name, got, c.want)
		}
	}
}

func TestEncodeOCSFNeedsARevision(t *testing.T) {
	for _, revision := range []int{-1, math.MaxInt32 + 1} {
		f := alerttest.Bare()
		f.Revision = revision
		if _, err := alert.EncodeOCSF(f); err == nil {
			t.Errorf("revision %d was encoded", revision)
		}
	}
}

// TestDecodeOCSFOfAnEarlierVersion: a topic keeps what crmwatch wrote before
// findings could be amended.
func TestDecodeOCSFOfAnEarlierVersion(t *testing.T) {
	f, err := alert.DecodeOCSF([]byte(`{"class_uid":2004,"type_uid":200401,"activity_id":1,"metadata":{"uid":"x"},"finding_info":{"uid":"x"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(alert.Finding{ID: "x", State: alert.Open}, f); diff != "" {
		t.Error(diff)
	}
}

func TestEncodeOCSFNeedsAnID(t *testing.T) {
	if _, err := alert.EncodeOCSF(alert.Finding{}); err == nil {
		t.Error("a finding without id was encoded")
	}
}

func TestFindingID(t *testing.T) {
	at := time.Date(2026, 11, 24, 1, 30, 0, 0, time.UTC)
	id := alert.FindingID("rule", "v1", "acme", "E1", at)
	if !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(id) {
		t.Errorf("id %q is not 32 hexadecimal digits", id)
	}
	if again := alert.FindingID("rule", "v1", "acme", "E1", at.In(time.FixedZone("", 8*3600))); again != id {
		t.Error("the same moment in another zone has another id")
	}
	others := []string{
		alert.FindingID("rul", "ev1", "acme", "E1", at), alert.FindingID("rule", "v2", "acme", "E1", at),
		alert.FindingID("rule", "v1", "acmeE", "1", at), alert.FindingID("rule", "v1", "acme", "E1", at.Add(time.Millisecond)),
	}
	for i, other := range others {
		if other == id {
			t.Errorf("finding %d has the same id", i)
		}
	}
}

func FuzzDecodeOCSF(f *testing.F) {
	for _, finding := range samples() {
		b, err := alert.EncodeOCSF(finding)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"class_uid":2004,"type_uid":200401,"finding_info":{"uid":"x"},"evidences":[{},{"actor":{}}],"actor":{}}`))
	f.Fuzz(func(t *testing.T, record []byte) {
		finding, err := alert.DecodeOCSF(record)
		if err != nil {
			return
		}
		if _, err := alert.EncodeOCSF(finding); err != nil {
			t.Errorf("what was decoded cannot be encoded: %v", err)
		}
	})
}
