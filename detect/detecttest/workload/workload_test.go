package workload_test

import (
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"testing"
	"time"

	"github.com/crmwatch/crmwatch/detect/detecttest/workload"
)

var whole = flag.Bool("whole", false, "check the whole workloads, not short ones")

// The sums are those of the files that peers were measured with.
func TestWorkloadsAreTheSameEverywhere(t *testing.T) {
	t.Parallel()
	sums := map[string]workload.Config{
		"bd4598cdba8b290e6929c71534c97fbb1b48e54b60f7d8aa59c82c0b50df0b5f": {Events: 20_000, Users: 10_000, Span: 24 * time.Hour, Seed: 1},
		"15368bd6c8e9f6425519e4aa6938f8fc87de4365d386d2a35520bd27faee3475": {Events: 20_000, Users: 10_000, Span: 4 * time.Hour, Seed: 3, Hot: 0.2},
	}
	if *whole {
		sums = map[string]workload.Config{
			"bab3e4a376cbf70c1766b574e56dc1b60d80fb955079eae411b232a5abc21422": workload.A,
			"7fb0e2aa2173ddde4dcbc986f66ba930af14cf470c951b715ab1ca004545e77e": workload.B,
		}
	}
	for want, cfg := range sums {
		h := sha256.New()
		if err := cfg.Write(h); err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(h.Sum(nil)); got != want {
			t.Errorf("%+v: %s, not %s", cfg, got, want)
		}
	}
}
