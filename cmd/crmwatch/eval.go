package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/pprof"
	"syscall"
	"time"

	"github.com/crmwatch/crmwatch/detect/eval"
	"github.com/crmwatch/crmwatch/rules"
)

// rulesEvalCmd runs rules over records without anything else of crmwatch.
type rulesEvalCmd struct {
	Rules     string        `help:"Directory of Sigma rules, of any log source; fields as they are in the events." required:"" type:"existingdir"`
	Events    string        `help:"File of events, one JSON object a line; - is standard input." required:""`
	Pipeline  []string      `help:"Pipelines that translate the rules' field names." type:"existingfile" placeholder:"FILE"`
	Threads   int           `help:"How many processors to use." default:"1"`
	Fire      string        `help:"every: a line at each instant at which a correlation holds; once: one for all that follow each other." enum:"every,once" default:"once"`
	TimeField string        `help:"Field with the time of an event: RFC 3339, or a number since 1970." default:"time"`
	IDField   string        `help:"Field that tells events apart: the same id counts once, and correlations list the ids." placeholder:"FIELD"`
	Lateness  time.Duration `help:"How far behind the newest event one may come and still count." default:"5m"`
	Stats     bool          `help:"Say at the end, on standard error, how many events and matches there were and how fast."`
	Profile   string        `help:"Write a profile of the processor's time." hidden:"" placeholder:"FILE"`
}

func (r rulesEvalCmd) Run() error {
	if r.Threads < 1 {
		return fmt.Errorf("--threads %d: at least one is needed", r.Threads)
	}
	if r.Lateness < 0 {
		return fmt.Errorf("--lateness %s: nothing is later than never", r.Lateness)
	}
	cfg := eval.Config{
		Rules: os.DirFS(r.Rules), TimeField: r.TimeField, IDField: r.IDField, Lateness: r.Lateness,
		Every: r.Fire == "every", Threads: r.Threads, OnBad: tellBad(),
	}
	for _, file := range r.Pipeline {
		data, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("read pipeline: %w", err)
		}
		p, err := rules.ParsePipeline(file, data)
		if err != nil {
			return err
		}
		cfg.Pipelines = append(cfg.Pipelines, p)
	}
	in, err := openEvents(r.Events)
	if err != nil {
		return err
	}
	defer in.Close()
	if r.Profile == "" {
		return r.evaluate(cfg, in)
	}
	profile, err := os.Create(r.Profile)
	if err != nil {
		return fmt.Errorf("create profile: %w", err)
	}
	if err := pprof.StartCPUProfile(profile); err != nil {
		return errors.Join(err, profile.Close())
	}
	err = r.evaluate(cfg, in)
	pprof.StopCPUProfile()
	return errors.Join(err, profile.Close())
}

// evaluate runs what can be run. Rules with mistakes and lines that are no JSON
// do not keep the others from it, but the command fails in the end.
func (r rulesEvalCmd) evaluate(cfg eval.Config, in io.Reader) error {
	set, schema, wrong := cfg.Load()
	if set == nil {
		return wrong
	}
	if wrong != nil {
		fmt.Fprintf(os.Stderr, "crmwatch: these rules are left out:\n%v\n", wrong)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	out := bufio.NewWriterSize(os.Stdout, 1<<16)
	began := time.Now()
	stats, err := eval.Run(ctx, cfg, set, schema, in, out)
	if err := errors.Join(err, out.Flush()); err != nil {
		return err
	}
	if r.Stats {
		took := time.Since(began).Seconds()
		fmt.Fprintf(os.Stderr, "%d events, %d matches in %.2f s: %.0f events/s\n", stats.Events, stats.Matches, took, float64(stats.Events)/took)
	}
	tellUncounted(&stats)
	if wrong != nil || stats.Bad > 0 {
		return errSilent
	}
	return nil
}

// tellBad returns a function that tells of the first lines that are no JSON: a
// file of another format would have millions.
func tellBad() func(int64, error) {
	told := 0
	return func(line int64, err error) {
		if told++; told <= 5 {
			fmt.Fprintf(os.Stderr, "crmwatch: line %d (from 0): %v\n", line, err)
		}
	}
}

// tellUncounted says what went past the correlations, which would otherwise look
// as if nothing had happened.
func tellUncounted(s *eval.Stats) {
	for _, c := range []struct {
		n    int64
		what string
	}{
		{s.Bad, "lines are no JSON"},
		{s.Untimed, "matches were not counted by correlations, because the event has no time in --time-field"},
		{s.Late, "matches were not counted by correlations, because they came later than --lateness allows"},
		{s.Ungrouped, "matches were not counted by correlations, because they lack a value to group by"},
	} {
		if c.n > 0 {
			fmt.Fprintf(os.Stderr, "crmwatch: %d %s\n", c.n, c.what)
		}
	}
}

func openEvents(name string) (io.ReadCloser, error) {
	if name == "-" {
		return os.Stdin, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open events: %w", err)
	}
	return f, nil
}
