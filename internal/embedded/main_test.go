package embedded_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/crmwatch/crmwatch/internal/embedded"
)

// helperEnv makes the test binary a process that runs one server and nothing else,
// so that a test can kill it.
const helperEnv = "CRMWATCH_TEST_HELPER"

func TestMain(m *testing.M) {
	if code, isChild := embedded.Child(); isChild {
		os.Exit(code)
	}
	if kind, dir, ok := strings.Cut(os.Getenv(helperEnv), "="); ok {
		os.Exit(runHelper(kind, dir))
	}
	code := m.Run()
	if shared.server != nil {
		if err := shared.server.Close(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
		_ = os.RemoveAll(shared.dir)
	}
	os.Exit(code)
}

// runHelper starts a server, prints its address and serves until it is killed.
func runHelper(kind, dir string) int {
	addr, err := startHelper(kind, dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(addr)
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

func startHelper(kind, dir string) (addr string, err error) {
	if kind == "kafka" {
		k, err := embedded.StartKafka(embedded.KafkaConfig{Dir: dir, Logger: quiet()})
		if err != nil {
			return "", err
		}
		return k.Addr(), nil
	}
	c, err := embedded.StartClickHouse(context.Background(), embedded.ClickHouseConfig{Dir: dir, Logger: quiet()})
	if err != nil {
		return "", err
	}
	return c.Addr(), nil
}

// helper runs such a process.
func helper(t *testing.T, kind, dir string) (cmd *exec.Cmd, addr string) {
	t.Helper()
	return helperFrom(t, os.Args[0], kind, dir)
}

func helperFrom(t *testing.T, binary, kind, dir string) (cmd *exec.Cmd, addr string) {
	t.Helper()
	cmd = exec.Command(binary)
	cmd.Env = append(os.Environ(), helperEnv+"="+kind+"="+dir)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stdin.Close(); _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("helper for %s did not start: %v", kind, err)
	}
	return cmd, strings.TrimSpace(line)
}

// eventually asks until the answer is yes.
func eventually(t *testing.T, what string, ask func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !ask() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

const password = "pass'word: with signs"

// shared is the ClickHouse of all tests that do not break it.
var shared struct {
	once   sync.Once
	dir    string
	server *embedded.ClickHouse
	err    error
}

// needLibrary skips a test where the engine's library is not installed.
func needLibrary(t *testing.T) {
	t.Helper()
	if _, err := embedded.FindLibrary(""); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

// clickHouse returns the address of the shared server.
func clickHouse(t *testing.T) string {
	t.Helper()
	needLibrary(t)
	shared.once.Do(func() {
		if shared.dir, shared.err = os.MkdirTemp("", "crmwatch-embedded-"); shared.err == nil {
			shared.server, shared.err = embedded.StartClickHouse(context.Background(),
				embedded.ClickHouseConfig{Dir: shared.dir, Password: password, Logger: quiet()})
		}
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.server.Addr()
}

// start runs a ClickHouse that is the test's own.
func start(t *testing.T, cfg embedded.ClickHouseConfig) *embedded.ClickHouse {
	t.Helper()
	needLibrary(t)
	if cfg.Logger == nil {
		cfg.Logger = quiet()
	}
	c, err := embedded.StartClickHouse(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return c
}

func options(addr, password string) *clickhouse.Options {
	return &clickhouse.Options{
		Protocol: clickhouse.HTTP,
		Addr:     []string{addr},
		Auth:     clickhouse.Auth{Username: "default", Password: password},
		Settings: clickhouse.Settings{"async_insert": 0},
	}
}

// dial opens a client as the product does.
func dial(t *testing.T, addr, password string) driver.Conn {
	t.Helper()
	conn, err := clickhouse.Open(options(addr, password))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// database makes a database on the shared server for one test.
func database(t *testing.T) (conn driver.Conn, name string) {
	t.Helper()
	conn = dial(t, clickHouse(t), password)
	name = "t_" + strings.ToLower(strings.NewReplacer("/", "_", "#", "_").Replace(t.Name()))
	exec1(t, conn, "CREATE DATABASE "+name)
	t.Cleanup(func() { exec1(t, conn, "DROP DATABASE "+name+" SYNC") })
	return conn, name
}

func exec1(t *testing.T, conn driver.Conn, statement string) {
	t.Helper()
	if err := conn.Exec(context.Background(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// one is the single value a query returns.
func one[T any](t *testing.T, ctx context.Context, conn driver.Conn, query string, args ...any) T {
	t.Helper()
	var v T
	if err := conn.QueryRow(ctx, query, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}
