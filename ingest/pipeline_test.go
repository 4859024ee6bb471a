package ingest_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/ingest"
	"github.com/crmwatch/crmwatch/ingest/catalog"
	"github.com/crmwatch/crmwatch/internal/stream"
)

var now = time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)

// topic is a stream.Writer in memory, for what happens before Kafka. The
// integration tests write to the real one.
type topic struct {
	mu     sync.Mutex
	recs   []stream.Record
	writes int
	fail   func(ctx context.Context, write int) error
}

func (w *topic) Write(ctx context.Context, recs ...stream.Record) error {
	w.mu.Lock()
	w.writes++
	write, fail := w.writes, w.fail
	w.mu.Unlock()
	if fail != nil {
		if err := fail(ctx, write); err != nil {
			return err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.recs = append(w.recs, recs...)
	return nil
}

func (w *topic) events(t *testing.T) []event.Event {
	t.Helper()
	all := make([]event.Event, len(w.recs))
	for i, rec := range w.recs {
		if err := event.Decode(rec.Value, &all[i]); err != nil {
			t.Fatal(err)
		}
		if string(rec.Key) != string(all[i].Key()) {
			t.Errorf("event %d has the key %q, want %q", i, rec.Key, all[i].Key())
		}
	}
	return all
}

func (w *topic) letters(t *testing.T) []event.DeadLetter {
	t.Helper()
	all := make([]event.DeadLetter, len(w.recs))
	for i, rec := range w.recs {
		if err := json.Unmarshal(rec.Value, &all[i]); err != nil {
			t.Fatal(err)
		}
		if string(rec.Key) != all[i].ID {
			t.Errorf("dead letter %d has the key %q", i, rec.Key)
		}
	}
	return all
}

type rig struct {
	*ingest.Pipeline
	events, dead topic
	reg          *prometheus.Registry
	log          bytes.Buffer
}

func newRig(t *testing.T, change func(*ingest.Config, *ingest.Deps)) *rig {
	t.Helper()
	r := &rig{reg: prometheus.NewPedanticRegistry()}
	cfg := ingest.DefaultConfig("acme")
	deps := ingest.Deps{
		Events: &r.events, Dead: &r.dead, Formats: catalog.Formats(), Clock: func() time.Time { return now },
		Logger: slog.New(slog.NewTextHandler(&r.log, nil)), Registerer: r.reg,
	}
	if change != nil {
		change(&cfg, &deps)
	}
	p, err := ingest.New(cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	r.Pipeline = p
	return r
}

func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "input")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func csvRows(n int) string {
	var b strings.Builder
	b.WriteString("EVENT_TYPE,TIMESTAMP,USER_ID_DERIVED,ROW_COUNT,ORIGIN\n")
	for i := range n {
		fmt.Fprintf(&b, "Report,20261001%02d%02d%02d,005AA000001bCdEYAU,%d,ReportExported\n", i/3600%24, i/60%60, i%60, i)
	}
	return b.String()
}

func TestEveryRecordEndsOnOneOfTwoTopics(t *testing.T) {
	r := newRig(t, func(c *ingest.Config, _ *ingest.Deps) { c.BatchRecords = 7 })
	content := csvRows(100) + "too,few\n" + "Report,00010101000000,a,1,\n" + "Report,20261001000000,a,-1,\n" + "Nonsense,20261001000000,a,1,\n"
	s, err := r.IngestFile(t.Context(), write(t, content), nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.Read != 104 || s.Accepted != 101 || s.RejectedTotal() != 3 || s.Other["Nonsense"] != 1 {
		t.Errorf("summary %+v", s)
	}
	if len(s.First) != 3 || !strings.HasPrefix(s.First[1].String(), `line 103, field "TIMESTAMP": the time is outside`) {
		t.Errorf("first rejections %v", s.First)
	}
	if len(r.events.recs) != 101 || len(r.dead.recs) != 3 {
		t.Errorf("%d events and %d dead letters", len(r.events.recs), len(r.dead.recs))
	}
	for i, e := range r.events.events(t) {
		if e.Tenant != "acme" || !e.Collected.Equal(now) {
			t.Fatalf("tenant %q, collected %v", e.Tenant, e.Collected)
		}
		if i < 100 && e.Rows != int64(i) {
			t.Fatalf("event %d has %d rows: the order is lost", i, e.Rows)
		}
	}
	want := map[string]string{"bad_columns": "too,few", "bad_time": "Report,00010101000000,a,1,", "bad_number": "Report,20261001000000,a,-1,"}
	for _, d := range r.dead.letters(t) {
		if string(d.Record) != want[d.Reason] || d.Origin != "input" || d.Line < 102 || d.Stage != "ingest" || d.Tenant != "acme" || d.Size != int64(len(d.Record)) {
			t.Errorf("dead letter %+v", d)
		}
	}
	wantMetrics := `
# HELP crmwatch_ingest_events_total Events that are durable.
# TYPE crmwatch_ingest_events_total counter
crmwatch_ingest_events_total{action="export",source="salesforce"} 100
crmwatch_ingest_events_total{action="other",source="salesforce"} 1
# HELP crmwatch_ingest_rejected_total Records that were rejected and are durable as dead letters.
# TYPE crmwatch_ingest_rejected_total counter
crmwatch_ingest_rejected_total{reason="bad_address"} 0
crmwatch_ingest_rejected_total{reason="bad_columns"} 1
crmwatch_ingest_rejected_total{reason="bad_json"} 0
crmwatch_ingest_rejected_total{reason="bad_number"} 1
crmwatch_ingest_rejected_total{reason="bad_quote"} 0
crmwatch_ingest_rejected_total{reason="bad_text"} 0
crmwatch_ingest_rejected_total{reason="bad_time"} 1
crmwatch_ingest_rejected_total{reason="bad_utf8"} 0
crmwatch_ingest_rejected_total{reason="bad_value"} 0
crmwatch_ingest_rejected_total{reason="duplicate_key"} 0
crmwatch_ingest_rejected_total{reason="missing"} 0
crmwatch_ingest_rejected_total{reason="not_an_event"} 0
crmwatch_ingest_rejected_total{reason="nul_byte"} 0
crmwatch_ingest_rejected_total{reason="repeated_header"} 0
crmwatch_ingest_rejected_total{reason="too_deep"} 0
crmwatch_ingest_rejected_total{reason="too_large"} 0
crmwatch_ingest_rejected_total{reason="too_long"} 0
crmwatch_ingest_rejected_total{reason="too_many_keys"} 0
crmwatch_ingest_rejected_total{reason="truncated"} 0
crmwatch_ingest_rejected_total{reason="unknown_format"} 0
crmwatch_ingest_rejected_total{reason="unterminated_quote"} 0
crmwatch_ingest_rejected_total{reason="wrong_tenant"} 0
crmwatch_ingest_rejected_total{reason="wrong_type"} 0
# HELP crmwatch_ingest_unknown_types_total Events among them of a type that crmwatch has no action for.
# TYPE crmwatch_ingest_unknown_types_total counter
crmwatch_ingest_unknown_types_total{source="salesforce"} 1
`
	if err := testutil.GatherAndCompare(r.reg, strings.NewReader(wantMetrics),
		"crmwatch_ingest_events_total", "crmwatch_ingest_rejected_total", "crmwatch_ingest_unknown_types_total"); err != nil {
		t.Error(err)
	}
	if problems, err := testutil.GatherAndLint(r.reg); err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
}

func TestTheSameFileTwiceHasTheSameIDs(t *testing.T) {
	content := csvRows(50) + "broken\n"
	ids := func(compressed bool) (ids []string) {
		r := newRig(t, nil)
		if compressed {
			var b bytes.Buffer
			z := gzip.NewWriter(&b)
			if _, err := io.WriteString(z, content); err != nil || z.Close() != nil {
				t.Fatal(err)
			}
			if _, err := r.IngestFile(t.Context(), write(t, b.String()), nil); err != nil {
				t.Fatal(err)
			}
		} else if _, err := r.IngestFile(t.Context(), write(t, content), nil); err != nil {
			t.Fatal(err)
		}
		for _, e := range r.events.events(t) {
			ids = append(ids, e.ID)
		}
		return append(ids, r.dead.letters(t)[0].ID)
	}
	if first, second := ids(false), ids(true); len(first) != 51 || !slices.Equal(first, second) {
		t.Errorf("ids differ:\n%v\n%v", first, second)
	}
}

func TestAWriteIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.events.fail = func(_ context.Context, n int) error {
			if n <= 3 {
				return errors.New("leader not available")
			}
			return nil
		}
		began := time.Now()
		s, err := r.Ingest(t.Context(), strings.NewReader(csvRows(3)), "f", 0, nil)
		if err != nil || s.Accepted != 3 {
			t.Fatalf("%+v, %v", s, err)
		}
		if waited := time.Since(began); waited != 700*time.Millisecond { // 100 + 200 + 400
			t.Errorf("it waited %v between the tries", waited)
		}
	})
}

func TestGivingUpSaysHowFarItCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *ingest.Config, _ *ingest.Deps) { c.BatchRecords = 10 })
		r.events.fail = func(_ context.Context, n int) error {
			if n > 2 {
				return errors.New("all brokers down")
			}
			return nil
		}
		began := time.Now()
		s, err := r.Ingest(t.Context(), strings.NewReader(csvRows(100)), "f.csv", 0, nil)
		if err == nil || s.Accepted != 20 || len(r.events.recs) != 20 {
			t.Fatalf("%+v, %v", s, err)
		}
		for _, part := range []string{"f.csv", "after line 21", "20 events", "all brokers down"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q does not say %q", err, part)
			}
		}
		if waited := time.Since(began); waited < 2*time.Minute || waited > 2*time.Minute+time.Second {
			t.Errorf("it gave up after %v", waited)
		}
	})
}

type permanentError struct{}

func (permanentError) Error() string   { return "not allowed" }
func (permanentError) Permanent() bool { return true }

func TestAPermanentErrorIsNotTriedAgain(t *testing.T) {
	r := newRig(t, nil)
	r.events.fail = func(context.Context, int) error { return fmt.Errorf("write: %w", permanentError{}) }
	if _, err := r.Ingest(t.Context(), strings.NewReader(csvRows(3)), "f", 0, nil); !errors.As(err, &permanentError{}) {
		t.Error(err)
	}
	if r.events.writes != 1 {
		t.Errorf("%d writes", r.events.writes)
	}
}

