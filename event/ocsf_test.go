package event

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// schema is one class of OCSF 1.5.0 as a JSON schema.
type schema struct {
	node
	Defs map[string]*node `json:"$defs"`
}

type node struct {
	Title                string
	Type                 any    // one type, or a list of them
	Ref                  string `json:"$ref"`
	Properties           map[string]*node
	Items                *node
	Const                int
	Enum                 []any
	AdditionalProperties *bool
}

// schemas reads the classes in testdata, by their number.
func schemas(t *testing.T) map[int]*schema {
	t.Helper()
	names, err := filepath.Glob("testdata/ocsf/*.schema.json")
	if err != nil || len(names) == 0 {
		t.Fatalf("no schemas: %v", err)
	}
	all := map[int]*schema{}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		s := new(schema)
		if err := json.Unmarshal(data, s); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all[s.Properties["class_uid"].Const] = s
	}
	return all
}

// has reports whether the class has the attribute, written with dots, arrays
// left out. An object whose content OCSF leaves open has every attribute.
func (s *schema) has(attribute string) bool {
	at := &s.node
	for name := range strings.SplitSeq(attribute, ".") {
		if len(at.Properties) == 0 {
			return at.open()
		}
		if at = s.follow(at.Properties[name]); at == nil {
			return false
		}
	}
	return true
}

// open reports whether the node may have attributes that OCSF does not name.
func (n *node) open() bool {
	types, ok := n.Type.([]any)
	if !ok {
		types = []any{n.Type}
	}
	return slices.Contains(types, any("object")) && (n.AdditionalProperties == nil || *n.AdditionalProperties)
}

func (s *schema) follow(n *node) *node {
	for n != nil && (n.Ref != "" || n.Items != nil) {
		if n.Items != nil {
			n = n.Items
			continue
		}
		n = s.Defs[strings.TrimPrefix(n.Ref, "#/$defs/")]
	}
	return n
}

func TestActionsAreOCSF(t *testing.T) {
	classes := schemas(t)
	for _, a := range Actions() {
		class, activity := a.OCSF()
		s := classes[class]
		if s == nil {
			t.Errorf("%s: class %d is not in testdata/ocsf", a, class)
			continue
		}
		if got := classNames[class]; got != s.Title {
			t.Errorf("%s: class %d is called %q, not %q", a, class, s.Title, got)
		}
		if !slices.Contains(s.Properties["activity_id"].Enum, any(float64(activity))) {
			t.Errorf("%s: class %d has no activity %d", a, class, activity)
		}
		if !slices.Contains(s.Properties["type_uid"].Enum, any(float64(a.TypeUID()))) || a.TypeUID() != class*100+activity {
			t.Errorf("%s: class %d has no type %d", a, class, a.TypeUID())
		}
		if !a.Valid() {
			t.Errorf("%s is not valid", a)
		}
	}
	if len(actions) != len(ocsfActions) || len(classNames) != len(classes) {
		t.Errorf("%d actions of %d rows, %d class names for %d classes", len(actions), len(ocsfActions), len(classNames), len(classes))
	}
	if a := Action("exfiltrate"); a.Valid() || a.TypeUID() != 0 {
		t.Errorf("an unknown action has type %d", a.TypeUID())
	}
}

// TestActionsMatchTheReference has the activities as the OCSF dictionary names
// them, typed in from https://schema.ocsf.io/1.5.0 and not from the table.
func TestActionsMatchTheReference(t *testing.T) {
	want := map[Action]int{
		Login: 300201, LoginFailed: 300201, Logout: 300202, LoginAs: 300201, View: 600102, Search: 600105, Export: 600107,
		Download: 600602, APICall: 600302, Create: 600101, Edit: 600103, Delete: 600104, Import: 600106, Share: 600108,
		PermissionChange: 300501, UserChange: 300199, AppAuthorize: 300408, ConfigChange: 300403, Other: 600399,
	}
	got := map[Action]int{}
	for _, a := range Actions() {
		got[a] = a.TypeUID()
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// elsewhere is where a field goes in the classes that have no web_resources or
// name their subject differently.
var elsewhere = map[int]map[string]string{
	3001: {"object.type": "user.type", "object.id": "user.uid", "object.name": "user.name"},
	3002: {"object.type": "user.type", "object.id": "user.uid", "object.name": "user.name"},
	3004: {"object.type": "entity.type", "object.id": "entity.uid", "object.name": "entity.name"},
	3005: {"object.type": "resources.type", "object.id": "resources.uid", "object.name": "resources.name"},
	6003: {"object.type": "resources.type", "object.id": "resources.uid", "object.name": "resources.name", "rows": "api.response.data.row_count", "bytes": "api.response.data.bytes"},
	6006: {"object.type": "file.type", "object.id": "file.uid", "object.name": "file.name", "bytes": "file.size"},
}

// attribute is where the field goes in a class: an attribute that the class has.
func attribute(s *schema, class int, f *Field) string {
	if other := elsewhere[class][f.Path]; other != "" {
		return other
	}
	if s.has(f.OCSF) {
		return f.OCSF
	}
	return "unmapped." + strings.ReplaceAll(f.Path, ".", "_")
}

func TestFieldsAreOCSF(t *testing.T) {
	classes := schemas(t)
	for i := range Fields {
		f := &Fields[i]
		if !classes[6001].has(f.OCSF) {
			t.Errorf("%s: Web Resources Activity has no %s", f.Path, f.OCSF)
		}
		for class, s := range classes {
			if a := attribute(s, class, f); !s.has(a) {
				t.Errorf("%s: %s has no %s", f.Path, s.Title, a)
			}
		}
	}
	for _, missing := range []string{"web_resource", "actor.user.employee", "metadata.product.name.x.y", "src_endpoint.location.land"} {
		if classes[6001].has(missing) {
			t.Errorf("the test believes in %s", missing)
		}
	}
	if !classes[6001].has("unmapped.anything") || !classes[3002].has(fmt.Sprint("src_endpoint.", "ip")) {
		t.Error("the test does not find what is there")
	}
}
