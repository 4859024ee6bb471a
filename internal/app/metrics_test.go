package app

import (
	"cmp"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/crmwatch/crmwatch/alert"
	"github.com/crmwatch/crmwatch/detect"
	"github.com/crmwatch/crmwatch/ingest"
	"github.com/crmwatch/crmwatch/ingest/catalog"
	"github.com/crmwatch/crmwatch/internal/bus"
	"github.com/crmwatch/crmwatch/roster"
	"github.com/crmwatch/crmwatch/store"
)

var update = flag.Bool("update", false, "write the golden files anew")

// metric is one metric as its users see it.
type metric struct {
	name, kind, help string
	labels           []string
}

// pkg is the package the metric belongs to, by its name.
func (m metric) pkg() string { return strings.SplitN(m.name, "_", 3)[1] }

// TestMetricsDoc generates docs/metrics.md, which dashboards and alerting rules
// are checked against, and compares.
func TestMetricsDoc(t *testing.T) {
	const file = "../../docs/metrics.md"
	got := metricsDoc(registered(t))
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(string(want), got); diff != "" {
		t.Errorf("docs/metrics.md is out of date; run go test ./internal/app -run TestMetricsDoc -update\n%s", diff)
	}
}

func TestMetricsAreLintClean(t *testing.T) {
	var text strings.Builder
	for _, m := range registered(t) {
		text.WriteString(m.exposition())
	}
	problems, err := promlint.New(strings.NewReader(text.String())).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// A name says which package counts, so that who reads a dashboard knows where to
// look.
func TestMetricsAreNamedAfterTheirPackage(t *testing.T) {
	name := regexp.MustCompile(`^crmwatch_(ingest|bus|roster|rules|detect|alert|store|build)_[a-z][a-z0-9_]*$`)
	for _, m := range registered(t) {
		if !name.MatchString(m.name) {
			t.Errorf("%s is not named crmwatch_<package>_<thing>_<unit>", m.name)
		}
		if !strings.HasSuffix(m.help, ".") {
			t.Errorf("%s: the help is no sentence: %q", m.name, m.help)
		}
	}
}

// boundedLabels are those that a metric may have: their values are fixed by the
// code, the configuration or the rules, or counted and cut off. A label that is
// not here may grow without bound, or be somebody's name.
var boundedLabels = []string{"action", "code", "group", "level", "partition", "reason", "result", "rule", "sink", "source", "table", "topic", "version"}

func TestMetricsNameNobody(t *testing.T) {
	forbidden := []string{"person", "account", "actor", "address", "ip", "user", "login", "email", "mail", "tenant", "name", "session", "device", "object", "id", "file", "host"}
	for _, m := range registered(t) {
		for _, l := range m.labels {
			if words := strings.Split(l, "_"); slices.ContainsFunc(words, func(w string) bool { return slices.Contains(forbidden, w) }) {
				t.Errorf("%s has the label %q, which names somebody or grows without bound", m.name, l)
			}
			if !slices.Contains(boundedLabels, l) {
				t.Errorf("%s has the label %q: is it bounded? Then add it to boundedLabels", m.name, l)
			}
		}
	}
}

// registered lists what a running crmwatch registers, by name.
func registered(t *testing.T) []metric {
	t.Helper()
	rec := &recorder{Registry: prometheus.NewPedanticRegistry()}
	construct(t, rec)
	all := append(rec.metrics, ofCommand(t)...)
	slices.SortFunc(all, func(a, b metric) int { return strings.Compare(a.name, b.name) })
	for i := 1; i < len(all); i++ {
		if all[i].name == all[i-1].name {
			t.Errorf("%s is registered twice", all[i].name)
		}
	}
	if len(all) < 30 {
		t.Errorf("only %d metrics were found: a component is missing from the test", len(all))
	}
	return all
}

// construct makes every component that has metrics. None of them connects
// before it is used.
func construct(t *testing.T, reg prometheus.Registerer) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	client, err := bus.New(bus.Config{Brokers: []string{"127.0.0.1:1"}, ClientID: "crmwatch"}, bus.Deps{Logger: slog.New(slog.DiscardHandler), Registerer: reg})
	must(err)
	t.Cleanup(func() { _ = client.Close() })
	defaults, err := Default().Roster.defaults()
	must(err)
	book, err := roster.NewBook(defaults, roster.Deps{Logger: slog.New(slog.DiscardHandler), Registerer: reg})
	must(err)
	_, err = ingest.New(ingest.DefaultConfig("default"), ingest.Deps{
		Formats: catalog.Formats(), Events: client.Writer("events"), Dead: client.Writer("dlq"), People: book,
		Clock: time.Now, Logger: slog.New(slog.DiscardHandler), Registerer: reg,
	})
	must(err)
	rules, err := NewRuleBook(Rules{}, RuleBookDeps{Logger: slog.New(slog.DiscardHandler), Registerer: reg, Now: time.Now})
	must(err)
	detect.New(detect.DefaultConfig(), detect.Deps{Rules: rules.Current, People: book, Logger: slog.New(slog.DiscardHandler), Metrics: reg, Now: time.Now})
	alert.New(alert.Config{}, alert.Deps{Sink: nowhere{}, Logger: slog.New(slog.DiscardHandler), Registerer: reg})
	db, err := store.Open(store.Config{Addrs: []string{"127.0.0.1:1"}, Database: "crmwatch", User: "default"}, store.Deps{Logger: slog.New(slog.DiscardHandler), Registerer: reg})
	must(err)
	t.Cleanup(func() { _ = db.Close() })
}

// nowhere is a sink that is only asked for its name.
type nowhere struct{ alert.Sink }

