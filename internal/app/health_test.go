package app

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// That the limit of windows is reached is said by /readyz and once in the log, and
// takes nothing away from being ready.
func TestLimitOfWindowsIsSeen(t *testing.T) {
	var log bytes.Buffer
	h := NewHealth(slog.New(slog.NewTextHandler(&log, nil)))
	h.Set(ComponentKafka, nil)
	h.Set(ComponentRoster, nil)
	ask := func() (int, string) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
		return w.Code, w.Body.String()
	}
	for range 3 {
		h.limit(true)
	}
	if code, text := ask(); code != 200 || !strings.Contains(text, `"windows":"limit reached"`) {
		t.Errorf("%d %s", code, text)
	}
	if n := strings.Count(log.String(), "detect.max_windows"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, &log)
	}
	h.limit(false)
	if code, text := ask(); code != 200 || !strings.Contains(text, `"windows":"ok"`) {
		t.Errorf("%d %s", code, text)
	}
}
