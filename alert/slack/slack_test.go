package slack_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/crmwatch/crmwatch/alert"
	"github.com/crmwatch/crmwatch/alert/alerttest"
	"github.com/crmwatch/crmwatch/alert/slack"
	"github.com/crmwatch/crmwatch/alert/slack/slacktest"
)

var update = flag.Bool("update", false, "write the golden files")

// open starts a stand-in and a sink for it that does not wait between messages.
func open(t *testing.T) (*slacktest.Slack, *slack.Sink) {
	t.Helper()
	workspace := slacktest.New()
	server := httptest.NewServer(workspace)
	t.Cleanup(server.Close)
	return workspace, sinkFor(t, workspace, slack.Config{APIURL: server.URL, Pace: 1}, slack.Deps{})
}

func sinkFor(t *testing.T, workspace *slacktest.Slack, cfg slack.Config, deps slack.Deps) *slack.Sink {
	t.Helper()
	cfg.Token, cfg.Channel = slack.Token(workspace.Token), workspace.Name
	if deps.Logger == nil {
		deps.Logger = slog.New(slog.DiscardHandler)
	}
	sink, err := slack.New(cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	return sink
}

// inMemory carries requests to a handler without a network, so that synctest
// can turn the clock.
type inMemory struct{ http.Handler }

func (h inMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result(), nil
}

func TestConformance(t *testing.T) {
	alerttest.Sink(t, func(t *testing.T) alerttest.Harness {
		t.Helper()
		workspace, sink := open(t)
		t.Cleanup(func() {
			for _, problem := range workspace.Problems() {
				t.Errorf("slack refuses a layout: %s", problem)
			}
		})
		return alerttest.Harness{
			Sink: sink,
			Seen: func() string {
				var b strings.Builder
				for _, m := range workspace.Messages() {
					walk(m.Blocks, func(o map[string]any) {
						if text, ok := o["text"].(string); ok {
							b.WriteString(html.UnescapeString(strings.Trim(text, "*")) + "\n")
						}
					})
				}
				return b.String()
			},
			Messages: func() int { return len(workspace.Messages()) },
			Lose:     func(ref alert.Ref) { workspace.Delete(ref.Message) },
			Inert: func(t *testing.T, links []alert.Link) {
				t.Helper()
				inert(t, workspace, links)
			},
		}
	})
}

// walk visits every object of a message in the order of reading.
func walk(v any, visit func(map[string]any)) {
	switch v := v.(type) {
	case []map[string]any:
		for _, o := range v {
			walk(o, visit)
		}
	case []any:
		for _, o := range v {
			walk(o, visit)
		}
	case map[string]any:
		visit(v)
		for _, part := range []string{"text", "fields", "elements", "confirm", "title", "deny"} {
			walk(v[part], visit)
		}
	}
}

// inert checks what Slack would act on: anything in angle brackets where it
// reads markup, links that are not ours, and characters that cannot be seen.
func inert(t *testing.T, workspace *slacktest.Slack, links []alert.Link) {
	t.Helper()
	ours := map[string]bool{}
	for _, l := range links {
		ours[l.URL] = true
	}
	for _, m := range workspace.Messages() {
		for name, want := range map[string]string{"unfurl_links": "false", "unfurl_media": "false", "mrkdwn": "false"} {
			if m.Form.Get(name) != want {
				t.Errorf("%s is %q, not %s", name, m.Form.Get(name), want)
			}
		}
		checkMarkup(t, m.Text)
		walk(m.Blocks, func(o map[string]any) {
			text, _ := o["text"].(string)
			checkVisible(t, text)
			switch o["type"] {
			case "mrkdwn":
				checkMarkup(t, text)
				if o["verbatim"] != true {
					t.Errorf("slack may make links in %q", text)
				}
			case "plain_text":
				if o["emoji"] == true {
					t.Errorf("slack makes emoji in %q", text)
				}
			case "link":
				if url := o["url"].(string); !ours[url] {
					t.Errorf("%q can be followed", url)
				}
			}
		})
	}
}

func checkMarkup(t *testing.T, text string) {
	t.Helper()
	checkVisible(t, strings.ReplaceAll(text, "\n", ""))
	if strings.ContainsAny(text, "<>") {
		t.Errorf("slack reads markup in %q", text)
	}
}

func checkVisible(t *testing.T, text string) {
	t.Helper()
	if strings.Contains(text, "://") {
		t.Errorf("slack may make a link in %q", text)
	}
	for _, r := range text {
		if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) {
			t.Fatalf("character %U was sent", r)
		}
	}
}