func TestNothingIsCountedThatIsNotDurable(t *testing.T) {
	r := newRig(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	r.dead.fail = func(context.Context, int) error { cancel(); return errors.New("down") }
	s, err := r.Ingest(ctx, strings.NewReader(csvRows(3)+"x\n"), "f", 0, nil)
	if err == nil || s.Accepted != 0 || s.Read != 0 {
		t.Errorf("%+v, %v", s, err)
	}
	if n := testutil.CollectAndCount(r.reg, "crmwatch_ingest_events_total"); n != 0 {
		t.Errorf("%d series of events", n)
	}
}

type people map[string]string

func (p people) PersonOf(tenant, source, id, name, email string) (string, bool) {
	person, ok := p[strings.Join([]string{tenant, source, id, name, email}, "|")]
	return person, ok
}

func TestEventsGetTheirPerson(t *testing.T) {
	r := newRig(t, func(_ *ingest.Config, d *ingest.Deps) {
		d.People = people{"acme|salesforce|005AA000001bCdEYAU||": "E1", "acme|zoho|7|li|li@example.com": "E2"}
	})
	in := `{"EVENT_TYPE":"Logout","TIMESTAMP":"20261001000000","USER_ID":"005AA000001bCdE"}
{"id":"1","time":"2026-10-01T00:00:00Z","source":"zoho","action":"view","actor":{"id":"7","name":"li","email":"li@example.com"}}
{"id":"2","time":"2026-10-01T00:00:00Z","source":"zoho","action":"view","actor":{"id":"8"}}
{"id":"3","time":"2026-10-01T00:00:00Z","source":"zoho","action":"view","actor":{"id":"8","person":"E9"}}
`
	if _, err := r.Ingest(t.Context(), strings.NewReader(in), "f", 0, nil); err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, rec := range r.events.recs {
		keys = append(keys, string(rec.Key))
	}
	if want := []string{"acme/E1", "acme/E2", "acme/zoho:8", "acme/E9"}; !slices.Equal(keys, want) {
		t.Errorf("keys %q, want %q", keys, want)
	}
}

// An action that crmwatch has no word for is kept, whole, and counted.
func TestUnknownActionIsKept(t *testing.T) {
	r := newRig(t, nil)
	in := `{"id":"1","time":"2026-10-01T00:00:00Z","source":"x","action":"steal"}`
	s, err := r.Ingest(t.Context(), strings.NewReader(in), "f", 0, nil)
	if err != nil || s.Accepted != 1 || s.Other["steal"] != 1 {
		t.Fatalf("%+v, %v", s, err)
	}
	var e event.Event
	if err := event.Decode(r.events.recs[0].Value, &e); err != nil {
		t.Fatal(err)
	}
	if e.Action != event.Other || e.Type != "steal" || e.Raw != in {
		t.Errorf("%+v", e)
	}
}

// Events that name another tenant are taken in, unless there is to be one only.
func TestOtherTenantsAreTakenIn(t *testing.T) {
	r := newRig(t, nil)
	in := `{"id":"1","time":"2026-10-01T00:00:00Z","source":"x","action":"view","tenant":"other"}`
	if s, err := r.Ingest(t.Context(), strings.NewReader(in), "f", 0, nil); err != nil || s.Accepted != 1 || string(r.events.recs[0].Key) != "other/x:" {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestWhatThePipelineRefuses(t *testing.T) {
	native := func(fields string) string {
		return `{"id":"1","time":"2026-10-01T00:00:00Z","source":"x","action":"view"` + fields + "}"
	}
	for name, c := range map[string]struct{ in, reason, field string }{
		"another tenant":    {native(`,"tenant":"other"`), ingest.WrongTenant, "tenant"},
		"a time to come":    {`{"id":"1","time":"2026-11-24T09:10:00.001Z","source":"x","action":"view"}`, event.BadTime, "time"},
		"year 1":            {`{"id":"1","time":"0001-01-02T00:00:00Z","source":"x","action":"view"}`, event.BadTime, "time"},
		"year 9999":         {`{"id":"1","time":"9999-12-31T00:00:00Z","source":"x","action":"view"}`, event.BadTime, "time"},
		"no source":         {`{"id":"1","time":"2026-10-01T00:00:00Z","action":"view"}`, event.Missing, "source"},
		"no action":         {`{"id":"1","time":"2026-10-01T00:00:00Z","source":"x","actor":{"id":"7"}}`, event.Missing, "action"},
		"negative rows":     {native(`,"rows":-1`), event.BadNumber, "rows"},
		"rows that overrun": {native(`,"rows":9223372036854775808`), event.BadNumber, "rows"},
		"rows as text":      {native(`,"rows":"many"`), event.WrongType, "rows"},
		"key twice":         {native(`,"id":"2"`), event.DuplicateKey, "id"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(cfg *ingest.Config, _ *ingest.Deps) { cfg.OnlyTenant = true })
			if _, err := r.Ingest(t.Context(), strings.NewReader(c.in), "f", 0, nil); err != nil {
				t.Fatal(err)
			}
			if len(r.events.recs) != 0 || len(r.dead.recs) != 1 {
				t.Fatalf("%d events, %d dead letters", len(r.events.recs), len(r.dead.recs))
			}
			d := r.dead.letters(t)[0]
			if d.Reason != c.reason || d.Field != c.field || d.Detail == "" || string(d.Record) != c.in || d.Line != 1 {
				t.Errorf("%+v", d)
			}
		})
	}
	r := newRig(t, nil)
	edge := `{"id":"1","time":"2026-11-24T09:10:00Z","source":"x","action":"view"}`
	if s, err := r.Ingest(t.Context(), strings.NewReader(edge), "f", 0, nil); err != nil || s.Accepted != 1 {
		t.Errorf("ten minutes ahead: %+v, %v", s, err)
	}
}

func TestWithoutATenantEventsNameTheirOwn(t *testing.T) {
	r := newRig(t, func(c *ingest.Config, _ *ingest.Deps) { c.Tenant = "" })
	in := `{"id":"1","time":"2026-10-01T00:00:00Z","source":"x","action":"view","tenant":"a"}
{"id":"2","time":"2026-10-01T00:00:00Z","source":"x","action":"view"}`
	s, err := r.Ingest(t.Context(), strings.NewReader(in), "f", 0, nil)
	if err != nil || s.Accepted != 1 || s.Rejected[event.Missing] != 1 {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestHugeFieldsAreKeptWholeInTheDeadLetter(t *testing.T) {
	r := newRig(t, nil)
	field := strings.Repeat("x", 10<<20)
	in := "EVENT_TYPE,TIMESTAMP,URI\nLogout,20261001000000,a\nLogout,20261001000001,\"" + field + "\"\nLogout,20261001000002,b\n"
	s, err := r.Ingest(t.Context(), strings.NewReader(in), "f", 0, nil)
	if err != nil || s.Accepted != 2 || s.Rejected[ingest.TooLarge] != 1 {
		t.Fatalf("%+v, %v", s, err)
	}
	d := r.dead.letters(t)[0]
	if want := "Logout,20261001000001,\"" + field + "\""; string(d.Record) != want || d.Line != 3 {
		t.Errorf("%d bytes from line %d are kept, want %d", len(d.Record), d.Line, len(want))
	}
}

func TestRejectionsKeepTheOriginalBytes(t *testing.T) {
	r := newRig(t, nil)
	bad := "Logout,20261001000001,\xbf\xcd\xbb\xa7"
	if _, err := r.Ingest(t.Context(), strings.NewReader("EVENT_TYPE,TIMESTAMP,URI\n"+bad+"\n"), "f", 0, nil); err != nil {
		t.Fatal(err)
	}
	if d := r.dead.letters(t)[0]; string(d.Record) != bad || d.Reason != event.BadUTF8 {
		t.Errorf("%+v", d)
	}
}

func TestErrorsAndLogsHaveNoCustomerData(t *testing.T) {
	r := newRig(t, nil)
	in := "EVENT_TYPE,TIMESTAMP,USER_ID,ROW_COUNT\nReport,secret-time,a,1\nReport,20261001000000,a,secret-rows\nReport,20261001000000,secret\n" +
		"\"Report\"secret\n"
	if _, err := r.Ingest(t.Context(), strings.NewReader(in), "f", 0, nil); err != nil {
		t.Fatal(err)
	}
	for _, d := range r.dead.letters(t) {
		if strings.Contains(d.Detail+d.Reason+d.Field, "secret") {
			t.Errorf("%q repeats the record", d.Detail)
		}
	}
	if strings.Contains(r.log.String(), "secret") {
		t.Errorf("the log repeats a record: %s", &r.log)
	}
}

func TestFilesThatCannotBeRead(t *testing.T) {
	r := newRig(t, nil)
	for name, c := range map[string]struct{ path, want string }{
		"missing":   {filepath.Join(t.TempDir(), "no.csv"), "no.csv"},
		"directory": {t.TempDir(), "is a directory"},
		"unknown":   {write(t, "name,age\nx,1\n"), "expected native events"},
		"twice":     {write(t, "time,action,time\n"), "twice"},
	} {
		if _, err := r.IngestFile(t.Context(), c.path, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(r.events.recs)+len(r.dead.recs) > 0 {
		t.Error("something was written")
	}
}

func TestFilesWithoutRecords(t *testing.T) {
	for _, content := range []string{"", "\n\r\n\n", "EVENT_TYPE,TIMESTAMP\n", "EVENT_TYPE,TIMESTAMP", "[]", `{"totalSize":0,"done":true,"records":[]}`, "\xef\xbb\xbf"} {
		r := newRig(t, nil)
		if s, err := r.IngestFile(t.Context(), write(t, content), nil); err != nil || s.Read != 0 {
			t.Errorf("%q: %+v, %v", content, s, err)
		}
	}
}

func TestProgressIsOfWhatIsDurable(t *testing.T) {
	var seconds atomic.Int64
	r := newRig(t, func(c *ingest.Config, d *ingest.Deps) {
		c.BatchRecords = 1000
		d.Clock = func() time.Time { return now.Add(time.Duration(seconds.Load()) * time.Second) }
	})
	r.events.fail = func(context.Context, int) error { seconds.Add(1); return nil }
	content := csvRows(20_000)
	var all []ingest.Progress
	if _, err := r.IngestFile(t.Context(), write(t, content), func(p ingest.Progress) {
		if int64(len(r.events.recs)) != p.Rows {
			t.Errorf("%d rows are reported, %d durable", p.Rows, len(r.events.recs))
		}
		all = append(all, p)
	}); err != nil {
		t.Fatal(err)
	}
	first, last := all[0], all[len(all)-1]
	if first.Rows != 1000 || first.RowsPerSec != 1000 || first.ETA <= 0 || first.TotalBytes != int64(len(content)) || first.Done {
		t.Errorf("first %+v", first)
	}
	if last.Rows != 20_000 || last.Bytes != last.TotalBytes || last.ETA != 0 || !last.Done {
		t.Errorf("last %+v", last)
	}
}

func TestAnIngestStopsWithItsContext(t *testing.T) {
	r := newRig(t, nil)
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	defer out.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := r.Ingest(ctx, in, "pipe", 0, nil)
		done <- err
	}()
	if _, err := io.WriteString(out, csvRows(1)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-done; err == nil {
		t.Error("no error although it was cut short")
	}
}

func TestNewRefusesNonsense(t *testing.T) {
	if _, err := ingest.New(ingest.Config{Tenant: "a/b"}, ingest.Deps{}); err == nil {
		t.Error("no error")
	}
}
