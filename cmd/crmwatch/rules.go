package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/crmwatch/crmwatch/internal/app"
	"github.com/crmwatch/crmwatch/rules"
)

// rulesCmd groups the commands on rules.
type rulesCmd struct {
	Check    rulesCheckCmd    `cmd:"" help:"Check rule files; without a directory the configured ones."`
	Test     rulesTestCmd     `cmd:"" help:"Run the tests inside the rules."`
	New      rulesNewCmd      `cmd:"" help:"Write a rule to start from."`
	List     rulesListCmd     `cmd:"" help:"List the rules."`
	Coverage rulesCoverageCmd `cmd:"" help:"Say what the rules see in which CRM and with which licence: live, delayed, or not at all."`
	History  rulesHistoryCmd  `cmd:"" help:"List the versions that rules have had, and show what they said."`
	Backtest rulesBacktestCmd `cmd:"" help:"Run a rule over the events that are stored, and say what it would have found."`
	Eval     rulesEvalCmd     `cmd:"" help:"Run any Sigma rules over any NDJSON, one line of JSON for each match."`
}

// ruleSource says which rules a command is about.
type ruleSource struct {
	Dir string `arg:"" optional:"" help:"Directory of Sigma rules; without one the configured rules."`
}

func (r ruleSource) load(c *cli) (*rules.Set, error) {
	cfg, err := c.load()
	if err != nil {
		return nil, err
	}
	if r.Dir != "" {
		cfg.Rules.Dir = r.Dir
	}
	return app.LoadRules(cfg.Rules)
}

type rulesCheckCmd struct{ ruleSource }

func (r rulesCheckCmd) Run(c *cli) error {
	set, err := r.load(c)
	if err != nil {
		return err
	}
	fmt.Println(inShort(set))
	return nil
}

// inShort says in a line what the rules are.
func inShort(set *rules.Set) string {
	return fmt.Sprintf("rules ok: %d on single events, %d correlations (version %s)", len(set.Rules()), len(set.Correlations()), set.Version())
}

type rulesListCmd struct {
	ruleSource
	JSON bool `help:"Print all rules as a JSON array, those that only feed correlations, too."`
}

func (r rulesListCmd) Run(c *cli) error {
	set, err := r.load(c)
	if err != nil {
		return err
	}
	all := app.Answers(set)
	if r.JSON {
		return printJSON(os.Stdout, all)
	}
	for _, a := range all {
		if a.Alerts {
			fmt.Printf("%-24s %-13s %-7s %s\n", a.Name, a.Level, a.Response, a.Title)
		}
	}
	return nil
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
