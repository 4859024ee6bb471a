// Package testkit gives tests the real servers they talk to.
package testkit

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/crmwatch/crmwatch/internal/embedded"
)

// process is what one test process shares between its tests.
var process struct {
	mainRuns bool
	atExit   []func()
}

// Main is the TestMain of a package whose tests use [ClickHouse] or [Database]:
//
//	func TestMain(m *testing.M) { testkit.Main(m) }
//
// It ends the process, after the servers that the tests shared.
func Main(m *testing.M) {
	if code, isChild := embedded.Child(); isChild {
		os.Exit(code)
	}
	process.mainRuns = true
	code := m.Run()
	for _, stop := range process.atExit {
		stop()
	}
	os.Exit(code)
}

// stopTime is how long a shared server may take to end.
const stopTime = 20 * time.Second

// closeAtExit closes a shared server when all tests have ended.
func closeAtExit(name string, closer func(context.Context) error) {
	process.atExit = append(process.atExit, func() {
		ctx, cancel := context.WithTimeout(context.Background(), stopTime)
		defer cancel()
		if err := closer(ctx); err != nil {
			fmt.Fprintf(os.Stderr, "close %s: %v\n", name, err)
		}
	})
}
