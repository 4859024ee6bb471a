package salesforce

import (
	"flag"
	"testing"

	"github.com/crmwatch/crmwatch/ingest"
	"github.com/crmwatch/crmwatch/ingest/ingesttest"
)

var update = flag.Bool("update", false, "write the golden files")

func TestCases(t *testing.T) {
	ingesttest.Cases(t, "testdata", []ingest.Format{Format()}, *update)
}