func TestGolden(t *testing.T) {
	export, ghost, bare := alerttest.MassExport(), alerttest.GhostAccount(), alerttest.Bare()
	hostile := alerttest.Hostile(alerttest.Attacks()[0])
	cases := map[string]alert.Message{
		"mass-export":   alert.NewMessage(&export, alerttest.ConsoleURL),
		"ghost-account": alert.NewMessage(&ghost, ""),
		"bare":          alert.NewMessage(&bare, ""),
		"hostile":       alert.NewMessage(&hostile, alerttest.ConsoleURL),
		"digest":        alert.NewDigest([]alert.Finding{export, ghost, export}, alert.DefaultConfig().MaxAge, alerttest.ConsoleURL),
	}
	for name, m := range cases {
		t.Run(name, func(t *testing.T) {
			workspace, sink := open(t)
			ref, err := sink.Send(t.Context(), m)
			if err != nil {
				t.Fatal(err)
			}
			if want := (alert.Ref{Channel: workspace.ID, Message: "1795463381.000001"}); ref != want {
				t.Errorf("reference is %+v, not %+v", ref, want)
			}
			golden(t, filepath.Join("testdata", name+".json"), drawn(workspace))
		})
	}
}

// drawn is the workspace's only message in the form of the golden files.
func drawn(workspace *slacktest.Slack) map[string]any {
	sent := workspace.Messages()[0]
	all := map[string]any{"text": sent.Text, "blocks": sent.Blocks, "metadata": sent.Metadata}
	for _, name := range []string{"channel", "ts", "mrkdwn", "unfurl_links", "unfurl_media"} {
		if v := sent.Form.Get(name); v != "" {
			all[name] = v
		}
	}
	return all
}

// TestUpdateGolden shows a message after each thing that can become of it.
func TestUpdateGolden(t *testing.T) {
	workspace, sink := open(t)
	f := alerttest.MassExport()
	ref, err := sink.Send(t.Context(), alert.NewMessage(&f, alerttest.ConsoleURL))
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"updated", "absorbed", "uncertain", "closed", "joined", "withdrawn"} {
		later := alerttest.Amended()[i]
		if err := sink.Update(t.Context(), ref, alert.NewUpdate(&later, alert.Told{Count: f.Count, Measured: f.Measured}, alerttest.ConsoleURL)); err != nil {
			t.Fatal(err)
		}
		if m := workspace.Messages(); len(m) != 1 || m[0].Edits != i+1 {
			t.Fatalf("after %s the channel has %+v", name, m)
		}
		golden(t, filepath.Join("testdata", "update-"+name+".json"), drawn(workspace))
	}
}

