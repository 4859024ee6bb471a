package alert_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crmwatch/crmwatch/alert"
	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/internal/stream"
)

// amended is a revision of a finding that has grown to ten times as many events
// with each.
func amended(id string, revision int, state alert.State) alert.Finding {
	f := finding(id, alert.Low)
	f.Revision, f.State = revision, state
	for range revision {
		f.Count *= 10
	}
	return f
}

// later lets time pass and then everything that follows from it happen.
func later(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (s *stage) expectEdits(statuses ...string) {
	s.t.Helper()
	var got []string
	for _, e := range s.sink.edits() {
		got = append(got, strings.TrimSuffix(strings.ReplaceAll(e, ", last seen 01:30 UTC", ""), "."))
	}
	if diff := cmp.Diff(statuses, got); diff != "" {
		s.t.Errorf("edits (-want +got):\n%s", diff)
	}
}

// expectUpdates compares the metric of updates, by result.
func (s *stage) expectUpdates(want map[string]float64) {
	s.t.Helper()
	families, err := s.reg.Gather()
	if err != nil {
		s.t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		if f.GetName() != "crmwatch_alert_updates_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "result" {
					got[l.GetValue()] = m.GetCounter().GetValue()
				}
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("updates (-want +got):\n%s", diff)
	}
}

// receipt is what the table says of a finding.
func (s *stage) receipt(id string) alert.Receipt {
	s.t.Helper()
	var r alert.Receipt
	for _, rec := range s.sent.records(0) {
		if string(rec.Key) != event.Hash(id) {
			continue
		}
		r = alert.Receipt{}
		if err := json.Unmarshal(rec.Value, &r); err != nil {
			s.t.Fatal(err)
		}
	}
	return r
}

const closing = ". That it has stopped is no all-clear"

func TestNotifierEditsTheMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		told := 0
		s.onSent = func(alert.Finding, time.Time) { told++ }
		s.add(finding("a", alert.Low), finding("b", alert.Low))
		stop := s.start()
		later(time.Minute)
		s.add(amended("b", 1, alert.Open))
		synctest.Wait() // it has stood for long enough
		s.expectEdits("2: Updated: 1 → 10 events")
		later(time.Minute)
		s.add(amended("b", 2, alert.Closed))
		synctest.Wait()
		s.expectEdits("2: Updated: 1 → 10 events", "2: Closed: 1 → 100 events"+closing)
		s.expectSent("a", "b")
		if told != 2 {
			t.Errorf("the hook was told of %d findings, not 2", told)
		}
		if r := s.receipt("b"); r.Revision != 2 || r.State != alert.Closed || r.Ref.Message != "2" || r.Told.Count != 1 || !r.Time.Equal(time.Now()) {
			t.Errorf("the receipt is %+v", r)
		}
		s.expectUpdates(map[string]float64{"edited": 2})
		_ = stop()
		s.alerts.forget() // everything is delivered again
		stop = s.start()
		later(time.Minute)
		s.expectSent("a", "b")
		if n := len(s.sink.edits()); n != 2 {
			t.Errorf("%d edits after everything was delivered again", n)
		}
		_ = stop()
	})
}

