package detect

import (
	"slices"

	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/rules"
)

// The fields that the detector derives from the roster and from its own state,
// beside the fields of the event itself. Their order is their rules.Field,
// counted on from the event's.
const (
	actorKey = iota
	personStatus
	personDepartment
	personRole
	personManager
	personLastDay
	personDaysSinceLastDay
	localHour
	localWeekday
	localOffHours
	accountIdleDays
	derivedCount
)

var derivedPaths = [derivedCount]string{
	actorKey:               "actor.key",
	personStatus:           "person.status",
	personDepartment:       "person.department",
	personRole:             "person.role",
	personManager:          "person.manager",
	personLastDay:          "person.last_day",
	personDaysSinceLastDay: "person.days_since_last_day",
	localHour:              "local.hour",
	localWeekday:           "local.weekday",
	localOffHours:          "local.off_hours",
	accountIdleDays:        "account.idle_days",
}

// Schema names the fields that a rule may read: those of event.Fields and those
// that the detector derives (docs/rules.md lists both).
type Schema struct{ byPath map[string]rules.Field }

// NewSchema returns the schema of the running detector.
func NewSchema() Schema {
	m := make(map[string]rules.Field, len(event.Fields)+derivedCount)
	for i, f := range event.Fields {
		m[f.Path] = rules.Field(i)
	}
	for i, path := range derivedPaths {
		m[path] = rules.Field(len(event.Fields) + i)
	}
	return Schema{m}
}

// schema is the one that records are made for; it never changes.
var schema = NewSchema()

// Field resolves a field's path.
func (s Schema) Field(path string) (rules.Field, bool) {
	f, ok := s.byPath[path]
	return f, ok
}

// Paths lists every field's path, sorted.
func (s Schema) Paths() []string {
	paths := make([]string, 0, len(s.byPath))
	for p := range s.byPath {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	return paths
}
