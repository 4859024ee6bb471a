// Package dashboards_test checks that the dashboard and the alerting rules ask
// only for what crmwatch counts.
package dashboards_test

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.yaml.in/yaml/v3"
)

type dashboard struct {
	UID           string  `json:"uid"`
	Title         string  `json:"title"`
	SchemaVersion int     `json:"schemaVersion"`
	Panels        []panel `json:"panels"`
	Templating    struct {
		List []struct {
			Datasource datasource `json:"datasource"`
			Definition string     `json:"definition"`
		} `json:"list"`
	} `json:"templating"`
	Annotations struct {
		List []struct {
			Name string `json:"name"`
			Expr string `json:"expr"`
		} `json:"list"`
	} `json:"annotations"`
}

type panel struct {
	ID          int        `json:"id"`
	Type        string     `json:"type"`
	Title       string     `json:"title"`
	Description string     `json:"description"`
	Datasource  datasource `json:"datasource"`
	GridPos     rectangle  `json:"gridPos"`
	FieldConfig struct {
		Defaults struct {
			Unit string `json:"unit"`
		} `json:"defaults"`
	} `json:"fieldConfig"`
	Targets []struct {
		Datasource datasource `json:"datasource"`
		Expr       string     `json:"expr"`
		Legend     string     `json:"legendFormat"`
		RefID      string     `json:"refId"`
	} `json:"targets"`
}

type datasource struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

type rectangle struct{ X, Y, W, H int }

func (r rectangle) overlaps(o rectangle) bool {
	return r.X < o.X+o.W && o.X < r.X+r.W && r.Y < o.Y+o.H && o.Y < r.Y+r.H
}

// grid is how many columns Grafana has.
const grid = 24

var fromPrometheus = datasource{Type: "prometheus", UID: "prometheus"}

type ruleFile struct {
	Groups []struct {
		Name  string `yaml:"name"`
		Rules []rule `yaml:"rules"`
	} `yaml:"groups"`
}

type rule struct {
	Record      string            `yaml:"record,omitempty"`
	Alert       string            `yaml:"alert,omitempty"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for,omitempty"`
	Labels      map[string]string `yaml:"labels,omitempty"`
	Annotations map[string]string `yaml:"annotations,omitempty"`
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	data, err := os.ReadFile("overview.json")
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatalf("overview.json: %v", err)
	}
	return d
}

func readRules(t *testing.T) []rule {
	t.Helper()
	data, err := os.ReadFile("rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	var f ruleFile
	if err := dec.Decode(&f); err != nil {
		t.Fatalf("rules.yml: %v", err)
	}
	if err := dec.Decode(new(yaml.Node)); err != io.EOF {
		t.Fatalf("rules.yml holds more than one document: %v", err)
	}
	var all []rule
	for _, g := range f.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

func TestDashboardIsWhatDeployExpects(t *testing.T) {
	d := readDashboard(t)
	if d.UID != "crmwatch-overview" || d.Title == "" || d.SchemaVersion < 41 {
		t.Errorf("uid %q, title %q, schema %d", d.UID, d.Title, d.SchemaVersion)
	}
	for _, v := range d.Templating.List {
		if v.Datasource != fromPrometheus {
			t.Errorf("a variable asks %+v", v.Datasource)
		}
	}
}

func TestPanelsExplainThemselves(t *testing.T) {
	d := readDashboard(t)
	ids := map[int]bool{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.ID == 0 || p.Title == "" {
			t.Errorf("panel %d %q: no title, or an id that is 0 or used twice", p.ID, p.Title)
		}
		ids[p.ID] = true
		if p.Type == "row" {
			continue
		}
		if p.Description == "" || p.FieldConfig.Defaults.Unit == "" || p.Datasource != fromPrometheus || len(p.Targets) == 0 {
			t.Errorf("panel %q: description, unit, data source or query is missing", p.Title)
		}
		for _, q := range p.Targets {
			if q.Datasource != fromPrometheus || q.RefID == "" {
				t.Errorf("panel %q: a query asks %+v as %q", p.Title, q.Datasource, q.RefID)
			}
		}
	}
	for _, row := range []string{"Flow", "Trouble", "Resources"} {
		if !slices.ContainsFunc(d.Panels, func(p panel) bool { return p.Type == "row" && p.Title == row }) {
			t.Errorf("there is no row %q", row)
		}
	}
}

func TestPanelsLieBesideEachOther(t *testing.T) {
	panels := readDashboard(t).Panels
	for i, p := range panels {
		if p.GridPos.W <= 0 || p.GridPos.H <= 0 || p.GridPos.X < 0 || p.GridPos.X+p.GridPos.W > grid {
			t.Errorf("panel %q lies outside of the grid: %+v", p.Title, p.GridPos)
		}
		for _, o := range panels[:i] {
			if p.GridPos.overlaps(o.GridPos) {
				t.Errorf("panels %q and %q overlap", p.Title, o.Title)
			}
		}
	}
}

// expressions lists every expression with the place it stands at. Grafana's
// variables have been replaced by what they may be.
func expressions(t *testing.T) map[string]string {
	t.Helper()
	grafana := strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*")
	all := map[string]string{}
	d := readDashboard(t)
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			all["panel "+p.Title+", query "+q.RefID] = grafana.Replace(q.Expr)
		}
	}
	for _, a := range d.Annotations.List {
		if a.Expr != "" {
			all["annotation "+a.Name] = grafana.Replace(a.Expr)
		}
	}
	for _, v := range d.Templating.List {
		if metric, ok := strings.CutPrefix(v.Definition, "label_values("); ok {
			all["variable "+v.Definition], _, _ = strings.Cut(metric, ",")
		}
	}
	for _, r := range readRules(t) {
		all["rule "+r.Record+r.Alert+" "+r.Labels["severity"]] = r.Expr
	}
	return all
}

