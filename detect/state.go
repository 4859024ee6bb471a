package detect

import (
	"fmt"
	"strings"

	"github.com/crmwatch/crmwatch/detect/window"
)

// Keys of the state, as they stand in the compacted topic. A window's key
// carries the version of its rule: a changed rule starts afresh.
const (
	windowMark    = "w/"
	accountPrefix = "a/"
	markerKey     = "m/marker"
)

func windowKey(k window.Key) string { return windowMark + k.Rule + "@" + k.Version + "/" + k.Group }

// windowName takes a window's key apart.
func windowName(key string) (k window.Key, ok bool) {
	rule, rest, ok1 := strings.Cut(strings.TrimPrefix(key, windowMark), "@")
	version, group, ok2 := strings.Cut(rest, "/")
	return window.Key{Rule: rule, Version: version, Group: group}, ok1 && ok2
}

// state is what an engine remembers of accounts, by key, and which of it has
// changed since the last checkpoint.
type state struct {
	accounts map[string]*account
	dirty    map[string]struct{}
}

func newState() state {
	return state{accounts: map[string]*account{}, dirty: map[string]struct{}{}}
}

func (s *state) touch(key string) { s.dirty[key] = struct{}{} }

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

// dirty is how many keys have changed since the last call of saved.
func (en *Engine) dirty() int { return len(en.state.dirty) + en.windows.Dirty() }

// changes returns what has changed since the last call of saved.
func (en *Engine) changes() ([]change, error) {
	out := make([]change, 0, en.dirty())
	for key := range en.state.dirty {
		value, err := window.Encode(en.state.accounts[key])
		if err != nil {
			return nil, fmt.Errorf("encode state %.40q: %w", key, err)
		}
		out = append(out, change{key, value})
	}
	err := en.windows.Changes(func(k window.Key, value []byte) error {
		out = append(out, change{windowKey(k), value})
		return nil
	})
	return out, err
}

func (en *Engine) saved() {
	clear(en.state.dirty)
	en.windows.Saved()
}

// restore takes in one key's value. Windows of rules that are no longer there,
// or have changed, are marked for deletion.
func (en *Engine) restore(key string, value []byte) error {
	switch {
	case strings.HasPrefix(key, windowMark):
		k, ok := windowName(key)
		if !ok {
			return fmt.Errorf("decode state: the key %.40q names no window", key)
		}
		return en.windows.Restore(k, value)
	case strings.HasPrefix(key, accountPrefix):
		delete(en.state.accounts, key)
		if value == nil {
			return nil
		}
		a := &account{}
		if err := window.Decode(value, a); err != nil {
			return fmt.Errorf("decode account: %w", err)
		}
		en.state.accounts[key] = a
		return nil
	default:
		return fmt.Errorf("unknown kind of state %.2q", key)
	}
}

// marker is the state's bookmark: it is written in the same atomic batch as the
// state that reflects it.
type marker struct {
	// Next is the offset of the first event that the state does not reflect.
	Next      int64 `json:"next"`
	Watermark int64 `json:"watermark"`
	// Sources is how far each source has come.
	Sources sources `json:"sources"`
	Codec   int     `json:"codec"`
	Rules   string  `json:"rules"` // version of the rule set, for people
}

// codecVersion names the form of the state's values: 2 was JSON. Those from
// oldestCodec on are read.
const (
	codecVersion = 3
	oldestCodec  = 2
)

// resume takes over what a checkpoint says of the stream as a whole.
func (en *Engine) resume(m *marker) {
	en.newest = m.Watermark
	if m.Sources != nil {
		en.sources = m.Sources
	}
	en.windows.Resume(en.sources.watermark(&en.cfg))
}
