package detect

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/crmwatch/crmwatch/rules"
)

// Keys of the state, as they stand in the compacted topic. A window's key
// carries the version of its rule: a changed rule starts afresh.
const (
	windowMark    = "w/"
	accountPrefix = "a/"
	markerKey     = "m/marker"
)

func windowPrefix(m rules.Meta) string { return windowMark + m.ID + "@" + m.Version + "/" }

// state is everything an engine remembers, by key, and which of it has changed
// since the last checkpoint.
type state struct {
	windows  map[string]*window
	accounts map[string]*account
	dirty    map[string]struct{}
}

func newState() state {
	return state{windows: map[string]*window{}, accounts: map[string]*account{}, dirty: map[string]struct{}{}}
}

func (s *state) touch(key string) { s.dirty[key] = struct{}{} }

func (s *state) window(key string) *window {
	w, ok := s.windows[key]
	if !ok {
		w = &window{}
		s.windows[key] = w
	}
	return w
}

func (s *state) account(key string) (a *account, known bool) {
	a, known = s.accounts[key]
	if !known {
		a = &account{}
		s.accounts[key] = a
	}
	return a, known
}

// change is one key's new value; nil deletes it.
type change struct {
	key   string
	value []byte
}

// changes returns what has changed since the last call of saved.
func (s *state) changes() ([]change, error) {
	out := make([]change, 0, len(s.dirty))
	for key := range s.dirty {
		value, err := s.encode(key)
		if err != nil {
			return nil, fmt.Errorf("encode state %.40q: %w", key, err)
		}
		out = append(out, change{key, value})
	}
	return out, nil
}

func (s *state) encode(key string) ([]byte, error) {
	if w, ok := s.windows[key]; ok {
		return json.Marshal(w)
	}
	if a, ok := s.accounts[key]; ok {
		return json.Marshal(a)
	}
	return nil, nil
}

func (s *state) saved() { clear(s.dirty) }

// restore takes in one key's value. Windows of rules that are no longer there,
// or have changed, are marked for deletion.
func (s *state) restore(key string, value []byte, wanted func(key string) bool) error {
	switch {
	case value == nil:
		delete(s.windows, key)
		delete(s.accounts, key)
		return nil
	case strings.HasPrefix(key, windowMark) && !wanted(key):
		s.touch(key)
		return nil
	case strings.HasPrefix(key, windowMark):
		w := &window{}
		if err := json.Unmarshal(value, w); err != nil {
			return fmt.Errorf("decode window: %w", err)
		}
		w.resum(0)
		s.windows[key] = w
	case strings.HasPrefix(key, accountPrefix):
		a := &account{}
		if err := json.Unmarshal(value, a); err != nil {
			return fmt.Errorf("decode account: %w", err)
		}
		s.accounts[key] = a
	default:
		return fmt.Errorf("unknown kind of state %.2q", key)
	}
	return nil
}

// wantedWindows tells the windows of these watchers from those of rules that
// are gone.
func wantedWindows(watchers map[*rules.Rule][]*watcher) func(key string) bool {
	prefixes := map[string]bool{}
	for _, ws := range watchers {
		for _, w := range ws {
			prefixes[w.prefix] = true
		}
	}
	return func(key string) bool {
		rest := key[len(windowMark):]
		i := strings.IndexByte(rest, '/')
		return i >= 0 && prefixes[key[:len(windowMark)+i+1]]
	}
}

// marker is the state's bookmark: it is written in the same atomic batch as the
// state that reflects it.
type marker struct {
	// Next is the offset of the first event that the state does not reflect.
	Next      int64  `json:"next"`
	Watermark int64  `json:"watermark"`
	Codec     int    `json:"codec"`
	Rules     string `json:"rules"` // version of the rule set, for people
}

// codecVersion names the form of the state's values.
const codecVersion = 1
