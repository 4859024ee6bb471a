package bus

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Config says where the brokers are and how to talk to them. Zero durations take
// the default named beside them.
type Config struct {
	// Brokers are the host:port addresses to begin with; at least one.
	Brokers []string
	SASL    SASL
	// TLS encrypts every connection when not nil. ServerName may be left empty.
	TLS *tls.Config
	// ClientID names this process in the logs and quotas of the brokers
	// (crmwatch).
	ClientID string
	// DialTimeout bounds one connection attempt, TLS and SASL included (5 s).
	DialTimeout time.Duration
	// RequestTimeout bounds one request and its answer (10 s).
	RequestTimeout time.Duration
	// SessionTimeout is how long a member of a group may be silent before its
	// partitions go to others (10 s). A handler has half of it to let go.
	SessionTimeout time.Duration
}

// SASL is the log-in at the brokers. The zero value logs in nowhere.
type SASL struct {
	// Mechanism is "", "plain", "scram-sha-256" or "scram-sha-512".
	Mechanism string
	User      string
	Password  string
}

// String names mechanism and user, never the password.
func (s SASL) String() string { return s.Mechanism + " as " + s.User }

// GoString keeps the password out of %#v too.
func (s SASL) GoString() string { return s.String() }

// LogValue keeps the password out of logs.
func (s SASL) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Deps are what a Client uses and does not own. All of them may be left out.
type Deps struct {
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	// OnGap is called when records were deleted before they were read, from the
	// goroutine that noticed, which waits for it to return.
	OnGap func(Gap)
	// Dial opens connections instead of a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// withDefaults returns c with every zero field filled in.
func (c Config) withDefaults() Config {
	fill := func(d *time.Duration, to time.Duration) {
		if *d == 0 {
			*d = to
		}
	}
	fill(&c.DialTimeout, 5*time.Second)
	fill(&c.RequestTimeout, 10*time.Second)
	fill(&c.SessionTimeout, 10*time.Second)
	if c.ClientID == "" {
		c.ClientID = "crmwatch"
	}
	return c
}

// validate returns every mistake in c at once.
func (c Config) validate() error {
	var errs []error
	if len(c.Brokers) == 0 {
		errs = append(errs, errors.New("brokers: at least one address is needed"))
	}
	for _, b := range c.Brokers {
		if _, port, err := net.SplitHostPort(b); err != nil || port == "" {
			errs = append(errs, fmt.Errorf("brokers: %q is not host:port", b))
		}
	}
	for name, d := range map[string]time.Duration{
		"dial timeout": c.DialTimeout, "request timeout": c.RequestTimeout, "session timeout": c.SessionTimeout,
	} {
		if d < 0 {
			errs = append(errs, fmt.Errorf("%s: %v is negative", name, d))
		}
	}
	if _, err := c.SASL.mechanism(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (d Deps) withDefaults(c Config) Deps {
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	if d.OnGap == nil {
		d.OnGap = func(Gap) {}
	}
	if d.Dial == nil {
		d.Dial = (&net.Dialer{Timeout: c.DialTimeout}).DialContext
	}
	return d
}