func golden(t *testing.T, path string, v any) {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// TestButtonsCarryTheAlertOnly: a button's value is visible to everybody in the
// channel.
func TestButtonsCarryTheAlertOnly(t *testing.T) {
	workspace, sink := open(t)
	f := alerttest.MassExport()
	if _, err := sink.Send(t.Context(), alert.NewMessage(&f, "")); err != nil {
		t.Fatal(err)
	}
	styles := map[string]any{}
	walk(workspace.Messages()[0].Blocks, func(o map[string]any) {
		if o["type"] != "button" {
			return
		}
		if o["value"] != f.ID {
			t.Errorf("value is %v, not the alert's id", o["value"])
		}
		styles[o["action_id"].(string)] = fmt.Sprint(o["style"], " ", o["confirm"] != nil)
	})
	want := map[string]any{"crmwatch_freeze": "danger true", "crmwatch_legit": "<nil> false", "crmwatch_escalate": "<nil> false"}
	if diff := cmp.Diff(want, styles); diff != "" {
		t.Errorf("buttons (-want +got):\n%s", diff)
	}
	payload := workspace.Messages()[0].Metadata
	if payload["event_type"] != slack.EventType || payload["event_payload"].(map[string]any)["alert_id"] != f.ID {
		t.Errorf("metadata is %v", payload)
	}
}

func TestErrors(t *testing.T) {
	cases := map[string]struct {
		answer    http.HandlerFunc
		reason    string
		permanent bool
		after     time.Duration
	}{
		"rate limit":           {slacktest.Status(429, "Retry-After", "7"), "ratelimited", false, 7 * time.Second},
		"rate limit, no time":  {slacktest.Status(429), "ratelimited", false, 30 * time.Second},
		"rate limit in a body": {slacktest.Fail("ratelimited"), "ratelimited", false, 30 * time.Second},
		"rate limit of 0":      {slacktest.Status(429, "Retry-After", "0"), "ratelimited", false, time.Second},
		"server error":         {slacktest.Status(500), "server_error", false, 0},
		"bad gateway":          {slacktest.Status(502), "server_error", false, 0},
		"internal error":       {slacktest.Fail("internal_error"), "internal", false, 0},
		"new error":            {slacktest.Fail("brand_new_error"), "other", false, 0},
		"redirect":             {slacktest.Status(307, "Location", "http://192.0.2.1/steal"), "server_error", false, 0},
		"no JSON":              {slacktest.Status(200), "unreachable", false, 0},
		"bad token":            {slacktest.Fail("invalid_auth"), "invalid_auth", true, 0},
		"revoked token":        {slacktest.Fail("token_revoked"), "token_revoked", true, 0},
		"inactive account":     {slacktest.Fail("account_inactive"), "account_inactive", true, 0},
		"no channel":           {slacktest.Fail("channel_not_found"), "channel_not_found", true, 0},
		"not in the channel":   {slacktest.Fail("not_in_channel"), "not_in_channel", true, 0},
		"archived channel":     {slacktest.Fail("is_archived"), "is_archived", true, 0},
		"no scope":             {slacktest.Fail("missing_scope"), "missing_scope", true, 0},
		"lost connection":      {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "unreachable", false, 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			workspace, sink := open(t)
			workspace.Next(c.answer)
			f := alerttest.MassExport()
			_, err := sink.Send(t.Context(), alert.NewMessage(&f, ""))
			failure, ok := errors.AsType[*alert.SendError](err)
			if !ok || failure.Reason != c.reason || failure.Permanent != c.permanent || failure.RetryAfter != c.after {
				t.Fatalf("error is %#v (%v)", err, err)
			}
			if c.permanent && len(failure.Remedy) < 20 {
				t.Errorf("%v does not say what to do", err)
			}
			for _, secret := range []string{workspace.Token, f.Subject.Name, f.ID} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%q is in the error: %v", secret, err)
				}
			}
			if workspace.Requests() != 1 {
				t.Errorf("%d requests, but the caller is who retries", workspace.Requests())
			}
		})
	}
}

// TestUpdateErrors: nothing is posted in the place of a message that cannot be
// edited, and no new alert waits for an edit that Slack will always refuse.
func TestUpdateErrors(t *testing.T) {
	cases := map[string]struct {
		answer          http.HandlerFunc
		reason          string
		gone, permanent bool
		after           time.Duration
	}{
		"deleted":               {slacktest.Fail("message_not_found"), "message_not_found", true, false, 0},
		"not ours":              {slacktest.Fail("cant_update_message"), "cant_update_message", true, false, 0},
		"too old":               {slacktest.Fail("edit_window_closed"), "edit_window_closed", true, false, 0},
		"a frozen conversation": {slacktest.Fail("is_inactive"), "is_inactive", true, false, 0},
		"the channel is gone":   {slacktest.Fail("channel_not_found"), "channel_not_found", true, false, 0},
		"left the channel":      {slacktest.Fail("not_in_channel"), "not_in_channel", true, false, 0},
		"an archived channel":   {slacktest.Fail("is_archived"), "is_archived", true, false, 0},
		"a new error":           {slacktest.Fail("brand_new_error"), "other", true, false, 0},
		"the token":             {slacktest.Fail("invalid_auth"), "invalid_auth", false, true, 0},
		"the scope":             {slacktest.Fail("missing_scope"), "missing_scope", false, true, 0},
		"rate limit":            {slacktest.Status(429, "Retry-After", "7"), "ratelimited", false, false, 7 * time.Second},
		"server error":          {slacktest.Status(500), "server_error", false, false, 0},
		"internal error":        {slacktest.Fail("internal_error"), "internal", false, false, 0},
		"lost connection":       {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "unreachable", false, false, 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			workspace, sink := open(t)
			f := alerttest.MassExport()
			m := alert.NewUpdate(&f, alert.Told{Count: 1}, "")
			ref, err := sink.Send(t.Context(), m)
			if err != nil {
				t.Fatal(err)
			}
			workspace.Next(c.answer)
			failure, ok := errors.AsType[*alert.SendError](sink.Update(t.Context(), ref, m))
			if !ok || failure.Reason != c.reason || failure.Gone != c.gone || failure.Permanent != c.permanent || failure.RetryAfter != c.after {
				t.Fatalf("error is %#v", failure)
			}
			for _, secret := range []string{workspace.Token, f.Subject.Name, f.ID} {
				if strings.Contains(failure.Error(), secret) {
					t.Errorf("%q is in the error: %v", secret, failure)
				}
			}
			if workspace.Requests() != 2 || len(workspace.Messages()) != 1 {
				t.Errorf("%d requests made %d messages", workspace.Requests(), len(workspace.Messages()))
			}
		})
	}
}