// TestNotifierPacesEdits: a burst that goes on every second is shown every five,
// its end at once.
func TestNotifierPacesEdits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.add(finding("a", alert.Low))
		stop := s.start()
		for i := range 4 {
			later(time.Second)
			s.add(amended("a", i+1, alert.Open))
			synctest.Wait()
			if committed := s.alerts.position(0); committed != int64(i)+1 {
				t.Errorf("offset %d is committed while revision %d waits at offset %d", committed, i+1, i+1)
			}
			if n := value(t, s.reg, "crmwatch_alert_queue_findings"); n != 0 {
				t.Errorf("%v findings wait for the sink, but it is idle", n)
			}
		}
		s.expectEdits()
		later(time.Second)
		s.expectEdits("1: Updated: 1 → 10,000 events")
		if committed := s.alerts.position(0); committed != 5 {
			t.Errorf("offset %d is committed, not 5", committed)
		}
		later(time.Second)
		s.add(amended("a", 5, alert.Open))
		later(time.Second)
		s.add(amended("a", 6, alert.Closed))
		synctest.Wait()
		s.expectEdits("1: Updated: 1 → 10,000 events", "1: Closed: 1 → 1,000,000 events"+closing)
		later(time.Second)
		s.add(amended("a", 7, alert.Closed)) // a late event; the end is shown already
		synctest.Wait()
		if n := len(s.sink.edits()); n != 2 {
			t.Errorf("%d edits a second after the last", n)
		}
		later(5 * time.Second)
		if n := len(s.sink.edits()); n != 3 {
			t.Errorf("%d edits, not 3", n)
		}
		s.expectUpdates(map[string]float64{"edited": 3, "superseded": 4})
		if value(t, s.reg, "crmwatch_alert_queue_findings") != 0 || s.alerts.position(0) != 8 {
			t.Error("something is left to do")
		}
		_ = stop()
	})
}

// TestNotifierTakesTheNewestOfABatch: what is superseded before anybody was told
// is not sent and then edited.
func TestNotifierTakesTheNewestOfABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.add(amended("a", 0, alert.Open), amended("a", 2, alert.Closed), amended("b", 0, alert.Open), amended("a", 1, alert.Open), amended("a", 2, alert.Closed))
		stop := s.start()
		later(time.Minute)
		s.expectSent("a", "b")
		s.expectEdits()
		if m := s.sink.messages()[0]; m.State != alert.Closed || !strings.HasPrefix(m.Status, "Closed: 100 events") {
			t.Errorf("the message is %s: %s", m.State, m.Status)
		}
		if n := value(t, s.reg, "crmwatch_alert_repeats_total"); n != 2 {
			t.Errorf("%v repeats, not 2", n)
		}
		s.expectUpdates(map[string]float64{"superseded": 1})
		_ = stop()
	})
}

func TestNotifierIgnoresOlderRevisions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.add(amended("a", 3, alert.Open))
		stop := s.start()
		for _, revision := range []int{3, 0, 2, 1} {
			later(time.Minute)
			s.add(amended("a", revision, alert.Open))
		}
		later(time.Second)
		s.add(amended("a", 4, alert.Open))
		later(time.Minute)
		s.expectSent("a")
		s.expectEdits("1: Updated: 1,000 → 10,000 events")
		if n := value(t, s.reg, "crmwatch_alert_repeats_total"); n != 4 {
			t.Errorf("%v repeats, not 4", n)
		}
		_ = stop()
	})
}

func TestNotifierWithdraws(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.add(finding("early", alert.Low), finding("late", alert.Low), finding("wrong", alert.Low))
		stop := s.start()
		joined, late := amended("early", 1, alert.Open), amended("late", 1, alert.Withdrawn)
		joined.Replaces, late.ReplacedBy = hashes("late"), event.Hash("early")
		s.add(joined, late, amended("wrong", 1, alert.Withdrawn))
		synctest.Wait() // withdrawals wait for nothing
		withdrawals := []string{
			"2: Withdrawn: joined with alert " + event.Hash("early") + ", because a late event showed that both are one. Decide there",
			"3: Withdrawn: a late event showed that it does not hold",
		}
		s.expectEdits(withdrawals...)
		later(5 * time.Second)
		s.expectEdits(append(withdrawals,
			"1: Updated: 1 → 10 events. It now includes alert "+event.Hash("late")+", which a late event showed to be part of it")...)
		s.expectSent("early", "late", "wrong")
		_ = stop()
	})
}

