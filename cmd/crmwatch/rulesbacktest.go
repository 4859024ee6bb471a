package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/crmwatch/crmwatch/internal/app"
)

// rulesBacktestCmd runs rules over the events that are stored.
type rulesBacktestCmd struct {
	What   string        `arg:"" name:"rule|dir" help:"Name or id of a rule, or a directory of rules to run them all."`
	From   string        `required:"" help:"Where the period begins: a day, or a time as in RFC 3339." placeholder:"2026-09-01"`
	To     string        `help:"Where it ends; a day is taken whole, and without it all that there is." placeholder:"2026-09-30"`
	Rules  string        `help:"Directory that the rule is in; without it that of the configuration." placeholder:"DIR"`
	Vary   string        `help:"Try the rule with other numbers: threshold, timespan, or a comparison such as gte." placeholder:"threshold=10,20,50"`
	WarmUp time.Duration `help:"How long before the period the events begin, so that windows are filled; without it as long as the rules need." default:"-1s" placeholder:"DURATION"`
	JSON   bool          `help:"Print the report as JSON."`
}

func (r rulesBacktestCmd) Run(c *cli) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	b, err := r.plan(&cfg)
	if err != nil {
		return err
	}
	if err := b.Load(cfg.Rules); err != nil {
		return err
	}
	ctx, stop := signalled()
	defer stop()
	log := quiet(cfg.Log)
	show := &backtestProgress{w: os.Stderr, tty: term.IsTerminal(int(os.Stderr.Fd())), now: time.Now, began: time.Now()}
	b.Progress = show.tell
	var report *app.BacktestReport
	err = withStore(ctx, cfg, log, func(cfg app.Config) (err error) {
		report, err = b.Run(ctx, cfg, log)
		return err
	})
	show.end()
	switch {
	case ctx.Err() != nil:
		return errors.New("the backtest was interrupted; it changes nothing, so it can be run again")
	case err != nil:
		return err
	case r.JSON:
		return printJSON(os.Stdout, report)
	default:
		return printBacktest(os.Stdout, report)
	}
}

// plan is the backtest that was asked for. It sets the directory of the rules.
func (r rulesBacktestCmd) plan(cfg *app.Config) (*app.Backtest, error) {
	b := &app.Backtest{Rule: r.What, WarmUp: r.WarmUp}
	if r.Rules != "" {
		cfg.Rules.Dir = r.Rules
	}
	if info, err := os.Stat(r.What); err == nil && info.IsDir() {
		if r.Rules != "" {
			return nil, fmt.Errorf("%s is a directory, and --rules names another; give the name of a rule, or leave --rules out", r.What)
		}
		b.Rule, cfg.Rules.Dir = "", r.What
	}
	if err := r.period(b, cfg.Roster.TimeZone); err != nil {
		return nil, err
	}
	return b, r.variants(b)
}

// period sets the period, by the days of the configured time zone.
func (r rulesBacktestCmd) period(b *app.Backtest, name string) error {
	zone, err := time.LoadLocation(name)
	if err != nil {
		return fmt.Errorf("roster.time_zone: %w", err)
	}
	if b.From, err = moment("--from", r.From, zone, 0); err != nil {
		return err
	}
	if r.To == "" {
		b.To = time.Now().In(zone)
		return nil
	}
	b.To, err = moment("--to", r.To, zone, 1)
	return err
}

// variants sets what is varied.
func (r rulesBacktestCmd) variants(b *app.Backtest) error {
	if r.Vary == "" {
		return nil
	}
	what, values, ok := strings.Cut(r.Vary, "=")
	if !ok || what == "" || values == "" {
		return fmt.Errorf("--vary %q: write what to vary and the values, as in threshold=10,20,50", r.Vary)
	}
	b.Vary = what
	for v := range strings.SplitSeq(values, ",") {
		b.Values = append(b.Values, strings.TrimSpace(v))
	}
	return nil
}

// moment reads a time, or a day in the zone, of which the end is meant where it is
// days later.
func moment(flag, text string, zone *time.Location, days int) (time.Time, error) {
	if t, err := time.ParseInLocation(time.DateOnly, text, zone); err == nil {
		return t.AddDate(0, 0, days), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, fmt.Errorf("%s %q is neither a day, as 2026-09-01, nor a time, as 2026-09-01T08:30:00+08:00", flag, text)
	}
	return t.In(zone), nil
}

// backtestProgress tells how far a backtest is: on a terminal in one line that is
// rewritten, elsewhere in a line now and then.
type backtestProgress struct {
	w     io.Writer
	tty   bool
	now   func() time.Time
	began time.Time
	told  time.Time
}

func (p *backtestProgress) tell(done, total int64, at time.Time) {
	now, every := p.now(), 5*time.Second
	if p.tty {
		every = 200 * time.Millisecond
	}
	if now.Sub(p.began) < every || now.Sub(p.told) < every {
		return
	}
	p.told = now
	took := now.Sub(p.began)
	left := time.Duration(float64(took) / float64(done) * float64(total-done))
	line := fmt.Sprintf("%s: %d of %d events (%d %%), %.0f events/s, %s left",
		at.UTC().Format(time.DateOnly), done, total, done*100/max(total, 1), float64(done)/took.Seconds(), left.Round(time.Second))
	if p.tty {
		fmt.Fprintf(p.w, "\r\x1b[K%s", line)
		return
	}
	fmt.Fprintln(p.w, line)
}

// end makes room for what comes after.
func (p *backtestProgress) end() {
	if p.tty && !p.told.IsZero() {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
