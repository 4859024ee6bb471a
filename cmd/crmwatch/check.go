package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/crmwatch/crmwatch/internal/app"
)

// checkCmd checks the configuration and the rules without starting anything.
type checkCmd struct{}

func (checkCmd) Run(c *cli) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	rules, err := checkRules(cfg.Rules)
	if err != nil {
		return err
	}
	fmt.Println("configuration ok;", rules)
	return nil
}

// checkRules loads rules and says what they are.
func checkRules(cfg app.Rules) (string, error) {
	set, err := app.LoadRules(cfg)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("rules ok: %d on single events, %d correlations (version %s)", len(set.Rules()), len(set.Correlations()), set.Version()), nil
}

// rulesCmd groups the commands on rules.
type rulesCmd struct {
	Check rulesCheckCmd `cmd:"" help:"Check rule files; without a directory the configured ones."`
	List  rulesListCmd  `cmd:"" help:"List the rules."`
	Eval  rulesEvalCmd  `cmd:"" help:"Run any Sigma rules over any NDJSON, one line of JSON for each match."`
}

type rulesCheckCmd struct {
	Dir string `arg:"" optional:"" help:"Directory of Sigma rules."`
}

func (r rulesCheckCmd) Run(c *cli) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	if r.Dir != "" {
		cfg.Rules.Dir = r.Dir
	}
	rules, err := checkRules(cfg.Rules)
	if err != nil {
		return err
	}
	fmt.Println(rules)
	return nil
}

type rulesListCmd struct{}

func (rulesListCmd) Run(c *cli) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	set, err := app.LoadRules(cfg.Rules)
	if err != nil {
		return err
	}
	for _, r := range set.Rules() {
		if r.Alerts {
			fmt.Printf("%-24s %-13s %-7s %s\n", r.Name, r.Level, r.Response, r.Title)
		}
	}
	for _, r := range set.Correlations() {
		fmt.Printf("%-24s %-13s %-7s %s\n", r.Name, r.Level, r.Response, r.Title)
	}
	return nil
}

// healthCmd is the health check of a container.
type healthCmd struct {
	URL     string        `help:"Where to ask." default:"http://127.0.0.1:9480/readyz"`
	Timeout time.Duration `help:"How long to wait for the answer." default:"3s"`
}

func (h healthCmd) Run() error {
	ctx, cancel := context.WithTimeout(context.Background(), h.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.URL, nil)
	if err != nil {
		return fmt.Errorf("ask %s: %w", h.URL, err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask %s: %w", h.URL, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s: not ready", h.URL, resp.Status)
	}
	return nil
}
