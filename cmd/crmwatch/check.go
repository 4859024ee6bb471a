package main

import (
	"fmt"

	"github.com/crmwatch/crmwatch/internal/app"
)

// checkCmd checks the configuration and the rules without starting anything.
type checkCmd struct{}

func (checkCmd) Run(c *cli) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	set, err := app.LoadRules(cfg.Rules)
	if err != nil {
		return err
	}
	fmt.Println("configuration ok;", inShort(set))
	return nil
}
