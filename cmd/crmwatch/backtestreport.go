package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/crmwatch/crmwatch/detect/backtest"
	"github.com/crmwatch/crmwatch/internal/app"
)

// printBacktest writes a report for people: of one form of the rules the days, the
// users and what is missed, of several a table.
func printBacktest(w io.Writer, r *app.BacktestReport) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%s, from %s to %s: %d events", what(r), r.From.Format(time.RFC3339), r.To.Format(time.RFC3339), r.Events)
	if r.Begun.Before(r.From) {
		fmt.Fprintf(t, ", those since %s to fill the windows", r.Begun.Format(time.RFC3339))
	}
	fmt.Fprintln(t)
	fmt.Fprintln(t)
	if len(r.Variants) == 1 && r.Variants[0].Name == "" {
		printOutcome(t, r, &r.Variants[0])
	} else {
		printVariants(t, r)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

func what(r *app.BacktestReport) string {
	if r.Rule == "" {
		return "All rules"
	}
	return r.Rule
}

// comparedWith says plainly what stands for the confirmed cases that crmwatch does
// not know yet.
func comparedWith(r *app.BacktestReport) string {
	of := ""
	if r.Rule != "" {
		of = " of this rule"
	}
	if r.Compared == 0 {
		return "Nothing to compare with: no alert" + of + " is stored of the period."
	}
	return fmt.Sprintf("Compared with what is stored of the period, %s%s, confirmed or not: crmwatch does not keep yet which were.", number(r.Compared, "alert"), of)
}

func printOutcome(t io.Writer, r *app.BacktestReport, v *app.BacktestResult) {
	fmt.Fprintf(t, "%s of %s, %.1f a day (version %s)\n", number(v.Alerts, "alert"), number(v.Users, "user"), v.Rate(), v.Version)
	fmt.Fprintln(t, comparedWith(r))
	if r.Compared > 0 {
		fmt.Fprintf(t, "Found again: %d. Missed: %d. New: %d.\n", v.Same, len(v.Missed), v.New)
	}
	printCounts(t, "DAY", v.PerDay, len(v.PerDay))
	if r.Rule == "" {
		printCounts(t, "RULE", v.ByRule, len(v.ByRule))
	}
	printCounts(t, "USER", v.ByUser, mostLines)
	if len(v.Missed) == 0 {
		return
	}
	fmt.Fprintln(t, "\nMISSED\tRULE\tUSER\tFROM\tTO")
	for _, h := range v.Missed[:min(len(v.Missed), mostLines)] {
		fmt.Fprintf(t, "%s\t%s\t%s/%s\t%s\t%s\n", h.ID, h.Rule, h.Tenant, h.User, when(h.Start), when(h.End))
	}
	andMore(t, len(v.Missed), mostLines)
}

// mostLines bounds lists that have no bound of their own.
const mostLines = 50

func printCounts(t io.Writer, of string, counts []backtest.Count, most int) {
	if len(counts) == 0 {
		return
	}
	fmt.Fprintf(t, "\n%s\tALERTS\n", of)
	for _, c := range counts[:min(len(counts), most)] {
		fmt.Fprintf(t, "%s\t%d\n", c.Name, c.Alerts)
	}
	andMore(t, len(counts), most)
}

func andMore(t io.Writer, all, most int) {
	if all > most {
		fmt.Fprintf(t, "and %d more; --json has all\n", all-most)
	}
}

func printVariants(t io.Writer, r *app.BacktestReport) {
	name, _, _ := strings.Cut(r.Variants[0].Name, "=")
	fmt.Fprintf(t, "%s\tALERTS\tUSERS\tA DAY\tFOUND AGAIN\tMISSED\tNEW\n", strings.ToUpper(name))
	for i := range r.Variants {
		v := &r.Variants[i]
		_, value, _ := strings.Cut(v.Name, "=")
		fmt.Fprintf(t, "%s\t%d\t%d\t%.1f\t%d\t%d\t%d\n", value, v.Alerts, v.Users, v.Rate(), v.Same, len(v.Missed), v.New)
	}
	fmt.Fprintln(t)
	fmt.Fprintln(t, comparedWith(r))
}

// number is a count with its noun.
func number(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
