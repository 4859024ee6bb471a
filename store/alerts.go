package store

import (
	"fmt"
	"time"

	"github.com/crmwatch/crmwatch/alert"
	"github.com/crmwatch/crmwatch/internal/stream"
)

// finding is a finding and the OCSF document that it came as, which is kept
// whole.
type finding struct {
	alert.Finding
	ocsf string
}

func alertTable() table[finding] {
	return table[finding]{
		name:    "alerts",
		columns: alertColumns,
		decoder: func() decoder[finding] { return decodeFinding },
		counted: func(f *finding) time.Time { return f.Detected },
		batch:   1000,
	}
}

var alertColumns = []column[finding]{
	of("id", func(f *finding) string { return f.ID }),
	of("tenant", func(f *finding) string { return f.Tenant }),
	of("rule_id", func(f *finding) string { return f.Rule.ID }),
	of("rule_version", func(f *finding) string { return f.Rule.Version }),
	of("rule_name", func(f *finding) string { return f.Rule.Name }),
	of("rule_title", func(f *finding) string { return f.Rule.Title }),
	of("level", func(f *finding) string { return string(f.Rule.Level) }),
	of("response", func(f *finding) string { return f.Rule.Response }),
	of("subject", func(f *finding) string { return f.Subject.Key }),
	of("person", func(f *finding) string { return f.Subject.Person }),
	of("subject_name", func(f *finding) string { return f.Subject.Name }),
	of("email", func(f *finding) string { return f.Subject.Email }),
	of("department", func(f *finding) string { return f.Subject.Department }),
	of("employment", func(f *finding) string { return f.Subject.Employment }),
	of("start", func(f *finding) time.Time { return instant(f.Start) }),
	of("end", func(f *finding) time.Time { return instant(f.End) }),
	of("detected", func(f *finding) time.Time { return instant(f.Detected) }),
	of("events", func(f *finding) int64 { return f.Count }),
	of("rows", func(f *finding) int64 { return f.Rows }),
	of("bytes", func(f *finding) int64 { return f.Bytes }),
	of("measured", func(f *finding) int64 { return f.Measured }),
	of("threshold", func(f *finding) int64 { return f.Threshold }),
	of("unit", func(f *finding) string { return f.Unit }),
	of("action", func(f *finding) string { return string(f.Action) }),
	of("sources", func(f *finding) []string { return f.Sources }),
	of("object_types", func(f *finding) []string { return f.ObjectTypes }),
	of("ips", func(f *finding) []string { return f.IPs }),
	of("countries", func(f *finding) []string { return f.Countries }),
	of("user_agents", func(f *finding) []string { return f.UserAgents }),
	of("apps", func(f *finding) []string { return f.Apps }),
	of("event_ids", eventIDs),
	of("reasons", func(f *finding) []string { return f.Reasons }),
	of("revision", func(f *finding) uint32 { return uint32(f.Revision) }), // which DecodeOCSF bounds
	of("state", func(f *finding) string { return string(f.State) }),
	of("replaces", func(f *finding) []string { return f.Replaces }),
	of("replaced_by", func(f *finding) string { return f.ReplacedBy }),
	of("uncertainty", func(f *finding) float64 { return f.Uncertainty }),
	of("ocsf", func(f *finding) string { return f.ocsf }),
}

func eventIDs(f *finding) []string {
	ids := make([]string, len(f.Events))
	for i, e := range f.Events {
		ids[i] = e.ID
	}
	return ids
}

func decodeFinding(rec stream.Record) (finding, error) {
	f, err := alert.DecodeOCSF(rec.Value)
	if err != nil {
		return finding{}, fmt.Errorf("decode finding: %w", err)
	}
	err = checkTimes(timeField{"start_time", f.Start}, timeField{"end_time", f.End}, timeField{"metadata.logged_time", f.Detected})
	return finding{f, string(rec.Value)}, err
}
