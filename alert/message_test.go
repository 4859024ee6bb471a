package alert_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/crmwatch/crmwatch/alert"
	"github.com/crmwatch/crmwatch/alert/alerttest"
	"github.com/crmwatch/crmwatch/event"
)

func TestSummary(t *testing.T) {
	at := time.Date(2026, 11, 24, 1, 30, 0, 0, time.UTC)
	base := func(change func(*alert.Finding)) alert.Finding {
		f := alert.Finding{
			Subject: alert.Subject{Key: "E1", Name: "Wang Fang", Department: "Sales East"},
			Start:   at, End: at.Add(37 * time.Minute), Count: 6, Rows: 48_210,
			Measured: 48_210, Threshold: 10_000, Unit: "rows", Action: event.Export, Sources: []string{"salesforce"},
		}
		change(&f)
		return f
	}
	cases := []struct {
		want   string
		change func(*alert.Finding)
	}{
		{"Wang Fang (Sales East) exported 48,210 rows from Salesforce in 37 minutes, threshold 10,000.", func(*alert.Finding) {}},
		{"Wang Fang (Sales East) exported 48,210 rows from Salesforce, Zoho and Yonyou in 37 minutes, threshold 10,000.", func(f *alert.Finding) {
			f.Sources = []string{"salesforce", "zoho", "yonyou"}
		}},
		{"Wang Fang exported 1 row from Salesforce.", func(f *alert.Finding) {
			f.Subject.Department, f.Count, f.Rows, f.Measured, f.Threshold = "", 1, 1, 0, 0
		}},
		{"Wang Fang (Sales East), whose last day was 2026-09-30, viewed 1,200 rows in Jiandaoyun within a second.", func(f *alert.Finding) {
			f.Subject.Employment, f.Subject.LastDay, f.Action, f.Rows, f.Sources = "left", "2026-09-30", event.View, 1200, []string{"jiandaoyun"}
			f.End, f.Measured, f.Threshold = f.Start, 0, 0
		}},
		{"Wang Fang (Sales East), who has left, logged in to Salesforce.", func(f *alert.Finding) {
			f.Subject.Employment, f.Action, f.Rows, f.Count, f.Measured, f.Threshold = "left", event.Login, 0, 1, 0, 0
		}},
		{"Account api.sync failed to log in 25 times to Salesforce in 1 hour 5 minutes, threshold 20.", func(f *alert.Finding) {
			f.Subject = alert.Subject{Key: "salesforce:1", Accounts: []alert.Account{{Name: "api.sync"}}}
			f.Action, f.Rows, f.Count, f.Measured, f.Threshold, f.Unit = event.LoginFailed, 0, 25, 25, 20, "events"
			f.End = f.Start.Add(65 * time.Minute)
		}},
		{"Account salesforce:1 read by API 900 rows from Salesforce in 2 days 3 hours, 12 different src_ip, threshold 10.", func(f *alert.Finding) {
			f.Subject = alert.Subject{Key: "salesforce:1"}
			f.Action, f.Rows, f.Measured, f.Threshold, f.Unit = event.APICall, 900, 12, 10, "different src_ip"
			f.End = f.Start.Add(51 * time.Hour)
		}},
		{"Wang Fang (Sales East) downloaded 10 rows from Salesforce in 37 minutes, 2.5 GB, threshold 1.0 GB.", func(f *alert.Finding) {
			f.Action, f.Rows, f.Measured, f.Threshold, f.Unit = event.Download, 10, 2_500_000_000, 1_000_000_000, "bytes"
		}},
		{"Wang Fang (Sales East) viewed 5 rows in Salesforce in 37 minutes after 74 days without activity, threshold 60.", func(f *alert.Finding) {
			f.Action, f.Rows, f.Measured, f.Threshold, f.Unit = event.View, 5, 74, 60, "days"
		}},
		{"Wang Fang (Sales East) exported 48,210 rows from Salesforce in 37 minutes, about 15,300 (± 2 %) different object.id, threshold 10,000.", func(f *alert.Finding) {
			f.Measured, f.Unit, f.Uncertainty = 15_312, "different object.id", 0.02
		}},
		{"Wang Fang (Sales East) exported 48,210 rows from Salesforce in 37 minutes, about 48,200 (± 0.8 %) rows, threshold 10,000.", func(f *alert.Finding) {
			f.Uncertainty = 0.0081
		}},
		{"An unknown account acted.", func(f *alert.Finding) { *f = alert.Finding{} }},
	}
	for _, c := range cases {
		if f := base(c.change); f.Summary() != c.want {
			t.Errorf("got  %s\nwant %s", f.Summary(), c.want)
		}
	}
}

