package app

import (
	"fmt"
	"log/slog"
	"maps"
	"net"
	"regexp"
	"slices"
	"time"

	"github.com/crmwatch/crmwatch/alert"
	"github.com/crmwatch/crmwatch/roster"
	"github.com/crmwatch/crmwatch/store"
)

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	Key string // dotted path
	Msg string // what is wrong, and the remedy
}

type checker struct{ problems []Problem }

func (c *checker) must(ok bool, key, format string, args ...any) {
	if !ok {
		c.problems = append(c.problems, Problem{key, fmt.Sprintf(format, args...)})
	}
}

var (
	tenantName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)
	topicName  = regexp.MustCompile(`^[A-Za-z0-9_.-]{0,100}$`)
	identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)
)

// Validate lists everything that is wrong.
func (cfg Config) Validate() []Problem {
	var c checker
	c.must(cfg.DataDir != "", "data_dir", "must name a directory")
	c.must(tenantName.MatchString(cfg.Tenant), "tenant", "must be 1 to 64 letters, digits, dots, dashes or underscores")
	c.http(cfg.HTTP)
	c.kafka(cfg.Kafka)
	c.clickhouse(cfg.ClickHouse)
	c.roster(cfg.Roster)
	c.alert(cfg.Alert)
	c.detect(cfg.Detect)
	c.must(new(slog.Level).UnmarshalText([]byte(cfg.Log.Level)) == nil, "log.level", "must be debug, info, warn or error")
	c.must(slices.Contains([]string{"text", "json"}, cfg.Log.Format), "log.format", "must be text or json")
	return c.problems
}

func (c *checker) http(h HTTP) {
	host, _, err := net.SplitHostPort(h.Listen)
	if err != nil {
		c.must(false, "http.listen", "must be host:port, such as 127.0.0.1:9480")
		return
	}
	c.must(isLoopback(host) || h.Token.Set(), "http.token", "is required when http.listen is reachable from other machines: anybody could send events otherwise")
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (c *checker) kafka(k Kafka) {
	for _, b := range k.Brokers {
		c.hostPort("kafka.brokers", b)
	}
	c.must(slices.Contains([]string{"", "plain", "scram-sha-256", "scram-sha-512"}, k.SASL.Mechanism), "kafka.sasl.mechanism", "must be plain, scram-sha-256, scram-sha-512 or absent")
	c.must(k.SASL.Mechanism == "" || k.SASL.User != "" && k.SASL.Password.Set(), "kafka.sasl", "needs user and password when a mechanism is set")
	c.must(topicName.MatchString(k.TopicPrefix), "kafka.topic_prefix", "must be letters, digits, dots, dashes or underscores")
	c.must(k.Partitions >= 1 && k.Partitions <= 1000, "kafka.partitions", "must be 1 to 1000")
	c.must(k.Replication == -1 || k.Replication >= 1, "kafka.replication", "must be at least 1, or -1 for the brokers' default")
	c.must(k.Retention >= 24*time.Hour, "kafka.retention", "must be at least 24h: what was not taken in by then is lost")
	c.tls("kafka.tls", k.TLS)
}

func (c *checker) hostPort(key, addr string) {
	_, _, err := net.SplitHostPort(addr)
	c.must(err == nil, key, "must be host:port")
}

func (c *checker) tls(key string, t TLS) {
	c.must(t.Enabled || t == TLS{}, key, "has settings but enabled is not true")
	c.must((t.CertFile == "") == (t.KeyFile == ""), key, "needs cert_file and key_file together")
}

func (c *checker) clickhouse(h ClickHouse) {
	for _, a := range h.Addrs {
		c.hostPort("clickhouse.addrs", a)
	}
	c.must(h.Protocol == "native" || h.Protocol == "http", "clickhouse.protocol", "must be native or http")
	c.must(identifier.MatchString(h.Database), "clickhouse.database", "must be a plain identifier")
	c.must(h.Cluster == "" || identifier.MatchString(h.Cluster), "clickhouse.cluster", "must be a plain identifier")
	c.must(h.RetentionDays >= store.MinRetentionDays, "clickhouse.retention_days", "must be at least %d: the law asks for logs of six months (China's Cybersecurity Law, article 21(3))", store.MinRetentionDays)
	c.tls("clickhouse.tls", h.TLS)
}

func (c *checker) roster(r Roster) {
	_, err := time.LoadLocation(r.TimeZone)
	c.must(err == nil, "roster.time_zone", "must be an IANA time zone such as Asia/Shanghai, or UTC")
	_, err = roster.ParseHours(r.Hours)
	c.must(err == nil, "roster.hours", "must be like \"Mon-Fri 08:00-19:00\"")
}

func (c *checker) alert(a Alert) {
	c.must(!a.Slack.Token.Set() || a.Slack.Channel != "", "alert.slack.channel", "is required with a token")
	c.must(a.ConsoleURL == "" || alert.WebURL(a.ConsoleURL), "alert.console_url", "must be a plain http or https address")
	c.must(a.MaxAge > 0, "alert.max_age", "must be more than 0")
}

func (c *checker) detect(d Detect) {
	c.must(d.Lateness > 0 && d.Lateness <= 90*24*time.Hour, "detect.lateness", "must be more than 0 and at most 2160h (90 days)")
	const delay = "must be at least 0 and at most detect.lateness: what comes later is not counted"
	c.must(d.Delay >= 0 && d.Delay <= d.Lateness, "detect.delay", delay)
	for _, source := range slices.Sorted(maps.Keys(d.SourceDelays)) {
		own := d.SourceDelays[source]
		c.must(own >= 0 && own <= d.Lateness, "detect.source_delays."+source, delay)
	}
	c.must(d.Idle >= time.Minute, "detect.idle", "must be at least 1m: a source would be given up between two of its events")
	c.must(d.MaxWindows >= 1000, "detect.max_windows", "must be at least 1000: everybody who does anything has some")
	c.must(d.ExactEvents >= 100 && d.ExactEvents <= 1_000_000, "detect.exact_events", "must be 100 to 1000000")
}
