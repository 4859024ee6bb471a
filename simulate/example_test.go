package simulate_test

import (
	"fmt"

	"github.com/crmwatch/crmwatch/simulate"
)

func Example() {
	c := simulate.New(simulate.Config{Seed: 1})
	n := 0
	for range c.Today() {
		n++
	}
	fmt.Println(len(c.Roster()), "people,", n > 10_000)
	var alerts []simulate.Alert
	for _, in := range c.Incidents() {
		fmt.Println(in.Kind, in.Rules)
		alerts = append(alerts, simulate.Alert{Rule: in.Rules[0], Subject: in.Subject, Events: in.Events[:1], Time: in.First})
	}
	res := simulate.Score(c.Incidents(), alerts[1:])
	fmt.Println(len(res.Found), "found,", len(res.Missed), "missed,", len(res.False), "false")
	// Output:
	// 400 people, true
	// off_hours_export [off_hours_data_access]
	// leaver_account [leaver_account]
	// dormant_account [dormant_account]
	// mass_export [mass_export_single]
	// chunked_export [mass_export_hour]
	// 4 found, 1 missed, 0 false
}