// TestStatus is read by somebody who has read the alert before.
func TestStatus(t *testing.T) {
	at := time.Date(2026, 11, 24, 10, 5, 0, 0, time.UTC)
	base := alert.Finding{
		ID: "x", Start: at, End: at.Add(37 * time.Minute), Count: 240, Measured: 240, Threshold: 10, Unit: "events", Action: event.LoginFailed,
	}
	const other = "0fc40185ee7685888ac12addef370762"
	cases := []struct {
		want   string
		told   alert.Told
		change func(*alert.Finding)
	}{
		{"Updated: 12 → 240 events, last seen 10:42 UTC.", alert.Told{Count: 12, Measured: 12}, func(*alert.Finding) {}},
		{"Updated: 240 events, last seen 10:42 UTC.", alert.Told{}, func(*alert.Finding) {}}, // a receipt of an earlier version
		{"Updated: 240 events, last seen 10:42 UTC.", alert.Told{Count: 240, Measured: 240}, func(*alert.Finding) {}},
		{"Updated: 240 → 12 events, last seen 10:42 UTC.", alert.Told{Count: 240, Measured: 240}, func(f *alert.Finding) { f.Measured = 12 }},
		{"Updated: 12 → 240 events, last seen 25 Nov 01:05 UTC.", alert.Told{Count: 12, Measured: 12}, func(f *alert.Finding) { f.End = at.Add(15 * time.Hour) }},
		{"Updated: 12 → about 15,300 (± 2 %) different src_ip, last seen 10:42 UTC.", alert.Told{Count: 20, Measured: 12}, func(f *alert.Finding) {
			f.Measured, f.Unit, f.Uncertainty = 15_349, "different src_ip", 0.02
		}},
		{"Updated: 1.2 MB → about 2.3 GB (± 12 %), last seen 10:42 UTC.", alert.Told{Measured: 1_234_567}, func(f *alert.Finding) {
			f.Measured, f.Unit, f.Uncertainty = 2_345_678_901, "bytes", 0.123
		}},
		{"Updated: 3 → 240 events, last seen 10:42 UTC.", alert.Told{Count: 3, Measured: 74}, func(f *alert.Finding) { f.Measured, f.Unit = 74, "days" }},
		{"Updated: 3 → 240 events, last seen 10:42 UTC.", alert.Told{Count: 3}, func(f *alert.Finding) { f.Measured, f.Unit = 0, "" }},
		{"Closed: 12 → 240 events, last seen 10:42 UTC. That it has stopped is no all-clear.", alert.Told{Count: 12, Measured: 12}, func(f *alert.Finding) {
			f.State = alert.Closed
		}},
		{
			"Updated: 12 → 240 events, last seen 10:42 UTC. It now includes alert " + other + ", which a late event showed to be part of it.",
			alert.Told{Count: 12, Measured: 12},
			func(f *alert.Finding) { f.Replaces = []string{other} },
		},
		{"Withdrawn: a late event showed that it does not hold.", alert.Told{Count: 12}, func(f *alert.Finding) { f.State = alert.Withdrawn }},
		{"Withdrawn: joined with alert " + other + ", because a late event showed that both are one. Decide there.", alert.Told{Count: 12}, func(f *alert.Finding) {
			f.State, f.ReplacedBy = alert.Withdrawn, other
		}},
	}
	for _, c := range cases {
		f := base
		c.change(&f)
		if m := alert.NewUpdate(&f, c.told, ""); m.Status != c.want {
			t.Errorf("got  %s\nwant %s", m.Status, c.want)
		}
	}
	if m := alert.NewMessage(&base, ""); m.Status != "" {
		t.Errorf("a new alert says %q", m.Status)
	}
}

