package app

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crmwatch/crmwatch/detect"
	"github.com/crmwatch/crmwatch/rules"
	"github.com/crmwatch/crmwatch/rules/pack"
)

// LoadRules loads the configured rules: the shipped pack where no directory is
// named. The error joins everything that is wrong, each with line and file within
// the directory.
func LoadRules(cfg Rules) (*rules.Set, error) {
	fsys, err := cfg.files()
	if err != nil {
		return nil, err
	}
	return cfg.load(fsys)
}

// files are the rule files.
func (cfg Rules) files() (fs.FS, error) {
	if cfg.Dir == "" {
		return pack.FS, nil
	}
	if info, err := os.Stat(cfg.Dir); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("rules.dir %s: there is no such directory", cfg.Dir)
	}
	return os.DirFS(cfg.Dir), nil
}

// load compiles rule files.
func (cfg Rules) load(fsys fs.FS) (*rules.Set, error) {
	set, err := rules.Load(fsys, detect.NewSchema(), rules.Options{GroupByOneOf: rules.PersonFields()})
	switch {
	case err != nil:
	case len(set.Rules()) == 0:
		// A mount that failed looks like this, and would end all detection unnoticed.
		err = errors.New("there is no rule in any *.yml or *.yaml file")
	}
	if err != nil {
		return nil, &RulesError{Where: cmp.Or(cfg.Dir, "the shipped pack"), Reasons: reasons(err)}
	}
	return set, nil
}

// RulesError says why rules were refused: everything that is wrong with them.
type RulesError struct {
	Where   string
	Reasons []error
}

func (e *RulesError) Error() string { return fmt.Sprintf("rules in %s:\n%v", e.Where, e.Unwrap()) }

// Unwrap joins the reasons.
func (e *RulesError) Unwrap() error { return errors.Join(e.Reasons...) }

// reasons takes joined errors apart.
func reasons(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// RuleBook holds the rules that are in force. They are replaced as a whole or not
// at all: rules that cannot be loaded leave those before them in force. It is safe
// for concurrent use.
type RuleBook struct {
	cfg     Rules
	log     *slog.Logger
	metrics *ruleMetrics
	now     func() time.Time
	tell    func(refused error)

	current atomic.Pointer[rules.Set]

	mu      sync.Mutex        // guards what is below, and makes reloads one after the other
	content [sha256.Size]byte // of the files of the rules in force
	refused string            // why the last reload was refused, to log it once
	changed chan struct{}
	loaded  time.Time
}

// RuleBookDeps are what a RuleBook uses of its surroundings.
type RuleBookDeps struct {
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Now        func() time.Time
	// Tell, where set, is told after each load why it was refused, nil if it was not.
	Tell func(refused error)
}

// NewRuleBook loads the rules for the first time, where every mistake is an
// error: there are no rules before that could stay in force.
func NewRuleBook(cfg Rules, deps RuleBookDeps) (*RuleBook, error) {
	b := &RuleBook{cfg: cfg, log: deps.Logger, now: deps.Now, tell: deps.Tell, changed: make(chan struct{})}
	if b.tell == nil {
		b.tell = func(error) {}
	}
	set, content, err := b.load()
	if err != nil {
		return nil, err
	}
	b.metrics = newRuleMetrics(deps.Registerer)
	b.putInForce(set, content)
	return b, nil
}

// Current are the rules in force. They never change; ask again for newer ones.
func (b *RuleBook) Current() *rules.Set { return b.current.Load() }

// Loaded is when the rules in force were loaded.
func (b *RuleBook) Loaded() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.loaded
}

// Changed returns a channel that is closed when the rules that are in force now
// have been replaced.
func (b *RuleBook) Changed() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.changed
}

// Reload loads the rules anew. The error says why they were refused; those before
// them are then still in force.
func (b *RuleBook) Reload() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	set, content, err := b.load()
	b.metrics.count(err)
	b.tell(err)
	if err != nil {
		b.refuse(err)
		return err
	}
	before := b.Current()
	if content != b.content {
		b.putInForce(set, content)
	} else if b.refused == "" {
		return nil // a file was saved as it was
	}
	b.refused = ""
	b.log.Info("rules are reloaded", "version", b.Current().Version(), "before", before.Version(), "rules", len(set.Rules()), "correlations", len(set.Correlations()))
	return nil
}

