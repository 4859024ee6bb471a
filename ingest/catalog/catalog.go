// Package catalog lists the formats that crmwatch reads, one line each.
package catalog

import (
	"github.com/crmwatch/crmwatch/ingest"
	"github.com/crmwatch/crmwatch/ingest/native"
	"github.com/crmwatch/crmwatch/ingest/salesforce"
)

// Formats returns all formats.
func Formats() []ingest.Format {
	return []ingest.Format{
		native.Format(),
		salesforce.Format(),
	}
}

// Recognise decides by the content what an input is; see ingest.Recognise.
func Recognise(head []byte, name string) (ingest.Kind, error) {
	return ingest.Recognise(head, name, Formats())
}
