package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crmwatch/crmwatch/detect"
	"github.com/crmwatch/crmwatch/detect/backtest"
	"github.com/crmwatch/crmwatch/internal/stream"
	"github.com/crmwatch/crmwatch/roster"
	"github.com/crmwatch/crmwatch/rules"
	"github.com/crmwatch/crmwatch/rules/vary"
	"github.com/crmwatch/crmwatch/store"
)

// Backtest is what is to be run over the history in ClickHouse, which it only
// reads.
type Backtest struct {
	// Rule is the name or the id of a rule; all rules where it is empty.
	Rule string
	// From belongs to the period, To does not. Days are those of From's time zone.
	From, To time.Time
	// WarmUp is how long before From the events begin; negative for as long as the
	// rules need.
	WarmUp time.Duration
	// Vary is what to vary of the rule, and Values are what it is to be, see package
	// vary; nothing where it is empty.
	Vary   string
	Values []string
	// Progress, where set, is told now and then how many of how many events have
	// been judged, and up to which time.
	Progress func(done, total int64, at time.Time)

	set  *rules.Set
	rule *rules.Meta // nil for all rules
	runs []*backtestRun
}

// backtestRun is one form of the rules under way.
type backtestRun struct {
	name string
	set  *rules.Set
	*backtest.Run
}

// BacktestReport is what came of a Backtest.
type BacktestReport struct {
	Rule string    `json:"rule,omitempty"`
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// Begun is where the events begin, so that windows are filled at From.
	Begun  time.Time `json:"begun"`
	Events int64     `json:"events"`
	// Compared is how many alerts were compared with: those that are stored of the
	// period, of the rule or of all rules.
	Compared int              `json:"compared"`
	Variants []BacktestResult `json:"variants"`
}

// BacktestResult is what one form of the rules found.
type BacktestResult struct {
	Name    string `json:"name,omitempty"` // "threshold=10"
	Version string `json:"version"`        // of the rule, or of the set
	backtest.Outcome

	hits []backtest.Hit
}

// Load loads the rules, in every form in which they are to be run. It needs no
// store, so that mistakes are told before anything is started.
func (b *Backtest) Load(cfg Rules) error {
	if !b.From.Before(b.To) {
		return fmt.Errorf("the period ends at %s, which is not after it begins, at %s", b.To.Format(time.RFC3339), b.From.Format(time.RFC3339))
	}
	fsys, err := cfg.files()
	if err != nil {
		return err
	}
	if b.set, err = cfg.load(fsys); err != nil {
		return err
	}
	if b.Rule != "" {
		if b.rule, err = alerting(b.set, b.Rule); err != nil {
			return err
		}
	}
	if b.Vary == "" {
		b.add("", b.set)
		return nil
	}
	return b.loadVaried(cfg, fsys)
}

func (b *Backtest) loadVaried(cfg Rules, fsys fs.FS) error {
	if b.rule == nil {
		return errors.New("only a rule can be varied, not all of them; name one")
	}
	for _, value := range b.Values {
		varied, err := vary.Files(fsys, b.rule, b.Vary, value)
		if err != nil {
			return err
		}
		set, err := cfg.load(varied)
		if err != nil {
			return fmt.Errorf("%s=%s: %w", b.Vary, value, err)
		}
		b.add(b.Vary+"="+value, set)
	}
	return nil
}

func (b *Backtest) add(name string, set *rules.Set) {
	if b.rule != nil {
		set = set.Only(b.rule.ID)
	}
	b.runs = append(b.runs, &backtestRun{name: name, set: set})
}

// alerting finds the rule that a name or an id means, which has to make alerts.
func alerting(set *rules.Set, name string) (*rules.Meta, error) {
	for _, r := range set.Rules() {
		if r.Name != name && r.ID != strings.ToLower(name) {
			continue
		}
		switch {
		case !r.Applies:
			return nil, fmt.Errorf("the rule %q is for another product and matches no event of crmwatch", name)
		case !r.Alerts:
			return nil, fmt.Errorf("the rule %q makes no alerts of its own; name the correlation that measures it: %s", name, strings.Join(measuring(set, r.ID), ", "))
		}
		return &r.Meta, nil
	}
	for _, c := range set.Correlations() {
		if c.Name != name && c.ID != strings.ToLower(name) {
			continue
		}
		if !c.Alerts {
			return nil, fmt.Errorf("the correlation %q makes no alerts of its own; name the one that measures it: %s", name, strings.Join(measuring(set, c.ID), ", "))
		}
		return &c.Meta, nil
	}
	return nil, fmt.Errorf("there is no rule %q, nor a directory of that name; crmwatch rules list --json lists all rules", name)
}

// measuring lists the names of the correlations that measure a rule.
func measuring(set *rules.Set, id string) (names []string) {
	for _, c := range set.Correlations() {
		for _, in := range c.Inputs {
			if in.Rule != nil && in.Rule.ID == id || in.Correlation != nil && in.Correlation.ID == id {
				names = append(names, c.Name)
			}
		}
	}
	return names
}

