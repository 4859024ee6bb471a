package simulate_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crmwatch/crmwatch/simulate"
)

func TestScore(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	mass := simulate.Incident{ID: "mass", Subject: "E1", Rules: []string{"mass_export_single", "mass_export_hour"}, Events: []string{"a", "b"}}
	ghost := simulate.Incident{ID: "ghost", Subject: "E2", Rules: []string{"leaver_login"}, Events: []string{"c"}}
	again := simulate.Incident{ID: "again", Subject: "E1", Rules: []string{"mass_export_hour"}, Events: []string{"b", "d"}}

	single := simulate.Alert{ID: "1", Rule: "mass_export_single", Subject: "E1", Events: []string{"x", "a"}, Time: at(20)}
	hour := simulate.Alert{ID: "2", Rule: "mass_export_hour", Subject: "E1", Events: []string{"a", "b"}, Time: at(10)}
	otherRule := simulate.Alert{ID: "3", Rule: "off_hours_data_access", Subject: "E2", Events: []string{"c"}, Time: at(5)}
	otherSubject := simulate.Alert{ID: "4", Rule: "leaver_login", Subject: "E9", Events: []string{"c"}}
	otherEvents := simulate.Alert{ID: "5", Rule: "leaver_login", Subject: "E2", Events: []string{"z"}}
	empty := simulate.Alert{ID: "6", Rule: "leaver_login", Subject: "E2"}

	for _, test := range []struct {
		name      string
		incidents []simulate.Incident
		alerts    []simulate.Alert
		want      simulate.Result
	}{
		{name: "nothing"},
		{"missed", []simulate.Incident{mass, ghost}, nil, simulate.Result{Missed: []simulate.Incident{mass, ghost}}},
		{
			"the earliest alert counts, all are true",
			[]simulate.Incident{mass},
			[]simulate.Alert{single, hour},
			simulate.Result{Found: []simulate.Found{{Incident: mass, Alert: hour}}, True: []simulate.Alert{single, hour}},
		},
		{
			"an alert by another rule is true but finds nothing",
			[]simulate.Incident{ghost},
			[]simulate.Alert{otherRule},
			simulate.Result{Missed: []simulate.Incident{ghost}, True: []simulate.Alert{otherRule}},
		},
		{
			"an alert must name the subject and an event",
			[]simulate.Incident{ghost},
			[]simulate.Alert{otherSubject, otherEvents, empty},
			simulate.Result{Missed: []simulate.Incident{ghost}, False: []simulate.Alert{otherSubject, otherEvents, empty}},
		},
		{
			"one alert may belong to two incidents",
			[]simulate.Incident{mass, again},
			[]simulate.Alert{hour},
			simulate.Result{Found: []simulate.Found{{Incident: mass, Alert: hour}, {Incident: again, Alert: hour}}, True: []simulate.Alert{hour}},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, simulate.Score(test.incidents, test.alerts)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
