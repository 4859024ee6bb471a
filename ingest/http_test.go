package ingest_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crmwatch/crmwatch/ingest"
)

const good = `{"id":"1","time":"2026-10-01T00:00:00Z","source":"x","action":"view"}`

func post(t *testing.T, h http.Handler, body string, headers ...string) (*httptest.ResponseRecorder, map[string]any) {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/events", strings.NewReader(body))
	req.Header.Set("Content-Type", "application/x-ndjson")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	var answer map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatalf("%d: %v: %s", w.Code, err, w.Body)
	}
	if kind := w.Header().Get("Content-Type"); (w.Code == http.StatusOK) != (kind == "application/json") || w.Code != http.StatusOK && kind != "application/problem+json" {
		t.Errorf("%d has the content type %q", w.Code, kind)
	}
	return w, answer
}

func zipped(t *testing.T, body string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, body); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestHTTPBodies(t *testing.T) {
	for name, c := range map[string]struct {
		body     string
		headers  []string
		code     int
		accepted int
		rejected int
	}{
		"one object":       {good, []string{"Content-Type", "application/json"}, 200, 1, 0},
		"pretty":           {"{\n\"id\":\"1\",\n\"time\":\"2026-10-01T00:00:00Z\",\"source\":\"x\",\"action\":\"view\"}", nil, 200, 1, 0},
		"lines":            {good + "\n\n" + good, nil, 200, 2, 0},
		"array":            {"[" + good + "," + good + "]", []string{"Content-Type", "application/json; charset=UTF-8"}, 200, 2, 0},
		"salesforce":       {`{"EventIdentifier":"e","EventDate":"2026-10-01T00:00:00Z","attributes":{"type":"LogoutEvent"}}` + "\n" + good, nil, 200, 2, 0},
		"byte order mark":  {"\xef\xbb\xbf" + good, nil, 200, 1, 0},
		"gzip":             {zipped(t, good), []string{"Content-Encoding", "gzip"}, 200, 1, 0},
		"some are bad":     {good + "\nnonsense\n" + good + "\n{}", nil, 200, 2, 2},
		"all are bad":      {"nonsense\n{}", nil, 422, 0, 2},
		"nothing":          {"", nil, 400, 0, 0},
		"empty array":      {"[]", nil, 400, 0, 0},
		"gzip that is not": {good, []string{"Content-Encoding", "gzip"}, 400, 0, 0},
		"gzip that is cut": {zipped(t, good)[:30], []string{"Content-Encoding", "gzip"}, 400, 0, 0},
		"gzip unannounced": {zipped(t, good), nil, 422, 0, 1},
		"other encoding":   {good, []string{"Content-Encoding", "br"}, 415, 0, 0},
		"a form":           {good, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, 0, 0},
		"no content type":  {good, []string{"Content-Type", ""}, 415, 0, 0},
		"other charset":    {good, []string{"Content-Type", "application/json; charset=gbk"}, 415, 0, 0},
		"csv":              {"time,action\n", []string{"Content-Type", "text/csv"}, 415, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			w, answer := post(t, ingest.NewHandler(r.Pipeline, ingest.HandlerConfig{}), c.body, c.headers...)
			if w.Code != c.code {
				t.Fatalf("%d: %s", w.Code, w.Body)
			}
			if len(r.events.recs) != c.accepted || len(r.dead.recs) != c.rejected {
				t.Errorf("%d events and %d dead letters are on the topics", len(r.events.recs), len(r.dead.recs))
			}
			if c.code != 200 && c.code != 422 {
				return
			}
			rejected, _ := answer["rejected"].([]any)
			if answer["accepted"] != float64(c.accepted) || answer["rejected_count"] != float64(c.rejected) || len(rejected) != c.rejected {
				t.Errorf("answer %s", w.Body)
			}
		})
	}
}

func TestHTTPSaysWhatWasRejected(t *testing.T) {
	r := newRig(t, nil)
	_, answer := post(t, ingest.NewHandler(r.Pipeline, ingest.HandlerConfig{}), good+"\n\n"+strings.Replace(good, `"action"`, `"rows":-5,"action"`, 1))
	rejected := answer["rejected"].([]any)[0].(map[string]any)
	if rejected["line"] != 3.0 || rejected["record"] != 2.0 || rejected["field"] != "rows" || rejected["reason"] != "bad_number" || rejected["detail"] == "" {
		t.Errorf("%v", rejected)
	}
}

