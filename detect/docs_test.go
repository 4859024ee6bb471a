package detect

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/rules"
	"github.com/crmwatch/crmwatch/rules/pack"
)

var update = flag.Bool("update", false, "write the generated parts of docs/rules.md anew")

const rulesDoc = "../docs/rules.md"

// derivedDocs says what the derived fields mean. TestRulesDoc fails where one is
// missing.
var derivedDocs = [derivedCount]struct{ kind, values, doc string }{
	actorKey:               {"text", "", "The person behind the account where the roster knows one (`actor.person`), otherwise source and account: what to group by. Always there."},
	personStatus:           {"text", "active, left", "Whether the person worked here at the time of the event, by the roster. Absent where the roster knows nobody, and before the first day."},
	personDepartment:       {"text", "", "Department by the roster."},
	personRole:             {"text", "", "Role by the roster."},
	personManager:          {"text", "", "The manager's name."},
	personLastDay:          {"text", "2026-01-31", "The person's last day. Absent for those who stay."},
	personDaysSinceLastDay: {"whole number", "days", "Days from the last day to the event: 1 on the day after. Absent until then."},
	localHour:              {"whole number", "0 to 23", "The hour where the person lives. The `local` fields are absent where no time zone is known, and where the roster has people but not this one."},
	localWeekday:           {"text", "monday to sunday", "The day of the week where the person lives."},
	localOffHours:          {"true or false", "", "Whether it is outside of the person's working hours, by their own calendar."},
	accountIdleDays:        {"whole number", "days", "How long the account had been silent before it woke up, during the first 24 hours after; 0 otherwise. Silence of less than 7 days does not count, and a failed login does not wake."},
}

