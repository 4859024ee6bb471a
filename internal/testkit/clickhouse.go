package testkit

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crmwatch/crmwatch/internal/embedded"
)

// startTime is how long a shared server may take to start on a busy machine.
const startTime = 2 * time.Minute

// clickHouse is the one ClickHouse of this test process.
var clickHouse struct {
	once           sync.Once
	addr, password string
	err            error
}

// ClickHouse starts the embedded ClickHouse, once for all tests of this process,
// and returns its address, for clickhouse-go's HTTP protocol, and the password of
// the user "default". Tests share it: [Database] gives each a database of its own.
// The package needs [Main].
//
// Without the engine's library the test is skipped, unless CI=true.
func ClickHouse(tb testing.TB) (addr, password string) {
	tb.Helper()
	if !process.mainRuns {
		tb.Fatal("the package needs func TestMain(m *testing.M) { testkit.Main(m) }")
	}
	clickHouse.once.Do(func() { clickHouse.err = startClickHouse() })
	if errors.Is(clickHouse.err, errNoLibrary) && os.Getenv("CI") != "true" {
		tb.Skip(clickHouse.err)
	}
	if clickHouse.err != nil {
		tb.Fatal(clickHouse.err)
	}
	return clickHouse.addr, clickHouse.password
}

// errNoLibrary means that this machine has not got the engine.
var errNoLibrary = errors.New("no embedded clickhouse")

func startClickHouse() error {
	library, err := embedded.FindLibrary("")
	if err != nil {
		return fmt.Errorf("%w: %w", errNoLibrary, err)
	}
	dir, err := os.MkdirTemp("", "crmwatch-clickhouse-")
	if err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	password := rand.Text()
	server, err := embedded.StartClickHouse(ctx, embedded.ClickHouseConfig{
		Dir: dir, Library: library, Password: password, MemoryLimit: 4 << 30,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	closeAtExit("clickhouse", func(ctx context.Context) error {
		return errors.Join(server.Close(ctx), os.RemoveAll(dir))
	})
	clickHouse.addr, clickHouse.password = server.Addr(), password
	return nil
}

// Database is [ClickHouse] with a database that belongs to this test and goes with
// it.
func Database(tb testing.TB) (addr, password, database string) {
	tb.Helper()
	addr, password = ClickHouse(tb)
	database = "t_" + strings.ToLower(rand.Text())
	execute(tb, addr, password, "CREATE DATABASE "+database)
	tb.Cleanup(func() { execute(tb, addr, password, "DROP DATABASE "+database+" SYNC") })
	return addr, password, database
}

// execute runs a statement over plain HTTP, so that the kit needs no client library.
func execute(tb testing.TB, addr, password, statement string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/", strings.NewReader(statement))
	if err != nil {
		tb.Fatal(err)
	}
	req.SetBasicAuth("default", password)
	// A kept connection would look like a leak to a test that counts goroutines.
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		tb.Errorf("%s: %v", statement, err)
		return
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		tb.Errorf("%s: %s, code %s", statement, resp.Status, resp.Header.Get("X-ClickHouse-Exception-Code"))
	}
}
