package ndjson

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/crmwatch/crmwatch/rules"
)

// auditLines invents records as a CRM's audit log has them, 450 bytes each.
func auditLines(n int) (lines [][]byte, size int) {
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	for range n {
		line := fmt.Appendf(nil, `{"id":"%016x","time":"2026-03-02T%02d:%02d:%02d.%03dZ","tenant":"t%02d","source":"%s","action":"%s",`,
			r.Uint64(), r.IntN(24), r.IntN(60), r.IntN(60), r.IntN(1000), r.IntN(50), pick("salesforce", "zoho", "jiandaoyun", "yonyou"),
			pick("view", "view", "view", "edit", "api_call", "login", "export", "delete", "login_failed"))
		line = fmt.Appendf(line, `"actor":{"id":"u%07d","name":"%s","role":"%s","department":"%s"},"object":{"type":"%s","id":"C%09d"},`,
			r.IntN(10000), pick("Wei Wang", "Fang Li", "Qiang Huang", "Jing Xu"), pick("sales_rep", "support", "admin"),
			pick("sales-east", "marketing", "it"), pick("Account", "Contact", "Opportunity", "Case"), r.IntN(1<<24))
		line = fmt.Appendf(line, `"rows":%d,"bytes":%d,"src_ip":"10.%d.%d.%d","country":"%s","user_agent":"%s",`,
			r.IntN(5000), r.IntN(1<<20), r.IntN(256), r.IntN(256), r.IntN(256), pick("CN", "HK", "US"), pick(
				"Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/126.0 Safari/537.36",
				"Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) Safari/605.1.15", "SalesforceMobileSDK/11.1 iOS/17.5 (iPhone15,2)"))
		line = fmt.Appendf(line, `"device_id":"d-%08x","app":"%s","outcome":"%s","local_hour":%d}`,
			r.Uint32(), pick("web", "mobile", "api"), pick("success", "success", "failure"), r.IntN(24))
		lines = append(lines, line)
		size += len(line)
	}
	return lines, size
}

var auditFields = []string{"action", "rows", "object.type", "object.id", "user_agent", "country", "actor.id", "time"}

func BenchmarkScan(b *testing.B) {
	lines, size := auditLines(4096)
	for _, bm := range []struct {
		name     string
		keywords bool
		paths    []string
	}{{"fields", false, auditFields}, {"keywords", true, auditFields}, {"windows", false, append([]string{"EventID", "Provider_Name"}, auditFields...)}} {
		b.Run(bm.name, func(b *testing.B) {
			sc := schemaOf(bm.paths...).Scanner(bm.keywords)
			var rec rules.Record
			b.ReportAllocs()
			b.SetBytes(int64(size / len(lines)))
			n := 0
			for b.Loop() {
				if err := sc.Scan(lines[n%len(lines)], &rec); err != nil {
					b.Fatal(err)
				}
				n++
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// TestAllocates reads lines of several shapes in turn, with all that needs the
// scanner's own memory: escapes, lists, keys that come twice, "Event".
func TestAllocates(t *testing.T) {
	lines, _ := auditLines(100)
	for i := range 20 {
		lines = append(lines,
			fmt.Appendf(nil, `{"x%d":1,"\u0061ction":"\u00e9%d","rows":[%d,[2]],"object":[{"id":"\n"},{"id":[1,"x"]}],"k%d":{"y":[{},1.5]}}`, i%7, i, i, i%5),
			fmt.Appendf(nil, `{"action":"a%d","action":{},"Event":{"System":{"EventID":{"#text":%d}},"UserData":{"u%d":{"rows":2}}}}`, i, i, i%3))
	}
	for _, keywords := range []bool{false, true} {
		sc := schemaOf(append([]string{"EventID"}, auditFields...)...).Scanner(keywords)
		var rec rules.Record
		all := func() {
			for _, line := range lines {
				if err := sc.Scan(line, &rec); err != nil {
					t.Fatal(err)
				}
			}
		}
		all()
		if n := testing.AllocsPerRun(10, all); n != 0 {
			t.Errorf("keywords %t: %v allocations for %d lines", keywords, n, len(lines))
		}
	}
}
