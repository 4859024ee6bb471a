package rules_test

import (
	"testing"

	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/rules"
	"github.com/crmwatch/crmwatch/rules/pack"
)

// fields are the event's fields and those that the detector derives.
func fields() rules.FieldList {
	var list rules.FieldList
	for _, f := range event.Fields {
		list = append(list, f.Path)
	}
	return append(list, "actor.key", "person.status", "person.department", "person.role", "person.manager",
		"person.last_day", "person.days_since_last_day", "local.hour", "local.weekday", "local.off_hours", "account.idle_days")
}

func TestPackLoads(t *testing.T) {
	set, err := rules.Load(pack.FS, fields())
	if err != nil {
		t.Fatal(err)
	}
	t.Log(len(set.Rules()), len(set.Correlations()), set.Version())
}