// TestRefusedLayoutOfAnEdit: the text comes without the layout, and if that is
// refused too, no other try will do.
func TestRefusedLayoutOfAnEdit(t *testing.T) {
	workspace, sink := open(t)
	f := alerttest.MassExport()
	ref, err := sink.Send(t.Context(), alert.NewMessage(&f, ""))
	if err != nil {
		t.Fatal(err)
	}
	f.State = alert.Closed
	m := alert.NewUpdate(&f, alert.Told{}, "")
	workspace.Next(slacktest.Fail("invalid_blocks"))
	if err := sink.Update(t.Context(), ref, m); err != nil {
		t.Fatal(err)
	}
	if m := workspace.Messages()[0]; len(m.Blocks) != 0 || !strings.Contains(m.Text, "no all-clear") || !strings.Contains(m.Text, "48,210 rows") {
		t.Errorf("the message is now %+v", m)
	}
	workspace.Next(slacktest.Fail("invalid_blocks"), slacktest.Fail("msg_too_long"))
	failure, ok := errors.AsType[*alert.SendError](sink.Update(t.Context(), ref, m))
	if !ok || !failure.Gone || failure.Reason != "msg_too_long" {
		t.Errorf("error is %#v", failure)
	}
}

func TestUnreachable(t *testing.T) {
	workspace := slacktest.New()
	server := httptest.NewServer(workspace)
	server.Close()
	sink := sinkFor(t, workspace, slack.Config{APIURL: server.URL}, slack.Deps{})
	_, err := sink.Send(t.Context(), alert.Message{ID: "x", Title: "x"})
	if failure, ok := errors.AsType[*alert.SendError](err); !ok || failure.Reason != "unreachable" || failure.Permanent {
		t.Errorf("error is %#v", err)
	}
}

// TestTransportErrorHidesTheToken: an error that is not ours may quote anything.
func TestTransportErrorHidesTheToken(t *testing.T) {
	workspace := slacktest.New()
	leak := roundTripper(func(r *http.Request) (*http.Response, error) {
		body, _ := io.ReadAll(r.Body)
		return nil, fmt.Errorf("proxy says no to %s", body)
	})
	sink := sinkFor(t, workspace, slack.Config{}, slack.Deps{Transport: leak})
	_, err := sink.Send(t.Context(), alert.Message{ID: "x", Title: "x"})
	if err == nil || strings.Contains(err.Error(), workspace.Token) {
		t.Errorf("error is %v", err)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestRefusedLayout: an alert that Slack does not like the look of still comes.
func TestRefusedLayout(t *testing.T) {
	for _, code := range []string{"invalid_blocks", "msg_blocks_too_long"} {
		workspace, _ := open(t)
		var log bytes.Buffer
		sink := sinkFor(t, workspace, slack.Config{Pace: 1}, slack.Deps{
			Transport: inMemory{workspace}, Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		workspace.Next(slacktest.Fail(code))
		f := alerttest.MassExport()
		if _, err := sink.Send(t.Context(), alert.NewMessage(&f, "")); err != nil {
			t.Fatal(err)
		}
		m := workspace.Messages()[0]
		if len(m.Blocks) != 0 || !strings.Contains(m.Text, "exported 48,210 rows from Salesforce") {
			t.Errorf("%s: the second message is %+v", code, m)
		}
		if !strings.Contains(log.String(), code) || strings.Contains(log.String(), f.Subject.Name) {
			t.Errorf("%s: the log is %s", code, log.String())
		}
	}
}

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		workspace := slacktest.New()
		sink := sinkFor(t, workspace, slack.Config{}, slack.Deps{Transport: inMemory{workspace}})
		start := time.Now()
		for i := range 5 {
			if _, err := sink.Send(t.Context(), alert.Message{ID: "x", Title: "x"}); err != nil {
				t.Fatal(err)
			}
			if took, want := time.Since(start), time.Duration(i)*time.Second; took != want {
				t.Errorf("message %d was sent after %v, not %v", i, took, want)
			}
		}
	})
}

// TestEditsHaveAPaceOfTheirOwn: fifty a minute, and no new alert waits for them.
func TestEditsHaveAPaceOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		workspace := slacktest.New()
		sink := sinkFor(t, workspace, slack.Config{}, slack.Deps{Transport: inMemory{workspace}})
		ref, err := sink.Send(t.Context(), alert.Message{ID: "x", Title: "x"})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		for i := range 5 {
			if err := sink.Update(t.Context(), ref, alert.Message{ID: "x", Title: "x"}); err != nil {
				t.Fatal(err)
			}
			if took, want := time.Since(start), time.Duration(i)*1200*time.Millisecond; took != want {
				t.Errorf("edit %d came after %v, not %v", i, took, want)
			}
		}
		workspace.Next(slacktest.Status(429, "Retry-After", "40"))
		if err := sink.Update(t.Context(), ref, alert.Message{ID: "x", Title: "x"}); err == nil {
			t.Fatal("no error")
		}
		before := time.Now()
		if _, err := sink.Send(t.Context(), alert.Message{ID: "y", Title: "y"}); err != nil || time.Since(before) > 0 {
			t.Errorf("a new message waited %v: %v", time.Since(before), err)
		}
		if err := sink.Update(t.Context(), ref, alert.Message{ID: "x", Title: "x"}); err != nil || time.Since(before) != 40*time.Second {
			t.Errorf("the edit waited %v: %v", time.Since(before), err)
		}
	})
}

