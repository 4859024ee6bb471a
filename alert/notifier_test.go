package alert_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/crmwatch/crmwatch/alert"
	"github.com/crmwatch/crmwatch/alert/alerttest"
	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/internal/stream"
)

// recorder is a sink that remembers, and fails as long as it is told to.
type recorder struct {
	mu   sync.Mutex
	sent []alert.Message // guarded by mu
	at   []time.Time     // guarded by mu; of every attempt
	// edited are the edits, as "place: status".
	edited []string // guarded by mu
	fail   func(attempt int, m alert.Message) error
	// failEdit, where it is set, is asked before every edit.
	failEdit func(m alert.Message) error
}

func (r *recorder) Name() string { return "recorder" }

func (r *recorder) Send(_ context.Context, m alert.Message) (alert.Ref, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at = append(r.at, time.Now())
	if r.fail != nil {
		if err := r.fail(len(r.at)-1, m); err != nil {
			return alert.Ref{}, err
		}
	}
	r.sent = append(r.sent, m)
	return alert.Ref{Channel: "c", Message: fmt.Sprint(len(r.sent))}, nil
}

func (r *recorder) Update(_ context.Context, ref alert.Ref, m alert.Message) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failEdit != nil {
		if err := r.failEdit(m); err != nil {
			return err
		}
	}
	r.edited = append(r.edited, ref.Message+": "+m.Status)
	return nil
}

func (r *recorder) edits() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.edited)
}

func (r *recorder) ids() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var ids []string
	for _, m := range r.sent {
		ids = append(ids, m.ID)
	}
	return ids
}

func (r *recorder) messages() []alert.Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.sent)
}

func (r *recorder) attempts() []time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.at)
}

// journal is a log that can be read while it is written.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

// stage is a notifier with its surroundings, over which processes come and go.
type stage struct {
	t      *testing.T
	alerts *topic
	sent   *table
	dead   *topic
	sink   *recorder
	log    journal
	reg    *prometheus.Registry
	onSent func(alert.Finding, time.Time)
	cfg    alert.Config

	notifier *alert.Notifier
}

func newStage(t *testing.T) *stage {
	t.Helper()
	return &stage{t: t, alerts: newTopic(1), sent: &table{topic: newTopic(1)}, dead: newTopic(1), sink: &recorder{}}
}

// start runs a process; stop ends it and returns its error.
func (s *stage) start() (stop func() error) {
	s.reg = prometheus.NewRegistry()
	s.notifier = alert.New(s.cfg, alert.Deps{
		Alerts: s.alerts, Sent: s.sent, Dead: writer{s.dead}, Sink: s.sink, OnSent: s.onSent,
		Logger: slog.New(slog.NewTextHandler(&s.log, nil)), Registerer: s.reg,
	})
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan error, 1)
	go func() { done <- s.notifier.Run(ctx) }()
	synctest.Wait()
	return func() error {
		cancel()
		return <-done
	}
}

// finding is one that was detected now.
func finding(id string, level alert.Level) alert.Finding {
	f := alerttest.Bare()
	f.ID, f.Rule.Level, f.Detected = event.Hash(id), level, time.Now().UTC().Truncate(time.Millisecond)
	return f
}

func (s *stage) add(findings ...alert.Finding) {
	s.t.Helper()
	var recs []stream.Record
	for _, f := range findings {
		b, err := alert.EncodeOCSF(f)
		if err != nil {
			s.t.Fatal(err)
		}
		recs = append(recs, stream.Record{Key: []byte(f.Subject.Key), Value: b, Time: f.Detected})
	}
	s.alerts.add(0, recs...)
}

func hashes(ids ...string) []string {
	var all []string
	for _, id := range ids {
		all = append(all, event.Hash(id))
	}
	return all
}

func (s *stage) expectSent(ids ...string) {
	s.t.Helper()
	if diff := cmp.Diff(hashes(ids...), s.sink.ids()); diff != "" {
		s.t.Errorf("messages (-want +got):\n%s", diff)
	}
}

func TestNotifierSendsTheWorstFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.alerts.onCommit = func(_ int, next int64) error {
			if live := s.sent.live(0); int64(len(live)) != next {
				t.Errorf("offset %d is committed with %d receipts", next, len(live))
			}
			return nil
		}
		var told []string
		s.onSent = func(f alert.Finding, at time.Time) { told = append(told, f.ID) }
		s.add(finding("a", alert.Low), finding("b", alert.Critical), finding("c", "strange"), finding("d", alert.High), finding("e", alert.Critical))
		stop := s.start()
		s.expectSent("b", "e", "d", "a", "c")
		s.add(finding("f", alert.Low))
		synctest.Wait()
		s.expectSent("b", "e", "d", "a", "c", "f")
		if err := stop(); err != nil {
			t.Errorf("run: %v", err)
		}
		if diff := cmp.Diff(s.sink.ids(), told); diff != "" {
			t.Errorf("the hook was told (-sent +told):\n%s", diff)
		}
	})
}

func TestNotifierSendsRepetitionsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.add(finding("a", alert.Low), finding("a", alert.Low), finding("b", alert.Low))
		stop := s.start()
		s.add(finding("b", alert.Low), finding("a", alert.Low))
		synctest.Wait()
		if n := value(t, s.reg, "crmwatch_alert_repeats_total"); n != 3 {
			t.Errorf("%v repeats were counted, not 3", n)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		s.alerts.forget() // everything is delivered again
		stop = s.start()
		defer func() { _ = stop() }()
		s.expectSent("a", "b")
		if got := s.alerts.position(0); got != 5 {
			t.Errorf("offset %d is committed, not 5", got)
		}
	})
}

// TestNotifierCrashes ends the process at every step of a batch in turn: the
// three messages and the commit.
func TestNotifierCrashes(t *testing.T) {
	for step := range 5 {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t)
			s.add(finding("a", alert.Low), finding("b", alert.Low), finding("c", alert.Low))
			died, steps := errors.New("died"), 0
			crash := func() error {
				if steps++; steps == step+1 {
					return died
				}
				return nil
			}
			s.sink.fail = func(int, alert.Message) error { return crash() }
			s.alerts.onCommit = func(int, int64) error { return crash() }
			kill := s.start()
			_ = kill()
			s.sink.fail, s.alerts.onCommit = nil, nil
			stop := s.start()
			defer func() { _ = stop() }()
			s.expectSent("a", "b", "c")
		})
	}
}

func TestNotifierInsistsOnTheReceipt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		failures := 5
		s.sent.onAppend = func() error {
			if failures--; failures >= 0 {
				return errors.New("broker is away")
			}
			return nil
		}
		s.add(finding("a", alert.Low))
		stop := s.start()
		if got := s.alerts.position(0); got != 0 {
			t.Errorf("offset %d is committed without a receipt", got)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		s.expectSent("a")
		if got := s.alerts.position(0); got != 1 || !s.sent.live(0)[event.Hash("a")] {
			t.Errorf("offset %d is committed", got)
		}
		_ = stop()
	})
}

func TestNotifierStandsAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		start := time.Now()
		s.sink.fail = func(int, alert.Message) error {
			if time.Since(start) < time.Hour {
				return &alert.SendError{Reason: "server_error"}
			}
			return nil
		}
		var want []string
		for i := range 30 {
			id := fmt.Sprintf("%02d", i)
			s.add(finding(id, alert.Low))
			want = append(want, id)
		}
		stop := s.start()
		time.Sleep(61 * time.Minute)
		synctest.Wait()
		s.expectSent(want...)
		at := s.sink.attempts()
		var pauses []time.Duration
		for i := 1; i < 9; i++ {
			pauses = append(pauses, at[i].Sub(at[i-1]))
		}
		seconds := func(n ...int) (all []time.Duration) {
			for _, s := range n {
				all = append(all, time.Duration(s)*time.Second)
			}
			return all
		}
		if diff := cmp.Diff(seconds(1, 2, 4, 8, 16, 32, 60, 60), pauses); diff != "" {
			t.Errorf("pauses (-want +got):\n%s", diff)
		}
		if s.notifier.Health() != nil {
			t.Error("an outage is not permanent")
		}
		_ = stop()
	})
}

func TestNotifierWaitsAsLongAsItIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.sink.fail = func(attempt int, _ alert.Message) error {
			if attempt == 0 {
				return &alert.SendError{Reason: "ratelimited", RetryAfter: 90 * time.Second}
			}
			return nil
		}
		s.add(finding("a", alert.Low))
		stop := s.start()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		s.expectSent("a")
		at := s.sink.attempts()
		if waited := at[1].Sub(at[0]); waited != 90*time.Second {
			t.Errorf("waited %v", waited)
		}
		_ = stop()
	})
}

