// Package pack holds the rules that crmwatch ships, one folder for each topic.
// Every file is also valid Sigma by the official JSON schemas.
package pack

import "embed"

// FS holds the rule files as "topic/name.yml", and under "lookups" the tables that
// they take lists from.
//
//go:embed */*.yml lookups/*.csv
var FS embed.FS
