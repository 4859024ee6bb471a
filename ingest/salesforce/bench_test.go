package salesforce

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/ingest"
)

// BenchmarkReport is from the bytes of an event log file to the message.
func BenchmarkReport(b *testing.B) {
	content, err := os.ReadFile("testdata/elf_2020_lower_case_csv/input.csv")
	if err != nil {
		b.Fatal(err)
	}
	header, row, _ := strings.Cut(string(content), "\n")
	file := header + "\n" + strings.Repeat(row, 10_000)
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	rows, message := 0, []byte(nil)
	for b.Loop() {
		r, _, err := ingest.Open(strings.NewReader(file), "f", []ingest.Format{Format()})
		if err != nil {
			b.Fatal(err)
		}
		for {
			item, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			message = appendEvent(message[:0], item.Event)
			rows++
		}
	}
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
}

func appendEvent(dst []byte, e *event.Event) []byte { return e.AppendJSON(dst) }