// TestRulesDoc generates the tables and the errors of docs/rules.md, between
// markers, and compares.
func TestRulesDoc(t *testing.T) {
	data, err := os.ReadFile(rulesDoc)
	if err != nil {
		t.Fatal(err)
	}
	want := string(data)
	got := want
	for name, content := range map[string]string{
		"fields": fieldTable(t), "derived": derivedTable(t), "errors": errorTable(t), "pack": packTable(t),
	} {
		got = replacePart(t, got, name, content)
	}
	if *update {
		if err := os.WriteFile(rulesDoc, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("docs/rules.md is out of date; run go test ./detect -run TestRulesDoc -update\n%s", diff)
	}
}

// replacePart puts the content between the markers of that name.
func replacePart(t *testing.T, doc, name, content string) string {
	t.Helper()
	part := regexp.MustCompile(`(?s)(<!-- ` + name + `: generated [^\n]*-->\n).*?(<!-- end -->)`)
	if len(part.FindAllString(doc, -1)) != 1 {
		t.Fatalf("docs/rules.md does not have the part %q once", name)
	}
	return part.ReplaceAllStringFunc(doc, func(old string) string {
		m := part.FindStringSubmatch(old)
		return m[1] + "\n" + content + "\n" + m[2]
	})
}

func fieldTable(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("| field | type | values | meaning |\n|---|---|---|---|\n")
	for i := range event.Fields {
		f := &event.Fields[i]
		if _, ok := NewSchema().Field(f.Path); !ok {
			t.Errorf("no rule can read %s", f.Path)
		}
		kind := "text"
		if f.Kind == event.Int {
			kind = "whole number"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.Path, kind, f.Unit, f.Doc)
	}
	return b.String()
}

func derivedTable(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("| field | type | values | meaning |\n|---|---|---|---|\n")
	for i, path := range derivedPaths {
		d := derivedDocs[i]
		if d.doc == "" {
			t.Errorf("derivedDocs does not say what %s means", path)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", path, d.kind, d.values, d.doc)
	}
	return b.String()
}

// sound is a rule and a correlation, which the mistakes below are made in.
const sound = `title: Exports of price lists
id: 5f0c2a0e-7f3f-4d3c-9d0b-6b8f1f3a2c11
name: price_lists
logsource: {product: crm, category: audit}
detection:
  selection:
    action: export
    object.type: PriceBook
  condition: selection
---
title: Many price lists
id: 0b1f2f4e-2f0a-4c58-8a44-3f1f0c7d9a52
name: many_price_lists
correlation:
  type: event_count
  rules: [price_lists]
  group-by: [actor.key]
  timespan: 1h
  condition: {gte: 5}
crmwatch:
  response: review
  reason: Five price lists in an hour.
`

// mistakes are lines of sound, and what somebody might write instead.
var mistakes = [][2]string{
	{"object.type: PriceBook", "object: PriceBook"},
	{"object.type: PriceBook", "object.type|contain: Price"},
	{"action: export", "src_ip|cidr: 10.0.0.0/33"},
	{"action: export", `user_agent|re: "(?=curl)"`},
	{"condition: selection", "condition: selektion"},
	{"condition: selection", "condition: 1 of other*"},
	{"logsource: {product: crm, category: audit}", "logsource: {product: crm, category: login}"},
	{"id: 5f0c2a0e-7f3f-4d3c-9d0b-6b8f1f3a2c11", "id: price-lists"},
	{"type: event_count", "type: event_sum"},
	{"type: event_count", "type: value_count"},
	{"group-by: [actor.key]", "group-by: [src_ip]"},
	{"rules: [price_lists]", "rules: [price_list]"},
	{"timespan: 1h", "timespan: 1 hour"},
	{"condition: {gte: 5}", "condition: {gte: 0}"},
	{"condition: {gte: 5}", "condition: {gt: 5, lt: 6}"},
	{"condition: {gte: 5}", "condition: price_lists and not others"},
	{"object.type: PriceBook", `object.type|expand: "%price_books%"`},
	{"response: review", "response: block"},
	{"reason: Five price lists in an hour.", `reason: "{object.name} was taken."`},
}

func loadText(text string) (*rules.Set, error) {
	return rules.Load(fstest.MapFS{"rule.yml": {Data: []byte(text)}}, NewSchema(), rules.Options{GroupByOneOf: rules.PersonFields()})
}

func errorTable(t *testing.T) string {
	t.Helper()
	if _, err := loadText(sound); err != nil {
		t.Fatalf("the sound rules are refused: %v", err)
	}
	var b strings.Builder
	b.WriteString("| you write | crmwatch answers |\n|---|---|\n")
	for _, m := range mistakes {
		text := strings.Replace(sound, m[0], m[1], 1)
		_, err := loadText(text)
		if text == sound || err == nil {
			t.Errorf("%q is no mistake", m[1])
			continue
		}
		// One mistake may have consequences; the first message is about itself.
		first, _, _ := strings.Cut(err.Error(), "\n")
		fmt.Fprintf(&b, "| %s | %s |\n", code(m[1]), code(first))
	}
	return b.String()
}

// code is the text as code in the cell of a table, which a pipe would end.
func code(s string) string {
	s = strings.ReplaceAll(s, "|", `\|`)
	if strings.Contains(s, "`") {
		return "`` " + s + " ``"
	}
	return "`" + s + "`"
}

func packTable(t *testing.T) string {
	t.Helper()
	set, err := rules.Load(pack.FS, NewSchema(), rules.Options{GroupByOneOf: rules.PersonFields()})
	if err != nil {
		t.Fatal(err)
	}
	var metas []rules.Meta
	kinds := map[string]string{}
	for _, r := range set.Rules() {
		if r.Alerts {
			metas, kinds[r.ID] = append(metas, r.Meta), "each event"
		}
	}
	for _, c := range set.Correlations() {
		metas, kinds[c.ID] = append(metas, c.Meta), measured(c)
	}
	slices.SortFunc(metas, func(a, b rules.Meta) int { return strings.Compare(a.Pos.File+a.Name, b.Pos.File+b.Name) })
	var b strings.Builder
	b.WriteString("| rule | finds | counts | level | response | file |\n|---|---|---|---|---|---|\n")
	for _, m := range metas {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | [%s](../rules/pack/%s) |\n", m.Name, m.Title, kinds[m.ID], m.Level, m.Response, m.Pos.File, m.Pos.File)
	}
	return b.String()
}

// measured is what a correlation asks for: "sum of rows >= 500 in 1h".
func measured(c *rules.Correlation) string {
	what := map[rules.Type]string{rules.EventCount: "events", rules.ValueCount: "different `" + strings.Join(c.FieldNames, ", ") + "`", rules.ValueSum: "sum of `" + strings.Join(c.FieldNames, ", ") + "`"}[c.Type]
	op := map[rules.Op]string{rules.GT: ">", rules.GTE: "≥"}[c.Bounds[0].Op]
	span := strings.NewReplacer("h0m0s", "h", "m0s", "m").Replace(c.Timespan.String())
	return fmt.Sprintf("%s %s %.0f in %s by `%s`", what, op, c.Bounds[0].Threshold, span, strings.Join(c.GroupBy, "`, `"))
}

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// What the document shows must load as it stands there, all of it together.
func TestRulesDocExamplesLoad(t *testing.T) {
	data, err := os.ReadFile(rulesDoc)
	if err != nil {
		t.Fatal(err)
	}
	var docs []string
	for _, m := range yamlBlock.FindAllStringSubmatch(string(data), -1) {
		docs = append(docs, m[1])
	}
	if len(docs) < 3 {
		t.Fatalf("docs/rules.md has %d examples", len(docs))
	}
	if _, err := loadText(strings.Join(docs, "---\n")); err != nil {
		t.Error(err)
	}
}
