// Package app joins the parts into the running program: configuration, wiring,
// life cycle and health. It knows every part; no part knows it.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/crmwatch/crmwatch/alert"
	"github.com/crmwatch/crmwatch/detect"
	"github.com/crmwatch/crmwatch/ingest"
	"github.com/crmwatch/crmwatch/ingest/catalog"
	"github.com/crmwatch/crmwatch/internal/bus"
	"github.com/crmwatch/crmwatch/roster"
	"github.com/crmwatch/crmwatch/rules/history"
)

// Deps are what the program takes from its surroundings.
type Deps struct {
	Logger   *slog.Logger
	Registry *prometheus.Registry
	// Sink takes the alerts.
	Sink alert.Sink
	// OnSent, where set, is told of every alert that was sent.
	OnSent func(f alert.Finding, at time.Time)
	Now    func() time.Time
	// Clock says when an event was collected, and how old an alert is; Now but for
	// a play of another time.
	Clock func() time.Time
	// Reload, where set, asks for the rules to be loaded anew.
	Reload <-chan os.Signal
}

// App is crmwatch: every stage, wired.
type App struct {
	Deps
	cfg    Config
	health *Health
	known  chan struct{} // closed once the roster is known

	// Rules are those in force.
	Rules    *RuleBook
	versions history.Record // of recordRules, and then of followRules alone

	// Bus, Book and Pipeline work once Connect has returned.
	Bus      *bus.Client
	Book     *roster.Book
	Pipeline *ingest.Pipeline

	events *ingest.Handler // takes events over HTTP
}

// New checks what can be checked without a connection: the rules.
func New(cfg Config, deps Deps) (*App, error) {
	a := &App{Deps: deps, cfg: cfg, health: NewHealth(deps.Logger), known: make(chan struct{})}
	var err error
	a.Rules, err = NewRuleBook(cfg.Rules, RuleBookDeps{
		Logger: deps.Logger.With("stage", "rules"), Registerer: deps.Registry, Now: deps.Now,
		Tell: func(refused error) { a.health.note(ComponentRules, refused) },
	})
	if err != nil {
		return nil, err
	}
	return a, nil
}

// Connect reaches Kafka, makes the topics that are missing and prepares what
// every command needs: the roster and the pipeline for events. It waits for
// Kafka until ctx ends.
func (a *App) Connect(ctx context.Context) error {
	client, err := a.openBus()
	if err != nil {
		return err
	}
	a.Bus = client
	if err := client.EnsureTopics(ctx, a.cfg.Kafka.topics()...); err != nil {
		return fmt.Errorf("prepare Kafka topics: %w", err)
	}
	a.health.Set(ComponentKafka, nil)
	defaults, err := a.cfg.Roster.defaults()
	if err != nil {
		return fmt.Errorf("roster defaults: %w", err)
	}
	a.Book, err = roster.NewBook(defaults, roster.Deps{Logger: a.Logger.With("stage", "roster"), Registerer: a.Registry})
	if err != nil {
		return fmt.Errorf("prepare roster: %w", err)
	}
	in := ingest.DefaultConfig(a.cfg.Tenant)
	in.OnlyTenant = a.cfg.OnlyTenant
	a.Pipeline, err = ingest.New(in, ingest.Deps{
		Formats: catalog.Formats(),
		Events:  client.Writer(a.cfg.Kafka.topic(topicEvents)), Dead: client.Writer(a.cfg.Kafka.topic(topicDead)),
		People: a.Book, Clock: a.Clock, Logger: a.Logger.With("stage", "ingest"), Registerer: a.Registry,
	})
	if err != nil {
		return fmt.Errorf("prepare ingest: %w", err)
	}
	a.events = ingest.NewHandler(a.Pipeline, ingest.HandlerConfig{Token: a.cfg.HTTP.Token.Reveal})
	return nil
}

// Close gives up the connections.
func (a *App) Close() error {
	if a.Bus == nil {
		return nil
	}
	if err := a.Bus.Close(); err != nil {
		return fmt.Errorf("close Kafka client: %w", err)
	}
	return nil
}

