package coverage_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/crmwatch/crmwatch/rules"
	"github.com/crmwatch/crmwatch/rules/coverage"
	"github.com/crmwatch/crmwatch/rules/pack"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(m.Run())
}

// fields are those that the rules of these tests, and of the pack, may name.
type anyField struct{ known map[string]rules.Field }

func (f anyField) Paths() []string { return nil }
func (f anyField) Field(path string) (rules.Field, bool) {
	if _, ok := f.known[path]; !ok {
		f.known[path] = rules.Field(len(f.known))
	}
	return f.known[path], true
}

func load(t *testing.T, dir string) *rules.Set {
	t.Helper()
	fsys := os.DirFS(dir)
	if dir == "" {
		fsys = pack.FS
	}
	set, err := rules.Load(fsys, anyField{map[string]rules.Field{}}, rules.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func report(t *testing.T, dir string, o coverage.Options) *coverage.Report {
	t.Helper()
	r, err := coverage.Of(load(t, dir), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (rewrite it with -update):\n%s", path, diff)
	}
}

func asJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(b, '\n')
}

// The rules in testdata have every kind of requirement, a rule without a
// technique, and a correlation that says nothing and so has what it measures.
func TestGolden(t *testing.T) {
	for name, o := range map[string]coverage.Options{
		"all":      {},
		"licensed": {CRMs: []string{"salesforce", "yonyou"}, Licences: []string{"Event Monitoring", "Shield"}},
	} {
		r := report(t, "testdata/rules", o)
		var table bytes.Buffer
		if err := r.WriteTable(&table); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".txt", table.Bytes())
		golden(t, name+".json", asJSON(t, r))
		golden(t, name+".layer.json", asJSON(t, r.Layers()))
	}
}

// What is asked for by a name that there is not is refused with those that there
// are.
func TestUnknownNames(t *testing.T) {
	set := load(t, "testdata/rules")
	for _, c := range []struct {
		o    coverage.Options
		want string
	}{
		{coverage.Options{CRMs: []string{"zoho", "sap"}}, `there is no CRM "sap"; those that are known are salesforce, zoho, jiandaoyun, yonyou`},
		{coverage.Options{Licences: []string{"Shield", "event monitoring"}}, `no rule asks for the licence "event monitoring"; those that rules ask for are Event Monitoring, Shield, 旗舰版`},
	} {
		if _, err := coverage.Of(set, c.o); err == nil || err.Error() != c.want {
			t.Errorf("%+v: got %v, want %s", c.o, err, c.want)
		}
	}
}

var (
	techniqueID = regexp.MustCompile(`^T\d{4}(\.\d{3})?$`)
	hexColor    = regexp.MustCompile(`^#[0-9a-f]{6}$`)
)

// Layers of the shipped rules have what version 4.5 of the format requires.
func TestLayersAreValid(t *testing.T) {
	var layers []map[string]any
	if err := json.Unmarshal(asJSON(t, report(t, "", coverage.Options{}).Layers()), &layers); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, l := range layers {
		name, _ := l["name"].(string)
		names = append(names, name)
		versions, _ := l["versions"].(map[string]any)
		if name == "" || l["domain"] != "enterprise-attack" || versions["layer"] != "4.5" || versions["navigator"] == "" {
			t.Errorf("layer %q: domain %v, versions %v", name, l["domain"], versions)
		}
		techniques, _ := l["techniques"].([]any)
		if len(techniques) < 20 {
			t.Errorf("layer %q has %d techniques", name, len(techniques))
		}
		var ids []string
		for _, one := range techniques {
			ids = append(ids, validTechnique(t, name, one))
		}
		if !slices.Contains(ids, "T1098.003") {
			t.Errorf("layer %q has no sub-technique: %v", name, ids)
		}
		if twice := len(ids) - len(slices.Compact(slices.Sorted(slices.Values(ids)))); twice > 0 {
			t.Errorf("layer %q has %d techniques twice", name, twice)
		}
	}
	if want := "crmwatch: salesforce with Event Monitoring"; len(layers) < len(rules.CRMs()) || !slices.Contains(names, want) {
		t.Errorf("the layers are %q, want one for each CRM, and %q", names, want)
	}
}

func validTechnique(t *testing.T, layer string, one any) (id string) {
	t.Helper()
	m, _ := one.(map[string]any)
	id, _ = m["techniqueID"].(string)
	color, _ := m["color"].(string)
	comment, _ := m["comment"].(string)
	score, scored := m["score"].(float64)
	if !techniqueID.MatchString(id) || !hexColor.MatchString(color) || comment == "" || !scored || score < 0 || score > 100 {
		t.Errorf("layer %q: technique %v", layer, m)
	}
	if said, _, _ := strings.Cut(comment, ":"); score == 100 && said != "live" {
		t.Errorf("layer %q: technique %s is painted as live, but the best is %q", layer, id, said)
	}
	return id
}
