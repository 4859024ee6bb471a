package app

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/crmwatch/crmwatch/detect"
)

func noEnv(string) (string, bool) { return "", false }

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c.yml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// What is set reaches the detector.
func TestDetectorIsConfigured(t *testing.T) {
	cfg, err := Load(write(t, "detect: {lateness: 48h, delay: 1m, source_delays: {zoho: 3h}, idle: 2h, max_windows: 5000, exact_events: 700}\n"), noEnv)
	if err != nil {
		t.Fatal(err)
	}
	got := cfg.Detect.engine()
	if got.Lateness != 48*time.Hour || got.Delay != time.Minute || got.Delays["zoho"] != 3*time.Hour || got.Idle != 2*time.Hour || got.Groups != 5000 || got.Entries != 700 {
		t.Errorf("%+v", got)
	}
	if got := Default().Detect.engine(); got.Groups != detect.DefaultConfig().Groups || got.Entries != detect.DefaultConfig().Entries || got.Delay != detect.DefaultConfig().Delay {
		t.Errorf("%+v", got)
	}
}

// The example says what the defaults are; it must not lie.
func TestExampleIsTheDefault(t *testing.T) {
	cfg, err := Load("../../crmwatch.example.yml", noEnv)
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	// An empty list and an absent one are the same to a user.
	cfg.Kafka.Brokers, cfg.ClickHouse.Addrs = nil, nil
	if !reflect.DeepEqual(cfg, want) {
		t.Errorf("the example's values differ from the defaults:\n%+v\n%+v", cfg, want)
	}
}

func TestExampleHasEveryKey(t *testing.T) {
	data, err := os.ReadFile("../../crmwatch.example.yml")
	if err != nil {
		t.Fatal(err)
	}
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		t.Fatal(err)
	}
	var walk func(typ reflect.Type, prefix string)
	walk = func(typ reflect.Type, prefix string) {
		for i := range typ.NumField() {
			f := typ.Field(i)
			key := strings.TrimPrefix(prefix+"."+f.Tag.Get("yaml"), ".")
			if lineOf(&root, key) == 0 {
				t.Errorf("crmwatch.example.yml does not document %s", key)
			}
			if f.Type.Kind() == reflect.Struct && f.Type != reflect.TypeFor[Secret]() {
				walk(f.Type, key)
			}
		}
	}
	walk(reflect.TypeFor[Config](), "")
}

func TestLoadNamesEveryMistake(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"unknown keys", "tenant: a\nkafka:\n  broker: [x]\nfoo: 1\n", []string{`c.yml:3: unknown key "broker"`, `c.yml:4: unknown key "foo"`}},
		{"wrong types", "kafka:\n  partitions: many\n  retention: soon\n", []string{"c.yml:2: the value must be a whole number", "c.yml:3: the value must be a duration"}},
		{"bad values", "kafka:\n  partitions: 0\nclickhouse:\n  retention_days: 30\n  protocol: smoke\n", []string{"c.yml:2: kafka.partitions: must be 1 to 1000", "c.yml:4: clickhouse.retention_days: must be at least 180", "c.yml:5: clickhouse.protocol: must be native or http"}},
		{"a secret in the file", "clickhouse:\n  password: hunter2\n", []string{"c.yml:2:", "reference, env:NAME or file:/path"}},
		{
			"mistakes of every kind", "kafkaa: 1\nclickhouse:\n  password: hunter2\n  retention_days: 30\ndetect:\n  lateness: soon\n",
			[]string{"c.yml:1: unknown key", "c.yml:3: clickhouse.password: ", "must be a reference", "c.yml:4: clickhouse.retention_days", "c.yml:6: the value must be a duration"},
		},
		{"a secret that is not there", "clickhouse:\n  password: env:SWORDFISH\n", []string{"c.yml:2:", "SWORDFISH", "not set"}},
		{"open to the world", "http:\n  listen: 0.0.0.0:9480\n", []string{"http.token: is required"}},
		{"not YAML", "tenant: [a\n", []string{"c.yml:"}},
		{"two documents", "tenant: a\n---\ntenant: b\n", []string{"one YAML document"}},
		{"duplicate keys", "tenant: a\ntenant: b\n", []string{"c.yml:2:", "already"}},
		{
			"detector", "detect:\n  delay: 200h\n  source_delays:\n    salesforce: 169h\n    zoho: 1h\n    yonyou: -1s\n  idle: 1s\n  max_windows: 1\n  exact_events: 0\n",
			[]string{
				"c.yml:2: detect.delay: must be at least 0 and at most detect.lateness", "c.yml:4: detect.source_delays.salesforce: must be", "c.yml:6: detect.source_delays.yonyou",
				"c.yml:7: detect.idle: must be at least 1m", "c.yml:8: detect.max_windows: must be at least 1000", "c.yml:9: detect.exact_events: must be 100",
			},
		},
		{"delays that are none", "detect:\n  source_delays: {zoho: soon}\n", []string{"c.yml:2: the value must be a duration"}},
		{"delays without names", "detect:\n  source_delays: 1h\n", []string{"c.yml:2: the value must be a group of names and durations"}},
		{"zone and hours", "roster:\n  time_zone: Mars/Olympus\n  hours: always\n", []string{"c.yml:2: roster.time_zone", "c.yml:3: roster.hours"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Load(write(t, c.text), noEnv)
			if err == nil {
				t.Fatal("no error")
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("the error does not say %q:\n%v", w, err)
				}
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error repeats the secret: %v", err)
			}
		})
	}
}

