package alert

import (
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
	// Batch is how many findings are taken at once, and so how many an older one
	// can share its digest with.
	Batch int
	// FirstRetry and LastRetry bound the pause before a failed send is tried again:
	// it doubles from one to the other. Standstill is the pause where no retry
	// helps until somebody has done something.
	FirstRetry, LastRetry, Standstill time.Duration
	// Memory is for how long it is remembered that a finding was sent. It must not
	// be shorter than the topic of alerts keeps them.
	Memory time.Duration
}

// DefaultConfig is the configuration without a console.
func DefaultConfig() Config {
	return Config{
		Topic: "alerts", MaxAge: 24 * time.Hour, Batch: 200,
		FirstRetry: time.Second, LastRetry: time.Minute, Standstill: 5 * time.Minute,
		Memory: 90 * 24 * time.Hour,
	}
}

// Validate reports everything that is wrong with the configuration.
func (c Config) Validate() error {
	var all []error
	check := func(ok bool, text string) {
		if !ok {
			all = append(all, errors.New(text))
		}
	}
	check(c.ConsoleURL == "" || WebURL(c.ConsoleURL), "alert console_url is not a plain http or https URL")
	check(c.MaxAge > 0, "alert max_age must be more than 0")
	check(c.Batch > 0, "alert batch must be more than 0")
	check(c.FirstRetry > 0 && c.LastRetry >= c.FirstRetry, "alert retries must be more than 0, the last not shorter than the first")
	check(c.Standstill > 0, "alert standstill must be more than 0")
	check(c.Memory > c.MaxAge, "alert memory must be longer than max_age")
	return errors.Join(all...)
}
