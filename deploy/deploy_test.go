// Package deploy_test loads docker-compose.yml as Compose does, and the
// configurations that it mounts as their programs do, and checks that they fit
// each other.
package deploy_test

import (
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v3"

	"github.com/crmwatch/crmwatch/internal/app"
)

const root = ".."

// required are the variables without which nothing may start.
var required = map[string]string{
	"CLICKHOUSE_PASSWORD": "of clickhouse",
	"CRMWATCH_TOKEN":      "of senders",
	"GRAFANA_PASSWORD":    "of grafana",
}

func load(t *testing.T, env map[string]string) (*types.Project, error) {
	t.Helper()
	vars := make([]string, 0, len(env))
	for k, v := range env {
		vars = append(vars, k+"="+v)
	}
	o, err := cli.NewProjectOptions([]string{filepath.Join(root, "docker-compose.yml")}, cli.WithEnv(vars))
	if err != nil {
		t.Fatal(err)
	}
	return o.LoadProject(t.Context())
}

func project(t *testing.T, more map[string]string) *types.Project {
	t.Helper()
	env := maps.Clone(required)
	maps.Copy(env, more)
	p, err := load(t, env)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestMissingVariablesAreAnError(t *testing.T) {
	for name := range required {
		for _, what := range []string{"absent", "empty"} {
			t.Run(name+" "+what, func(t *testing.T) {
				env := maps.Clone(required)
				delete(env, name)
				if what == "empty" {
					env[name] = ""
				}
				if _, err := load(t, env); err == nil || !strings.Contains(err.Error(), name) {
					t.Errorf("the error does not name the variable: %v", err)
				}
			})
		}
	}
}

func TestServices(t *testing.T) {
	p := project(t, nil)
	want := []string{"clickhouse", "crmwatch", "grafana", "kafka", "prometheus"}
	if got := p.ServiceNames(); !slices.Equal(slices.Sorted(slices.Values(got)), want) {
		t.Fatalf("services %q, want %q", got, want)
	}
	for name, s := range p.Services {
		t.Run(name, func(t *testing.T) {
			checkImage(t, s)
			if h := s.HealthCheck; h == nil || h.Disable || len(h.Test) < 2 || h.Test[0] == "NONE" {
				t.Error("it has no health check")
			}
			if s.Restart != "unless-stopped" {
				t.Errorf("restart %q: it would stay down after a crash or a reboot", s.Restart)
			}
			for _, port := range s.Ports {
				if ip := net.ParseIP(port.HostIP); !ip.IsLoopback() {
					t.Errorf("port %s is published to the world on %q", port.Published, port.HostIP)
				}
			}
			for other, d := range s.DependsOn {
				if d.Condition != types.ServiceConditionHealthy {
					t.Errorf("it waits for %s to be %s only", other, d.Condition)
				}
			}
			checkSecrets(t, s)
		})
	}
	for from, to := range map[string][]string{"crmwatch": {"clickhouse", "kafka"}, "prometheus": {"crmwatch"}, "grafana": {"prometheus"}} {
		if got := slices.Sorted(maps.Keys(p.Services[from].DependsOn)); !slices.Equal(got, to) {
			t.Errorf("%s depends on %q, want %q", from, got, to)
		}
	}
}

// pinned is an image with a whole version.
var pinned = regexp.MustCompile(`^[a-z0-9./_-]+:v?[0-9]+\.[0-9]+\.[0-9]+[a-z0-9.-]*$`)

func checkImage(t *testing.T, s types.ServiceConfig) {
	t.Helper()
	if s.Name == "crmwatch" {
		if s.Build == nil {
			t.Error("it is not built from this tree")
		}
		return
	}
	if s.Build != nil || !pinned.MatchString(s.Image) {
		t.Errorf("the image %q is not pinned to a version", s.Image)
	}
}

// checkSecrets makes sure that what is called a password or a token came from
// outside.
func checkSecrets(t *testing.T, s types.ServiceConfig) {
	t.Helper()
	secret := regexp.MustCompile(`PASSWORD|TOKEN|SECRET`)
	for name, value := range s.Environment {
		if !secret.MatchString(name) || value == nil || *value == "" {
			continue
		}
		if !slices.Contains(slices.Collect(maps.Values(required)), *value) {
			t.Errorf("%s stands in the file", name)
		}
	}
}

// Everything a service keeps is on a named volume, and each volume is for one
// service.
func TestStateIsOnNamedVolumes(t *testing.T) {
	p := project(t, nil)
	state := map[string]string{
		"kafka":      env(p.Services["kafka"], "KAFKA_LOG_DIRS"),
		"clickhouse": "/var/lib/clickhouse",
		"crmwatch":   config(t, p).DataDir,
		"prometheus": "/prometheus",
		"grafana":    "/var/lib/grafana",
	}
	used := map[string]string{}
	for name, s := range p.Services {
		found := false
		for _, v := range s.Volumes {
			switch v.Type {
			case types.VolumeTypeVolume:
				if _, declared := p.Volumes[v.Source]; !declared || used[v.Source] != "" {
					t.Errorf("%s: volume %q is anonymous, or that of %s", name, v.Source, used[v.Source])
				}
				used[v.Source] = name
				found = found || v.Target == state[name]
			case types.VolumeTypeBind:
				checkBind(t, name, v)
			default:
				t.Errorf("%s: a mount of type %s", name, v.Type)
			}
		}
		if !found {
			t.Errorf("%s keeps its state in %q, which is on no named volume", name, state[name])
		}
	}
	if len(used) != len(p.Volumes) {
		t.Errorf("of the volumes %v, only %v are used", slices.Sorted(maps.Keys(p.Volumes)), used)
	}
}

func checkBind(t *testing.T, service string, v types.ServiceVolumeConfig) {
	t.Helper()
	if _, err := os.Stat(v.Source); err != nil {
		t.Errorf("%s: %v", service, err)
	}
	base, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	if rel, err := filepath.Rel(base, v.Source); err != nil || !filepath.IsLocal(rel) {
		t.Errorf("%s mounts %s, which is not of this tree", service, v.Source)
	}
	if !v.ReadOnly {
		t.Errorf("%s could write to %s", service, v.Source)
	}
}

func env(s types.ServiceConfig, name string) string {
	if v := s.Environment[name]; v != nil {
		return *v
	}
	return ""
}

// mounted is the file of this tree that the service sees at the path.
func mounted(t *testing.T, s types.ServiceConfig, path string) string {
	t.Helper()
	for _, v := range s.Volumes {
		if v.Type == types.VolumeTypeBind && v.Target == path {
			return v.Source
		}
	}
	t.Fatalf("%s has nothing mounted at %s", s.Name, path)
	return ""
}

// config is what crmwatch in its container reads: the file that the image
// points to and the service's environment.
func config(t *testing.T, p *types.Project) app.Config {
	t.Helper()
	s := p.Services["crmwatch"]
	lookup := func(name string) (string, bool) {
		v := s.Environment[name]
		return env(s, name), v != nil
	}
	for name, v := range s.Environment {
		if v != nil {
			t.Setenv(name, *v) // a reference env:NAME asks the process
		}
	}
	cfg, err := app.Load(mounted(t, s, dockerfile(t)["ENV CRMWATCH_CONFIG"]), lookup)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestConfigurationFitsTheServices(t *testing.T) {
	p := project(t, nil)
	cfg := config(t, p)
	kafka, clickhouse := p.Services["kafka"], p.Services["clickhouse"]

	if want := []string{"kafka:9092"}; !slices.Equal(cfg.Kafka.Brokers, want) {
		t.Errorf("brokers %q, want %q", cfg.Kafka.Brokers, want)
	}
	if got := env(kafka, "KAFKA_ADVERTISED_LISTENERS"); got != "PLAINTEXT://"+cfg.Kafka.Brokers[0] {
		t.Errorf("Kafka calls itself %q", got)
	}
	if !strings.Contains(env(kafka, "KAFKA_LISTENERS"), "PLAINTEXT://:9092") {
		t.Errorf("Kafka listens on %q", env(kafka, "KAFKA_LISTENERS"))
	}
	if most, err := strconv.Atoi(env(kafka, "KAFKA_MESSAGE_MAX_BYTES")); err != nil || most < app.MaxMessageBytes {
		t.Errorf("Kafka takes messages of %d bytes, crmwatch writes up to %d: %v", most, app.MaxMessageBytes, err)
	}
	if cfg.Kafka.Replication != 1 {
		t.Errorf("replication %d on one broker", cfg.Kafka.Replication)
	}

	ch := cfg.ClickHouse
	if want := []string{"clickhouse:9000"}; !slices.Equal(ch.Addrs, want) || ch.Protocol != "native" {
		t.Errorf("addresses %q by %s, want %q", ch.Addrs, ch.Protocol, want)
	}
	if ch.User != env(clickhouse, "CLICKHOUSE_USER") || ch.Database != env(clickhouse, "CLICKHOUSE_DB") || ch.Password.Reveal() != env(clickhouse, "CLICKHOUSE_PASSWORD") {
		t.Errorf("crmwatch signs in as %s to %s; ClickHouse has %s and %s, or another password", ch.User, ch.Database, env(clickhouse, "CLICKHOUSE_USER"), env(clickhouse, "CLICKHOUSE_DB"))
	}
	if cfg.HTTP.Token.Reveal() != required["CRMWATCH_TOKEN"] {
		t.Error("the token of senders is another one than was given")
	}
	if cfg.Alert.Slack.Token.Set() {
		t.Error("there is a Slack token, although none was given")
	}
}

func TestPortsFitTheListener(t *testing.T) {
	p := project(t, nil)
	s := p.Services["crmwatch"]
	_, port, err := net.SplitHostPort(config(t, p).HTTP.Listen)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Ports) != 1 || fmt.Sprint(s.Ports[0].Target) != port {
		t.Errorf("the listener is on %s, published is %+v", port, s.Ports)
	}
	if check := strings.Join(s.HealthCheck.Test, " "); !strings.Contains(check, "http://127.0.0.1:"+port+"/readyz") {
		t.Errorf("the health check is %q", check)
	}
	if got := dockerfile(t)["EXPOSE"]; got != port {
		t.Errorf("the image exposes %s", got)
	}
}

func TestSlackIsOptional(t *testing.T) {
	cfg := config(t, project(t, map[string]string{"SLACK_TOKEN": "xoxb-made-up", "SLACK_CHANNEL": "C123"}))
	if s := cfg.Alert.Slack; s.Token.Reveal() != "xoxb-made-up" || s.Channel != "C123" {
		t.Errorf("the channel is %q, or the token another one", s.Channel)
	}
}

func readYAML(t *testing.T, path string, into any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(data, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func TestPrometheusScrapesCrmwatch(t *testing.T) {
	p := project(t, nil)
	s := p.Services["prometheus"]
	var c struct {
		RuleFiles []string `yaml:"rule_files"`
		Scrape    []struct {
			Job    string `yaml:"job_name"`
			Static []struct {
				Targets []string `yaml:"targets"`
			} `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	if !slices.Contains(s.Command, "--config.file=/etc/prometheus/prometheus.yml") {
		t.Errorf("Prometheus is started with %q", s.Command)
	}
	readYAML(t, mounted(t, s, "/etc/prometheus/prometheus.yml"), &c)
	_, port, err := net.SplitHostPort(config(t, p).HTTP.Listen)
	if err != nil {
		t.Fatal(err)
	}
	// The rules know the job by this name.
	if len(c.Scrape) != 1 || c.Scrape[0].Job != "crmwatch" || len(c.Scrape[0].Static) != 1 || !slices.Equal(c.Scrape[0].Static[0].Targets, []string{"crmwatch:" + port}) {
		t.Errorf("Prometheus scrapes %+v", c.Scrape)
	}
	if len(c.RuleFiles) != 1 || filepath.Base(mounted(t, s, c.RuleFiles[0])) != "rules.yml" {
		t.Errorf("Prometheus reads the rules %q", c.RuleFiles)
	}
}

func TestGrafanaFindsPrometheusAndTheDashboard(t *testing.T) {
	p := project(t, nil)
	s := p.Services["grafana"]
	var source struct {
		Datasources []struct{ UID, Type, URL string }
	}
	readYAML(t, mounted(t, s, "/etc/grafana/provisioning/datasources/prometheus.yml"), &source)
	if len(source.Datasources) != 1 || source.Datasources[0] != struct{ UID, Type, URL string }{"prometheus", "prometheus", "http://prometheus:9090"} {
		t.Errorf("Grafana asks %+v", source.Datasources)
	}
	var boards struct {
		Providers []struct {
			Options struct{ Path string }
		}
	}
	readYAML(t, mounted(t, s, "/etc/grafana/provisioning/dashboards/crmwatch.yml"), &boards)
	if len(boards.Providers) != 1 {
		t.Fatalf("Grafana has the providers %+v", boards.Providers)
	}
	folder := boards.Providers[0].Options.Path
	home, ok := strings.CutPrefix(env(s, "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"), folder)
	if !ok {
		t.Fatalf("the home dashboard is not in %s", folder)
	}
	if _, err := os.Stat(filepath.Join(mounted(t, s, folder), home)); err != nil {
		t.Error(err)
	}
}

// dockerfile is the last value of each instruction of the Dockerfile; ENV by
// variable.
func dockerfile(t *testing.T) map[string]string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for line := range strings.Lines(string(data)) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name, value, ok := strings.Cut(rest, "="); ok && word == "ENV" {
			all["ENV "+name] = value
		}
		all[word] = rest
	}
	return all
}

func TestImage(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`^[a-z/]+:[0-9]+\.[0-9]+[a-z0-9.-]*$`)
	var stages []string
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "FROM" {
			stages = append(stages, f[1])
		}
	}
	for _, s := range stages {
		if !version.MatchString(s) {
			t.Errorf("the base image %q is not pinned to a version", s)
		}
	}
	if user := dockerfile(t)["USER"]; user == "" || strings.HasPrefix(user, "0") || strings.HasPrefix(user, "root") {
		t.Errorf("the image runs as %q", user)
	}
	checkGo(t, stages[0])
}

// checkGo makes sure that the image can build what go.mod asks for.
func checkGo(t *testing.T, image string) {
	t.Helper()
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`(?m)^go (\d+\.\d+)\.(\d+)$`).FindStringSubmatch(string(mod))
	got := regexp.MustCompile(`^golang:(\d+\.\d+)\.(\d+)-`).FindStringSubmatch(image)
	if want == nil || got == nil || want[1] != got[1] {
		t.Fatalf("go.mod asks for Go %q, the image is %q", want, image)
	}
	asked, _ := strconv.Atoi(want[2])
	has, _ := strconv.Atoi(got[2])
	if has < asked {
		t.Errorf("go.mod asks for %s, the image is %s", want[0], image)
	}
}