// TestRateLimitHoldsEveryMessage: the limit is the channel's, not the message's.
func TestRateLimitHoldsEveryMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		workspace := slacktest.New()
		sink := sinkFor(t, workspace, slack.Config{}, slack.Deps{Transport: inMemory{workspace}})
		workspace.Next(slacktest.Status(429, "Retry-After", "40"))
		if _, err := sink.Send(t.Context(), alert.Message{ID: "x", Title: "x"}); err == nil {
			t.Fatal("no error")
		}
		start := time.Now()
		if _, err := sink.Send(t.Context(), alert.Message{ID: "y", Title: "y"}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != 40*time.Second {
			t.Errorf("another message was sent after %v", took)
		}
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		workspace := slacktest.New()
		sink := sinkFor(t, workspace, slack.Config{Pace: time.Hour}, slack.Deps{Transport: inMemory{workspace}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := sink.Send(ctx, alert.Message{ID: "x", Title: "x"}); err != nil {
			t.Fatal(err)
		}
		if _, err := sink.Send(ctx, alert.Message{ID: "y", Title: "y"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error is %v", err)
		}
		if n := len(workspace.Messages()); n != 1 {
			t.Errorf("%d messages", n)
		}
	})
}

func TestTokenIsNeverPrinted(t *testing.T) {
	cfg := slack.Config{Token: "xoxb-CANARY", Channel: "c"}
	var b bytes.Buffer
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "config", cfg, "token", cfg.Token)
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "config", cfg, "token", cfg.Token)
	_ = json.NewEncoder(&b).Encode(cfg)
	for _, verb := range []string{"%s", "%v", "%+v", "%#v", "%q", "%x", "%X", "%d", "%T"} {
		fmt.Fprintf(&b, verb+verb, cfg, cfg.Token)
	}
	if strings.Contains(b.String(), "CANARY") || strings.Contains(b.String(), fmt.Sprintf("%x", "CANARY")) {
		t.Errorf("the token is in %s", b.String())
	}
}

func TestConfigValidate(t *testing.T) {
	cases := map[string]struct {
		cfg  slack.Config
		want string
	}{
		"no token":    {slack.Config{Channel: "c"}, "token is missing"},
		"no channel":  {slack.Config{Token: "xoxb-1"}, "channel is missing"},
		"app token":   {slack.Config{Token: "xapp-CANARY", Channel: "c"}, "xoxb-"},
		"newline":     {slack.Config{Token: "xoxb-CANARY\n", Channel: "c"}, "white space"},
		"no URL":      {slack.Config{Token: "xoxb-1", Channel: "c", APIURL: "slack.com"}, "api_url"},
		"wrong URL":   {slack.Config{Token: "xoxb-1", Channel: "c", APIURL: "file:///etc"}, "api_url"},
		"in the past": {slack.Config{Token: "xoxb-1", Channel: "c", Pace: -1}, "pace"},
	}
	for name, c := range cases {
		_, err := slack.New(c.cfg, slack.Deps{})
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
