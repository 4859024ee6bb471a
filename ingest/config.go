package ingest

import (
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crmwatch/crmwatch/internal/stream"
)

// Config is how a Pipeline works. DefaultConfig gives what Tenant is to be added
// to.
type Config struct {
	// Tenant is whose events these are, where an event does not say itself. Empty,
	// every event has to name its own.
	Tenant string
	// OnlyTenant rejects events that name another tenant.
	OnlyTenant bool
	// BatchRecords and BatchBytes bound what is written at once.
	BatchRecords int
	BatchBytes   int
	// MaxAhead is how far the time of an event may be ahead of the clock.
	MaxAhead time.Duration
	// RetryMin and RetryMax bound the pause before a write is tried again.
	RetryMin, RetryMax time.Duration
	// GiveUp is how long a write is tried before an ingest stops with its error.
	GiveUp time.Duration
}

// DefaultConfig returns the settings for a tenant.
func DefaultConfig(tenant string) Config {
	return Config{
		Tenant: tenant, BatchRecords: 2000, BatchBytes: 1 << 20, MaxAhead: 10 * time.Minute,
		RetryMin: 100 * time.Millisecond, RetryMax: 5 * time.Second, GiveUp: 2 * time.Minute,
	}
}

// Validate reports every setting that makes no sense.
func (c *Config) Validate() error {
	var errs []error
	check := func(ok bool, msg string) {
		if !ok {
			errs = append(errs, errors.New(msg))
		}
	}
	check(!strings.Contains(c.Tenant, "/"), "tenant must not contain a slash")
	check(c.BatchRecords > 0, "batch records must be positive")
	check(c.BatchBytes > 0, "batch bytes must be positive")
	check(c.MaxAhead >= 0, "max ahead must not be negative")
	check(c.RetryMin > 0 && c.RetryMax >= c.RetryMin, "retry pauses must be positive and in order")
	check(c.GiveUp > 0, "give up must be positive")
	return errors.Join(errs...)
}

// Deps is what a Pipeline works with.
type Deps struct {
	Events  stream.Writer // keyed by event.Event.Key
	Dead    stream.Writer // keyed by the id of the event.DeadLetter
	Formats []Format
	// People may be nil: then nobody is known.
	People People
	// Clock tells the time; it must be safe for concurrent use.
	Clock      func() time.Time
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

func (d *Deps) validate() error {
	if d.Events == nil || d.Dead == nil || len(d.Formats) == 0 || d.Clock == nil || d.Logger == nil || d.Registerer == nil {
		return errors.New("a writer, the formats, the clock, the logger or the registerer is missing")
	}
	return nil
}
