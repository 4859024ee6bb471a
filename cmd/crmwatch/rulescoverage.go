package main

import (
	"os"

	"github.com/crmwatch/crmwatch/rules/coverage"
)

// rulesCoverageCmd says what the rules see in which CRM.
type rulesCoverageCmd struct {
	Rules   string   `help:"Directory of Sigma rules; without one the configured rules." placeholder:"DIR"`
	CRM     []string `name:"crm" help:"The CRMs to look at; all without it." placeholder:"NAME,..."`
	Licence []string `help:"The licences that you have; without it each CRM is shown without any, and with each that a rule asks for." aliases:"license" placeholder:"NAME,..."`
	Layer   bool     `help:"Print layers of the ATT&CK Navigator, one for each CRM: a list, unless there is only one." xor:"form"`
	JSON    bool     `help:"Print everything as JSON." xor:"form"`
}

func (r rulesCoverageCmd) Run(c *cli) error {
	set, err := ruleSource{r.Rules}.load(c)
	if err != nil {
		return err
	}
	report, err := coverage.Of(set, coverage.Options{CRMs: r.CRM, Licences: r.Licence})
	if err != nil {
		return err
	}
	layers := report.Layers()
	switch {
	case r.Layer && len(layers) == 1:
		return printJSON(os.Stdout, layers[0])
	case r.Layer:
		return printJSON(os.Stdout, layers)
	case r.JSON:
		return printJSON(os.Stdout, report)
	default:
		return report.WriteTable(os.Stdout)
	}
}
