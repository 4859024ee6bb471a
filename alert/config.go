package alert

import (
	"cmp"
	"errors"
	"time"
)

// Config is what may be set of a Notifier.
type Config struct {
	// Topic is the name of the topic of alerts, for dead letters and logs.
	Topic string
	// ConsoleURL is where the console is served; without one messages have no
	// links into it.
	ConsoleURL string
	// MaxAge is how long after its detection a finding still gets a message of its
	// own. Older ones go together into digests.
	MaxAge time.Duration
	// MinUpdate is how long a message stands before it is edited to say that its
	// finding goes on. What ends a finding is shown at once.
	MinUpdate time.Duration
	// Batch is how many findings are taken at once, and so how many an older one
	// can share its digest with.
	Batch int
	// FirstRetry and LastRetry bound the pause before a failed send is tried again:
	// it doubles from one to the other. Standstill is the pause where no retry
	// helps until somebody has done something.
	FirstRetry, LastRetry, Standstill time.Duration
	// Memory is for how long it is remembered what was sent last of a finding. It must not
	// be shorter than the topic of alerts keeps them.
	Memory time.Duration
}

// DefaultConfig is the configuration without a console.
func DefaultConfig() Config {
	return Config{
		Topic: "alerts", MaxAge: 24 * time.Hour, MinUpdate: 5 * time.Second, Batch: 200,
		FirstRetry: time.Second, LastRetry: time.Minute, Standstill: 5 * time.Minute,
		Memory: 90 * 24 * time.Hour,
	}
}

// withDefaults fills in what is not set.
func (c Config) withDefaults() Config {
	d := DefaultConfig()
	c.Topic = cmp.Or(c.Topic, d.Topic)
	c.MaxAge, c.MinUpdate, c.Batch = cmp.Or(c.MaxAge, d.MaxAge), cmp.Or(c.MinUpdate, d.MinUpdate), cmp.Or(c.Batch, d.Batch)
	c.FirstRetry, c.LastRetry = cmp.Or(c.FirstRetry, d.FirstRetry), cmp.Or(c.LastRetry, d.LastRetry)
	c.Standstill, c.Memory = cmp.Or(c.Standstill, d.Standstill), cmp.Or(c.Memory, d.Memory)
	return c
}

// Validate reports everything that is wrong with the configuration. What is
// zero is right, because it has a default.
func (c Config) Validate() error {
	var all []error
	check := func(ok bool, text string) {
		if !ok {
			all = append(all, errors.New(text))
		}
	}
	check(c.ConsoleURL == "" || WebURL(c.ConsoleURL), "alert console_url is not a plain http or https URL")
	d := c.withDefaults()
	check(d.MaxAge > 0, "alert max_age must be more than 0")
	check(d.MinUpdate > 0, "alert min_update must be more than 0")
	check(d.Batch > 0, "alert batch must be more than 0")
	check(d.FirstRetry > 0 && d.LastRetry >= d.FirstRetry, "alert retries must be more than 0, the last not shorter than the first")
	check(d.Standstill > 0, "alert standstill must be more than 0")
	check(d.Memory > d.MaxAge, "alert memory must be longer than max_age")
	return errors.Join(all...)
}