// Run judges the events of the period, once and in the order of their time, by
// every form of the rules. Load comes first.
func (b *Backtest) Run(ctx context.Context, cfg Config, log *slog.Logger) (*BacktestReport, error) {
	db, err := openStore(cfg.ClickHouse, log, prometheus.NewRegistry())
	if err != nil {
		return nil, err
	}
	defer db.Close()
	if err := b.begin(ctx, cfg, db); err != nil {
		return nil, err
	}
	report := &BacktestReport{From: b.From, To: b.To, Begun: b.From.Add(-b.warmUp())}
	if b.rule != nil {
		report.Rule = b.rule.Name
	}
	if report.Events, err = b.judge(ctx, db, store.Period{From: report.Begun, To: b.To}); err != nil {
		return nil, err
	}
	others, err := b.stored(ctx, db)
	if err != nil {
		return nil, err
	}
	report.Compared = len(others)
	for _, r := range b.runs {
		hits := b.counting(r.Hits())
		report.Variants = append(report.Variants, BacktestResult{
			Name: r.name, Version: b.version(r.set), Outcome: backtest.Tally(hits, others, b.From, b.To), hits: hits,
		})
	}
	return report, nil
}

// begin prepares the runs, with the people as they are known now.
func (b *Backtest) begin(ctx context.Context, cfg Config, db *store.DB) error {
	people, err := peopleOf(ctx, cfg, db)
	if err != nil {
		return err
	}
	for _, r := range b.runs {
		r.Run = backtest.New(cfg.Detect.engine(), r.set, people)
	}
	return nil
}

// peopleOf is the roster in the store.
func peopleOf(ctx context.Context, cfg Config, db *store.DB) (*roster.Book, error) {
	defaults, err := cfg.Roster.defaults()
	if err != nil {
		return nil, fmt.Errorf("roster defaults: %w", err)
	}
	book, err := roster.NewBook(defaults, roster.Deps{Registerer: prometheus.NewRegistry()})
	if err != nil {
		return nil, fmt.Errorf("prepare roster: %w", err)
	}
	var recs []stream.Record
	for p, err := range db.People(ctx) {
		if err != nil {
			return nil, err
		}
		rec, err := p.Record()
		if err != nil {
			return nil, err
		}
		recs = append(recs, rec)
	}
	if err := book.Apply(recs...); err != nil {
		return nil, fmt.Errorf("read people: %w", err)
	}
	return book, nil
}

func (b *Backtest) warmUp() time.Duration {
	if b.WarmUp >= 0 {
		return b.WarmUp
	}
	var longest time.Duration
	for _, r := range b.runs {
		longest = max(longest, backtest.WarmUp(r.set))
	}
	return longest
}

// tellEvery is after how many events progress is told.
const tellEvery = 5_000

func (b *Backtest) judge(ctx context.Context, db *store.DB, p store.Period) (done int64, err error) {
	days, err := db.EventDays(ctx, p)
	if err != nil {
		return 0, err
	}
	total := int64(0)
	for _, d := range days {
		total += d.Events
	}
	for e, err := range db.Events(ctx, days, b.readsRaw()) {
		if err != nil {
			return done, err
		}
		for _, r := range b.runs {
			r.Apply(e.Partition, &e.Event)
		}
		if done++; b.Progress != nil && (done%tellEvery == 0 || done == total) {
			b.Progress(done, total, e.Time)
		}
	}
	return done, nil
}

// readsRaw reports whether a rule looks into raw records.
func (b *Backtest) readsRaw() bool {
	raw, _ := detect.NewSchema().Field("raw")
	for _, r := range b.runs {
		if r.set.Uses(raw) || r.set.Keywords() {
			return true
		}
	}
	return false
}

// counting leaves the alerts that were asked for: what a rule measures may make
// alerts, too.
func (b *Backtest) counting(hits []backtest.Hit) []backtest.Hit {
	var out []backtest.Hit
	for _, h := range hits {
		if b.rule == nil || h.RuleID == b.rule.ID {
			out = append(out, h)
		}
	}
	return out
}

// stored are the alerts of the period that are stored, as they were told live.
func (b *Backtest) stored(ctx context.Context, db *store.DB) ([]backtest.Hit, error) {
	var hits []backtest.Hit
	for f, err := range db.AlertsOf(ctx, store.Period{From: b.From, To: b.To}) {
		if err != nil {
			return nil, err
		}
		hits = append(hits, backtest.HitOf(&f))
	}
	return b.counting(hits), nil
}

// version is that of the rule in a set, or of the set.
func (b *Backtest) version(set *rules.Set) string {
	for _, m := range set.Metas() {
		if b.rule != nil && m.ID == b.rule.ID {
			return m.Version
		}
	}
	return set.Version()
}