func TestExpressionsAskForWhatThereIs(t *testing.T) {
	known := metrics(t)
	for place, expr := range expressions(t) {
		q, err := scan(expr)
		if err != nil {
			t.Errorf("%s: %v in %s", place, err, expr)
			continue
		}
		if len(q.metrics) == 0 {
			t.Errorf("%s asks for no metric: %s", place, expr)
		}
		allowed := []string{"instance", "job"}
		for _, m := range q.metrics {
			labels, ok := known[m.name]
			if !ok {
				t.Errorf("%s: there is no metric %s", place, m.name)
				continue
			}
			allowed = append(allowed, labels...)
			for _, l := range m.labels {
				if !slices.Contains(append(labels, "instance", "job"), l) {
					t.Errorf("%s: %s has no label %s", place, m.name, l)
				}
			}
		}
		for _, l := range q.grouping {
			if !slices.Contains(allowed, l) {
				t.Errorf("%s groups by %s, which none of its metrics has", place, l)
			}
		}
	}
}

var (
	kafkaMatcher = regexp.MustCompile(`(group|topic)=~"([^"]*)"`)
	kafkaNames   = regexp.MustCompile(`crmwatch\.[a-z.]+`)
)

// A matcher that matches no topic and no group makes an alert that is silent for
// ever.
func TestMatchersMatchNamesInKafka(t *testing.T) {
	doc, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	topics, groups, _ := strings.Cut(string(doc), "and the groups")
	names := map[string][]string{"topic": kafkaNames.FindAllString(topics, -1), "group": kafkaNames.FindAllString(groups, -1)}
	for place, expr := range expressions(t) {
		for _, m := range kafkaMatcher.FindAllStringSubmatch(expr, -1) {
			pattern, err := regexp.Compile("^(?:" + m[2] + ")$")
			if err != nil || !slices.ContainsFunc(names[m[1]], pattern.MatchString) {
				t.Errorf("%s: %s matches none of %q: %v", place, m[0], names[m[1]], err)
			}
		}
	}
}

var legendLabel = regexp.MustCompile(`\{\{\s*(\w+)\s*\}\}`)

// A label that an aggregation has removed would stand empty in the legend.
func TestLegendsNameWhatIsLeft(t *testing.T) {
	known := metrics(t)
	for _, p := range readDashboard(t).Panels {
		for _, target := range p.Targets {
			q, err := scan(target.Expr)
			if err != nil {
				continue // TestExpressionsAskForWhatThereIs says it
			}
			left := q.grouping
			if !q.aggregates {
				left = append(slices.Clone(known[q.metrics[0].name]), "instance", "job")
			}
			for _, m := range legendLabel.FindAllStringSubmatch(target.Legend, -1) {
				if !slices.Contains(left, m[1]) {
					t.Errorf("panel %q: the legend %q shows a label that the query does not keep", p.Title, target.Legend)
				}
			}
		}
	}
}

func TestEveryMetricOfCrmwatchIsOnTheDashboard(t *testing.T) {
	asked := map[string]bool{}
	for place, expr := range expressions(t) {
		q, err := scan(expr)
		if err != nil {
			t.Errorf("%s: %v", place, err)
		}
		for _, m := range q.metrics {
			asked[m.name] = true
		}
	}
	for name := range documented(t) {
		if !asked[name] && !asked[name+"_bucket"] {
			t.Errorf("neither the dashboard nor a rule asks for %s: why is it counted?", name)
		}
	}
}

