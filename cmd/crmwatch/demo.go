package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/crmwatch/crmwatch/alert"
	"github.com/crmwatch/crmwatch/internal/app"
	"github.com/crmwatch/crmwatch/simulate"
)

// demoCmd plays a company through the real parts, on data of its own.
type demoCmd struct {
	Seed   uint64        `help:"The same seed makes the same company." default:"1"`
	People int           `help:"How many work there." default:"400"`
	Days   int           `help:"Days of history before the day that is played." default:"28"`
	Speed  float64       `help:"Seconds of the day that pass in one second; 0 plays as fast as it goes." default:"1440"`
	For    time.Duration `help:"How much of the day is played." default:"24h"`
	JSON   bool          `help:"Print the result as JSON, and nothing else."`
	Dir    string        `help:"Keep the data in this directory, which must be empty; by default it is deleted in the end." placeholder:"DIR"`
}

func (d demoCmd) Run(c *cli) error {
	if d.Speed < 0 || d.For <= 0 || d.People < simulate.MinPeople || d.Days < 1 {
		return fmt.Errorf("--speed must not be negative, --for and --days must be positive, and --people at least %d", simulate.MinPeople)
	}
	cfg, err := d.config(c)
	if err != nil {
		return err
	}
	cleanup, err := d.prepareDir(&cfg)
	if err != nil {
		return err
	}
	defer cleanup()
	ctx, stop := signalled()
	defer stop()
	res, err := d.play(ctx, cfg, d.sink(), teller{os.Stdout, d.JSON})
	if err != nil {
		return err
	}
	if err := d.report(os.Stdout, res); err != nil {
		return err
	}
	if len(res.Missed) > 0 {
		return errSilent
	}
	return nil
}

// config is the user's, but for what would mix the demo with real data.
func (d demoCmd) config(c *cli) (app.Config, error) {
	cfg, err := c.load()
	if err != nil {
		return cfg, err
	}
	defaults := app.Default()
	library := cfg.ClickHouse.Library
	cfg.Kafka, cfg.ClickHouse, cfg.Roster, cfg.HTTP = defaults.Kafka, defaults.ClickHouse, defaults.Roster, app.HTTP{}
	cfg.ClickHouse.Library = library
	return cfg, nil
}

func (d demoCmd) prepareDir(cfg *app.Config) (cleanup func(), err error) {
	if d.Dir == "" {
		cfg.DataDir, err = os.MkdirTemp("", "crmwatch-demo-")
		if err != nil {
			return nil, fmt.Errorf("make data directory: %w", err)
		}
		return func() { _ = os.RemoveAll(cfg.DataDir) }, nil
	}
	if entries, err := os.ReadDir(d.Dir); err == nil && len(entries) > 0 {
		return nil, fmt.Errorf("--dir %s is not empty: the demo wants a directory of its own", d.Dir)
	}
	cfg.DataDir, err = filepath.Abs(d.Dir)
	if err != nil {
		return nil, fmt.Errorf("--dir: %w", err)
	}
	return func() {}, nil
}

func (d demoCmd) play(ctx context.Context, cfg app.Config, sink alert.Sink, say teller) (*app.DemoResult, error) {
	company := simulate.New(simulate.Config{Seed: d.Seed, People: d.People, Days: d.Days, Now: lastWorkday(time.Now())})
	cfg.Tenant = company.Tenant()
	demo := &app.Demo{Company: company, Speed: d.Speed, For: min(d.For, company.End().Sub(company.Start())), Began: time.Now(), Say: say.line}
	say.line("Starting an embedded Kafka and ClickHouse.")
	p, err := start(ctx, cfg, quiet(cfg.Log), options{sink: sink, onSent: demo.Sent, clock: demo.Clock})
	if err != nil {
		return nil, err
	}
	demo.App = p.app
	say.line("%d people in four CRMs; reading the %d days before %s.", len(company.Roster()), d.Days, company.Start().In(headquarters).Format("Monday, 2 January 2006"))
	var res *app.DemoResult
	err = alongside(ctx, p.app, p.app.Run, func(ctx context.Context, _ *app.App) (err error) {
		res, err = demo.Run(ctx)
		return err
	})
	return res, errors.Join(err, p.close())
}

// headquarters is where the simulated company's day begins, in Shanghai.
var headquarters = time.FixedZone("CST", 8*60*60)

// lastWorkday is the last Monday to Friday that is over at headquarters: no event
// of it is ahead of the clock, and an office day is what the demo wants to show.
func lastWorkday(now time.Time) time.Time {
	day := now.In(headquarters).AddDate(0, 0, -1)
	for day.Weekday() == time.Saturday || day.Weekday() == time.Sunday {
		day = day.AddDate(0, 0, -1)
	}
	return day
}