// TestNotifierDoesNotSendWhatIsWithdrawn, not even when an older revision is
// delivered again; but what then holds after all is news.
func TestNotifierDoesNotSendWhatIsWithdrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.add(finding("a", alert.Low), amended("a", 1, alert.Withdrawn))
		old := amended("b", 1, alert.Withdrawn)
		old.Detected = old.Detected.Add(-48 * time.Hour)
		s.add(old)
		stop := s.start()
		s.add(finding("a", alert.Low), amended("a", 1, alert.Withdrawn))
		later(time.Minute)
		_ = stop()
		s.alerts.forget()
		stop = s.start()
		later(time.Minute)
		s.expectSent()
		s.expectEdits()
		if r := s.receipt("a"); !r.Unsent || r.Revision != 1 {
			t.Errorf("the receipt is %+v", r)
		}
		s.add(amended("a", 2, alert.Open))
		later(time.Second)
		s.expectSent("a")
		later(time.Minute)
		s.add(amended("a", 3, alert.Open))
		later(time.Second)
		s.expectEdits("1: Updated: 100 → 1,000 events")
		_ = stop()
	})
}

// TestNotifierCrashesWhileItEdits ends the process at every step of an edit: the
// sink's, the receipt's and the commit's, and while the edit waits.
func TestNotifierCrashesWhileItEdits(t *testing.T) {
	for _, step := range []string{"wait", "edit", "record", "commit"} {
		t.Run(step, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t)
				s.add(finding("a", alert.Low))
				kill := s.start()
				died := errors.New("died")
				switch step {
				case "edit":
					s.sink.failEdit = func(alert.Message) error { return died }
				case "record":
					s.sent.onAppend = func() error { return died }
				case "commit":
					s.alerts.onCommit = func(_ int, next int64) error {
						if next == 2 {
							return died
						}
						return nil
					}
				}
				s.add(amended("a", 1, alert.Open))
				synctest.Wait()
				if step != "wait" {
					later(6 * time.Second)
				}
				_ = kill()
				s.sink.failEdit, s.sent.onAppend, s.alerts.onCommit = nil, nil, nil
				stop := s.start()
				later(6 * time.Second)
				want := []string{"1: Updated: 1 → 10 events"}
				if step == "record" {
					want = append(want, want[0]) // the same edit again shows the same
				}
				s.expectEdits(want...)
				s.expectSent("a")
				if r := s.receipt("a"); r.Revision != 1 || s.alerts.position(0) != 2 {
					t.Errorf("offset %d is committed, the receipt is %+v", s.alerts.position(0), r)
				}
				_ = stop()
			})
		})
	}
}

// TestNotifierRecordsUpdatesOfDigests: nobody was shown them one by one.
func TestNotifierRecordsUpdatesOfDigests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		old := finding("a", alert.Low)
		old.Detected = old.Detected.Add(-48 * time.Hour)
		s.add(old)
		stop := s.start()
		old.Revision, old.State = 1, alert.Closed
		s.add(old)
		later(time.Minute)
		if n := len(s.sink.messages()); n != 1 {
			t.Errorf("%d messages, not the digest alone", n)
		}
		s.expectEdits()
		if r := s.receipt("a"); r.Revision != 1 || r.State != alert.Closed || r.Digest == "" || s.alerts.position(0) != 2 {
			t.Errorf("the receipt is %+v", r)
		}
		s.expectUpdates(map[string]float64{"digest": 1})
		_ = stop()
	})
}

// TestNotifierLosesAMessage: when somebody has deleted it, nothing is posted in
// its place, nobody else waits, and nobody asks for it again.
func TestNotifierLosesAMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		attempts := 0
		s.sink.failEdit = func(alert.Message) error {
			attempts++
			return &alert.SendError{Reason: "message_not_found", Gone: true}
		}
		s.add(finding("a", alert.Low))
		stop := s.start()
		for revision := range 3 {
			later(time.Minute)
			s.add(amended("a", revision+1, alert.Open))
		}
		s.add(finding("b", alert.Low))
		later(time.Minute)
		s.expectSent("a", "b")
		if r := s.receipt("a"); attempts != 1 || !r.Gone || r.Revision != 3 || s.alerts.position(0) != 5 {
			t.Errorf("%d attempts, the receipt is %+v", attempts, r)
		}
		s.expectUpdates(map[string]float64{"gone": 3})
		if s.notifier.Health() != nil || !strings.Contains(exposition(t, s.reg), `crmwatch_alert_send_errors_total{reason="message_not_found",sink="recorder"} 1`) {
			t.Error("a lost message is no failure of the sink, but an error")
		}
		_ = stop()
	})
}