// TestNothingIsDecidedOnWhatIsWithdrawn: a button on it would freeze somebody
// for what did not happen. What is over can still be decided on.
func TestNothingIsDecidedOnWhatIsWithdrawn(t *testing.T) {
	for _, f := range alerttest.Amended() {
		m := alert.NewMessage(&f, alerttest.ConsoleURL)
		if withdrawn := f.State == alert.Withdrawn; withdrawn != (len(m.Buttons) == 0) || withdrawn != (m.Advice == "") {
			t.Errorf("%s: %d buttons, advice %q", f.State, len(m.Buttons), m.Advice)
		}
		leads := false
		for _, l := range m.Links {
			leads = leads || strings.HasSuffix(l.URL, "/alerts/"+event.Hash("another"))
		}
		if leads != (f.ReplacedBy != "") {
			t.Errorf("replaced by %q: links are %v", f.ReplacedBy, m.Links)
		}
	}
}

func TestMessageGolden(t *testing.T) {
	all := samples()
	for _, name := range []string{"mass-export", "ghost-account", "bare"} {
		f := all[name]
		goldenJSON(t, name, alert.NewMessage(&f, alerttest.ConsoleURL))
	}
	for i, name := range []string{"updated", "absorbed", "uncertain", "closed", "joined", "withdrawn"} {
		f := alerttest.Amended()[i]
		goldenJSON(t, name, alert.NewUpdate(&f, alert.Told{Count: 6, Measured: 48_210}, alerttest.ConsoleURL))
	}
	findings := make([]alert.Finding, 0, 37)
	for i := range 37 {
		f := alerttest.MassExport()
		f.ID, f.Rule.Title = fmt.Sprint(i), fmt.Sprintf("Rule %d", i%14)
		f.Detected = f.Detected.Add(-time.Duration(i) * time.Hour)
		if i%3 == 0 {
			f.Rule.Level = alert.High
		}
		findings = append(findings, f)
	}
	goldenJSON(t, "digest", alert.NewDigest(findings, 24*time.Hour, alerttest.ConsoleURL))
}

func goldenJSON(t *testing.T, name string, m alert.Message) {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(m); err != nil {
		t.Fatal(err)
	}
	golden(t, filepath.Join("testdata", "message", name+".json"), b.Bytes())
}

// TestMessageHasNoCustomerData puts canaries where a careless source or rule
// could put customers' data, and where ids of records are.
func TestMessageHasNoCustomerData(t *testing.T) {
	f := alerttest.MassExport()
	for i := range f.Events {
		f.Events[i].ID = fmt.Sprintf("CANARY-%d", i)
	}
	messages := []alert.Message{alert.NewDigest([]alert.Finding{f}, time.Hour, alerttest.ConsoleURL)}
	for _, state := range []alert.State{alert.Open, alert.Closed, alert.Withdrawn} {
		f.State = state
		messages = append(messages, alert.NewMessage(&f, alerttest.ConsoleURL), alert.NewUpdate(&f, alert.Told{Count: 1}, alerttest.ConsoleURL))
	}
	for _, m := range messages {
		if strings.Contains(fmt.Sprintf("%+v", m), "CANARY") {
			t.Errorf("ids of events are in the message: %+v", m)
		}
	}
}

// visit calls fn for every text of a message but the URLs.
func visit(m *alert.Message, fn func(string)) {
	for _, s := range append([]string{m.Title, m.Status, m.Summary, m.Advice}, m.Notes...) {
		fn(s)
	}
	for _, s := range m.Sections {
		fn(s.Heading)
		for _, f := range s.Facts {
			fn(f.Label)
			fn(f.Value)
		}
		for _, line := range s.Lines {
			fn(line)
		}
	}
	for _, b := range m.Buttons {
		fn(b.Text)
		fn(b.Confirm)
	}
	for _, l := range m.Links {
		fn(l.Text)
	}
}

