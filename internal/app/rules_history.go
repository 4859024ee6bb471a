package app

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crmwatch/crmwatch/internal/stream"
	"github.com/crmwatch/crmwatch/rules"
	"github.com/crmwatch/crmwatch/rules/history"
)

// recordRules records the versions of the rules that are in force, on the topic
// that the archive copies. Run does it before the first event is judged, so that
// no alert names a version that nobody has recorded.
func (a *App) recordRules(ctx context.Context) error {
	return a.recordVersions(ctx, a.Rules.Current())
}

// followRules records versions whenever rules come into force, until ctx ends.
func (a *App) followRules(ctx context.Context) error {
	for {
		// First the channel, then the rules: a change in between closes it.
		changed := a.Rules.Changed()
		if err := a.recordVersions(ctx, a.Rules.Current()); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

func (a *App) recordVersions(ctx context.Context, set *rules.Set) error {
	table := a.Bus.Table(a.cfg.Kafka.topic(topicRules))
	recorded, err := a.recordedVersions(ctx, table)
	if err != nil {
		return err
	}
	var recs []stream.Record
	for _, v := range a.versions.Change(set.Metas(), a.Rules.Loaded(), recorded) {
		value, err := v.Encode()
		if err != nil {
			return err
		}
		recs = append(recs, stream.Record{Key: []byte(v.Key()), Value: value})
	}
	for chunk := range stream.Cut(recs, maxEventBytes, func(r *stream.Record) int { return len(r.Key) + len(r.Value) }) {
		if err := table.Append(ctx, 0, chunk...); err != nil {
			return fmt.Errorf("record versions of rules: %w", err)
		}
	}
	return nil
}

// recordedVersions reads what is recorded, by key and without the texts. What is
// no version is left out: the archive buries it.
func (a *App) recordedVersions(ctx context.Context, table stream.Table) (map[string]history.Version, error) {
	recorded := map[string]history.Version{}
	err := table.Load(ctx, 0, func(r stream.Record) error {
		if v, err := history.Decode(r.Value); err == nil {
			v.Sources = nil
			recorded[v.Key()] = v
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read recorded versions of rules: %w", err)
	}
	return recorded, nil
}

// RuleVersions reads from ClickHouse which versions a rule has had, by its id or
// its name, or those of all rules where it is empty; of each rule the oldest first.
func RuleVersions(ctx context.Context, cfg Config, log *slog.Logger, rule string) ([]history.Version, error) {
	db, err := openStore(cfg.ClickHouse, log, prometheus.NewRegistry())
	if err != nil {
		return nil, err
	}
	defer db.Close()
	var all []history.Version
	for v, err := range db.RuleVersions(ctx, rule) {
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}
