package crmwatch_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/crmwatch/crmwatch/"

// mayImport is who may import whom: a package, by its first folders, and the
// packages of ours that its code may use. A package may always use those below
// itself. Test files may use what they need to test with, see testOnly.
var mayImport = map[string][]string{
	"event":              {},
	"internal/stream":    {},
	"internal/embedded":  {},
	"internal/hugepages": {},
	"rules":              {"event"},
	"roster":             {"event", "internal/stream"},
	"alert":              {"event", "internal/stream"},
	"detect":             {"event", "internal/stream", "rules", "roster", "alert"},
	"ingest":             {"event", "internal/stream", "roster"},
	"internal/bus":       {"internal/stream"},
	"store":              {"event", "alert", "roster", "rules/history", "internal/stream"},
	"simulate":           {"event", "roster"},
	"dashboards":         {},
	"internal/app":       {"event", "internal/stream", "internal/bus", "rules", "roster", "alert", "detect", "ingest", "store", "simulate"},
	"internal/testkit":   {"internal/embedded"},
	"deploy":             {},
	"cmd":                {"alert", "detect/backtest", "detect/eval", "detect/ruletest", "ingest", "rules", "simulate", "internal/app", "internal/embedded", "internal/hugepages"},
}

// oneFolder is where each client library lives.
var oneFolder = map[string]string{
	"github.com/segmentio/kafka-go":         "internal/bus",
	"github.com/ClickHouse/clickhouse-go":   "store",
	"github.com/slack-go/slack":             "alert/slack",
	"github.com/twmb/franz-go":              "internal/embedded",
	"github.com/ebitengine/purego":          "internal/embedded",
	"github.com/compose-spec/compose-go":    "(tests only)",
	"github.com/santhosh-tekuri/jsonschema": "(tests only)",
}

// testOnly are the packages that only tests may import, and any test may.
var testOnly = []string{"internal/testkit", "internal/embedded", "alert/alerttest", "ingest/ingesttest", "detect/detecttest"}

// The files are parsed here: a test that asks the go command instead would be
// cached as passing after an edit.
func TestImports(t *testing.T) {
	for file, imports := range sources(t) {
		pkg := path.Dir(file)
		test := strings.HasSuffix(file, "_test.go") || isBelowAny(pkg, testOnly) && pkg != "internal/embedded"
		for _, imp := range imports {
			if ours, ok := strings.CutPrefix(imp, module); ok {
				checkOurs(t, file, pkg, ours, test)
			} else if !test {
				checkTheirs(t, file, pkg, imp)
			}
		}
	}
}

func checkOurs(t *testing.T, file, pkg, imp string, test bool) {
	t.Helper()
	home := homeOf(pkg)
	switch {
	case home == "" && test:
	case home == "":
		t.Errorf("%s: package %s is not in the table of who may import whom", file, pkg)
	case isBelow(imp, home):
	case isBelowAny(imp, mayImport[home]):
	case test && isBelowAny(imp, testOnly):
	case test && home != "event":
		// A test may stand further out than its package, but never bring the
		// program into the middle.
		if isBelowAny(imp, []string{"internal/app", "cmd"}) && home != "deploy" {
			t.Errorf("%s imports %s", file, imp)
		}
	default:
		t.Errorf("%s: %s may not import %s", file, home, imp)
	}
}

func checkTheirs(t *testing.T, file, pkg, imp string) {
	t.Helper()
	for lib, folder := range oneFolder {
		if isBelow(imp, lib) && !isBelow(pkg, folder) {
			t.Errorf("%s: %s is for %s alone", file, lib, folder)
		}
	}
	if homeOf(pkg) == "event" && strings.Contains(strings.Split(imp, "/")[0], ".") {
		t.Errorf("%s: event imports the standard library alone, not %s", file, imp)
	}
}

// homeOf is the entry of the table that the package belongs to.
func homeOf(pkg string) string {
	for home := range mayImport {
		if isBelow(pkg, home) {
			return home
		}
	}
	return ""
}

func isBelow(p, folder string) bool { return p == folder || strings.HasPrefix(p, folder+"/") }

func isBelowAny(p string, folders []string) bool {
	return slices.ContainsFunc(folders, func(f string) bool { return isBelow(p, f) })
}

// sources lists every Go file with its imports.
func sources(t *testing.T) map[string][]string {
	t.Helper()
	files := map[string][]string{}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && name != ".") {
			return cmp(err, fs.SkipDir)
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		files[filepath.ToSlash(name)] = nil
		for _, s := range f.Imports {
			imp, _ := strconv.Unquote(s.Path.Value)
			files[filepath.ToSlash(name)] = append(files[filepath.ToSlash(name)], imp)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 20 {
		t.Fatalf("only %d files found: the test looks in the wrong place", len(files))
	}
	return files
}

func cmp(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}
