package main

import (
	"context"
	"fmt"

	"github.com/crmwatch/crmwatch/internal/app"
)

// rosterCmd groups the commands on the roster.
type rosterCmd struct {
	Load rosterLoadCmd `cmd:"" help:"Load people from a CSV file; people who are not in it are kept."`
}

type rosterLoadCmd struct {
	File string `arg:"" help:"CSV file with a header row."`
}

func (r rosterLoadCmd) Run(c *cli) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	people, err := app.ReadRoster(cfg, r.File)
	if err != nil {
		return err
	}
	ctx, stop := signalled()
	defer stop()
	return attach(ctx, cfg, func(ctx context.Context, a *app.App) error {
		if err := a.PublishRoster(ctx, people); err != nil {
			return err
		}
		fmt.Printf("%s: %d people\n", r.File, len(people))
		return a.Drained(ctx)
	})
}
