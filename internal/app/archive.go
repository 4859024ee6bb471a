package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/crmwatch/crmwatch/internal/stream"
	"github.com/crmwatch/crmwatch/store"
)

// openStore opens ClickHouse without waiting for it.
func openStore(h ClickHouse, log *slog.Logger, reg prometheus.Registerer) (*store.DB, error) {
	tls, err := h.TLS.config()
	if err != nil {
		return nil, fmt.Errorf("clickhouse.tls: %w", err)
	}
	db, err := store.Open(store.Config{
		Addrs: h.Addrs, Protocol: h.Protocol, Database: h.Database, User: h.User, Password: h.Password.Reveal(), TLS: tls,
		RetentionDays: h.RetentionDays, Cluster: h.Cluster,
	}, store.Deps{Logger: log, Registerer: reg})
	if err != nil {
		return nil, fmt.Errorf("open ClickHouse: %w", err)
	}
	return db, nil
}

// archive copies every topic into ClickHouse until ctx ends. ClickHouse being
// down delays it and nothing else.
func (a *App) archive(ctx context.Context) error {
	db, err := openStore(a.cfg.ClickHouse, a.Logger.With("stage", "archive"), a.Registry)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := a.migrate(ctx, db); err != nil {
		return err
	}
	k := a.cfg.Kafka
	ar := store.NewArchive(db, store.ArchiveDeps{DeadLetters: a.Bus.Writer(k.topic(topicDead)), Now: a.Now})
	g, ctx := errgroup.WithContext(ctx)
	for topic, stage := range map[string]func(stream.Group) *store.Stage{
		topicEvents: ar.Events, topicAlerts: ar.Alerts, topicDead: ar.DeadLetters, topicRoster: ar.Roster, topicRules: ar.Rules,
	} {
		s := stage(a.Bus.Group(k.topic(topic), k.topic(groupArchive+topic)))
		g.Go(func() error { return s.Run(ctx) })
	}
	g.Go(func() error { return a.watchStore(ctx, db) })
	return g.Wait()
}

// migrate brings the schema up to date, waiting for ClickHouse to be there.
func (a *App) migrate(ctx context.Context, db *store.DB) error {
	retry := time.NewTicker(2 * time.Second)
	defer retry.Stop()
	for {
		err := db.Migrate(ctx)
		if err == nil || errors.Is(err, store.ErrSchema) {
			a.health.Set(ComponentClickHouse, err)
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		a.health.Set(ComponentClickHouse, err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-retry.C:
		}
	}
}

// pingEvery is how often ClickHouse is asked whether it is there, so that its
// absence shows while there is nothing to insert.
const pingEvery = 15 * time.Second

func (a *App) watchStore(ctx context.Context, db *store.DB) error {
	ask := time.NewTicker(pingEvery)
	defer ask.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ask.C:
		}
		if err := db.Ping(ctx); ctx.Err() == nil {
			a.health.Set(ComponentClickHouse, err)
		}
	}
}
