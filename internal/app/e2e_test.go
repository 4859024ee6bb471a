package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/crmwatch/crmwatch/alert"
	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/internal/testkit"
)

// The whole program, from a record of a CRM to a message in Slack, over the real
// Apache Kafka and over the embedded one, with a real ClickHouse.
func TestEndToEnd(t *testing.T) {
	t.Parallel()
	stories := []struct {
		name string
		tell func(*testing.T, *world)
	}{
		{"an export becomes an alert, once", storyExport},
		{"a restart forgets nothing", storyRestart},
		{"alerts come at once", storyLatency},
		{"events by HTTP", storyHTTP},
		{"a stop under load loses nothing", storyStop},
		{"ClickHouse comes late", storyLateClickHouse},
		{"customers' data stays inside", storyCanaries},
		{"the rules change", storyReload},
		{"a backtest finds the same", storyBacktest},
		{"a backtest of late events", storyBacktestOfLateEvents},
	}
	for kafka, start := range map[string]func(testing.TB) string{"apache": testkit.ApacheKafka, "embedded": testkit.Kafka} {
		t.Run(kafka, func(t *testing.T) {
			t.Parallel()
			for _, s := range stories {
				t.Run(s.name, func(t *testing.T) {
					t.Parallel()
					s.tell(t, newWorld(t, start))
				})
			}
		})
	}
}

const user = "005KD0000018TvN"