func TestHostileTextIsPlain(t *testing.T) {
	for i, attack := range alerttest.Attacks() {
		f := alerttest.Hostile(attack)
		messages := []alert.Message{alert.NewDigest([]alert.Finding{f, f}, time.Hour, "")}
		for _, state := range []alert.State{alert.State(attack), alert.Closed, alert.Withdrawn} {
			f.State = state
			messages = append(messages, alert.NewMessage(&f, alerttest.ConsoleURL), alert.NewUpdate(&f, alert.Told{Count: 1}, alerttest.ConsoleURL))
		}
		for _, m := range messages {
			visit(&m, func(s string) { checkPlain(t, i, s, 1000) })
			for _, l := range m.Links {
				if !strings.HasPrefix(l.URL, alerttest.ConsoleURL+"/") {
					t.Errorf("attack %d made a link to %s", i, l.URL)
				}
			}
		}
	}
}

type tester interface {
	Helper()
	Errorf(format string, args ...any)
}

func checkPlain(t tester, attack int, s string, limit int) {
	t.Helper()
	if n := utf8.RuneCountInString(s); n > limit {
		t.Errorf("attack %d: %d characters", attack, n)
	}
	if !utf8.ValidString(s) || strings.Contains(s, "://") || regexp.MustCompile(`(?i)\bwww\.`).MatchString(s) {
		t.Errorf("attack %d: %q is not plain", attack, s)
	}
	for _, r := range s {
		if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp) || unicode.IsSpace(r) && r != ' ' {
			t.Errorf("attack %d: %U is not plain", attack, r)
		}
	}
}

func TestPlain(t *testing.T) {
	cases := map[string]string{
		"Wang Fang":                        "Wang Fang",
		"王芳":                               "王芳",
		"  a \t\r\n b  ":                   "a b",
		"a\u202eb\u200bc":                  "abc",
		"\x1b[31mred":                      "[31mred",
		"see https://evil.example/x now":   "see hxxps[:]//evil.example/x now",
		"HTTP://EVIL.example":              "hxxP[:]//EVIL.example",
		"ftp://x www.evil.example":         "ftp[:]//x www[.]evil.example",
		"Nguyễn Thị Hòa":                   "Nguyễn Thị Hòa",
		"Amélie O'Brien-Ångström <a@b.cd>": "Amélie O'Brien-Ångström <a@b.cd>",
		"":                                 "",
		"\u200b\u3164":                     "",
	}
	for in, want := range cases {
		if got := alert.Plain(in, 100); got != want {
			t.Errorf("Plain(%q) is %q, not %q", in, got, want)
		}
	}
	if got := alert.Plain("汉字汉字汉字", 4); got != "汉字汉…" {
		t.Errorf("cut to %q", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		piece := rapid.OneOf(rapid.String(), rapid.SampledFrom(alerttest.Attacks()), rapid.SampledFrom([]string{"http", "://", "www", ".", "h", "\u0301"}))
		in := strings.Join(rapid.SliceOfN(piece, 0, 6).Draw(t, "pieces"), "")
		limit := rapid.IntRange(1, 300).Draw(t, "limit")
		out := alert.Plain(in, limit)
		checkPlain(t, 0, out, limit)
		if again := alert.Plain(out, limit); again != out {
			t.Fatalf("%q becomes %q", out, again)
		}
	})
}

func TestClients(t *testing.T) {
	cases := map[string]string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36":                                 "Chrome 142 on Windows",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 Edg/141.0.3537.57":               "Edge 141 on Windows",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15":                           "Safari 18 on macOS",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 MicroMessenger/8.0.50(0x18003233)": "WeChat 8 on iPhone",
		"Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0":                                                                          "Firefox 132 on Linux",
		"Mozilla/5.0":            "a browser",
		"python-requests/2.32.3": "python-requests 2.32.3",
		"curl/8.5.0":             "curl 8.5.0",
		"SalesforceDataLoader":   "SalesforceDataLoader",
		"<!channel>/1":           "<!channel> 1",
	}
	for agent, want := range cases {
		f := alerttest.Bare()
		f.UserAgents = []string{agent}
		got := ""
		for _, s := range alert.NewMessage(&f, "").Sections {
			for _, fact := range s.Facts {
				if fact.Label == "Clients" {
					got = fact.Value
				}
			}
		}
		if got != want {
			t.Errorf("%q is %q, not %q", agent, got, want)
		}
	}
}

