package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// ruleFile is a rule that finds exports of at least that many rows.
func ruleFile(rows int) string {
	return fmt.Sprintf(`title: Export
id: 0e4c43a5-6c57-4dbb-b9b5-2b5a3f6c7c11
name: any_export
logsource: {product: crm, category: audit}
detection: {selection: {action: export, rows|gte: %d}, condition: selection}
`, rows)
}

const brokenRule = "title: Broken\nid: 5f0c8a0e-8f0b-4ad0-9a07-0c5d1c1f2b10\nlogsource: {product: crm}\ndetection:\n  selection: {rowz: 1}\n  condition: other\n"

// shelf is a directory of rules and the book that was made of it.
type shelf struct {
	*RuleBook
	dir  string
	reg  *prometheus.Registry
	logs *logbook
	told []error
}

func newShelf(t *testing.T, dir string) *shelf {
	t.Helper()
	s := &shelf{dir: dir, reg: prometheus.NewRegistry(), logs: &logbook{}}
	var err error
	s.RuleBook, err = NewRuleBook(Rules{Dir: dir}, RuleBookDeps{
		Logger: slog.New(s.logs.handler()), Registerer: s.reg, Now: time.Now, Tell: func(err error) { s.told = append(s.told, err) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// watch watches until the test ends.
func (s *shelf) watch(t *testing.T, ask <-chan os.Signal) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Watch(ctx, ask) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (s *shelf) metrics(t *testing.T, failed, success, failure int) {
	t.Helper()
	want := fmt.Sprintf(`# HELP crmwatch_rules_reload_failed 1 if the last reload of the rules was refused, so that those before it are still in force.
# TYPE crmwatch_rules_reload_failed gauge
crmwatch_rules_reload_failed %d
# HELP crmwatch_rules_info Always 1; the label says which version of the rules is in force.
# TYPE crmwatch_rules_info gauge
crmwatch_rules_info{version="%s"} 1
`, failed, s.Current().Version())
	if err := testutil.GatherAndCompare(s.reg, strings.NewReader(want), "crmwatch_rules_reload_failed", "crmwatch_rules_info"); err != nil {
		t.Error(err)
	}
	for result, n := range map[string]int{"success": success, "failure": failure} {
		if got := testutil.ToFloat64(s.RuleBook.metrics.reloads.WithLabelValues(result)); got != float64(n) {
			t.Errorf("%v reloads with the result %s, want %d", got, result, n)
		}
	}
}

func TestReloadIsAllOrNothing(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/good.yml", ruleFile(1))
	s := newShelf(t, dir)
	put(t, s.dir+"/good.yml", ruleFile(10))
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	good, changed := s.Current(), s.Changed()
	s.metrics(t, 0, 1, 0)

	// A good file beside a bad one is not taken either.
	put(t, s.dir+"/good.yml", ruleFile(20))
	put(t, s.dir+"/sub/bad.yml", brokenRule)
	for range 3 {
		err := s.Reload()
		var refused *RulesError
		if !errors.As(err, &refused) || len(refused.Reasons) != 2 || !strings.HasPrefix(refused.Reasons[0].Error(), "sub/bad.yml:5") {
			t.Fatalf("the bad file is refused with %v", err)
		}
	}
	if s.Current() != good {
		t.Error("the rules before are no longer in force")
	}
	select {
	case <-changed:
		t.Error("refused rules are told of as a change")
	default:
	}
	s.metrics(t, 1, 1, 3)
	if n := strings.Count(s.logs.String(), "rules are refused"); n != 1 {
		t.Errorf("the same reasons are logged %d times, want once:\n%s", n, s.logs)
	}

	if err := os.Remove(s.dir + "/sub/bad.yml"); err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	<-changed
	if s.Current() == good || s.Current().Version() == good.Version() {
		t.Error("the new rules are not in force")
	}
	s.metrics(t, 0, 2, 3)
	if len(s.told) != 5 || s.told[0] != nil || s.told[1] == nil || s.told[4] != nil {
		t.Errorf("told %v", s.told)
	}
}

// However many files are wrong, the log gets one line of bounded length.
func TestRefusalsDoNotFloodTheLog(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/good.yml", ruleFile(1))
	s := newShelf(t, dir)
	for i := range 500 {
		put(t, fmt.Sprintf("%s/%d.yml", s.dir, i), "title: no rule\n")
	}
	if s.Reload() == nil {
		t.Fatal("500 files without a rule are taken")
	}
	lines := bytes.Count([]byte(s.logs.String()), []byte("\n"))
	if lines != 1 || len(s.logs.String()) > 10_000 || !strings.Contains(s.logs.String(), "more=") {
		t.Errorf("%d lines of %d bytes", lines, len(s.logs.String()))
	}
}

// A directory that has lost its rules, as when a mount fails, does not end all
// detection.
func TestNoRulesAreRefused(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/good.yml", ruleFile(1))
	s := newShelf(t, dir)
	for _, lose := range []func() error{
		func() error { return os.Truncate(dir+"/good.yml", 0) },
		func() error { return os.Remove(dir + "/good.yml") },
		func() error { return os.Remove(dir) },
	} {
		if err := lose(); err != nil {
			t.Fatal(err)
		}
		if err := s.Reload(); err == nil || len(s.Current().Rules()) != 1 {
			t.Errorf("%v, and %d rules are in force", err, len(s.Current().Rules()))
		}
	}
}

// force waits until the rules in force find exports of that many rows, which
// their version says.
func (s *shelf) force(t *testing.T, rows int) {
	t.Helper()
	dir := t.TempDir()
	put(t, dir+"/r.yml", ruleFile(rows))
	want, err := LoadRules(Rules{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, fmt.Sprintf("the rules are those for %d rows", rows), func() bool { return s.Current().Version() == want.Version() })
}

func TestWatchNoticesChanges(t *testing.T) {
	dir := t.TempDir() + "/rules"
	put(t, dir+"/a.yml", ruleFile(1))
	s := newShelf(t, dir)
	s.watch(t, nil)
	put(t, dir+"/a.yml", ruleFile(2)) // before or after the watching has begun
	s.force(t, 2)

	// An editor writes a new file and puts it in the place of the old one.
	put(t, dir+"/a.yml~", ruleFile(3))
	if err := os.Rename(dir+"/a.yml~", dir+"/a.yml"); err != nil {
		t.Fatal(err)
	}
	s.force(t, 3)

	// A directory that was not there, and is watched from then on.
	if err := os.Remove(dir + "/a.yml"); err != nil {
		t.Fatal(err)
	}
	put(t, dir+"/sub/deep/b.yml", ruleFile(4))
	s.force(t, 4)
	put(t, dir+"/sub/deep/b.yml", ruleFile(5))
	s.force(t, 5)

	// The whole directory goes and comes again, as with a checkout.
	if err := os.Rename(dir, dir+".old"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "rules that are gone are refused", func() bool { return strings.Contains(s.logs.String(), "there is no such directory") })
	s.force(t, 5)
	put(t, dir+"/c.yml", ruleFile(6))
	s.force(t, 6)
	put(t, dir+"/c.yml", ruleFile(7))
	s.force(t, 7)
}

// Kubernetes mounts a ConfigMap as links through the hidden link ..data, and
// changes it by pointing that link elsewhere.
func TestWatchNoticesAConfigMapSwap(t *testing.T) {
	dir := t.TempDir()
	link := func(target, name string) {
		t.Helper()
		if err := os.Symlink(target, name); err != nil {
			t.Fatal(err)
		}
	}
	put(t, dir+"/..2026_1/a.yml", ruleFile(1))
	link("..2026_1", dir+"/..data")
	link("..data/a.yml", dir+"/a.yml")
	s := newShelf(t, dir)
	s.watch(t, nil)
	s.force(t, 1)
	for i := 2; i < 5; i++ {
		version := fmt.Sprintf("..2026_%d", i)
		put(t, dir+"/"+version+"/a.yml", ruleFile(i))
		link(version, dir+"/..data_tmp")
		if err := os.Rename(dir+"/..data_tmp", dir+"/..data"); err != nil {
			t.Fatal(err)
		}
		s.force(t, i)
	}
}

// A deployment by link: rules -> releases/2.
func TestWatchNoticesALinkThatPointsElsewhere(t *testing.T) {
	dir := t.TempDir()
	for i := 1; i < 4; i++ {
		put(t, fmt.Sprintf("%s/releases/%d/a.yml", dir, i), ruleFile(i))
	}
	if err := os.Symlink("releases/1", dir+"/rules"); err != nil {
		t.Fatal(err)
	}
	s := newShelf(t, dir+"/rules")
	s.watch(t, nil)
	for i := 2; i < 4; i++ {
		if err := os.Symlink(fmt.Sprintf("releases/%d", i), dir+"/new"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(dir+"/new", dir+"/rules"); err != nil {
			t.Fatal(err)
		}
		s.force(t, i)
	}
	put(t, dir+"/releases/3/a.yml", ruleFile(9))
	s.force(t, 9)
}

// A file that is saved all the time is loaded all the same, and one that is saved
// as it was changes nothing.
func TestWatchDoesNotWaitForEver(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/a.yml", ruleFile(1))
	s := newShelf(t, dir)
	s.watch(t, nil)
	changed := s.Changed()
	loads := func() float64 { return testutil.ToFloat64(s.RuleBook.metrics.reloads.WithLabelValues("success")) }
	eventually(t, "the file is loaded while it is being saved", func() bool {
		put(t, dir+"/a.yml~", ruleFile(1))
		if err := os.Rename(dir+"/a.yml~", dir+"/a.yml"); err != nil {
			t.Fatal(err)
		}
		return loads() > 1
	})
	select {
	case <-changed:
		t.Error("the same content is told of as a change")
	default:
	}
}

func TestWatchReloadsWhenAsked(t *testing.T) {
	ask := make(chan os.Signal, 1)
	s := newShelf(t, "") // the shipped rules, whose files cannot change
	s.watch(t, ask)
	loads := func() float64 { return testutil.ToFloat64(s.RuleBook.metrics.reloads.WithLabelValues("success")) }
	eventually(t, "what changed before the watching is looked for", func() bool { return loads() == 1 })
	ask <- syscall.SIGHUP
	eventually(t, "the rules are loaded anew", func() bool { return loads() == 2 })
}

// storyReload changes the rules of a running crmwatch.
func storyReload(t *testing.T, w *world) {
	w.cfg.Rules.Dir = t.TempDir()
	file := filepath.Join(w.cfg.Rules.Dir, "export.yml")
	put(t, file, ruleFile(1000))
	l := w.start(t)
	post := func(id string, rows int) {
		t.Helper()
		if code, text := l.ask(t, "POST", "/v1/events", native(id, monday, rows, ""), asSender...); code != http.StatusOK {
			t.Fatalf("%d %s", code, text)
		}
	}
	post("a", 1000)
	before := l.next(t)

	put(t, file, ruleFile(100))
	old := l.Rules.Current()
	eventually(t, "the change is noticed", func() bool { return l.Rules.Current() != old })
	post("b", 100)
	after := l.next(t)
	if after.Rule.ID != before.Rule.ID || after.Rule.Version == before.Rule.Version {
		t.Errorf("the findings name the versions %s and %s", before.Rule.Version, after.Rule.Version)
	}

	put(t, file, brokenRule)
	for path, headers := range map[string][]string{"/v1/rules": nil, "/v1/rules/reload": {"Authorization", "Bearer wrong"}} {
		method := "GET"
		if headers != nil {
			method = "POST"
		}
		if code, text := l.ask(t, method, path, "", headers...); code != http.StatusUnauthorized || strings.Contains(text, "any_export") {
			t.Errorf("%s without the token: %d %s", path, code, text)
		}
	}
	code, text := l.ask(t, "POST", "/v1/rules/reload", "", asSender...)
	if code != http.StatusUnprocessableEntity || !strings.Contains(text, `export.yml:5:15: field \"rowz\" is not known`) || !strings.Contains(text, l.Rules.Current().Version()) {
		t.Errorf("a broken file is answered with %d %s", code, text)
	}
	if code, text = l.ask(t, "GET", "/readyz", ""); code != http.StatusOK || !strings.Contains(text, `"rules":"reload refused"`) {
		t.Errorf("/readyz with rules that were refused: %d %s", code, text)
	}
	if _, text = l.ask(t, "GET", "/metrics", ""); !strings.Contains(text, "\ncrmwatch_rules_reload_failed 1\n") {
		t.Error("/metrics does not say that the reload failed")
	}
	if code, text = l.ask(t, "GET", "/v1/rules", "", asSender...); code != http.StatusOK || !strings.Contains(text, `"name":"any_export"`) || !strings.Contains(text, after.Rule.Version) {
		t.Errorf("the rules are said to be %d %s", code, text)
	}
	post("c", 100)
	if c := l.next(t); c.Rule.Version != after.Rule.Version {
		t.Errorf("after the refusal the version is %s, want %s", c.Rule.Version, after.Rule.Version)
	}

	put(t, file, ruleFile(10))
	if code, text = l.ask(t, "POST", "/v1/rules/reload", "", asSender...); code != http.StatusOK || strings.Contains(text, after.Rule.Version) {
		t.Errorf("a good file is answered with %d %s", code, text)
	}
	if code, text = l.ask(t, "GET", "/readyz", ""); code != http.StatusOK || !strings.Contains(text, `"rules":"ok"`) {
		t.Errorf("/readyz with good rules again: %d %s", code, text)
	}
	w.recorded(t, l, map[string]string{before.Rule.Version: ruleFile(1000), after.Rule.Version: ruleFile(100)})
}

// recorded checks that every version that has been in force is kept, and that of
// each alert with its text. The broken file never was in force.
func (w *world) recorded(t *testing.T, l *life, texts map[string]string) {
	t.Helper()
	eventually(t, "the last version is stored", func() bool {
		l.drained(t)
		return w.query(t, "SELECT toString(count()) FROM rules")[0] == "3"
	})
	if got := w.query(t, "SELECT id FROM alerts WHERE (rule_id, rule_version) NOT IN (SELECT id, rule_version FROM rules)"); len(got) > 0 {
		t.Errorf("alerts %v name versions that are not stored", got)
	}
	for version, want := range texts {
		got := w.query(t, fmt.Sprintf("SELECT source_texts[1] FROM rules WHERE rule_version = '%s' AND first_seen < last_seen", version))
		if !slices.Equal(got, []string{want}) {
			t.Errorf("version %s is stored as %q, want %q", version, got, want)
		}
	}
}