// sink draws the alerts, or in JSON prints nothing: the result has them.
func (d demoCmd) sink() alert.Sink {
	if d.JSON {
		return silent{}
	}
	return newTerminal(os.Stdout)
}

// silent takes every message and shows none.
type silent struct{}

func (silent) Name() string                                           { return "none" }
func (silent) Send(context.Context, alert.Message) (alert.Ref, error) { return alert.Ref{}, nil }
func (silent) Update(context.Context, alert.Ref, alert.Message) error { return nil }

// teller says what happens, unless the output is for a machine.
type teller struct {
	w    io.Writer
	mute bool
}

func (t teller) line(format string, args ...any) {
	if !t.mute {
		fmt.Fprintf(t.w, "▸ "+format+"\n", args...)
	}
}

// verdict is the result as --json prints it.
type verdict struct {
	Seed             uint64          `json:"seed"`
	Planted          int             `json:"planted"`
	Found            int             `json:"found"`
	FalseAlerts      int             `json:"false_alerts"`
	Alerts           int             `json:"alerts"`
	HistoryEvents    int64           `json:"history_events"`
	HistorySeconds   float64         `json:"history_seconds"`
	PlayedEvents     int64           `json:"played_events"`
	RejectedRecords  int64           `json:"rejected_records"`
	FirstAlertSecond float64         `json:"first_alert_seconds"`
	DelayP50         float64         `json:"event_to_alert_p50_seconds"`
	DelayP99         float64         `json:"event_to_alert_p99_seconds"`
	Incidents        []incidentFound `json:"incidents"`
}

type incidentFound struct {
	ID    string    `json:"id"`
	Kind  string    `json:"kind"`
	Title string    `json:"title"`
	Who   string    `json:"who"` // the person's id
	Name  string    `json:"name"`
	At    time.Time `json:"at"`
	Found bool      `json:"found"`
	Rule  string    `json:"rule,omitempty"`
	Delay float64   `json:"event_to_alert_seconds,omitempty"`
}

func (d demoCmd) verdict(r *app.DemoResult) verdict {
	v := verdict{
		Seed: d.Seed, Planted: len(r.Found) + len(r.Missed), Found: len(r.Found), FalseAlerts: len(r.False), Alerts: len(r.True) + len(r.False),
		HistoryEvents: r.History, HistorySeconds: r.Loading.Seconds(), PlayedEvents: r.Played, RejectedRecords: r.Rejected,
		FirstAlertSecond: r.FirstAlert.Seconds(), DelayP50: r.Quantile(0.50).Seconds(), DelayP99: r.Quantile(0.99).Seconds(),
	}
	for _, m := range r.Missed {
		v.Incidents = append(v.Incidents, planted(m, r.Names))
	}
	for _, f := range r.Found {
		i := planted(f.Incident, r.Names)
		i.Found, i.Rule, i.Delay = true, f.Alert.Rule, r.Delays[f.Alert.ID].Seconds()
		v.Incidents = append(v.Incidents, i)
	}
	slices.SortFunc(v.Incidents, func(a, b incidentFound) int { return a.At.Compare(b.At) })
	return v
}

func planted(i simulate.Incident, names map[string]string) incidentFound {
	return incidentFound{ID: i.ID, Kind: i.Kind, Title: i.Title, Who: i.Person, Name: names[i.Person], At: i.First}
}

func (d demoCmd) report(w io.Writer, r *app.DemoResult) error {
	v := d.verdict(r)
	if d.JSON {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(v)
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "AT\tPLANTED\tFOUND BY\tEVENT TO ALERT\tWHO")
	for _, i := range v.Incidents {
		by, delay := "NOT FOUND", ""
		if i.Found {
			by, delay = i.Rule, fmt.Sprintf("%.0f ms", 1000*i.Delay)
		}
		// The name comes last: Chinese characters are wider than a column counts them.
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s %s\n", i.At.In(headquarters).Format("15:04"), i.Title, by, delay, i.Who, i.Name)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("print the result: %w", err)
	}
	_, err := fmt.Fprintf(w, "\n%d of %d planted incidents found · %d false alerts of %d · first alert %.0f s after the start · event to alert p50 %.0f ms, p99 %.0f ms · seed %d\n",
		v.Found, v.Planted, v.FalseAlerts, v.Alerts, v.FirstAlertSecond, 1000*v.DelayP50, 1000*v.DelayP99, d.Seed)
	return err
}