func (nowhere) Name() string { return "nowhere" }

// recorder keeps what a registry does not tell: the kinds of its metrics.
type recorder struct {
	*prometheus.Registry
	metrics []metric
}

func (r *recorder) Register(c prometheus.Collector) error {
	if err := r.Registry.Register(c); err != nil {
		return err
	}
	r.metrics = append(r.metrics, describe(c))
	return nil
}

func (r *recorder) MustRegister(cs ...prometheus.Collector) {
	for _, c := range cs {
		if err := r.Register(c); err != nil {
			panic(err)
		}
	}
}

// descText is how client_golang prints a Desc, which has no accessors.
var descText = regexp.MustCompile(`^Desc\{fqName: (".*"), help: (".*"), constLabels: \{.*\}, variableLabels: \{(.*)\}\}$`)

func describe(c prometheus.Collector) metric {
	ch := make(chan *prometheus.Desc, 1) // a collector of ours has one Desc
	c.Describe(ch)
	text := (<-ch).String()
	parts := descText.FindStringSubmatch(text)
	if parts == nil {
		panic("client_golang prints a Desc in another way: " + text)
	}
	m := metric{kind: kindOf(c)}
	if _, err := fmt.Sscanf(parts[1]+" "+parts[2], "%q %q", &m.name, &m.help); err != nil {
		panic(err)
	}
	if parts[3] != "" {
		m.labels = strings.Split(parts[3], ",")
	}
	return m
}

func kindOf(c prometheus.Collector) string {
	switch c.(type) {
	case *prometheus.GaugeVec, prometheus.Gauge: // before Counter, whose methods a Gauge has, too
		return "gauge"
	case *prometheus.CounterVec, prometheus.Counter:
		return "counter"
	case *prometheus.HistogramVec, prometheus.Histogram:
		return "histogram"
	default:
		panic(fmt.Sprintf("no kind is known for %T", c))
	}
}

var inSource = regexp.MustCompile(`prometheus\.New(Gauge|Counter)\(prometheus\.\w+Opts\{Name: "(\w+)", Help: "([^"]*)"(?:, ConstLabels: prometheus\.Labels\{"(\w+)")?`)

// ofCommand reads the metrics that the command itself registers from its source:
// no test can import a command.
func ofCommand(t *testing.T) []metric {
	t.Helper()
	files, err := filepath.Glob("../../cmd/crmwatch/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var found []metric
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range inSource.FindAllStringSubmatch(string(src), -1) {
			found = append(found, metric{name: m[2], kind: strings.ToLower(m[1]), help: m[3], labels: strings.Fields(m[4])})
		}
	}
	if len(found) == 0 {
		t.Error("no metric was found in cmd/crmwatch: it is written in another way than this test reads")
	}
	return found
}

// exposition is the metric as a scrape would show it, with one child.
func (m metric) exposition() string {
	labels := make([]string, len(m.labels))
	for i, l := range m.labels {
		labels[i] = fmt.Sprintf("%s=%q", l, "x")
	}
	head := fmt.Sprintf("# HELP %s %s\n# TYPE %s %s\n", m.name, m.help, m.name, m.kind)
	all := strings.Join(labels, ",")
	if m.kind != "histogram" {
		return head + fmt.Sprintf("%s{%s} 1\n", m.name, all)
	}
	bucket := strings.Join(append(labels, `le="+Inf"`), ",")
	return head + fmt.Sprintf("%s_bucket{%s} 1\n%s_sum{%s} 1\n%s_count{%s} 1\n", m.name, bucket, m.name, all, m.name, all)
}

func metricsDoc(all []metric) string {
	var b strings.Builder
	b.WriteString(`# Metrics

<!-- Generated by go test ./internal/app -run TestMetricsDoc -update. Do not edit. -->

` + "`GET /metrics`" + ` answers in the Prometheus format. Beside what is listed here come client_golang's own metrics of the Go runtime
(` + "`go_*`" + `), of the process (` + "`process_*`" + `) and of the scrapes themselves (` + "`promhttp_*`" + `).

No label holds a person, an account or an address, and each has a bounded number of values. A metric that has labels shows up with the
first thing it counts. ` + "`dashboards/`" + ` holds a Grafana dashboard and the alerting rules.

` + "`topic` and `group`" + ` of the bus are names in Kafka. With the default prefix, the topics are
` + quote(topicNames()) + `, and the groups
` + quote(groupNames()) + `.
`)
	slices.SortStableFunc(all, func(a, b metric) int { return cmp.Compare(order(a), order(b)) })
	last := ""
	for _, m := range all {
		if p := m.pkg(); p != last {
			fmt.Fprintf(&b, "\n## %s\n\n| name | type | labels | meaning |\n|---|---|---|---|\n", p)
			last = p
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.name, m.kind, quote(m.labels), m.help)
	}
	return b.String()
}

func quote(words []string) string {
	if len(words) == 0 {
		return ""
	}
	return "`" + strings.Join(words, "`, `") + "`"
}

func topicNames() []string {
	var names []string
	for _, topic := range Default().Kafka.topics() {
		names = append(names, topic.Name)
	}
	return names
}

func groupNames() []string {
	k := Default().Kafka
	names := []string{k.topic(groupDetect), k.topic(groupNotify)}
	for _, topic := range []string{topicEvents, topicAlerts, topicRoster, topicDead} {
		names = append(names, k.topic(groupArchive+topic))
	}
	return names
}

// order is that of the data on its way through the house.
func order(m metric) int {
	return slices.Index([]string{"ingest", "bus", "roster", "rules", "detect", "alert", "store", "build"}, m.pkg())
}
