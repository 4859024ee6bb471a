package main

import (
	"encoding/json"
	"testing"
)

// The demo finds what it planted, all of it, and says nothing else.
func TestDemoFindsWhatItPlanted(t *testing.T) {
	needLibrary(t)
	for _, seed := range []string{"1", "2"} {
		cmd := command(t, t.TempDir(), "demo", "--json", "--speed=0", "--people=120", "--days=7", "--seed="+seed)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("seed %s: %v\n%s", seed, err, out)
		}
		var v verdict
		if err := json.Unmarshal(out, &v); err != nil {
			t.Fatalf("seed %s: %v\n%s", seed, err, out)
		}
		if v.Planted < 5 || v.Found != v.Planted || v.FalseAlerts != 0 || v.RejectedRecords != 0 || v.HistoryEvents < 5_000 {
			t.Errorf("seed %s: %+v", seed, v)
		}
		kinds := map[string]bool{}
		for _, i := range v.Incidents {
			kinds[i.Kind] = i.Found && i.Rule != ""
		}
		for _, kind := range []string{"mass_export", "off_hours_export", "leaver_account"} {
			if !kinds[kind] {
				t.Errorf("seed %s: %s was not found", seed, kind)
			}
		}
	}
}
