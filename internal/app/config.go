package app

import (
	"time"

	"github.com/crmwatch/crmwatch/detect"
	"github.com/crmwatch/crmwatch/roster"
)

// Config is everything that can be set, as crmwatch.example.yml documents it.
// Every key can also be given by the environment: kafka.brokers is
// CRMWATCH_KAFKA_BROKERS, with commas between the values of a list.
type Config struct {
	// DataDir holds everything that the embedded servers keep.
	DataDir    string     `yaml:"data_dir"`
	Tenant     string     `yaml:"tenant"`
	OnlyTenant bool       `yaml:"only_tenant"`
	HTTP       HTTP       `yaml:"http"`
	Kafka      Kafka      `yaml:"kafka"`
	ClickHouse ClickHouse `yaml:"clickhouse"`
	Rules      Rules      `yaml:"rules"`
	Roster     Roster     `yaml:"roster"`
	Detect     Detect     `yaml:"detect"`
	Alert      Alert      `yaml:"alert"`
	Log        Log        `yaml:"log"`
}

// HTTP is the listener for events, metrics and health.
type HTTP struct {
	Listen string `yaml:"listen"`
	// Token must be sent with events as a bearer token; required beyond loopback.
	Token Secret `yaml:"token"`
}

// Kafka is the cluster; without brokers an embedded one is started.
type Kafka struct {
	Brokers     []string      `yaml:"brokers"`
	SASL        SASL          `yaml:"sasl"`
	TLS         TLS           `yaml:"tls"`
	TopicPrefix string        `yaml:"topic_prefix"`
	Partitions  int           `yaml:"partitions"`
	Replication int           `yaml:"replication"`
	Retention   time.Duration `yaml:"retention"`
}

// SASL is how to sign in to Kafka.
type SASL struct {
	Mechanism string `yaml:"mechanism"`
	User      string `yaml:"user"`
	Password  Secret `yaml:"password"`
}

// TLS is how to secure a connection.
type TLS struct {
	Enabled    bool   `yaml:"enabled"`
	CAFile     string `yaml:"ca_file"`
	CertFile   string `yaml:"cert_file"`
	KeyFile    string `yaml:"key_file"`
	ServerName string `yaml:"server_name"`
}

// ClickHouse is the store; without addresses an embedded one is started.
type ClickHouse struct {
	Addrs         []string `yaml:"addrs"`
	Protocol      string   `yaml:"protocol"`
	Database      string   `yaml:"database"`
	User          string   `yaml:"user"`
	Password      Secret   `yaml:"password"`
	TLS           TLS      `yaml:"tls"`
	Cluster       string   `yaml:"cluster"`
	RetentionDays int      `yaml:"retention_days"`
	// Library is where libchdb.so is, for the embedded server.
	Library string `yaml:"library"`
}

// Rules says where the rules are; without a directory the shipped pack is used.
type Rules struct {
	Dir string `yaml:"dir"`
}

// Roster says who the people are, and how those work whose row is silent.
type Roster struct {
	CSV      string         `yaml:"csv"`
	Columns  roster.Columns `yaml:"columns"`
	TimeZone string         `yaml:"time_zone"`
	// Hours is the text form of roster.Hours.
	Hours string `yaml:"hours"`
}

// Detect is what may be set of the detector.
type Detect struct {
	Lateness     time.Duration            `yaml:"lateness"`
	Delay        time.Duration            `yaml:"delay"`
	SourceDelays map[string]time.Duration `yaml:"source_delays"`
	Idle         time.Duration            `yaml:"idle"`
	MaxWindows   int                      `yaml:"max_windows"`
	ExactEvents  int                      `yaml:"exact_events"`
}

// detecting is what the detector does where nothing else is said.
func detecting() Detect {
	d := detect.DefaultConfig()
	return Detect{Lateness: d.Lateness, Delay: d.Delay, SourceDelays: map[string]time.Duration{}, Idle: d.Idle, MaxWindows: d.Groups, ExactEvents: d.Entries}
}

// engine is how the detector's engines work.
func (d Detect) engine() detect.Config {
	cfg := detect.DefaultConfig()
	cfg.Lateness, cfg.Delay, cfg.Delays, cfg.Idle = d.Lateness, d.Delay, d.SourceDelays, d.Idle
	cfg.Groups, cfg.Entries = d.MaxWindows, d.ExactEvents
	return cfg
}

// Alert is where alerts go; without a Slack token they are drawn on the terminal.
type Alert struct {
	Slack      Slack         `yaml:"slack"`
	ConsoleURL string        `yaml:"console_url"`
	MaxAge     time.Duration `yaml:"max_age"`
}

// Slack is the workspace's app.
type Slack struct {
	Token   Secret `yaml:"token"`
	Channel string `yaml:"channel"`
	APIURL  string `yaml:"api_url"`
}

// Log is how crmwatch logs, to standard error.
type Log struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
}

// Default is the configuration of a crmwatch that was told nothing.
func Default() Config {
	return Config{
		DataDir: "crmwatch-data",
		Tenant:  "default",
		HTTP:    HTTP{Listen: "127.0.0.1:9480"},
		Kafka: Kafka{
			TopicPrefix: "crmwatch.", Partitions: 4, Replication: -1, Retention: 14 * 24 * time.Hour,
		},
		ClickHouse: ClickHouse{Protocol: "native", Database: "crmwatch", User: "default", RetentionDays: 400},
		Roster:     Roster{TimeZone: "Asia/Shanghai", Hours: roster.OfficeHours.String()},
		Detect:     detecting(),
		Alert:      Alert{MaxAge: 24 * time.Hour},
		Log:        Log{Level: "info", Format: "text"},
	}
}