func TestAlertsSayWhatToDo(t *testing.T) {
	var tests []byte
	for _, file := range ruleTests {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tests = append(tests, data...)
	}
	seen := map[string]bool{}
	for _, r := range readRules(t) {
		switch {
		case (r.Alert == "") == (r.Record == ""):
			t.Errorf("a rule is neither an alert nor a record, or both: %s", r.Expr)
		case r.Record != "":
			if !regexp.MustCompile(`^crmwatch:[a-z_]+:[a-z0-9_]+$`).MatchString(r.Record) || r.Annotations != nil {
				t.Errorf("record %s is not named crmwatch:metric:operation", r.Record)
			}
		default:
			checkAlert(t, r)
			if !bytes.Contains(tests, []byte(r.Alert)) {
				t.Errorf("%v do not test %s", ruleTests, r.Alert)
			}
		}
		id := r.Record + r.Alert + r.Labels["severity"]
		if seen[id] {
			t.Errorf("%s is there twice", id)
		}
		seen[id] = true
	}
}

func checkAlert(t *testing.T, r rule) {
	t.Helper()
	if !strings.HasPrefix(r.Alert, "Crmwatch") {
		t.Errorf("%s is not named Crmwatch…", r.Alert)
	}
	if s := r.Labels["severity"]; s != "page" && s != "ticket" {
		t.Errorf("%s has the severity %q", r.Alert, s)
	}
	if r.Annotations["summary"] == "" || len(r.Annotations["runbook"]) < 80 {
		t.Errorf("%s does not say what is wrong and what to do", r.Alert)
	}
	if keys := slices.Sorted(maps.Keys(r.Annotations)); !slices.Equal(keys, []string{"runbook", "summary"}) {
		t.Errorf("%s has the annotations %q", r.Alert, keys)
	}
}

func promtool(t *testing.T, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed (Debian: apt install prometheus), so rules were only scanned, not run")
	}
	if out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// ruleTests are in promtool's own form.
var ruleTests = []string{"rules_test.yml", "rules_days_test.yml"}

func TestRulesWithPromtool(t *testing.T) {
	promtool(t, "check", "rules", "rules.yml")
	promtool(t, append([]string{"test", "rules"}, ruleTests...)...)
}

// promtool cannot read a dashboard, but it can parse its queries as rules.
func TestQueriesWithPromtool(t *testing.T) {
	type group struct {
		Name  string `yaml:"name"`
		Rules []rule `yaml:"rules"`
	}
	g := group{Name: "queries"}
	all := expressions(t)
	for _, place := range slices.Sorted(maps.Keys(all)) {
		g.Rules = append(g.Rules, rule{Record: "query", Expr: all[place], Labels: map[string]string{"place": place}})
	}
	data, err := yaml.Marshal(map[string][]group{"groups": {g}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "queries.yml")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", file)
}

// metrics lists everything that can be asked for, with its labels: what
// docs/metrics.md documents, what client_golang adds, what the rules record and
// what Prometheus itself has.
func metrics(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{"up": nil}
	for name, m := range documented(t) {
		all[name] = m.labels
		if m.kind == "histogram" {
			all[name+"_bucket"] = append([]string{"le"}, m.labels...)
			all[name+"_sum"], all[name+"_count"] = m.labels, m.labels
			delete(all, name)
		}
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		all[f.GetName()] = nil
	}
	for _, r := range readRules(t) {
		if r.Record == "" {
			continue
		}
		q, err := scan(r.Expr)
		if err != nil {
			t.Fatalf("record %s: %v", r.Record, err)
		}
		all[r.Record] = q.grouping
	}
	return all
}

type documentedMetric struct {
	kind   string
	labels []string
}

var (
	tableRow = regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (\\w+) \\| (.*?) \\| .+ \\|$")
	quoted   = regexp.MustCompile("`(\\w+)`")
)

func documented(t *testing.T) map[string]documentedMetric {
	t.Helper()
	doc, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]documentedMetric{}
	for _, row := range tableRow.FindAllStringSubmatch(string(doc), -1) {
		m := documentedMetric{kind: row[2]}
		for _, l := range quoted.FindAllStringSubmatch(row[3], -1) {
			m.labels = append(m.labels, l[1])
		}
		all[row[1]] = m
	}
	if len(all) < 30 {
		t.Fatalf("docs/metrics.md lists %d metrics: its table has another form than this test reads", len(all))
	}
	return all
}
