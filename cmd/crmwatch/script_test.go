package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/crmwatch/crmwatch/internal/embedded"
)

// TestScripts tells what somebody sees who types commands: the stories are in
// testdata/script. Each has a data directory and a port of its own.
func TestScripts(t *testing.T) {
	library, missing := embedded.FindLibrary("")
	if missing != nil && os.Getenv("CI") == "true" {
		t.Fatal(missing)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			addr, err := freeAddr()
			env.Setenv("CRMWATCH_DATA_DIR", env.Getenv("WORK")+"/data")
			env.Setenv("CRMWATCH_HTTP_LISTEN", addr)
			env.Setenv("CRMWATCH_CLICKHOUSE_LIBRARY", library)
			env.Setenv("NO_COLOR", "1")
			env.Setenv("GORACE", "atexit_sleep_ms=10") // a second for each command otherwise
			return err
		},
		// [clickhouse] is true where the embedded ClickHouse is installed.
		Condition: func(cond string) (bool, error) { return cond == "clickhouse" && missing == nil, nil },
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"ready": cmdReady,
			"holds": cmdHolds,
			"spoil": cmdSpoil,
		},
	})
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// cmdReady waits until a crmwatch in the background is ready: ready
func cmdReady(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: ready")
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	url := "http://" + ts.Getenv("CRMWATCH_HTTP_LISTEN") + "/readyz"
	for deadline := time.After(time.Minute); ts.Exec("crmwatch", "health", "--url", url) != nil; {
		select {
		case <-tick.C:
		case <-deadline:
			ts.Fatalf("crmwatch does not become ready")
		}
	}
}

// cmdHolds checks what the ClickHouse of a crmwatch that has ended holds. Rows
// are joined by commas: holds WANT QUERY
func cmdHolds(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: holds WANT QUERY")
	}
	rows, err := stored(context.Background(), ts.Getenv("CRMWATCH_DATA_DIR"), args[1])
	ts.Check(err)
	if got := strings.Join(rows, ","); got != args[0] {
		ts.Fatalf("ClickHouse holds %q, want %q", got, args[0])
	}
}

// cmdSpoil puts into a file what a script cannot hold, and cuts off the end of
// its last line: spoil FILE
func cmdSpoil(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: spoil FILE")
	}
	text := []byte(ts.ReadFile(args[0]))
	for placeholder, content := range map[string][]byte{
		"<BOM>":   []byte("\xEF\xBB\xBF"),
		"<GBK>":   []byte("\xC9\xCF\xBA\xA3\xBF\xCD\xBB\xA7"), // 上海客户
		"<10MB>":  bytes.Repeat([]byte("x"), 10<<20),
		"<CUT>\n": nil,
	} {
		text = bytes.ReplaceAll(text, []byte(placeholder), content)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), text, 0o600))
}
