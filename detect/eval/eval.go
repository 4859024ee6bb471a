// Package eval runs any Sigma rules over any records: newline-delimited JSON in,
// one line of JSON for every match out. It is the very engine of the detector, on
// field names as they are in the records, so that rules can be tried and the
// engine be compared with others.
package eval

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/crmwatch/crmwatch/rules"
	"github.com/crmwatch/crmwatch/rules/ndjson"
)

// Config says what is evaluated, and how.
type Config struct {
	// Rules has the rules, of any log source.
	Rules fs.FS
	// Pipelines translate their field names.
	Pipelines []*rules.Pipeline
	// TimeField is the field with the time of an event: RFC 3339, or a number of
	// seconds, milliseconds or microseconds since 1970.
	TimeField string
	// IDField is the field that tells events apart, empty for none: an event whose
	// id was seen before at its time counts once, and correlations list the ids.
	IDField string
	// Lateness is how far behind the newest event one may come and still be counted
	// where it belongs.
	Lateness time.Duration
	// Every tells each instant at which a correlation holds, instead of once for
	// all that follow each other.
	Every bool
	// Threads is how many events are worked on at once.
	Threads int
	// OnBad, where it is set, is told of lines that are no JSON.
	OnBad func(line int64, err error)
}

// DefaultConfig is how "crmwatch rules eval" works when it is not told otherwise.
func DefaultConfig() Config {
	return Config{TimeField: "time", Lateness: 5 * time.Minute, Threads: 1}
}

// Stats are what happened.
type Stats struct {
	Events, Matches int64
	// Bad are lines that are no JSON. Untimed are matches that a correlation could
	// not count because the event has no time, Late those that came too late for it,
	// Ungrouped those without a value to group by.
	Bad, Untimed, Late, Ungrouped int64
}

// Run evaluates the records of r with the rules of a set that Load has loaded,
// and writes what was found to w.
func Run(ctx context.Context, cfg Config, set *rules.Set, schema *ndjson.Schema, r io.Reader, w io.Writer) (Stats, error) {
	stats, err := newPlan(&cfg, set, schema).run(ctx, r, w)
	if err != nil {
		return stats, fmt.Errorf("evaluate: %w", err)
	}
	return stats, nil
}
