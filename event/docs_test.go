package event

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestDocs generates docs/event.md and compares.
func TestDocs(t *testing.T) {
	const file = "../docs/event.md"
	got := document(t)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("docs/event.md is out of date; run go test ./event -update\n%s", diff)
	}
}

func document(t *testing.T) string {
	var b strings.Builder
	b.WriteString(`# The event

<!-- Generated from event/fields.go and event/action.go by go test ./event -update. Do not edit. -->

An event is one thing somebody did in a CRM. On the Kafka topic of events it is one JSON object; a native source sends the same form, one object a line.

## Fields

A field that the event does not have is left out, and a number that is not there is 0. Keys may come in any order; crmwatch writes them in this one.
Rules name a field by its path. The OCSF attribute is that of class 6001, Web Resources Activity, with the ` + "`host`" + ` profile; the other classes follow below.

| field | type | unit or form | OCSF 1.5.0 attribute | meaning |
|---|---|---|---|---|
`)
	for i := range Fields {
		f := &Fields[i]
		kind := "text"
		if f.Kind == Int {
			kind = "whole number"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | `%s` | %s |\n", f.Path, kind, f.Unit, f.OCSF, f.Doc)
	}
	b.WriteString("\nRequired are `id`, `time`, `tenant`, `source` and `action`.\n")
	writeActions(&b)
	writeClasses(t, &b)
	writeRules(&b)
	writeExample(t, &b)
	return b.String()
}

func writeActions(b *strings.Builder) {
	b.WriteString(`
## Actions

The action says which OCSF class and activity the event is: ` + "`class_uid`, `activity_id`, and `type_uid` = class * 100 + activity" + `.

| action | class | activity | type_uid | meaning |
|---|---|---|---|---|
`)
	for _, a := range ocsfActions {
		fmt.Fprintf(b, "| `%s` | %d %s | %d %s | %d | %s |\n", a.action, a.class, classNames[a.class], a.activity, a.name, a.action.TypeUID(), a.doc)
	}
}

func writeClasses(t *testing.T, b *strings.Builder) {
	b.WriteString(`
## Attributes by class

Where a class has another attribute for a field than the table of fields says, or none; what has none goes to ` + "`unmapped`" + `. In 3002, ` + "`user`" + ` is the account that
is logged in to: the actor of a login of one's own, the object of a ` + "`login_as`" + `.

| class | field | attribute |
|---|---|---|
`)
	classes := schemas(t)
	for _, class := range slices.Sorted(maps.Keys(classes)) {
		for i := range Fields {
			f := &Fields[i]
			if a := attribute(classes[class], class, f); a != f.OCSF {
				fmt.Fprintf(b, "| %d %s | `%s` | `%s` |\n", class, classNames[class], f.Path, a)
			}
		}
	}
}

func writeRules(b *strings.Builder) {
	fmt.Fprintf(b, `
## Two clocks

`+"`time`"+` is the source's clock: windows, working hours and reports go by it. `+"`collected`"+` is crmwatch's own, set when the event first arrives and never changed after:
delays and retention are measured by it. Both are RFC 3339; any offset and up to nine digits of a second are read, UTC and milliseconds are kept.

## The Kafka key

`+"`tenant/person`"+` where `+"`actor.person`"+` is known, otherwise `+"`tenant/source:account`"+` with `+"`actor.id`, or `actor.name`"+` where the source gives no id.
So everything that one person does, in all CRMs, is in one partition and in order. A tenant's name has no slash.

## Limits

| what | limit |
|---|---|
| `+"`time`, `collected`"+` | %s up to, not including, %s |
| `+"`rows`, `bytes`"+` | 0 to 9223372036854775807 |
| `+"`raw`"+` | %d bytes |
| any other text | %d bytes |
| objects and arrays within each other | %d |
| keys in all objects together | %d |

Text is UTF-8 without NUL; `+"`id`, `tenant` and `source`"+` have no control characters at all. `+"`src_ip`"+` is canonical: `+"`203.0.113.7`, `2001:db8::1`"+`, neither
`+"`::ffff:203.0.113.7`"+` nor a zone. Keys that are not in the table are no error: the record is then kept whole in `+"`raw`"+`.

## Why a record is refused

Such a record becomes a dead letter with one of these reasons, which are also the label of the metric.

| reason | meaning |
|---|---|
`, Earliest.Format("2006-01-02"), Latest.Format("2006-01-02"), MaxRaw, MaxField, MaxDepth, MaxKeys)
	for _, r := range Reasons {
		fmt.Fprintf(b, "| `%s` | %s |\n", r.Word, r.Doc)
	}
}

func writeExample(t *testing.T, b *strings.Builder) {
	var indented bytes.Buffer
	if err := json.Indent(&indented, full.AppendJSON(nil), "", "  "); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(b, "\n## Example\n\nKey `%s`; the message is this on one line:\n\n```json\n%s\n```\n", full.Key(), &indented)
}
