package rules_test

import (
	"strings"
	"testing"
)

type truth struct {
	detection string
	want      bool
	record    []any
}

func r(pairs ...any) []any { return pairs }

// TestItems has one selection, "s", per case.
func TestItems(t *testing.T) {
	for _, tt := range []truth{
		// Equality: texts in any case, numbers and booleans as texts.
		{"action: export", true, r("action", "export")},
		{"action: export", true, r("action", "EXPORT")},
		{"action: export", false, r("action", "exports")},
		{"action: export", false, r()},
		{"app: Straße", true, r("app", "sTRAße")},
		{"app: ÄPFEL", true, r("app", "äpfel")},
		{"app: Σ", true, r("app", "ς")}, // both fold to σ
		{"app: kelvin", true, r("app", "\u212Aelvin")},
		{"app: 客户", true, r("app", "客户")},
		{"action: [view, export]", true, r("action", "export")},
		{"action: [view, export]", false, r("action", "edit")},
		{"rows: 5", true, r("rows", 5)},
		{"rows: '5'", true, r("rows", 5)},
		{"rows: 5.0", true, r("rows", 5)},
		{"rows: 5", false, r("rows", 50)},
		{"rows: -5", true, r("rows", -5)},
		{"rows: '05'", false, r("rows", 5)},
		{"rows: '+5'", false, r("rows", 5)},
		{"app: 5", true, r("app", "5")},
		{"app: 5.5", true, r("app", "5.5")},
		{"rows: '1*'", true, r("rows", 100)},
		{"rows: '1*'", false, r("rows", 200)},
		{"local.off_hours: true", true, r("local.off_hours", true)},
		{"local.off_hours: 'TRUE'", true, r("local.off_hours", true)},
		{"local.off_hours: true", false, r("local.off_hours", false)},
		{"local.off_hours: false", true, r("local.off_hours", false)},
		{"local.off_hours: false", false, r()},
		{"app: true", true, r("app", "True")},
		{"person.last_day: 2026-01-31", true, r("person.last_day", "2026-01-31")},
		{"app: 0429", true, r("app", "0429")}, // no octal number, so a text
		// Absent, empty, null.
		{"app: null", true, r()},
		{"app: ~", true, r()},
		{"app:", true, r()},
		{"app: null", false, r("app", "")},
		{"app: 'null'", true, r("app", "null")},
		{"app: ''", true, r("app", "")},
		{"app: ''", false, r()},
		{"app: ''", false, r("app", "x")},
		{"app: [null, x]", true, r()},
		{"app: [null, x]", true, r("app", "x")},
		{"app: [null, x]", false, r("app", "y")},
		{"app: '*'", true, r("app", "")},
		{"app: '*'", false, r()},
		// Wildcards.
		{"app: 'a*c'", true, r("app", "aBBc")},
		{"app: 'a*c'", true, r("app", "ac")},
		{"app: 'a*c'", true, r("app", "a\n\nc")},
		{"app: 'a*c'", false, r("app", "abcd")},
		{"app: 'a?c'", true, r("app", "a世c")},
		{"app: 'a?c'", false, r("app", "ac")},
		{`app: 'a\*c'`, true, r("app", "a*c")},
		{`app: 'a\*c'`, false, r("app", "abc")},
		{`app: 'C:\\*'`, true, r("app", `c:\x`)},
		{`app: 'C:\x'`, true, r("app", `C:\X`)},
		{"app: 'ab*ab'", false, r("app", "ab")},
		{"app: 'ab*ab'", false, r("app", "aba")},
		{"app: '*a*b*'", true, r("app", "xxaxxb")},
		// Contains, startswith, endswith.
		{"app|contains: oa", true, r("app", "LOADER")},
		{"app|contains: oa", false, r("app", "load"[:2])},
		{"app|contains: oa", false, r()},
		{"app|startswith: lo", true, r("app", "Loader")},
		{"app|startswith: oa", false, r("app", "Loader")},
		{"app|endswith: ER", true, r("app", "Loader")},
		{"app|endswith: loa", false, r("app", "Loader")},
		{"app|contains: 'l*d'", true, r("app", "dataloader")},
		{`app|contains: 'l\*d'`, false, r("app", "dataloader")},
		{"rows|contains: 0", true, r("rows", 100)},
		{"rows|startswith: 12", true, r("rows", 123)},
		{"app|contains|all: [da, er]", true, r("app", "dataloader")},
		{"app|all|contains: [da, er]", true, r("app", "dataloader")},
		{"app|contains|all: [da, xx]", false, r("app", "dataloader")},
		{"app|contains|all: da", true, r("app", "dataloader")},
		// Cased.
		{"app|cased: Loader", true, r("app", "Loader")},
		{"app|cased: Loader", false, r("app", "loader")},
		{"app|contains|cased: oa", false, r("app", "LOADER")},
		// Regular expressions.
		{"app|re: 'lo+a'", true, r("app", "dataloooader")},
		{"app|re: 'lo+a'", false, r("app", "LOADER")},
		{"app|re|i: 'lo+a'", true, r("app", "LOADER")},
		{"app|re: 'a.b'", false, r("app", "a\nb")},
		{"app|re|s: 'a.b'", true, r("app", "a\nb")},
		{"app|re: '^b'", false, r("app", "a\nb")},
		{"app|re|m: '^b'", true, r("app", "a\nb")},
		{"app|re|i|s: 'A.B'", true, r("app", "a\nb")},
		{`app|re: '\bx\d'`, true, r("app", "a x1")},
		{"app|re: ['^a', 'b$']", true, r("app", "xb")},
		{"app|re|all: ['^a', 'b$']", false, r("app", "xb")},
		{"rows|re: '^1'", true, r("rows", 10)},
		{"app|re: '.*'", false, r()},
		// Networks.
		{"src_ip|cidr: 10.0.0.0/8", true, r("src_ip", "10.1.2.3")},
		{"src_ip|cidr: 10.0.0.0/8", false, r("src_ip", "11.1.2.3")},
		{"src_ip|cidr: 10.0.0.0/8", true, r("src_ip", "::ffff:10.1.2.3")},
		{"src_ip|cidr: 10.1.2.3", true, r("src_ip", "10.1.2.3")},
		{"src_ip|cidr: ['fd00::/8', 192.168.0.0/16]", true, r("src_ip", "fd12::1")},
		{"src_ip|cidr: 10.0.0.0/8", false, r("src_ip", "not an address")},
		{"src_ip|cidr: 10.0.0.0/8", false, r("src_ip", "10.1.2")},
		{"src_ip|cidr: 10.0.0.0/8", false, r("src_ip", 10)},
		{"src_ip|cidr: 10.0.0.0/8", false, r()},
		{"src_ip|cidr|neq: 10.0.0.0/8", true, r("src_ip", "11.1.2.3")},
		// Numbers.
		{"rows|gte: 10", true, r("rows", 10)},
		{"rows|gte: 10", false, r("rows", 9)},
		{"rows|gt: 10", false, r("rows", 10)},
		{"rows|lt: 10", true, r("rows", -1)},
		{"rows|lte: 10", true, r("rows", 10)},
		{"rows|lte: 10", false, r("rows", 11)},
		{"rows|gt: 9.5", true, r("rows", 10)},
		{"rows|gt: 9007199254740992", true, r("rows", 9007199254740993)},
		{"app|gt: 10", true, r("app", "10.5")},
		{"app|gt: 10", true, r("app", "1e3")},
		{"app|gt: 10", false, r("app", "many")},
		{"app|gt: 10", false, r("app", "--11")},
		{"app|lt: 10", false, r("app", "")},
		{"app|gt: 10", false, r("app", "Inf")},
		{"rows|lt: 10", false, r()},
		{"local.off_hours|lt: 10", false, r("local.off_hours", true)},
		{"rows|gt: 1\n    rows|lt: 5", true, r("rows", 3)},
		{"rows|gt: 1\n    rows|lt: 5", false, r("rows", 5)},
		// neq is pure negation: of any value, of an absent field, too.
		{"action|neq: export", false, r("action", "Export")},
		{"action|neq: export", true, r("action", "view")},
		{"action|neq: export", true, r()},
		{"action|neq: [export, view]", false, r("action", "view")},
		{"action|contains|neq: exp", false, r("action", "export")},
		{"app|neq: null", true, r("app", "x")},
		{"app|neq: null", false, r()},
		{"rows|gt|neq: 5", true, r("rows", 5)},
		// Existence.
		{"app|exists: true", true, r("app", "")},
		{"app|exists: true", false, r()},
		{"app|exists: false", true, r()},
		{"app|exists: false", false, r("app", "x")},
		// References.
		{"actor.id|fieldref: actor.name", true, r("actor.id", "ann", "actor.name", "ANN")},
		{"actor.id|fieldref: actor.name", false, r("actor.id", "ann", "actor.name", "bob")},
		{"actor.id|fieldref: actor.name", false, r()},
		{"actor.id|fieldref: actor.name", false, r("actor.id", "ann")},
		{"actor.id|fieldref|neq: actor.name", true, r("actor.id", "ann", "actor.name", "bob")},
		{"actor.id|fieldref|cased: actor.name", false, r("actor.id", "ann", "actor.name", "ANN")},
		{"actor.email|fieldref|startswith: actor.name", true, r("actor.email", "Ann@x", "actor.name", "ann")},
		{"actor.email|fieldref|contains: actor.name", true, r("actor.email", "joann@x", "actor.name", "Ann")},
		{"actor.email|fieldref|endswith: actor.name", false, r("actor.email", "ann@x", "actor.name", "ann")},
		{"actor.email|fieldref|endswith: actor.name", true, r("actor.email", "xann", "actor.name", "ANN")},
		{"actor.id|fieldref: [app, actor.name]", true, r("actor.id", "5", "actor.name", "5")},
		{"rows|fieldref: bytes", true, r("rows", 5, "bytes", 5)},
		// Encodings.
		{"app|base64: foobar", true, r("app", "Zm9vYmFy")},
		{"app|base64offset|contains: foobar", true, r("app", "eGZvb2Jhcg==")}, // xfoobar
		{"app|base64offset|contains: foobar", false, r("app", "Zm9v")},
		{"app|wide|base64offset|contains: ab", true, r("app", "YQBiAA==")},
		{"app|windash|contains: ' -x'", true, r("app", "tool /x")},
		{"app|contains|windash: ' -x'", true, r("app", "tool –x")},
		// Times.
		{"time|hour: 3", true, r("time", "2026-01-02T03:59:59.999Z")},
		{"time|hour: 3", false, r("time", "2026-01-02T04:00:00.000Z")},
		{"time|hour: 19", true, r("time", "2026-01-02T03:00:00.000+08:00")},
		{"time|hour|gte: 20", true, r("time", "2026-01-02T21:00:00.000Z")},
		{"time|hour|lt: 7", false, r("time", "2026-01-02T21:00:00.000Z")},
		{"time|hour|neq: 3", true, r()},
		{"time|minute: 7", true, r("time", "2026-01-02T21:07:00.000Z")},
		{"time|day: 2", true, r("time", "2026-01-02T21:07:00.000Z")},
		{"time|week: 53", true, r("time", "2027-01-01T00:00:00.000Z")},
		{"time|month: [1, 2]", true, r("time", "2026-02-02T21:07:00.000Z")},
		{"time|year|gt: 2025", true, r("time", "2026-02-02T21:07:00.000Z")},
		{"time|year: 2026", false, r("time", "2026")},
		{"time|year: 2026", false, r("time", "2026-99-99T99:99:99.999Z")},
		{"rows|year: 2026", false, r("rows", 2026)},
		// A map is an and.
		{"action: export\n    rows|gt: 5", true, r("action", "export", "rows", 6)},
		{"action: export\n    rows|gt: 5", false, r("action", "export", "rows", 5)},
	} {
		check(t, "s:\n    "+tt.detection+"\ncondition: s", tt)
	}
}

