package main

import (
	"testing"
	"time"
)

func TestLastWorkdayIsOver(t *testing.T) {
	for now, want := range map[string]string{
		"2026-11-24T03:00:00Z": "2026-11-23", // Tuesday morning
		"2026-11-23T15:59:00Z": "2026-11-20", // Monday, a minute before midnight in Shanghai
		"2026-11-23T16:00:00Z": "2026-11-23", // Tuesday there
		"2026-11-22T12:00:00Z": "2026-11-20", // Sunday
	} {
		at, err := time.Parse(time.RFC3339, now)
		if err != nil {
			t.Fatal(err)
		}
		if got := lastWorkday(at).Format(time.DateOnly); got != want {
			t.Errorf("%s: %s, want %s", now, got, want)
		}
	}
}
