package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/crmwatch/crmwatch/ingest"
	"github.com/crmwatch/crmwatch/internal/app"
)

// ingestCmd takes in files. Where a crmwatch runs on the data directory it hands
// them to that one; otherwise it runs every stage itself until all is done.
type ingestCmd struct {
	Files  []string `arg:"" name:"file" help:"Files to take in, - for standard input; gzip is fine."`
	Tenant string   `help:"Tenant of the events; the configured one if empty." placeholder:"NAME"`
	NoWait bool     `help:"Return as soon as Kafka has everything, without waiting until it is judged and stored."`
}

func (cmd ingestCmd) Run(c *cli) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	if cmd.Tenant != "" {
		cfg.Tenant = cmd.Tenant
		if problems := cfg.Validate(); len(problems) > 0 {
			return fmt.Errorf("--tenant %s", problems[0].Msg)
		}
	}
	ctx, stop := signalled()
	defer stop()
	return attach(ctx, cfg, cmd.ingest)
}

// attach calls work with a connected App whose stages run: in this process, or
// in the one that has the data directory.
func attach(ctx context.Context, cfg app.Config, work func(context.Context, *app.App) error) error {
	log := quiet(cfg.Log)
	elsewhere := len(cfg.Kafka.Brokers) > 0
	var p *process
	err := errInUse
	if !elsewhere {
		cfg.HTTP.Listen = "" // the process lives for one job only
		p, err = start(ctx, cfg, log, options{})
	}
	switch {
	case elsewhere:
		return follow(ctx, cfg, log, work)
	case errors.Is(err, errInUse):
		e, err := awaitServers(ctx, cfg.DataDir)
		if err != nil {
			return err
		}
		e.apply(&cfg)
		return follow(ctx, cfg, log, work)
	case err != nil:
		return err
	}
	return errors.Join(alongside(ctx, p.app, p.app.Run, work), p.close())
}

// follow works beside a crmwatch that runs elsewhere.
func follow(ctx context.Context, cfg app.Config, log *slog.Logger, work func(context.Context, *app.App) error) error {
	a, err := connect(ctx, cfg, log, options{})
	if err != nil {
		return err
	}
	return errors.Join(alongside(ctx, a, a.FollowRoster, work), a.Close())
}

// alongside runs work while background runs, and ends each when the other ends.
// Work begins when the roster is known, which background has to follow.
func alongside(ctx context.Context, a *app.App, background func(context.Context) error, work func(context.Context, *app.App) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		defer cancel()
		done <- background(ctx)
	}()
	err := a.RosterKnown(ctx)
	if err == nil {
		err = work(ctx, a)
	}
	cancel()
	if bg := <-done; bg != nil {
		// Work that was cut short only says so; the reason is the background's.
		return bg
	}
	return err
}

// patience is how long an ingest waits in silence for the stages behind it.
const patience = 5 * time.Second

func (cmd ingestCmd) ingest(ctx context.Context, a *app.App) error {
	show := ingest.NewProgress(os.Stderr, term.IsTerminal(int(os.Stderr.Fd())))
	var failed bool
	for _, path := range cmd.Files {
		s, err := a.Pipeline.IngestFile(ctx, path, show.Show)
		if err == nil || s.Read > 0 {
			fmt.Print(report(path, s))
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "crmwatch:", err)
			failed = true
		}
		if ctx.Err() != nil {
			fmt.Fprintln(os.Stderr, "crmwatch: interrupted; what is reported above is safe, and taking in the same files again makes nothing twice")
			return errSilent
		}
	}
	if !cmd.NoWait {
		notice := time.AfterFunc(patience, func() {
			fmt.Fprintln(os.Stderr, "crmwatch: Kafka has everything; waiting until a running crmwatch has judged and stored it (--no-wait does not)")
		})
		defer notice.Stop()
		if err := a.Drained(ctx); err != nil {
			return fmt.Errorf("everything is in Kafka, but not yet judged and stored: %w", err)
		}
	}
	if failed {
		return errSilent
	}
	return nil
}

// report says in a few lines what became of a file.
func report(path string, s ingest.Summary) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d records, %d accepted, %d rejected in %.1f s\n", path, s.Read, s.Accepted, s.RejectedTotal(), s.Elapsed.Seconds())
	for _, reason := range slices.Sorted(maps.Keys(s.Rejected)) {
		fmt.Fprintf(&b, "  rejected %s: %d\n", reason, s.Rejected[reason])
	}
	for _, r := range s.First {
		fmt.Fprintf(&b, "    %s: %s\n", path, r)
	}
	if n := s.RejectedTotal(); n > 0 {
		if more := n - int64(len(s.First)); more > 0 {
			fmt.Fprintf(&b, "    and %d more\n", more)
		}
		fmt.Fprintf(&b, "  what was rejected is kept whole, with place and reason, as dead letters\n")
	}
	for _, typ := range slices.Sorted(maps.Keys(s.Other)) {
		fmt.Fprintf(&b, "  no action known for type %q: %d, kept as \"other\"\n", typ, s.Other[typ])
	}
	return b.String()
}

// quiet is a logger for commands that talk to a person: warnings only, unless
// more was asked for.
func quiet(cfg app.Log) *slog.Logger {
	if cfg.Level == app.Default().Log.Level {
		cfg.Level = "warn"
	}
	return newLogger(cfg, os.Stderr)
}
