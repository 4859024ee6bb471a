package ndjson

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// crmEvents makes lines of about 450 bytes with the keys of CRM audit events.
func crmEvents(n int) [][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(words ...string) string { return words[r.IntN(len(words))] }
	lines := make([][]byte, n)
	for i := range lines {
		lines[i] = fmt.Appendf(nil, `{"id":"%016x","time":"2026-03-02T%02d:%02d:%02d.%03dZ","tenant":"t%d","source":"%s","action":"%s",`+
			`"actor":{"id":"u%07d","name":"%s","role":"%s","department":"%s"},"object":{"type":"%s","id":"%c%09d"},`+
			`"rows":%d,"bytes":%d,"src_ip":"10.%d.%d.%d","country":"%s","user_agent":"%s","device_id":"d-%08x","app":"%s","outcome":"%s","local_hour":%d}`,
			r.Uint64(), r.IntN(24), r.IntN(60), r.IntN(60), r.IntN(1000), r.IntN(50),
			pick("salesforce", "yonyou", "jiandaoyun", "zoho"), pick("view", "view", "view", "edit", "login", "login_failed", "export", "delete"),
			r.IntN(10_000), pick("Jing Zhang", "Tao Sun", "Hui Zhou", "Qiang Xu"), pick("sales_rep", "admin", "support", "analyst"),
			pick("sales-south", "sales-east", "support", "marketing"), pick("Opportunity", "Case", "Contract", "PriceBook", "Account"),
			'A'+r.IntN(26), r.IntN(1e8), r.IntN(30), r.IntN(1000), r.IntN(256), r.IntN(256), r.IntN(256),
			pick("CN", "HK", "SG", "US", "RU"),
			pick("Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) Safari/605.1.15", "Mozilla/5.0 (X11; Linux x86_64) Firefox/127.0", "curl/8.5.0",
				"SalesforceMobileSDK/11.1 iOS/17.5 (iPhone15,2)"),
			r.Uint32(), pick("api", "mobile", "dataloader", "web"), pick("success", "failure"), r.IntN(24))
	}
	return lines
}

// crmFields are what the ten rules of the benchmark read.
var crmFields = []string{"time", "tenant", "action", "rows", "object.type", "object.id", "user_agent", "country", "actor.id", "outcome"}

func BenchmarkScan(b *testing.B) {
	for _, bench := range []struct {
		name     string
		fields   []string
		keywords bool
	}{
		{"fields=10", crmFields, false},
		{"fields=0", nil, false},
		{"keywords", crmFields, true},
	} {
		b.Run(bench.name, func(b *testing.B) { benchmarkScan(b, bench.fields, bench.keywords) })
	}
}

func benchmarkScan(b *testing.B, fields []string, keywords bool) {
	lines, size := crmEvents(1000), 0
	for _, line := range lines {
		size += len(line)
	}
	sc := scannerOf(keywords, fields...)
	b.SetBytes(int64(size / len(lines)))
	b.ReportAllocs()
	events := 0
	for b.Loop() {
		if _, err := sc.Scan(lines[events%len(lines)]); err != nil {
			b.Fatal(err)
		}
		events++
	}
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
}

// scannerOf returns a scanner of the fields, field i being the i-th.
func scannerOf(keywords bool, fields ...string) *Scanner {
	var s Schema
	for _, f := range fields {
		s.Field(f)
	}
	return s.Scanner(keywords)
}
