package app

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"sync"
)

// Component is a part whose state /readyz tells.
type Component string

// The components. ClickHouse being down delays the archive and nothing else, so
// it does not make the process unready.
const (
	ComponentKafka      Component = "kafka"
	ComponentRoster     Component = "roster"
	ComponentClickHouse Component = "clickhouse"
	// ComponentRules is not well while a reload of the rules was refused. Those
	// before it are in force then, so the process is still ready.
	ComponentRules Component = "rules"
	// ComponentWindows is not well while the detector has more windows than it may
	// keep. It goes on with those it has.
	ComponentWindows Component = "windows"
)

var required = []Component{ComponentKafka, ComponentRoster}

var (
	errStarting = errors.New("starting")
	errLimit    = errors.New("the limit of windows is reached, so that not all events are counted: " +
		"look at which source has so many new persons, and raise detect.max_windows if they are real")
)

// Health collects what state the components are in.
type Health struct {
	log *slog.Logger

	mu     sync.Mutex // guards states
	states map[Component]error
}

// NewHealth returns a Health with every component starting.
func NewHealth(log *slog.Logger) *Health {
	return &Health{log: log, states: map[Component]error{ComponentKafka: errStarting, ComponentRoster: errStarting, ComponentClickHouse: errStarting, ComponentRules: nil, ComponentWindows: nil}}
}

// note is Set for a component that logs its changes itself.
func (h *Health) note(c Component, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.states[c] = err
}

// Set tells the state of a component, nil meaning that it works. A change is
// logged once.
func (h *Health) Set(c Component, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	was := h.states[c]
	h.states[c] = err
	switch {
	case err == nil && was != nil:
		h.log.Info("component is ready", "component", string(c))
	case err != nil && (was == nil || was.Error() != err.Error()):
		h.log.Warn("component is not ready", "component", string(c), "error", err)
	}
}

// limit tells of the detector's windows.
func (h *Health) limit(reached bool) {
	if reached {
		h.Set(ComponentWindows, errLimit)
	} else {
		h.Set(ComponentWindows, nil)
	}
}

// Ready reports whether everything works that events and alerts need.
func (h *Health) Ready() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range required {
		if h.states[c] != nil {
			return false
		}
	}
	return true
}

// ServeHTTP answers /readyz: 200 when ready, 503 when not, and the state of each
// component in either case. Errors stay in the log: they name hosts.
func (h *Health) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	ready := h.Ready()
	h.mu.Lock()
	states := map[Component]string{}
	for c, err := range h.states {
		states[c] = stateOf(c, err)
	}
	h.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if !ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"ready": ready, "components": states})
}

// stateOf is the state of a component in a word.
func stateOf(c Component, err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, errStarting):
		return "starting"
	case errors.Is(err, errLimit):
		return "limit reached"
	case c == ComponentRules:
		return "reload refused"
	default:
		return "down"
	}
}
