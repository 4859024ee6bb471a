package store

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
)

// The protocols of Config.Protocol.
const (
	Native = "native"
	HTTP   = "http"
)

// Retention in days.
const (
	// MinRetentionDays is the legal floor: China's Cybersecurity Law, article 21(3),
	// asks that network logs be kept for no less than six months.
	MinRetentionDays = 180
	maxRetentionDays = 36500 // beyond it a Date column ends

	defaultRetentionDays      = 400
	defaultAlertRetentionDays = 1095
)

// Config says which ClickHouse to use and how long to keep what is in it. It is
// the same for an embedded one and for a cluster.
type Config struct {
	// Addrs are "host:port"; the first that answers is used.
	Addrs []string
	// Protocol is Native (default) or HTTP.
	Protocol string
	// Database is created by Migrate where it does not exist.
	Database       string
	User, Password string
	// TLS is nil for plain text.
	TLS *tls.Config

	// RetentionDays is how long events and dead letters are kept after they were
	// collected; 0 means 400. AlertRetentionDays is the same for alerts; 0 means
	// three years, or RetentionDays where that is longer. People stay until the
	// roster removes them.
	RetentionDays      int
	AlertRetentionDays int

	// Cluster, where set, makes Migrate create everything ON CLUSTER, in replicated
	// tables of one shard.
	Cluster string
}

// withDefaults fills in what is left out.
func (c Config) withDefaults() Config {
	if c.Protocol == "" {
		c.Protocol = Native
	}
	if c.RetentionDays == 0 {
		c.RetentionDays = defaultRetentionDays
	}
	if c.AlertRetentionDays == 0 {
		c.AlertRetentionDays = max(defaultAlertRetentionDays, c.RetentionDays)
	}
	return c
}

// These go into DDL statements, where ClickHouse takes no parameters. A cluster
// may be a macro: {cluster}.
var (
	databaseName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)
	clusterName  = regexp.MustCompile(`^[A-Za-z0-9_{}.-]{1,64}$`)
)

// Validate reports everything that is wrong with the configuration.
func (c Config) Validate() error {
	c = c.withDefaults()
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(c.Addrs) == 0 {
		bad("addrs: at least one address is required")
	}
	if c.Protocol != Native && c.Protocol != HTTP {
		bad("protocol: must be %q or %q, not %q", Native, HTTP, c.Protocol)
	}
	if !databaseName.MatchString(c.Database) {
		bad("database: must be letters, digits and underscores, not %q", c.Database)
	}
	if c.Cluster != "" && !clusterName.MatchString(c.Cluster) {
		bad("cluster: must be a name or a macro such as {cluster}, not %q", c.Cluster)
	}
	checkDays := func(name string, days int) {
		switch {
		case days < MinRetentionDays:
			bad("%s: %d is below the legal floor of %d days: access logs must be kept for at least six months (Cybersecurity Law of China, article 21)", name, days, MinRetentionDays)
		case days > maxRetentionDays:
			bad("%s: %d is more than %d", name, days, maxRetentionDays)
		}
	}
	checkDays("retention_days", c.RetentionDays)
	checkDays("alert_retention_days", c.AlertRetentionDays)
	return errors.Join(errs...)
}

// String leaves the password out.
func (c Config) String() string {
	return fmt.Sprintf("%s %v, database %s, user %s", c.Protocol, c.Addrs, c.Database, c.User)
}

// GoString is String, so that no way of printing shows the password.
func (c Config) GoString() string { return c.String() }

// LogValue is String, for logs.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }
