package app

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/crmwatch/crmwatch/roster"
)

// ReadRoster reads the people of a CSV file, as the configuration says how.
func ReadRoster(cfg Config, path string) ([]roster.Person, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open roster: %w", err)
	}
	defer f.Close()
	people, err := roster.ReadCSV(f, path, cfg.Roster.Columns)
	if err != nil {
		return nil, fmt.Errorf("read roster:\n%w", err)
	}
	for i := range people {
		people[i].Tenant = cfg.Tenant
	}
	return people, nil
}

// loadRoster publishes the configured CSV file, if one is.
func (a *App) loadRoster(ctx context.Context) error {
	if a.cfg.Roster.CSV == "" {
		return nil
	}
	people, err := ReadRoster(a.cfg, a.cfg.Roster.CSV)
	if err != nil {
		return err
	}
	return a.PublishRoster(ctx, people)
}

func (r Roster) defaults() (roster.Defaults, error) {
	h, err := roster.ParseHours(r.Hours)
	if err != nil {
		return roster.Defaults{}, fmt.Errorf("roster.hours %w", err)
	}
	return roster.Defaults{TimeZone: r.TimeZone, Hours: h}, nil
}

// RosterHas waits until the followed roster knows n people of the tenant.
func (a *App) RosterHas(ctx context.Context, n int) error {
	ask := time.NewTicker(10 * time.Millisecond)
	defer ask.Stop()
	for a.Book.Len() < n {
		select {
		case <-ask.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for the roster: %w", ctx.Err())
		}
	}
	return nil
}
