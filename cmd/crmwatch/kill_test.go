package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crmwatch/crmwatch/internal/bus"
	"github.com/crmwatch/crmwatch/roster"
	"github.com/crmwatch/crmwatch/simulate"
)

// Killed at any moment of an ingest, started again, killed again: once the file
// has been taken in to its end, ClickHouse holds every record once, and the
// alerts are those of an undisturbed run.
func TestKilledIngestLosesNothing(t *testing.T) {
	needLibrary(t)
	company := simulate.New(simulate.Config{Seed: 7, People: 80, Days: 4, Now: time.Now().AddDate(0, 0, -2), Tenant: "default"})
	people := rosterFile(t, company)
	var records int
	file := writeFile(t, "events.ndjson", func(yield func([]byte) bool) {
		for r := range company.History() {
			records++
			yield(r.Line)
		}
		for r := range company.Today() {
			records++
			yield(r.Line)
		}
	})

	calm := t.TempDir()
	must(t, calm, "roster", "load", people)
	must(t, calm, "ingest", file)

	stormy := t.TempDir()
	must(t, stormy, "roster", "load", people)
	for i := range 3 {
		killDuringIngest(t, stormy, file, int64(records*(i+1)/5))
	}
	must(t, stormy, "ingest", file)

	want := fmt.Sprint(records)
	for name, dir := range map[string]string{"undisturbed": calm, "killed": stormy} {
		if got := one(t, dir, "SELECT toString(count()) FROM events"); got != want {
			t.Errorf("%s: %s events, want %s", name, got, want)
		}
		if got := one(t, dir, "SELECT toString(uniqExact(id)) FROM events"); got != want {
			t.Errorf("%s: %s event ids, want %s", name, got, want)
		}
	}
	const alerts = "SELECT concat(id, ' ', rule_name, ' ', subject, ' ', toString(rows), ' ', toString(start)) FROM alerts ORDER BY id"
	calmAlerts, stormyAlerts := query(t, calm, alerts), query(t, stormy, alerts)
	if len(calmAlerts) == 0 || !slices.Equal(calmAlerts, stormyAlerts) {
		t.Errorf("alerts of the killed run:\n%q\nof the undisturbed one:\n%q", stormyAlerts, calmAlerts)
	}
}

func rosterFile(t *testing.T, company *simulate.Company) string {
	t.Helper()
	var b bytes.Buffer
	if err := roster.WriteCSV(&b, company.Roster()); err != nil {
		t.Fatal(err)
	}
	return writeFile(t, "people.csv", func(yield func([]byte) bool) { yield(bytes.TrimSuffix(b.Bytes(), []byte("\n"))) })
}

// killDuringIngest starts to take in the file and kills the process as soon as
// Kafka holds this many events.
func killDuringIngest(t *testing.T, dir, file string, events int64) {
	t.Helper()
	cmd := command(t, dir, "ingest", file)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	_ = os.Remove(endpointsFile(dir))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	deadline := time.After(time.Minute)
	for tick := time.NewTicker(5 * time.Millisecond); ; {
		select {
		case err := <-ended:
			t.Fatalf("ended before it could be killed: %v\n%s", err, out.String())
		case <-deadline:
			t.Fatal("never got that far")
		case <-tick.C:
		}
		if eventsIn(t, dir) >= events {
			tick.Stop()
			break
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-ended
}

// eventsIn is the number of messages in the event topic of a running crmwatch, 0
// while it does not answer.
func eventsIn(t *testing.T, dir string) (n int64) {
	t.Helper()
	e, err := runningServers(dir)
	if err != nil {
		return 0
	}
	client, err := bus.New(bus.Config{Brokers: []string{e.Kafka}, ClientID: "test", SASL: bus.SASL{Mechanism: "plain", User: kafkaUser, Password: e.Password}},
		bus.Deps{Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	offsets, err := client.Offsets(ctx, "crmwatch.events", "crmwatch.detect")
	if err != nil {
		return 0
	}
	for _, o := range offsets {
		n += o.Next
	}
	return n
}