func TestNotifierKeepsWhatIsPermanentlyRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		var repaired atomic.Bool
		s.sink.fail = func(int, alert.Message) error {
			if !repaired.Load() {
				return &alert.SendError{Reason: "is_archived", Permanent: true, Remedy: "restore the channel"}
			}
			return nil
		}
		s.add(finding("a", alert.Low), finding("b", alert.Low))
		stop := s.start()
		time.Sleep(7 * time.Hour)
		synctest.Wait()
		if err := s.notifier.Health(); err == nil || !strings.Contains(err.Error(), "restore the channel") {
			t.Errorf("health is %v", err)
		}
		if n := strings.Count(s.log.String(), "restore the channel"); n != 1 {
			t.Errorf("it was logged %d times, not once", n)
		}
		if value(t, s.reg, "crmwatch_alert_degraded") != 1 || value(t, s.reg, "crmwatch_alert_queue_findings") != 2 {
			t.Error("the metrics do not say so")
		}
		if n := len(s.sink.attempts()); n < 80 || n > 90 {
			t.Errorf("%d attempts in 7 hours", n)
		}
		repaired.Store(true)
		time.Sleep(6 * time.Minute)
		synctest.Wait()
		s.expectSent("a", "b")
		if s.notifier.Health() != nil || value(t, s.reg, "crmwatch_alert_degraded") != 0 || value(t, s.reg, "crmwatch_alert_queue_findings") != 0 {
			t.Error("it is still degraded")
		}
		_ = stop()
	})
}

func TestNotifierBuriesWhatIsNoFinding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		const canary = "CANARY-4711"
		s.alerts.add(0, stream.Record{Value: []byte(`{"name":"` + canary)}, stream.Record{Value: nil}, stream.Record{Value: []byte(`{"class_uid":6001,"x":"` + canary + `"}`)})
		s.add(finding("a", alert.Low))
		stop := s.start()
		s.expectSent("a")
		letters := s.dead.records(0)
		if len(letters) != 3 {
			t.Fatalf("%d dead letters", len(letters))
		}
		var letter event.DeadLetter
		if err := json.Unmarshal(letters[2].Value, &letter); err != nil {
			t.Fatal(err)
		}
		want := event.DeadLetter{
			ID: letter.ID, Time: letter.Time, Stage: "notify", Origin: "alerts/0", Line: 2, Field: "type_uid", Reason: event.BadValue,
			Detail: letter.Detail, Size: 36, Record: []byte(`{"class_uid":6001,"x":"` + canary + `"}`),
		}
		if diff := cmp.Diff(want, letter); diff != "" {
			t.Errorf("dead letter (-want +got):\n%s", diff)
		}
		if leaked := s.log.String() + letter.Detail + exposition(t, s.reg); strings.Contains(leaked, "CANARY") || strings.Contains(leaked, "4711") {
			t.Errorf("the record is in %s", leaked)
		}
		if value(t, s.reg, "crmwatch_alert_dead_letters_total") != 3 || s.alerts.position(0) != 4 {
			t.Error("the poison was not counted or not committed")
		}
		_ = stop()
	})
}

func TestNotifierDigestsHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.add(finding("fresh", alert.High))
		for i := range 37 {
			f := finding(fmt.Sprint("old", i), alert.Low)
			f.Detected = f.Detected.Add(-25*time.Hour - time.Duration(i)*time.Minute)
			s.add(f, f)
		}
		undated := finding("undated", alert.Low)
		undated.Detected = time.Time{}
		s.add(undated)
		told := 0
		s.onSent = func(alert.Finding, time.Time) { told++ }
		stop := s.start()
		messages := s.sink.messages()
		if len(messages) != 3 || messages[2].Title != "37 older alerts" {
			t.Fatalf("%d messages: %+v", len(messages), messages)
		}
		if len(s.sent.live(0)) != 39 || told != 39 {
			t.Errorf("%d receipts, the hook was told of %d", len(s.sent.live(0)), told)
		}
		var receipt alert.Receipt
		last := s.sent.records(0)[38]
		if err := json.Unmarshal(last.Value, &receipt); err != nil || receipt.Digest != messages[2].ID || receipt.Ref.Message != "3" || receipt.Sink != "recorder" {
			t.Errorf("receipt is %s (%v)", last.Value, err)
		}
		if n := value(t, s.reg, "crmwatch_alert_digested_total"); n != 37 {
			t.Errorf("%v digested", n)
		}
		_ = stop()
		s.alerts.forget()
		stop = s.start()
		if n := len(s.sink.messages()); n != 3 {
			t.Errorf("%d messages after everything was delivered again", n)
		}
		_ = stop()
	})
}

func TestNotifierForgetsWhatIsLongGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.add(finding("a", alert.Low))
		stop := s.start()
		time.Sleep(91 * 24 * time.Hour)
		s.add(finding("b", alert.Low))
		synctest.Wait()
		if live := s.sent.live(0); live[event.Hash("a")] || !live[event.Hash("b")] {
			t.Errorf("receipts are of %v", live)
		}
		_ = stop()
	})
}

// TestNotifierReadsStrangeReceipts: what says that something was sent is
// believed, or a damaged table would send everything again.
func TestNotifierReadsStrangeReceipts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.sent.add(0, stream.Record{Key: []byte(event.Hash("a")), Value: []byte("not JSON"), Time: time.Now()})
		s.sent.add(0, stream.Record{Key: []byte(event.Hash("b")), Value: []byte(`{}`), Time: time.Now()})
		s.sent.add(0, stream.Record{Key: []byte(event.Hash("b"))})
		s.add(finding("a", alert.Low), finding("b", alert.Low))
		stop := s.start()
		s.expectSent("b")
		_ = stop()
	})
}

func TestNotifierStopsWhileItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.sink.fail = func(int, alert.Message) error { return &alert.SendError{Reason: "x", Permanent: true} }
		s.add(finding("a", alert.Low))
		stop := s.start()
		before := time.Now()
		if err := stop(); err != nil || time.Since(before) > 0 {
			t.Errorf("stopped after %v: %v", time.Since(before), err)
		}
	})
}

func TestNotifierMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		var all []alert.Finding
		for i := range 600 {
			f := finding(fmt.Sprint(i), alert.Medium)
			f.Rule.Name = fmt.Sprint("rule", i)
			all = append(all, f)
		}
		strange := finding("strange", "strange")
		s.sink.fail = func(attempt int, _ alert.Message) error {
			if attempt == 0 {
				return errors.New("no SendError")
			}
			return nil
		}
		s.add(append(all, strange)...)
		stop := s.start()
		time.Sleep(time.Minute)
		synctest.Wait()
		text := exposition(t, s.reg)
		for _, line := range []string{
			`crmwatch_alert_sent_total{level="medium",rule="rule0",sink="recorder"} 1`,
			`crmwatch_alert_sent_total{level="medium",rule="other",sink="recorder"} 100`,
			`crmwatch_alert_sent_total{level="other",rule="other",sink="recorder"} 1`,
			`crmwatch_alert_send_errors_total{reason="other",sink="recorder"} 1`,
			`crmwatch_alert_latency_seconds_count 601`,
			`crmwatch_alert_queue_findings{partition="0"} 0`,
		} {
			if !strings.Contains(text, line+"\n") {
				t.Errorf("%s is missing", line)
			}
		}
		problems, err := testutil.GatherAndLint(s.reg)
		if err != nil || len(problems) > 0 {
			t.Errorf("metrics: %v %v", problems, err)
		}
		_ = stop()
		if strings.Contains(exposition(t, s.reg), "crmwatch_alert_queue_findings{") {
			t.Error("a partition that was given up still has a queue")
		}
	})
}

func TestConfig(t *testing.T) {
	if err := (alert.Config{}).Validate(); err != nil {
		t.Errorf("the zero config: %v", err)
	}
	if err := alert.DefaultConfig().Validate(); err != nil {
		t.Errorf("the default config: %v", err)
	}
	bad := alert.Config{ConsoleURL: "javascript:alert(1)", MaxAge: -1, MinUpdate: -1, Batch: -1, FirstRetry: time.Hour, Standstill: -1, Memory: -2}
	err := bad.Validate()
	for _, want := range []string{"console_url", "max_age", "min_update", "batch", "retries", "standstill", "memory"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not in %v", want, err)
		}
	}
}

// value is the sum of a metric's samples.
func value(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

// exposition writes counters, gauges and histograms' counts as Prometheus does.
func exposition(t *testing.T, reg *prometheus.Registry) string {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			name := f.GetName()
			if len(labels) > 0 {
				name += "{" + strings.Join(labels, ",") + "}"
			}
			if h := m.GetHistogram(); h != nil {
				fmt.Fprintf(&b, "%s_count %d\n", name, h.GetSampleCount())
				continue
			}
			fmt.Fprintf(&b, "%s %v\n", name, m.GetCounter().GetValue()+m.GetGauge().GetValue())
		}
	}
	return b.String()
}