func TestNotifierInsistsOnAnEdit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		var repaired atomic.Bool
		s.sink.failEdit = func(alert.Message) error {
			if !repaired.Load() {
				return &alert.SendError{Reason: "invalid_auth", Permanent: true, Remedy: "set another token"}
			}
			return nil
		}
		s.add(finding("a", alert.Low))
		stop := s.start()
		s.add(amended("a", 1, alert.Closed))
		later(time.Hour)
		if err := s.notifier.Health(); err == nil || s.alerts.position(0) != 1 || value(t, s.reg, "crmwatch_alert_queue_findings") != 1 {
			t.Errorf("health is %v, offset %d is committed", err, s.alerts.position(0))
		}
		repaired.Store(true)
		later(6 * time.Minute)
		s.expectEdits("1: Closed: 1 → 10 events" + closing)
		if s.notifier.Health() != nil || s.alerts.position(0) != 2 {
			t.Error("it is still degraded")
		}
		_ = stop()
	})
}

// TestNotifierSendsBeforeItEdits, and edits the worst first.
func TestNotifierSendsBeforeItEdits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.add(finding("low", alert.Low), finding("high", alert.High))
		stop := s.start()
		later(time.Minute)
		var order []string
		s.sink.fail = func(int, alert.Message) error {
			order = append(order, "send")
			return nil
		}
		s.sink.failEdit = func(m alert.Message) error {
			order = append(order, "edit "+string(m.Level))
			return nil
		}
		high := amended("high", 1, alert.Open)
		high.Rule.Level = alert.High
		s.add(amended("low", 1, alert.Open), high, finding("new", alert.Informational))
		synctest.Wait()
		if diff := cmp.Diff([]string{"send", "edit high", "edit low"}, order); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
		_ = stop()
	})
}

// TestNotifierEditsByOldReceipts: what earlier versions wrote, what another sink
// was sent, what nobody can read, and what a wrong clock says.
func TestNotifierEditsByOldReceipts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		now := time.Now().UTC().Format(time.RFC3339)
		for id, receipt := range map[string]string{
			"earlier":    fmt.Sprintf(`{"time":%q,"sink":"recorder","ref":{"channel":"c","message":"earlier"}}`, now),
			"elsewhere":  fmt.Sprintf(`{"time":%q,"sink":"slack","ref":{"channel":"c","message":"elsewhere"}}`, now),
			"unreadable": `{"time":"never"`,
			"tomorrow":   fmt.Sprintf(`{"time":%q,"sink":"recorder","ref":{"message":"tomorrow"}}`, time.Now().Add(24*time.Hour).UTC().Format(time.RFC3339)),
		} {
			s.sent.add(0, stream.Record{Key: []byte(event.Hash(id)), Value: []byte(receipt), Time: time.Now()})
			s.add(finding(id, alert.Low))
		}
		stop := s.start()
		for _, id := range []string{"earlier", "elsewhere", "unreadable", "tomorrow"} {
			s.add(amended(id, 1, alert.Open))
		}
		later(5 * time.Second)
		s.expectSent()
		s.expectEdits("earlier: Updated: 10 events", "tomorrow: Updated: 10 events")
		s.expectUpdates(map[string]float64{"edited": 2, "gone": 2})
		if committed := s.alerts.position(0); committed != 8 {
			t.Errorf("offset %d is committed, not 8", committed)
		}
		_ = stop()
	})
}