// load loads the rules, and says what content of files they were made of. A file
// that changes in between is one that whoever watches will load once more.
func (b *RuleBook) load() (*rules.Set, [sha256.Size]byte, error) {
	fsys, err := b.cfg.files()
	if err != nil {
		return nil, [sha256.Size]byte{}, err
	}
	content, err := contentOf(fsys)
	if err != nil {
		return nil, content, fmt.Errorf("rules.dir %s: %w", b.cfg.Dir, err)
	}
	set, err := b.cfg.load(fsys)
	return set, content, err
}

// contentOf is a hash of all files that rules may be read from.
func contentOf(fsys fs.FS) (sum [sha256.Size]byte, err error) {
	h := sha256.New()
	err = fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name != "." && strings.HasPrefix(d.Name(), ".") && d.IsDir():
			return fs.SkipDir
		case !slices.Contains([]string{".yml", ".yaml", ".csv"}, path.Ext(name)):
			return nil
		}
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		fmt.Fprintf(h, "%q %d ", name, len(data))
		h.Write(data)
		return nil
	})
	if err != nil {
		return sum, fmt.Errorf("read rules: %w", err)
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}

// putInForce replaces the rules; b.mu is held, but for the first time.
func (b *RuleBook) putInForce(set *rules.Set, content [sha256.Size]byte) {
	b.current.Store(set)
	b.content, b.loaded = content, b.now()
	b.metrics.inForce(set, b.loaded)
	close(b.changed)
	b.changed = make(chan struct{})
}

// maxLogged bounds the reasons in the log: a thousand rules can be wrong in one
// and the same way.
const maxLogged = 20

// refuse logs why rules were refused, all in one line, and once: whoever watches
// the directory reports a mistake as often as its file is saved.
func (b *RuleBook) refuse(err error) {
	if b.refused == err.Error() {
		return
	}
	b.refused = err.Error()
	all := []error{err}
	if r := (*RulesError)(nil); errors.As(err, &r) {
		all = r.Reasons
	}
	texts := make([]string, 0, min(len(all), maxLogged))
	for _, reason := range all[:min(len(all), maxLogged)] {
		texts = append(texts, reason.Error())
	}
	b.log.Error("rules are refused, those before them stay in force", "in_force", b.Current().Version(), "reasons", texts, "more", len(all)-len(texts))
}

// ruleMetrics say which rules are in force.
type ruleMetrics struct {
	failed  prometheus.Gauge
	reloads *prometheus.CounterVec
	loaded  prometheus.Gauge
	info    *prometheus.GaugeVec
}

func newRuleMetrics(reg prometheus.Registerer) *ruleMetrics {
	m := &ruleMetrics{
		failed:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "crmwatch_rules_reload_failed", Help: "1 if the last reload of the rules was refused, so that those before it are still in force."}),
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "crmwatch_rules_reloads_total", Help: "Reloads of the rules, by result: success or failure."}, []string{"result"}),
		loaded:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "crmwatch_rules_loaded_timestamp_seconds", Help: "When the rules in force were loaded, in seconds since 1970."}),
		info:    prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "crmwatch_rules_info", Help: "Always 1; the label says which version of the rules is in force."}, []string{"version"}),
	}
	reg.MustRegister(m.failed, m.reloads, m.loaded, m.info)
	return m
}

func (m *ruleMetrics) count(err error) {
	if err != nil {
		m.failed.Set(1)
		m.reloads.WithLabelValues("failure").Inc()
		return
	}
	m.failed.Set(0)
	m.reloads.WithLabelValues("success").Inc()
}

func (m *ruleMetrics) inForce(set *rules.Set, at time.Time) {
	m.loaded.Set(float64(at.UnixMilli()) / 1000)
	m.info.Reset()
	m.info.WithLabelValues(set.Version()).Set(1)
}