func TestEmptyFileIsTheDefault(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "---\n"} {
		cfg, err := Load(write(t, text), noEnv)
		if err != nil || !reflect.DeepEqual(cfg, Default()) {
			t.Errorf("%q: %+v, %v", text, cfg, err)
		}
	}
}

func TestEnvironmentOverridesFile(t *testing.T) {
	env := map[string]string{
		"CRMWATCH_KAFKA_BROKERS": "a:1, b:2", "CRMWATCH_KAFKA_PARTITIONS": "7", "CRMWATCH_DETECT_LATENESS": "48h", "CRMWATCH_DETECT_SOURCE_DELAYS": "salesforce = 24h, zoho=1m",
		"CRMWATCH_KAFKA_SASL_PASSWORD": "env:KP", "KP": "swordfish", "CRMWATCH_KAFKA_TLS_ENABLED": "true", "CRMWATCH_TENANT": "t",
	}
	cfg, err := Load(write(t, "tenant: file\nkafka:\n  partitions: 3\n"), func(k string) (string, bool) { v, ok := env[k]; return v, ok })
	if err != nil {
		t.Fatal(err)
	}
	if got := cfg.Kafka; len(got.Brokers) != 2 || got.Brokers[1] != "b:2" || got.Partitions != 7 || got.SASL.Password.Reveal() != "swordfish" || !got.TLS.Enabled {
		t.Errorf("%+v", got)
	}
	if cfg.Tenant != "t" || cfg.Detect.Lateness.Hours() != 48 {
		t.Errorf("%+v", cfg)
	}
	if d := cfg.Detect.engine().Delays; len(d) != 2 || d["salesforce"] != 24*time.Hour || d["zoho"] != time.Minute {
		t.Errorf("%v", d)
	}
	for _, text := range []string{"zoho", "zoho=soon", "=1h"} {
		_, err = Load("", func(k string) (string, bool) { return text, k == "CRMWATCH_DETECT_SOURCE_DELAYS" })
		if err == nil || !strings.Contains(err.Error(), "CRMWATCH_DETECT_SOURCE_DELAYS: the value must be names and durations") {
			t.Errorf("%q: %v", text, err)
		}
	}
	_, err = Load("", func(k string) (string, bool) { return "x", k == "CRMWATCH_KAFKA_PARTITIONS" })
	if err == nil || !strings.Contains(err.Error(), "CRMWATCH_KAFKA_PARTITIONS: the value must be a whole number") {
		t.Errorf("%v", err)
	}
}