// FollowRoster keeps the roster up to date until ctx ends. Run does it too.
func (a *App) FollowRoster(ctx context.Context) error {
	return ended(ctx, a.Book.Run(ctx, a.Bus.Table(a.cfg.Kafka.topic(topicRoster)), 1, func() {
		a.health.Set(ComponentRoster, nil)
		close(a.known)
	}))
}

// RosterKnown waits until everything is known that stood in the roster's topic
// when it began to be followed: no event may be joined to its person, or judged,
// before.
func (a *App) RosterKnown(ctx context.Context) error {
	select {
	case <-a.known:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the roster: %w", ctx.Err())
	}
}

// PublishRoster puts people into the roster's topic.
func (a *App) PublishRoster(ctx context.Context, people []roster.Person) error {
	if _, err := roster.Publish(ctx, a.Bus.Table(a.cfg.Kafka.topic(topicRoster)), 1, people); err != nil {
		return fmt.Errorf("publish roster: %w", err)
	}
	return nil
}

// Run runs every stage until ctx ends, and returns when each has made durable
// what it had taken in. Connect comes first.
func (a *App) Run(ctx context.Context) error {
	if err := a.loadRoster(ctx); err != nil {
		return ended(ctx, err)
	}
	if err := a.recordRules(ctx); err != nil {
		return ended(ctx, err)
	}
	g, ctx := errgroup.WithContext(ctx)
	stages := []func(context.Context) error{a.FollowRoster, a.archive, a.notifier().Run, a.detect, a.watchRules, a.followRules}
	if a.cfg.HTTP.Listen != "" {
		stages = append(stages, a.serve)
	}
	for _, stage := range stages {
		g.Go(func() error { return ended(ctx, stage(ctx)) })
	}
	return g.Wait()
}

func (a *App) watchRules(ctx context.Context) error { return a.Rules.Watch(ctx, a.Reload) }

func (a *App) detect(ctx context.Context) error {
	if err := a.RosterKnown(ctx); err != nil {
		return err
	}
	return a.detector().Run(ctx)
}

// ended drops the error of a stage that stopped because it was told to.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return nil
	}
	return err
}

func (a *App) openBus() (*bus.Client, error) {
	k := a.cfg.Kafka
	tls, err := k.TLS.config()
	if err != nil {
		return nil, fmt.Errorf("kafka.tls: %w", err)
	}
	client, err := bus.New(bus.Config{
		Brokers: k.Brokers, TLS: tls, ClientID: "crmwatch",
		SASL: bus.SASL{Mechanism: k.SASL.Mechanism, User: k.SASL.User, Password: k.SASL.Password.Reveal()},
	}, bus.Deps{Logger: a.Logger.With("stage", "kafka"), Registerer: a.Registry})
	if err != nil {
		return nil, fmt.Errorf("open Kafka client: %w", err)
	}
	return client, nil
}

func (a *App) detector() *detect.Detector {
	k := a.cfg.Kafka
	return detect.New(a.cfg.Detect.engine(), detect.Deps{
		Events: a.Bus.Group(k.topic(topicEvents), k.topic(groupDetect)), State: a.Bus.Ledger(k.topic(topicState)),
		Findings: a.Bus.Writer(k.topic(topicAlerts)), Dead: a.Bus.Writer(k.topic(topicDead)),
		Rules: a.Rules.Current, People: a.Book, Logger: a.Logger.With("stage", "detect"), Metrics: a.Registry, Now: a.Now,
		Limit: a.health.limit,
	})
}

func (a *App) notifier() *alert.Notifier {
	k := a.cfg.Kafka
	return alert.New(alert.Config{MaxAge: a.cfg.Alert.MaxAge, ConsoleURL: a.cfg.Alert.ConsoleURL}, alert.Deps{
		Alerts: a.Bus.Group(k.topic(topicAlerts), k.topic(groupNotify)), Sent: a.Bus.Table(k.topic(topicSent)),
		Dead: a.Bus.Writer(k.topic(topicDead)), Sink: a.Sink, OnSent: a.OnSent,
		Clock: a.Clock, Logger: a.Logger.With("stage", "notify"), Registerer: a.Registry,
	})
}