// succession is a finding that was sent, and what a late event makes of it: one
// with an earlier beginning that replaces it.
func succession() (withdrawn, heir alert.Finding) {
	withdrawn, heir = amended("a", 1, alert.Withdrawn), finding("heir", alert.Low)
	withdrawn.ReplacedBy, heir.Replaces = event.Hash("heir"), hashes("a")
	heir.Count = 20
	return withdrawn, heir
}

// A late event that moves the beginning of a burst makes it another finding, but
// not another message.
func TestNotifierLetsAFindingTakeOverTheMessage(t *testing.T) {
	withdrawn, heir := succession()
	const taken = "1: Updated: 1 → 20 events"
	for name, batches := range map[string][][]alert.Finding{
		"together":           {{withdrawn, heir}},
		"withdrawn first":    {{withdrawn}, {heir}},
		"the new one first":  {{heir}, {withdrawn}},
		"each twice":         {{withdrawn, heir}, {heir, withdrawn}},
		"with an edit ahead": {{amended("a", 0, alert.Open), withdrawn}, {heir}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t)
				s.add(finding("a", alert.Low))
				stop := s.start()
				later(time.Minute)
				for _, batch := range batches {
					s.add(batch...)
					synctest.Wait()
				}
				later(time.Minute)
				s.expectSent("a")
				s.expectEdits(taken + ". It now includes alert " + event.Hash("a") + ", which a late event showed to be part of it")
				if r := s.receipt("a"); r.MovedTo != event.Hash("heir") || r.Revision != 1 {
					t.Errorf("the receipt of the old is %+v", r)
				}
				if r := s.receipt("heir"); r.Revision != 0 || r.MovedTo != "" || s.alerts.position(0) != int64(1+len(slices.Concat(batches...))) {
					t.Errorf("the receipt of the new is %+v, and %d is committed", r, s.alerts.position(0))
				}
				_ = stop()
			})
		})
	}
}

// What comes and goes keeps one message, which in the end shows what stands.
func TestNotifierGivesTheMessageBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		withdrawn, heir := succession()
		s.add(finding("a", alert.Low))
		stop := s.start()
		later(time.Minute)
		s.add(withdrawn, heir)
		later(time.Minute)
		gone, again := heir, amended("a", 2, alert.Open)
		gone.Revision, gone.State, gone.Replaces, gone.ReplacedBy = 1, alert.Withdrawn, nil, event.Hash("a")
		s.add(gone, again)
		later(time.Minute)
		s.expectSent("a")
		if edits := s.sink.edits(); len(edits) != 2 || !strings.HasPrefix(edits[1], "1: Updated: 1 → 100 events") {
			t.Errorf("edits %q", edits)
		}
		_ = stop()
	})
}

func TestNotifierCrashesWhileAMessageIsTakenOver(t *testing.T) {
	for fail := range 3 {
		t.Run(strconv.Itoa(fail), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t)
				withdrawn, heir := succession()
				s.add(finding("a", alert.Low))
				kill := s.start()
				later(time.Minute)
				n := 0
				s.sent.onAppend = func() error {
					if n++; n > fail {
						return errors.New("died")
					}
					return nil
				}
				s.add(withdrawn, heir)
				later(10 * time.Second)
				_ = kill()
				s.sent.onAppend = nil
				stop := s.start()
				later(time.Minute)
				s.expectSent("a")
				if edits := s.sink.edits(); len(edits) == 0 || !strings.HasPrefix(edits[len(edits)-1], "1: Updated: 1 → 20 events") {
					t.Errorf("edits %q", edits)
				}
				if r := s.receipt("heir"); r.Revision != 0 || s.alerts.position(0) != 3 {
					t.Errorf("the receipt is %+v, and %d is committed", r, s.alerts.position(0))
				}
				_ = stop()
			})
		})
	}
}
