package rules_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/crmwatch/crmwatch/rules"
	"github.com/crmwatch/crmwatch/rules/pack"
)

// commonRules are what a CRM's rules are like: a few that look at every event, and
// words that few events have.
var commonRules = []string{
	"s: {action: export, rows|gt: 5000}\ncondition: s",
	"s: {action: delete, object.type: [Report, Contract, PriceBook]}\ncondition: s",
	"s: {user_agent|contains: [curl/, python-requests, Wget, PostmanRuntime, scrapy, sqlmap]}\ncondition: s",
	"s: {country: [CN, HK, SG, US, DE, JP, GB]}\ncondition: not s",
	"s: {action: export}\ncondition: s",
	"s: {action: login_failed}\ncondition: s",
	"s: {action: view}\ncondition: s",
	"s: {action: login}\ncondition: s",
	"s: {action: delete}\ncondition: s",
	"s: {action: grant, actor.type: service}\ncondition: s",
}

// rareRule is one of many rules, as packs for many products have them, that match
// nothing of the benchmark's records. Like those, they share fields and common
// values with others.
func rareRule(i int) string {
	switch i % 6 {
	case 0:
		return fmt.Sprintf("s: {action: export, user_agent|contains: 'agent-%d/'}\ncondition: s", i)
	case 1:
		return fmt.Sprintf("s: {action: view, actor.name: ['user %d', 'user %d']}\ncondition: s", i, i+1)
	case 2:
		return fmt.Sprintf("s: {object.type: Opportunity, object.name|endswith: '-secret-%d'}\nf: {country: CN}\ncondition: s and not f", i)
	case 3:
		return fmt.Sprintf("s: {action: export, reason|re: 'job-%d(-[a-z]+)*$'}\ncondition: s", i)
	case 4:
		return fmt.Sprintf("s: {action: view, rows|gte: 10, app|startswith: 'tool%d '}\ncondition: s", i)
	default:
		return fmt.Sprintf("s: {user_agent: '*robot-%d*compatible*'}\nt: {src_ip: 198.51.100.%d}\ncondition: 1 of them", i, i%256)
	}
}

func ruleSet(detections []string) string {
	docs := make([]string, len(detections))
	for i, d := range detections {
		docs[i] = strings.Replace(rule(d), "000000000001", fmt.Sprintf("%012d", i+1), 1)
	}
	return strings.Join(docs, "---\n")
}

func withRare(n int) string {
	detections := commonRules[:min(n, len(commonRules))]
	for i := len(detections); i < n; i++ {
		detections = append(detections[:i:i], rareRule(i))
	}
	return ruleSet(detections)
}

func commonRecords() []*rules.Record {
	agents := []string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/126.0 Safari/537.36",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) Safari/605.1.15",
		"Mozilla/5.0 (X11; Linux x86_64) Firefox/127.0",
	}
	actions := []string{"view", "view", "edit", "login", "view", "export", "view", "search"}
	countries := []string{"CN", "US", "DE", "CN"}
	var list []*rules.Record
	for i := range 8 {
		list = append(list, newRecord("action", actions[i%len(actions)], "rows", i, "actor.name", fmt.Sprintf("Person %d", i),
			"object.type", "Account", "object.name", fmt.Sprintf("Customer %d", i*7), "user_agent", agents[i%len(agents)],
			"country", countries[i%len(countries)], "src_ip", fmt.Sprintf("203.0.113.%d", i), "app", "browser"))
	}
	return list
}

// BenchmarkMatch has few rules that match, beside growing numbers of rules that do
// not.
func BenchmarkMatch(b *testing.B) {
	for _, n := range []int{10, 100, 1000, 3000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { benchmark(b, mustLoad(b, withRare(n))) })
	}
	b.Run("pack", func(b *testing.B) {
		set, err := rules.Load(pack.FS, fields(), options)
		if err != nil {
			b.Fatal(err)
		}
		benchmark(b, set)
	})
}

func benchmark(b *testing.B, set *rules.Set) {
	m, records := set.Matcher(), commonRecords()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		m.Match(records[i%len(records)])
		i++
	}
}