// TestDetections has whole detections.
func TestDetections(t *testing.T) {
	abc := "a: {app: a}\nb: {country: b}\nc: {session: c}\n_d: {reason: d}\ncondition: "
	list := "s:\n  - {app: a, country: b}\n  - {session: c}\ncondition: s"
	for _, tt := range []truth{
		{list, true, r("app", "a", "country", "b")},
		{list, false, r("app", "a")},
		{list, true, r("session", "c")},
		{abc + "a and b", true, r("app", "a", "country", "b")},
		{abc + "a and b", false, r("app", "a")},
		{abc + "a or b and c", true, r("app", "a")},
		{abc + "(a or b) and c", false, r("app", "a")},
		{abc + "not a and b", true, r("country", "b")},
		{abc + "not (a and b)", true, r("country", "b")},
		{abc + "1 of them", true, r("session", "c")},
		{abc + "1 of them", false, r("reason", "d")}, // names with _ are left out
		{abc + "all of them", true, r("app", "a", "country", "b", "session", "c")},
		{abc + "all of them", false, r("app", "a", "country", "b")},
		{abc + "1 of _*", true, r("reason", "d")},
		{abc + "[a, b]", true, r("country", "b")},
		{abc + "[a and b, c]", false, r("country", "b")},
		{"a.b: {app: a}\ncondition: 1 of a*", true, r("app", "a")}, // a name for patterns only
		// Keywords.
		{"k: loader\ncondition: k", true, r("user_agent", "DataLoader 1")},
		{"k: loader\ncondition: k", false, r("user_agent", "Firefox")},
		{"k: [curl, wget]\ncondition: k", true, r("app", "WGET")},
		{"k: 10000\ncondition: k", true, r("rows", 10000)},
		{"k: 'a*c'\ncondition: k", true, r("app", "xxabcxx")},
		{"k: app\ncondition: k", false, r("app", "x")}, // names of fields are no content
		{"k: {'|all': [curl, wget]}\ncondition: k", true, r("app", "wget", "user_agent", "curl")},
		{"k: {'|all': [curl, wget]}\ncondition: k", false, r("app", "wget")},
		{"k: {'|re': ['^cu.l$']}\ncondition: k", true, r("app", "curl")},
		{"k: {'|cased': [Curl]}\ncondition: k", false, r("app", "curl")},
		{"k: [curl, {app: x}]\ncondition: k", true, r("app", "x")},
		{"k: [curl, {app: x}]\ncondition: k", true, r("country", "curl")},
		{"k: [curl, {app: x}]\ncondition: k", false, r("country", "x")},
		{"k: curl\ncondition: not k", true, r()},
	} {
		check(t, tt.detection, tt)
	}
}

