package app

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settle is how long the rules' files must have been left alone before they are
// loaded: an editor, a checkout or the swap of a ConfigMap changes many at once.
// Files that are never left alone are loaded after unsettled.
const (
	settle    = 250 * time.Millisecond
	unsettled = 5 * time.Second
)

// Watch reloads the rules when their files change and when asked to, until ctx
// ends. It never fails for the rules' sake; where the directory cannot be watched
// it says so, and asking still works.
func (b *RuleBook) Watch(ctx context.Context, ask <-chan os.Signal) error {
	var touched <-chan fsnotify.Event
	var lost <-chan error
	w := b.watcher()
	if w != nil {
		defer w.Close()
		touched, lost = w.Events, w.Errors
	}
	quiet := &settling{Timer: time.NewTimer(0)} // what changed before it was watched
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-touched:
			if b.concerns(e) {
				quiet.again()
			}
		case err := <-lost:
			// Changes may have been missed, so it is as if there had been one.
			b.log.Warn("watching the rules' directory had a mishap", "error", err)
			quiet.again()
		case <-ask:
			quiet.Reset(0)
		case <-quiet.C:
			quiet.first = time.Time{}
			// First the watches, then the files: a change in between is one more event.
			b.watchAll(w)
			_ = b.Reload() // it has told why
		}
	}
}

// settling is a timer that runs out when changes have come to an end.
type settling struct {
	*time.Timer
	first time.Time // of the changes that it waits for; zero without any
}

func (s *settling) again() {
	now := time.Now()
	if s.first.IsZero() {
		s.first = now
	}
	s.Reset(min(settle, max(0, unsettled-now.Sub(s.first))))
}

// watcher watches the rules' directory; nil where there is none, or it cannot be
// watched.
func (b *RuleBook) watcher() *fsnotify.Watcher {
	if b.cfg.Dir == "" {
		return nil
	}
	w, err := fsnotify.NewWatcher()
	if err != nil {
		b.log.Warn("changes of the rules' files will not be noticed; send SIGHUP instead", "error", err)
		return nil
	}
	b.watchAll(w)
	return w
}

// watchAll watches every directory that rules are read from, and the one above:
// there it shows when the directory itself is replaced, or is a link and points
// elsewhere. What is watched already stays so.
func (b *RuleBook) watchAll(w *fsnotify.Watcher) {
	if w == nil {
		return
	}
	dir := b.dir()
	var failed error
	add := func(name string) {
		if err := w.Add(name); err != nil {
			failed = err
		}
	}
	add(filepath.Dir(dir))
	// Through a link the directory has to be named by what it points to now: by the
	// old name the watch would stay with what it pointed to before.
	if target, err := filepath.EvalSymlinks(dir); err == nil {
		dir = target
	}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case !d.IsDir():
			return nil
		case name != dir && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		}
		add(name)
		return nil
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		b.log.Warn("some changes of the rules' files will not be noticed; send SIGHUP instead", "error", fmt.Errorf("watch: %w", err))
	}
}

// concerns says whether a change is one of the rules: reading them is none, and
// neither is what happens beside their directory.
func (b *RuleBook) concerns(e fsnotify.Event) bool {
	if e.Op == fsnotify.Chmod {
		return false
	}
	return filepath.Dir(e.Name) != filepath.Dir(b.dir()) || e.Name == b.dir()
}

// dir is the rules' directory in full: "." and what is above it have to be told
// apart by name.
func (b *RuleBook) dir() string {
	dir, err := filepath.Abs(b.cfg.Dir)
	if err != nil {
		return b.cfg.Dir // there is no working directory, so nothing can be watched
	}
	return dir
}
