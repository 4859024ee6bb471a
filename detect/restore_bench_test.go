package detect

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/crmwatch/crmwatch/internal/stream"
	"github.com/crmwatch/crmwatch/rules"
)

// BenchmarkRestore restores the state of a hundred thousand people who each did
// three things under the shipped rules.
func BenchmarkRestore(b *testing.B) {
	set, err := rules.Load(os.DirFS("../rules/pack"), NewSchema(), rules.Options{GroupByOneOf: rules.PersonFields()})
	if err != nil {
		b.Fatal(err)
	}
	const people = 100_000
	en := NewEngine(DefaultConfig(), set, nobody{})
	for i := range 3 * people {
		e := export(fmt.Sprint("e", i), time.Duration(i)*10*time.Millisecond, 10)
		e.Actor.ID = fmt.Sprint("005000000", i%people)
		e.Actor.Person = e.Actor.ID
		en.Apply(e)
	}
	var recs []stream.Record
	size := 0
	changes, err := en.changes()
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range changes {
		recs = append(recs, stream.Record{Key: []byte(c.key), Value: c.value})
		size += len(c.key) + len(c.value)
	}
	b.Run("encode", func(b *testing.B) {
		for b.Loop() {
			if _, err := en.changes(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("restore", func(b *testing.B) {
		for b.Loop() {
			fresh := NewEngine(DefaultConfig(), set, nobody{})
			for _, r := range recs {
				if err := fresh.restore(string(r.Key), r.Value); err != nil {
					b.Fatal(err)
				}
			}
			fresh.resume(&marker{Watermark: en.newest, Sources: en.sources})
		}
		b.ReportMetric(float64(len(recs))/people, "records/person")
		b.ReportMetric(float64(size)/people, "bytes/person")
		b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)/people*1e6, "us/person")
	})
}