func TestTimes(t *testing.T) {
	at := time.Date(2026, 11, 23, 15, 50, 0, 0, time.UTC)
	cases := []struct {
		zone     string
		end      time.Time
		detected time.Time
		want     string
	}{
		{"Asia/Shanghai", at, at, "Local time: Mon 23 Nov 2026, 23:50 (Asia/Shanghai); UTC: Mon 23 Nov 2026, 15:50"},
		{"Asia/Shanghai", at.Add(30 * time.Minute), at, "Local time: Mon 23 Nov 2026, 23:50 – Tue 24 Nov 2026, 00:20 (Asia/Shanghai); UTC: Mon 23 Nov 2026, 15:50–16:20"},
		{"America/New_York", at.Add(20 * time.Second), at.Add(time.Minute), "Local time: Mon 23 Nov 2026, 10:50 (America/New_York); UTC: Mon 23 Nov 2026, 15:50"},
		{"", at, at.Add(4 * time.Hour), "UTC: Mon 23 Nov 2026, 15:50; Reported by the CRM: 4 hours later"},
		{"Local", at, at, "UTC: Mon 23 Nov 2026, 15:50"},
		{"../../etc/passwd", at, at, "UTC: Mon 23 Nov 2026, 15:50"},
		{"No/Where", at, at, "UTC: Mon 23 Nov 2026, 15:50"},
	}
	for _, c := range cases {
		f := alert.Finding{ID: "x", Start: at, End: c.end, Detected: c.detected, Subject: alert.Subject{TimeZone: c.zone}}
		var got []string
		for _, s := range alert.NewMessage(&f, "").Sections {
			if s.Heading != "When" {
				continue
			}
			for _, fact := range s.Facts {
				got = append(got, fact.Label+": "+fact.Value)
			}
		}
		if strings.Join(got, "; ") != c.want {
			t.Errorf("got  %s\nwant %s", strings.Join(got, "; "), c.want)
		}
	}
}

func TestLinks(t *testing.T) {
	f := alerttest.MassExport()
	cases := map[string]struct {
		console    string
		references []string
		want       []string
	}{
		"all": {"https://w.example/crm/", []string{"https://r.example/x"}, []string{
			"https://w.example/crm/alerts/" + f.ID, "https://w.example/crm/people?key=E1047&tenant=acme", "https://r.example/x",
		}},
		"no console":           {"", []string{"https://r.example/x"}, []string{"https://r.example/x"}},
		"a script":             {"javascript:alert(1)", []string{"javascript:alert(1)"}, nil},
		"markup":               {"https://w.example/<x|y>", []string{"https://r.example/x|y", "https://r.example/a>b", "https://r.example/a b"}, nil},
		"a password":           {"https://user:pass@w.example", []string{"https://user@r.example"}, nil},
		"another alphabet":     {"https://ехample.com", []string{"https://ехample.com"}, nil},
		"the first that is OK": {"", []string{"see the wiki", "http://r.example:8080/a?b=c#d", "https://r.example"}, []string{"http://r.example:8080/a?b=c#d"}},
		"too long":             {"", []string{"https://r.example/" + strings.Repeat("x", 1000)}, nil},
	}
	for name, c := range cases {
		f.Rule.References = c.references
		var got []string
		for _, l := range alert.NewMessage(&f, c.console).Links {
			got = append(got, l.URL)
		}
		if strings.Join(got, " ") != strings.Join(c.want, " ") {
			t.Errorf("%s: %q, not %q", name, got, c.want)
		}
	}
}
