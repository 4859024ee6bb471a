package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/crmwatch/crmwatch/internal/app"
	"github.com/crmwatch/crmwatch/rules/history"
)

// rulesHistoryCmd reads which versions rules have had.
type rulesHistoryCmd struct {
	Rule string `arg:"" optional:"" help:"Name or id of a rule; all rules without one."`
	Show string `help:"Print what this version said, whole, with all that it followed from." placeholder:"VERSION"`
	JSON bool   `help:"Print everything as JSON."`
}

func (r rulesHistoryCmd) Run(c *cli) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	ctx, stop := signalled()
	defer stop()
	log := quiet(cfg.Log)
	var versions []history.Version
	err = withStore(ctx, cfg, log, func(cfg app.Config) (err error) {
		versions, err = app.RuleVersions(ctx, cfg, log, r.Rule)
		return err
	})
	if err != nil {
		return err
	}
	return r.print(os.Stdout, versions)
}

func (r rulesHistoryCmd) print(w io.Writer, versions []history.Version) error {
	switch {
	case len(versions) == 0 && r.Rule != "":
		return fmt.Errorf("no version of a rule %q is stored; crmwatch rules history lists all that are, by name", r.Rule)
	case len(versions) == 0:
		return fmt.Errorf("no rule is stored yet; crmwatch records the rules that it runs with")
	}
	if r.Show != "" {
		versions = slices.DeleteFunc(versions, func(v history.Version) bool { return v.Version != r.Show })
		if len(versions) == 0 {
			return fmt.Errorf("no version %q is stored%s; crmwatch rules history %s lists those that are", r.Show, ofRule(r.Rule), r.Rule)
		}
	}
	switch {
	case r.JSON:
		return printJSON(w, versions)
	case r.Show != "":
		for i := range versions {
			show(w, &versions[i])
		}
		return nil
	default:
		return list(w, versions)
	}
}

func ofRule(rule string) string {
	if rule == "" {
		return ""
	}
	return fmt.Sprintf(" of the rule %q", rule)
}

// list prints a line for each version and text.
func list(w io.Writer, versions []history.Version) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "RULE\tVERSION\tFIRST SEEN\tLAST SEEN\tLEVEL\tTITLE")
	slices.SortStableFunc(versions, func(a, b history.Version) int { return strings.Compare(a.Name, b.Name) })
	for _, v := range versions {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", v.Name, v.Version, when(v.First), when(v.Last), v.Level, v.Title)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("write versions: %w", err)
	}
	return nil
}

// show prints what a version said.
func show(w io.Writer, v *history.Version) {
	fmt.Fprintf(w, "# %s (%s), version %s, text %s: seen from %s to %s\n", v.Name, v.RuleID, v.Version, v.Text, when(v.First), when(v.Last))
	for _, s := range v.Sources {
		fmt.Fprintf(w, "\n# %s, line %d\n%s", s.File, s.Line, s.Text)
		if !strings.HasSuffix(s.Text, "\n") {
			fmt.Fprintln(w)
		}
	}
	fmt.Fprintln(w)
}

func when(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }
