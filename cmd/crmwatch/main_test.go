package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/crmwatch/crmwatch/internal/embedded"
)

// asCrmwatch makes the test binary be crmwatch itself.
const asCrmwatch = "CRMWATCH_TEST_RUN"

func TestMain(m *testing.M) {
	if code, child := embedded.Child(); child {
		os.Exit(code)
	}
	if os.Getenv(asCrmwatch) != "" {
		os.Exit(run())
	}
	testscript.Main(m, map[string]func(){"crmwatch": func() { os.Exit(run()) }})
}

// needLibrary skips the test where the embedded ClickHouse cannot be had.
func needLibrary(t *testing.T) string {
	t.Helper()
	lib, err := embedded.FindLibrary("")
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatal(err)
	default:
		t.Skip(err)
	}
	return lib
}

// command is crmwatch as a process of its own.
func command(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, args...)
	cmd.Env = append(os.Environ(), asCrmwatch+"=1", "CRMWATCH_DATA_DIR="+dir, "CRMWATCH_HTTP_LISTEN=127.0.0.1:0", "CRMWATCH_CONFIG=", "NO_COLOR=1")
	return cmd
}

// must runs crmwatch to its end.
func must(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, err := command(t, dir, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("crmwatch %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// query reads what a crmwatch that has ended left in its ClickHouse: one row of
// text after the other.
func query(t *testing.T, dir, sql string) []string {
	t.Helper()
	rows, err := stored(t.Context(), dir, sql)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// stored is query for where there is no test.
func stored(ctx context.Context, dir, sql string) (rows []string, err error) {
	lib, err := embedded.FindLibrary("")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	ch, err := embedded.StartClickHouse(ctx, embedded.ClickHouseConfig{
		Dir: filepath.Join(dir, "clickhouse"), Addr: "127.0.0.1:0", Library: lib, Password: "x", Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, ch.Close(ctx)) }()
	db := clickhouse.OpenDB(&clickhouse.Options{Addr: []string{ch.Addr()}, Protocol: clickhouse.HTTP, Auth: clickhouse.Auth{Database: "crmwatch", Username: "default", Password: "x"}})
	defer db.Close()
	res, err := db.QueryContext(ctx, sql)
	if err != nil {
		return nil, err
	}
	defer res.Close()
	for res.Next() {
		var row string
		if err := res.Scan(&row); err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, res.Err()
}

func one(t *testing.T, dir, sql string) string {
	t.Helper()
	rows := query(t, dir, sql)
	if len(rows) != 1 {
		t.Fatalf("%s: %d rows", sql, len(rows))
	}
	return rows[0]
}

func writeFile(t *testing.T, name string, lines func(yield func([]byte) bool)) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range lines {
		if _, err := fmt.Fprintf(f, "%s\n", line); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}
