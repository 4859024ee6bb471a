package store

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestConfigValidate(t *testing.T) {
	good := Config{Addrs: []string{"127.0.0.1:9000"}, Database: "crmwatch"}
	for name, tt := range map[string]struct {
		change func(*Config)
		want   string // in the error; empty for none
	}{
		"defaults":            {func(*Config) {}, ""},
		"floor":               {func(c *Config) { c.RetentionDays = 180 }, ""},
		"below the floor":     {func(c *Config) { c.RetentionDays = 179 }, "legal floor of 180 days"},
		"negative":            {func(c *Config) { c.RetentionDays = -1 }, "legal floor"},
		"alerts below":        {func(c *Config) { c.AlertRetentionDays = 30 }, "alert_retention_days: 30"},
		"for ever":            {func(c *Config) { c.RetentionDays = 1 << 20 }, "more than"},
		"no address":          {func(c *Config) { c.Addrs = nil }, "addrs"},
		"protocol":            {func(c *Config) { c.Protocol = "grpc" }, "protocol"},
		"no database":         {func(c *Config) { c.Database = "" }, "database"},
		"database injection":  {func(c *Config) { c.Database = "x; DROP DATABASE y" }, "database"},
		"cluster macro":       {func(c *Config) { c.Cluster = "{cluster}" }, ""},
		"cluster injection":   {func(c *Config) { c.Cluster = "x' AS SELECT 1 --" }, "cluster"},
		"everything at once":  {func(c *Config) { *c = Config{RetentionDays: 1} }, "database"},
		"everything at once2": {func(c *Config) { *c = Config{RetentionDays: 1} }, "legal floor"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := good
			tt.change(&cfg)
			err := cfg.Validate()
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Validate: %v, want %q", err, tt.want)
			}
		})
	}
}

func TestAlertsAreKeptAtLeastAsLongAsEvents(t *testing.T) {
	for days, want := range map[int]int{0: 1095, 400: 1095, 2000: 2000} {
		if got := (Config{RetentionDays: days}).withDefaults().AlertRetentionDays; got != want {
			t.Errorf("events for %d days: alerts for %d, want %d", days, got, want)
		}
	}
}

func TestConfigNeverShowsThePassword(t *testing.T) {
	cfg := Config{Addrs: []string{"h:1"}, Password: "hunter2"}
	var b bytes.Buffer
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "config", cfg)
	fmt.Fprintf(&b, "%v %+v %#v %s", cfg, cfg, cfg, &cfg)
	if strings.Contains(b.String(), "hunter2") {
		t.Errorf("the password is in %s", &b)
	}
}
