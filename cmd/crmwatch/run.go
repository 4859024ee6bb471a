package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/crmwatch/crmwatch/alert"
	"github.com/crmwatch/crmwatch/internal/app"
)

const clickhouseStopWithin = 15 * time.Second

// runCmd runs every stage until it is told to stop.
type runCmd struct{}

func (runCmd) Run(c *cli) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	log := newLogger(cfg.Log, os.Stderr)
	ctx, stop := signalled()
	defer stop()
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	p, err := start(ctx, cfg, log, options{reload: hangup})
	if err != nil {
		return err
	}
	log.Info("crmwatch is running", "version", version, "data_dir", cfg.DataDir)
	err = p.app.Run(ctx)
	log.Info("crmwatch is stopping")
	return errors.Join(err, p.close())
}

// signalled is a context that ends with the first SIGINT or SIGTERM; the second
// one kills.
func signalled() (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// process is a crmwatch with its servers, ready to run.
type process struct {
	app     *app.App
	servers *servers
}

// options are what a command wants otherwise than the configuration has it.
type options struct {
	sink   alert.Sink // nil for the configured one
	onSent func(alert.Finding, time.Time)
	clock  func() time.Time // nil for the time of day
	reload <-chan os.Signal // asks for the rules to be loaded anew; nil for never
}

// start starts the embedded servers that the configuration asks for and
// connects to what it names.
func start(ctx context.Context, cfg app.Config, log *slog.Logger, o options) (*process, error) {
	p := &process{}
	fail := func(err error) (*process, error) { return nil, errors.Join(err, p.close()) }
	var err error
	if p.servers, err = startServers(ctx, &cfg, log); err != nil {
		return fail(err)
	}
	if p.app, err = connect(ctx, cfg, log, o); err != nil {
		return fail(err)
	}
	return p, nil
}

func connect(ctx context.Context, cfg app.Config, log *slog.Logger, o options) (*app.App, error) {
	if o.sink == nil {
		var err error
		if o.sink, err = newSink(cfg.Alert.Slack, log); err != nil {
			return nil, fmt.Errorf("prepare Slack: %w", err)
		}
	}
	if o.clock == nil {
		o.clock = time.Now
	}
	a, err := app.New(cfg, app.Deps{Logger: log, Registry: newRegistry(), Sink: o.sink, OnSent: o.onSent, Now: time.Now, Clock: o.clock, Reload: o.reload})
	if err != nil {
		return nil, err
	}
	if err := a.Connect(ctx); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

func (p *process) close() error {
	var errs []error
	if p.app != nil {
		errs = append(errs, p.app.Close())
	}
	if p.servers != nil {
		errs = append(errs, p.servers.close())
	}
	return errors.Join(errs...)
}

func newRegistry() *prometheus.Registry {
	reg := prometheus.NewRegistry()
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "crmwatch_build_info", Help: "Always 1; the label says which version runs.", ConstLabels: prometheus.Labels{"version": version}})
	build.Set(1)
	reg.MustRegister(build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return reg
}

func newLogger(cfg app.Log, w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.Level)); err != nil {
		level = slog.LevelInfo
	}
	o := &slog.HandlerOptions{Level: level}
	if cfg.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}