func storyExport(t *testing.T, w *world) {
	w.cfg.Roster.CSV = filepath.Join(t.TempDir(), "people.csv")
	people := "person_id,name,email,department,accounts\nE7,Gao Min,gao.min@example.com,Sales,salesforce:" + user + "EYA\n"
	if err := os.WriteFile(w.cfg.Roster.CSV, []byte(people), 0o600); err != nil {
		t.Fatal(err)
	}
	l := w.start(t)
	if err := l.RosterHas(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	file := logFile(t,
		report{at: monday, user: user, rows: 800, looked: true},
		report{at: monday.Add(time.Minute), user: user, rows: 23_456},
		report{at: monday.Add(2 * time.Minute), user: user, rows: 12},
	)
	began := time.Now()
	l.ingest(t, file, 3)
	a := l.next(t)
	t.Logf("from the start of the ingest to the alert in Slack: %v; from the detection: %v", a.at.Sub(began).Round(time.Millisecond), a.at.Sub(a.Detected).Round(time.Millisecond))
	l.drained(t)

	if a.Rule.Name != "mass_export_single" || a.Rows != 23_456 || a.Subject.Person != "E7" || a.Subject.Name != "Gao Min" {
		t.Errorf("the alert is %+v", a.Finding)
	}
	once := func(when string) {
		t.Helper()
		messages := w.slack.Messages()
		if len(messages) != 1 || !strings.Contains(messages[0].Text, "23,456") {
			t.Errorf("%s: messages in Slack: %+v", when, messages)
		}
		w.holds(t, map[string]int{"events": 3, "alerts": 1, "dead_letters": 0, "roster": 1})
	}
	once("after the file")
	w.validAlerts(t, a.Finding)
	if got := w.query(t, "SELECT concat(action, ' ', toString(rows), ' ', actor_id, ' ', actor_person, ' ', src_ip, ' ', toString(time)) FROM events ORDER BY time"); !slices.Equal(got, []string{
		"view 800 " + user + "EYA E7 198.51.100.24 2026-09-21 02:00:00.000",
		"export 23456 " + user + "EYA E7 198.51.100.24 2026-09-21 02:01:00.000",
		"export 12 " + user + "EYA E7 198.51.100.24 2026-09-21 02:02:00.000",
	}) {
		t.Errorf("events in ClickHouse: %q", got)
	}
	if got := w.query(t, "SELECT concat(id, ' ', rule_name, ' ', subject_name, ' ', toString(rows)) FROM alerts"); !slices.Equal(got, []string{a.ID + " mass_export_single Gao Min 23456"}) {
		t.Errorf("alerts in ClickHouse: %q", got)
	}

	l.ingest(t, file, 3)
	l.drained(t)
	once("after the same file again")

	l.stop(t)
	l = w.start(t)
	l.drained(t)
	once("after a restart")
	l.ingest(t, file, 3)
	l.drained(t)
	once("after the same file again, after a restart")
}

// validAlerts checks that the topic of alerts holds the finding alone, as OCSF.
func (w *world) validAlerts(t *testing.T, want alert.Finding) {
	t.Helper()
	schema, err := jsonschema.NewCompiler().Compile("../../alert/testdata/ocsf/1.5.0_detection_finding.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	recs := w.topic(t, topicAlerts)
	if len(recs) != 1 {
		t.Fatalf("%d records on the topic of alerts, want 1", len(recs))
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(recs[0].Value))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(doc); err != nil {
		t.Errorf("the alert is no OCSF 1.5.0 Detection Finding: %v", err)
	}
	f, err := alert.DecodeOCSF(recs[0].Value)
	if err != nil {
		t.Fatal(err)
	}
	if f.ID != want.ID || f.Rows != want.Rows || f.Rule.ID != want.Rule.ID || string(recs[0].Key) != "default/E7" {
		t.Errorf("under the key %q stands %+v, want %+v", recs[0].Key, f, want)
	}
}

// Half of a burst before a restart and half after it make one finding.
func storyRestart(t *testing.T, w *world) {
	l := w.start(t)
	half := logFile(t, small(user, 900, 0, 6)...)
	l.ingest(t, half, 6)
	l.ingest(t, half, 6) // 10,800 rows, were repeated events counted
	l.drained(t)
	l.stop(t)
	l = w.start(t)
	// A few of them again, too few to make up for windows that were forgotten.
	l.ingest(t, logFile(t, small(user, 900, 0, 2)...), 2)
	l.drained(t)
	if m := w.slack.Messages(); len(m) != 0 {
		t.Fatalf("half of a burst is no mass export: %+v", m)
	}
	l.ingest(t, logFile(t, small(user, 900, 6, 7)...), 7)
	a := l.next(t)
	if a.Rule.Name != "mass_export_hour" || a.Measured != 12*900 || a.Count != 12 || !a.Start.Equal(monday) || !a.End.Equal(monday.Add(11*time.Minute)) {
		t.Errorf("the alert is %+v", a.Finding)
	}
	l.drained(t)
	l.stop(t)
	l = w.start(t)
	l.drained(t)
	if m := w.slack.Messages(); len(m) != 1 {
		t.Errorf("%d messages in Slack, want 1", len(m))
	}
	w.holds(t, map[string]int{"events": 13, "alerts": 1})
}

// storyLatency measures how long an alert takes when nothing else is going on. It
// promises no number: the machine that runs the tests may be busy.
func storyLatency(t *testing.T, w *world) {
	l := w.start(t)
	var delays []time.Duration
	for i := range 40 {
		began := time.Now()
		body := fmt.Sprintf(`{"id":"%d","time":%q,"source":"zoho","action":"export","actor":{"id":"u%d"},"rows":20000}`, i, monday.Format(time.RFC3339), i)
		if code, text := l.ask(t, "POST", "/v1/events", body, asSender...); code != 200 {
			t.Fatalf("%d %s", code, text)
		}
		if a := l.next(t); a.Subject.Key != fmt.Sprintf("zoho:u%d", i) {
			t.Fatalf("the alert is about %s", a.Subject.Key)
		}
		delays = append(delays, time.Since(began))
	}
	t.Logf("from the request to the message in Slack: the first %v", delays[0].Round(time.Millisecond))
	delays = delays[1:]
	slices.Sort(delays)
	t.Logf("the others: p50 %v, longest %v", delays[len(delays)/2].Round(time.Millisecond), delays[len(delays)-1].Round(time.Millisecond))
}

// asSender are the headers of a sender who has the token.
var asSender = []string{"Content-Type", "application/x-ndjson", "Authorization", "Bearer " + httpToken}

func storyHTTP(t *testing.T, w *world) {
	l := w.start(t)
	if code, _ := l.ask(t, "POST", "/v1/events", native("a", monday, 5, ""), "Content-Type", "application/json"); code != 401 {
		t.Errorf("without the token: %d", code)
	}
	if code, _ := l.ask(t, "POST", "/v1/events", native("a", monday, 5, ""), "Content-Type", "application/json", "Authorization", "Bearer let-me-out"); code != 401 {
		t.Errorf("with another token: %d", code)
	}
	if recs := w.topic(t, topicEvents); len(recs) != 0 {
		t.Errorf("%d events of somebody without the token are in Kafka", len(recs))
	}

	negative := native("b", monday, -3, `,"object":{"name":"鹿鸣 Ltd"}`)
	body := strings.Join([]string{native("a", monday, 5, ""), negative, "{torn", native("c", monday.Add(time.Second), 7, "")}, "\n")
	code, text := l.ask(t, "POST", "/v1/events", body, asSender...)
	// The answer has come: whatever it says is in Kafka already.
	if ids := w.ids(t); !slices.Equal(ids, []string{"a", "c"}) {
		t.Errorf("Kafka holds the events %v", ids)
	}
	var answer struct {
		Accepted, Rejected_count int64
		Rejected                 []struct {
			Line          int64
			Field, Reason string
		}
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		t.Fatal(err)
	}
	if code != 200 || answer.Accepted != 2 || answer.Rejected_count != 2 || len(answer.Rejected) != 2 ||
		answer.Rejected[0].Line != 2 || answer.Rejected[0].Field != "rows" || answer.Rejected[0].Reason != event.BadNumber || answer.Rejected[1].Line != 3 {
		t.Errorf("the answer is %d %s", code, text)
	}
	if strings.Contains(text, "鹿鸣") {
		t.Errorf("the answer repeats the record: %s", text)
	}
	w.deadLetters(t, negative, "{torn")
	l.drained(t)
	w.holds(t, map[string]int{"events": 2, "dead_letters": 2})
	if got := w.query(t, "SELECT concat(stage, ' ', origin, ' ', toString(line), ' ', field, ' ', record) FROM dead_letters ORDER BY line LIMIT 1"); !slices.Equal(got, []string{"ingest http 2 rows " + negative}) {
		t.Errorf("dead letters in ClickHouse: %q", got)
	}
	if code, text := l.ask(t, "POST", "/v1/events", "{torn", asSender...); code != 422 || !strings.Contains(text, `"accepted":0`) {
		t.Errorf("when nothing is accepted: %d %s", code, text)
	}
	w.operations(t, l)
	w.beforeReady(t)
}

// ids are those of the events in Kafka, sorted.
func (w *world) ids(t *testing.T) (ids []string) {
	t.Helper()
	for _, r := range w.topic(t, topicEvents) {
		var e event.Event
		if err := event.Decode(r.Value, &e); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, e.ID)
	}
	slices.Sort(ids)
	return ids
}

// deadLetters checks that the topic of dead letters holds the records whole.
func (w *world) deadLetters(t *testing.T, want ...string) {
	t.Helper()
	var got []string
	for _, r := range w.topic(t, topicDead) {
		var d event.DeadLetter
		if err := json.Unmarshal(r.Value, &d); err != nil {
			t.Fatal(err)
		}
		got = append(got, string(d.Record))
		if d.Stage != "ingest" || d.Origin != "http" || d.Reason == "" || d.Detail == "" || d.Tenant != "default" || d.Size != int64(len(d.Record)) {
			t.Errorf("the dead letter is %+v", d)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("dead letters in Kafka: %q, want %q", got, want)
	}
}

// operations checks what whoever runs crmwatch looks at.
func (w *world) operations(t *testing.T, l *life) {
	t.Helper()
	if code, text := l.ask(t, "GET", "/healthz", ""); code != 200 || text != "ok\n" {
		t.Errorf("/healthz: %d %q", code, text)
	}
	code, text := l.ask(t, "GET", "/readyz", "")
	if want := `{"components":{"clickhouse":"ok","kafka":"ok","roster":"ok","rules":"ok","windows":"ok"},"ready":true}`; code != 200 || strings.TrimSpace(text) != want {
		t.Errorf("/readyz: %d %s", code, text)
	}
	code, text = l.ask(t, "GET", "/metrics", "")
	if code != 200 {
		t.Errorf("/metrics: %d", code)
	}
	for _, series := range []string{
		`crmwatch_ingest_events_total{action="export",source="zoho"} 2`,
		`crmwatch_ingest_rejected_total{reason="bad_number"} 1`,
		`crmwatch_ingest_http_requests_total{code="401"} 2`,
		fmt.Sprintf(`crmwatch_bus_records_written_total{topic="%sevents"} 2`, w.cfg.Kafka.TopicPrefix),
		`crmwatch_detect_events_total 2`,
		`crmwatch_detect_watermark_timestamp_seconds{partition="`,
		`crmwatch_store_rows_inserted_total{table="events`,
		`crmwatch_store_up 1`,
		`crmwatch_alert_latency_seconds_count 0`,
		`crmwatch_roster_people 0`,
	} {
		if !strings.Contains(text, "\n"+series) {
			t.Errorf("/metrics has no line %s", series)
		}
	}
	// What is documented must come, if only with the first thing that is counted.
	for _, m := range registered(t) {
		if len(m.labels) == 0 && m.pkg() != "build" && !strings.Contains(text, "\n# TYPE "+m.name+" "+m.kind) {
			t.Errorf("/metrics lacks %s", m.name)
		}
	}
}

// beforeReady checks that events are refused as long as they could not be joined
// to their people.
func (w *world) beforeReady(t *testing.T) {
	t.Helper()
	l := w.connect(t)
	server := serveRoutes(t, l)
	code, text, err := send(t.Context(), "POST", server+"/v1/events", native("z", monday, 1, ""), asSender...)
	if err != nil || code != 503 || !strings.Contains(text, "starting") {
		t.Errorf("before it is ready: %d %q %v", code, text, err)
	}
	code, text, err = send(t.Context(), "GET", server+"/readyz", "")
	if err != nil || code != 503 || !strings.Contains(text, `"roster":"starting"`) || !strings.Contains(text, `"ready":false`) {
		t.Errorf("/readyz before it is ready: %d %q %v", code, text, err)
	}
	if code, _, err = send(t.Context(), "GET", server+"/healthz", ""); err != nil || code != 200 {
		t.Errorf("/healthz before it is ready: %d %v", code, err)
	}
	if ids := w.ids(t); slices.Contains(ids, "z") {
		t.Error("an event that was refused is in Kafka")
	}
}