func TestHTTPMethodAndToken(t *testing.T) {
	r := newRig(t, nil)
	token := "s3cret"
	h := ingest.NewHandler(r.Pipeline, ingest.HandlerConfig{Token: func() string { return token }})
	for header, code := range map[string]int{
		"": 401, "Bearer": 401, "Bearer ": 401, "Bearer wrong": 401, "Basic s3cret": 401, "s3cret": 401, "Bearer s3cret2": 401,
		"Bearer s3cret": 200, "bearer s3cret": 200,
	} {
		w, _ := post(t, h, good, "Authorization", header)
		if w.Code != code {
			t.Errorf("%q: %d, want %d", header, w.Code, code)
		}
		if code == 401 && w.Header().Get("WWW-Authenticate") == "" {
			t.Error("no WWW-Authenticate")
		}
	}
	token = "changed"
	if w, _ := post(t, h, good, "Authorization", "Bearer s3cret"); w.Code != 401 {
		t.Errorf("the old token still gives %d", w.Code)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/events", nil))
	if w.Code != 405 || w.Header().Get("Allow") != "POST" {
		t.Errorf("GET: %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
}

func TestHTTPLimits(t *testing.T) {
	r := newRig(t, nil)
	h := ingest.NewHandler(r.Pipeline, ingest.HandlerConfig{MaxBody: 1000})
	long := strings.Repeat(good+"\n", 30)
	for name, c := range map[string]struct {
		body    string
		headers []string
	}{
		"announced":  {long, nil},
		"bomb":       {zipped(t, strings.Repeat(" ", 1<<20)), []string{"Content-Encoding", "gzip"}},
		"compressed": {zipped(t, long), []string{"Content-Encoding", "gzip"}},
	} {
		if name == "compressed" && len(c.body) >= 1000 {
			t.Fatal("the body does not compress enough to test anything")
		}
		if w, _ := post(t, h, c.body, c.headers...); w.Code != 413 {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/events", io.MultiReader(strings.NewReader(long))) // no length
	req.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	if w.Code != 413 {
		t.Errorf("unannounced: %d", w.Code)
	}
	if len(r.events.recs) > 0 {
		t.Error("part of a body that is too large was taken")
	}
}

func TestHTTPAnswersOnlyWhenDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.events.fail = func(ctx context.Context, _ int) error {
			<-ctx.Done()
			return ctx.Err()
		}
		h := ingest.NewHandler(r.Pipeline, ingest.HandlerConfig{Timeout: 3 * time.Second})
		began := time.Now()
		w, _ := post(t, h, good)
		if w.Code != 503 || w.Header().Get("Retry-After") == "" || time.Since(began) != 3*time.Second {
			t.Errorf("%d after %v, Retry-After %q", w.Code, time.Since(began), w.Header().Get("Retry-After"))
		}
		r.events.fail = nil
		if w, _ := post(t, h, good); w.Code != 200 {
			t.Errorf("again: %d", w.Code)
		}
	})
}

func TestHTTPPushesBackWhenBusy(t *testing.T) {
	r := newRig(t, nil)
	h := ingest.NewHandler(r.Pipeline, ingest.HandlerConfig{MaxInFlight: 1})
	busy, release := make(chan struct{}), make(chan struct{})
	r.events.fail = func(context.Context, int) error {
		close(busy)
		<-release
		return nil
	}
	done := make(chan int)
	go func() {
		w, _ := post(t, h, good)
		done <- w.Code
	}()
	<-busy
	if w, _ := post(t, h, good); w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("%d", w.Code)
	}
	close(release)
	if code := <-done; code != 200 {
		t.Errorf("the first got %d", code)
	}
}

func TestHTTPDoesNotEchoErrors(t *testing.T) {
	r := newRig(t, nil)
	r.events.fail = func(context.Context, int) error { return permanentError{} }
	w, _ := post(t, ingest.NewHandler(r.Pipeline, ingest.HandlerConfig{}), good)
	if w.Code != 503 || strings.Contains(w.Body.String(), permanentError{}.Error()) {
		t.Errorf("%d: %s", w.Code, w.Body)
	}
}

func TestHTTPLogsItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		h := ingest.NewHandler(r.Pipeline, ingest.HandlerConfig{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { h.Report(ctx, 10*time.Second); close(done) }()
		post(t, h, good+"\n"+good)
		time.Sleep(35 * time.Second) // of the bubble's clock
		cancel()
		<-done
		if log := r.log.String(); strings.Count(log, "taking events by http") != 1 || !strings.Contains(log, "rows=2 rows_per_second=0.2") {
			t.Errorf("log: %s", log)
		}
	})
}

func FuzzHTTPBody(f *testing.F) {
	for _, s := range []string{good, "[" + good + "]", "{", "[{", `{"records":[` + good + `]}`, "\x1f\x8b", "[]]", good + "\n" + good[:20]} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r := newRig(t, nil)
		s, err := r.Ingest(t.Context(), bytes.NewReader(body), "f", 0, nil)
		if err == nil && s.Read != s.Accepted+s.RejectedTotal() {
			t.Fatalf("%+v", s)
		}
		if int64(len(r.events.recs)) != s.Accepted || int64(len(r.dead.recs)) != s.RejectedTotal() {
			t.Fatalf("%d events, %d dead letters, %+v", len(r.events.recs), len(r.dead.recs), s)
		}
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/events", bytes.NewReader(body))
		req.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		ingest.NewHandler(r.Pipeline, ingest.HandlerConfig{}).ServeHTTP(w, req)
		if w.Code != 200 && w.Code != 400 && w.Code != 422 {
			t.Fatal(w.Code, errors.New(w.Body.String()))
		}
	})
}
