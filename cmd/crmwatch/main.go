// Command crmwatch catches customer data as it walks out of a CRM.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	_ "time/tzdata" // the roster's time zones, on machines that have none

	"github.com/alecthomas/kong"

	"github.com/crmwatch/crmwatch/internal/app"
	"github.com/crmwatch/crmwatch/internal/embedded"
	"github.com/crmwatch/crmwatch/internal/hugepages"
)

// version is set by the linker.
var version = "unknown"

// cli is the command line; each command is a small file of its own.
type cli struct {
	Config  string           `help:"Configuration file; without one the defaults hold." env:"CRMWATCH_CONFIG" placeholder:"FILE"`
	Version kong.VersionFlag `help:"Print the version and exit."`

	Run    runCmd    `cmd:"" default:"withargs" help:"Run everything (the default)."`
	Ingest ingestCmd `cmd:"" help:"Take in files of events: Salesforce EventLogFile CSV, Salesforce real-time events, native events."`
	Demo   demoCmd   `cmd:"" help:"Play a company's day with planted leaks, and find them."`
	Rules  rulesCmd  `cmd:"" help:"Work with the rules."`
	Roster rosterCmd `cmd:"" help:"Work with the roster."`
	Check  checkCmd  `cmd:"" help:"Check the configuration and the rules, and exit."`
	Health healthCmd `cmd:"" help:"Ask a running crmwatch whether it is ready."`
}

// load reads the configuration that the command line names.
func (c *cli) load() (app.Config, error) {
	cfg, err := app.Load(c.Config, os.LookupEnv)
	if err != nil {
		return cfg, fmt.Errorf("configuration:\n%w", err)
	}
	return cfg, nil
}

func main() {
	if code, child := embedded.Child(); child {
		os.Exit(code)
	}
	os.Exit(run())
}

// errSilent ends the program with status 1 after it has said why itself.
var errSilent = errors.New("failed")

func run() int {
	go hugepages.Keep(context.Background())
	var c cli
	parser, err := kong.New(&c,
		kong.Name("crmwatch"),
		kong.Description("Catches customer data as it walks out of a CRM."),
		kong.UsageOnError(),
		kong.Vars{"version": version},
	)
	if err != nil {
		fmt.Fprintln(os.Stderr, "crmwatch:", err)
		return 2
	}
	ctx, err := parser.Parse(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "crmwatch:", err)
		return 2
	}
	if err := ctx.Run(&c); err != nil {
		if !errors.Is(err, errSilent) {
			fmt.Fprintln(os.Stderr, "crmwatch:", err)
		}
		return 1
	}
	return 0
}
