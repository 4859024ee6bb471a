package main

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/crmwatch/crmwatch/detect/detecttest/workload"
)

// benchShare lets the benchmarks of rules be tried with fewer events.
var benchShare = flag.Int("rules.share", 1, "run one in so many of the events")

var benchProfile = flag.String("rules.profile", "", "write profiles of the runs on one thread into this `directory`, to compile by")

// BenchmarkRulesEval times "crmwatch rules eval" as a whole process, on the
// workloads and the ten rules that it is compared by. What is reported is the
// median that the caller makes of several runs (-count); the ratios are of runs
// that follow each other, so that they hold on a machine whose speed drifts.
func BenchmarkRulesEval(b *testing.B) {
	ten, many, one := rulesIn(b, 0), rulesIn(b, 2985), floorRules(b)
	for _, load := range []struct {
		name    string
		cfg     workload.Config
		fire    string
		matches int64 // of all events
	}{
		// A line at each instant would be four gigabytes of H: its hot key has
		// thousands of events in a window, and a line lists them all.
		{"A", workload.A, "every", 67_720}, {"B", workload.B, "every", 77_270}, {"H", workload.H, "once", 7_487},
	} {
		load.cfg.Events /= *benchShare
		file := filepath.Join(b.TempDir(), load.name+".ndjson")
		writeEvents(b, file, load.cfg)
		b.Run(load.name, func(b *testing.B) {
			for b.Loop() {
				first := evaluate(b, ten, file, load.fire, 1, profile(load.name)...)
				if *benchShare == 1 && first.matches != load.matches {
					b.Fatalf("%d matches, not %d", first.matches, load.matches)
				}
				b.ReportMetric(first.speed(), "events/s")
				b.ReportMetric(first.cpu.Seconds()*1e9/float64(load.cfg.Events), "cpu-ns/event")
				b.ReportMetric(first.peakMB, "peak-MB")
				b.ReportMetric(evaluate(b, ten, file, load.fire, 2).rate/first.rate, "x-by-2-threads")
				b.ReportMetric(evaluate(b, many, file, load.fire, 1).rate/first.rate, "x-with-3000-rules")
				// What reading the lines, and a field of each, costs alone.
				b.ReportMetric(first.rate/evaluate(b, one, file, load.fire, 1).rate, "x-of-reading")
			}
			b.ReportMetric(0, "ns/op") // a time of several runs says nothing
		})
	}
}

func rulesIn(b *testing.B, rare int) string {
	b.Helper()
	dir := b.TempDir()
	if err := workload.WriteRules(dir, rare); err != nil {
		b.Fatal(err)
	}
	return dir
}

// floorRules are one rule that matches nothing.
func floorRules(b *testing.B) string {
	b.Helper()
	dir := b.TempDir()
	rule := "title: nothing\nlogsource: {product: crm}\ndetection: {selection: {action: nothing}, condition: selection}\n"
	if err := os.WriteFile(filepath.Join(dir, "r.yml"), []byte(rule), 0o600); err != nil {
		b.Fatal(err)
	}
	return dir
}

func writeEvents(b *testing.B, file string, cfg workload.Config) {
	b.Helper()
	f, err := os.Create(file)
	if err != nil {
		b.Fatal(err)
	}
	if err := cfg.Write(f); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
}

// timing is what a run took, as the operating system accounts for it.
type timing struct {
	events, matches int64
	took, cpu       time.Duration
	peakMB          float64
	rate            float64 // events/s as it says itself, without loading the rules
}

func (t timing) speed() float64 { return float64(t.events) / t.took.Seconds() }

var statsLine = regexp.MustCompile(`(\d+) events, (\d+) matches in .*: (\d+) events/s`)

// profile is what makes a run write its profile.
func profile(load string) []string {
	if *benchProfile == "" {
		return nil
	}
	return []string{"--profile", filepath.Join(*benchProfile, load+".pprof")}
}

func evaluate(b *testing.B, rules, events, fire string, threads int, more ...string) timing {
	b.Helper()
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(exe, append([]string{"rules", "eval", "--rules", rules, "--events", events, "--fire", fire, "--stats", "--threads", strconv.Itoa(threads)}, more...)...)
	cmd.Env = append(os.Environ(), asCrmwatch+"=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	began := time.Now()
	if err := cmd.Run(); err != nil {
		b.Fatalf("%v\n%s", err, &stderr)
	}
	t := timing{took: time.Since(began), cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		t.peakMB = float64(usage.Maxrss) / 1024
	}
	said := statsLine.FindStringSubmatch(stderr.String())
	if said == nil {
		b.Fatalf("it says %q", &stderr)
	}
	t.events, _ = strconv.ParseInt(said[1], 10, 64)
	t.matches, _ = strconv.ParseInt(said[2], 10, 64)
	t.rate, _ = strconv.ParseFloat(said[3], 64)
	return t
}