func check(t *testing.T, detection string, tt truth) {
	t.Helper()
	set, err := load(rule(detection))
	if err != nil {
		t.Errorf("%s\n%v", detection, err)
		return
	}
	if got := len(set.Matcher().Match(newRecord(tt.record...))) == 1; got != tt.want {
		t.Errorf("%s\nmatches %v: %v", detection, tt.record, got)
	}
}

func TestOtherProductsNeverMatch(t *testing.T) {
	set := mustLoad(t, strings.Replace(rule("s: {EventID: 4625}\ncondition: not s"), "{product: crm}", "{product: windows, service: security}", 1))
	if len(set.Rules()) != 1 || set.Rules()[0].Applies {
		t.Error("the rule applies to crm events")
	}
	if got := names(set, newRecord("app", "x")); got != nil {
		t.Errorf("%v match", got)
	}
}

func TestAnchorsAreResolved(t *testing.T) {
	set := mustLoad(t, rule("a: &x\n  app: [a, b]\nb: *x\ncondition: a and b"))
	if names(set, newRecord("app", "b")) == nil {
		t.Error("an alias does not stand for its anchor")
	}
}

func TestMatchDoesNotAllocate(t *testing.T) {
	set := mustLoad(t, many(
		"s: {action: [view, export], rows|gte: 1000}\nf: {outcome: failure}\ncondition: s and not f",
		"s: {user_agent|contains: [curl, python-requests, '客户']}\ncondition: s",
		"s: {country|neq: [CN, HK]}\ncondition: s",
		"s: {app: 'data*load?r'}\nk: [sqlmap, 4711]\ncondition: s or k",
		"s: {src_ip|cidr: [10.0.0.0/8]}\nt: {time|hour|gte: 22}\ncondition: 1 of them",
		"s: {actor.email|re: '@example\\.com$'}\nt: {actor.id|fieldref: actor.name}\ncondition: all of them",
		"s: {person.status: left, rows: 12345}\ncondition: s",
	))
	rec := newRecord("action", "export", "rows", 12345, "user_agent", "Mozilla/5.0 (客户)", "country", "DE",
		"app", "dataloader", "src_ip", "203.0.113.7", "time", "2026-01-02T23:00:00.000Z",
		"actor.email", "ann@example.com", "actor.id", "a1", "actor.name", "Ann", "local.off_hours", true)
	m := set.Matcher()
	if got := len(m.Match(rec)); got != 5 {
		t.Errorf("%d rules match, want 5", got)
	}
	if n := testing.AllocsPerRun(200, func() { m.Match(rec) }); n != 0 {
		t.Errorf("a match makes %v allocations", n)
	}
}

// many is a file of rules.
func many(detections ...string) string {
	var docs []string
	for i, d := range detections {
		docs = append(docs, strings.Replace(rule(d), "000000000001", "00000000000"+string(rune('1'+i)), 1))
	}
	return strings.Join(docs, "---\n")
}
