//go:build linux

package embedded_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/crmwatch/crmwatch/internal/embedded"
)

const numbersTable = "CREATE TABLE IF NOT EXISTS n (a UInt64) ENGINE = MergeTree ORDER BY a"

func insertNumbers(t *testing.T, conn driver.Conn, numbers ...uint64) {
	t.Helper()
	batch, err := conn.PrepareBatch(context.Background(), "INSERT INTO n")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range numbers {
		if err := batch.Append(n); err != nil {
			t.Fatal(err)
		}
	}
	if err := batch.Send(); err != nil {
		t.Fatal(err)
	}
}

func sum(t *testing.T, conn driver.Conn) uint64 {
	t.Helper()
	return one[uint64](t, context.Background(), conn, "SELECT sum(a) FROM n")
}

func TestDataSurviveARestart(t *testing.T) {
	dir := t.TempDir()
	for i := range uint64(3) {
		c := start(t, embedded.ClickHouseConfig{Dir: dir})
		conn := dial(t, c.Addr(), "")
		exec1(t, conn, numbersTable)
		insertNumbers(t, conn, 1<<i)
		if got, want := sum(t, conn), uint64(2)<<i-1; got != want {
			t.Fatalf("start %d: got sum %d, want %d", i+1, got, want)
		}
		if err := c.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		if err := c.Close(context.Background()); err != nil {
			t.Errorf("second close: %v", err)
		}
	}
}

// process tells a process's parent and state, "Z" when it has ended and nobody has
// asked how, nothing when there is none.
func process(pid int) (parent, state string) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", ""
	}
	// pid (name) state ppid; the name may contain anything
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	return fields[1], fields[0]
}

// children are the processes that a process has started and that run.
func children(t *testing.T, of int) (pids []int) {
	t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			t.Fatal(err)
		}
		if parent, state := process(pid); parent == strconv.Itoa(of) && state != "Z" {
			pids = append(pids, pid)
		}
	}
	return pids
}

// newChild is the child of this process that is not among the known.
func newChild(t *testing.T, known []int) int {
	t.Helper()
	for _, pid := range children(t, os.Getpid()) {
		if !slices.Contains(known, pid) {
			return pid
		}
	}
	t.Fatal("there is no child process")
	return 0
}

// logged keeps what is logged.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *logged) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *logged) count(what string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Count(r.text.String(), what)
}

func TestAKilledChildIsStartedAgain(t *testing.T) {
	var log logged
	known := children(t, os.Getpid())
	c := start(t, embedded.ClickHouseConfig{Dir: t.TempDir(), Password: password, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	addr := c.Addr()
	conn := dial(t, addr, password)
	exec1(t, conn, numbersTable)
	insertNumbers(t, conn, 1, 2, 3)
	for i := range 3 {
		if err := syscall.Kill(newChild(t, known), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		// A client sees one failure at most; the address waits for the next child.
		eventually(t, "it answers again", func() bool { return conn.Ping(context.Background()) == nil })
		if got := sum(t, conn); got != 6 {
			t.Errorf("after kill %d: got sum %d, want 6", i+1, got)
		}
		if got := log.count("stopped unexpectedly"); got != i+1 {
			t.Errorf("after kill %d: logged %d times", i+1, got)
		}
	}
	if c.Addr() != addr {
		t.Errorf("the address changed from %s to %s", addr, c.Addr())
	}
	if log.count(password) > 0 || log.count("pass") > 0 {
		t.Error("the log shows the password")
	}
}

func TestCloseWhileItIsStartedAgain(t *testing.T) {
	known := children(t, os.Getpid())
	c := start(t, embedded.ClickHouseConfig{Dir: t.TempDir()})
	if err := syscall.Kill(newChild(t, known), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(context.Background()); err != nil {
		t.Error(err)
	}
	eventually(t, "no child is left", func() bool { return len(children(t, os.Getpid())) == len(known) })
}

func TestCloseStopsStatements(t *testing.T) {
	c := start(t, embedded.ClickHouseConfig{Dir: t.TempDir()})
	conn := dial(t, c.Addr(), "")
	done := make(chan error, 1)
	go func() {
		done <- drain(context.Background(), conn, "SELECT count() FROM system.numbers WHERE sipHash64(number) = 1")
	}()
	watch := dial(t, c.Addr(), "")
	eventually(t, "the statement runs", func() bool {
		return one[uint64](t, context.Background(), watch, "SELECT count() FROM system.processes WHERE position(query, 'sipHash64') > 0") > 1
	})
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := c.Close(ctx); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("close took %v after its context had ended", took)
	}
	if err := <-done; err == nil {
		t.Error("the statement succeeded")
	}
}

func TestOneProcessPerDirectory(t *testing.T) {
	dir := t.TempDir()
	start(t, embedded.ClickHouseConfig{Dir: dir})
	_, err := embedded.StartClickHouse(context.Background(), embedded.ClickHouseConfig{Dir: dir, Logger: quiet()})
	if err == nil || !strings.Contains(err.Error(), "another process uses this directory") {
		t.Errorf("got %v, want an error about another process", err)
	}
}

func TestAKilledParentLeavesNothing(t *testing.T) {
	needLibrary(t)
	dir := t.TempDir()
	parent, addr := helper(t, "clickhouse", dir)
	conn := dial(t, addr, "")
	exec1(t, conn, numbersTable)
	insertNumbers(t, conn, 40, 2)
	pids := children(t, parent.Process.Pid)
	if len(pids) != 1 {
		t.Fatalf("the parent has children %v, want one", pids)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	c := start(t, embedded.ClickHouseConfig{Dir: dir}) // takes the lock
	if got := sum(t, dial(t, c.Addr(), "")); got != 42 {
		t.Errorf("got sum %d, want 42", got)
	}
	if _, state := process(pids[0]); state != "" && state != "Z" {
		t.Errorf("the killed parent's child %d still runs, in state %s", pids[0], state)
	}
}

func TestItIsStartedAgainFromABinaryThatIsGone(t *testing.T) {
	needLibrary(t)
	code, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(t.TempDir(), "binary")
	if err := os.WriteFile(binary, code, 0o700); err != nil {
		t.Fatal(err)
	}
	parent, addr := helperFrom(t, binary, "clickhouse", t.TempDir())
	if err := os.Remove(binary); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(children(t, parent.Process.Pid)[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	conn := dial(t, addr, "")
	eventually(t, "it answers again", func() bool { return conn.Ping(context.Background()) == nil })
}

func TestStartFails(t *testing.T) {
	needLibrary(t)
	notALibrary := filepath.Join(t.TempDir(), "libchdb.so")
	if err := os.WriteFile(notALibrary, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := notALibrary
	for _, tt := range []struct {
		name string
		cfg  embedded.ClickHouseConfig
		want string
	}{
		{"no directory", embedded.ClickHouseConfig{}, "no directory"},
		{"directory is a file", embedded.ClickHouseConfig{Dir: file}, "create data directory"},
		{"address without port", embedded.ClickHouseConfig{Dir: t.TempDir(), Addr: "127.0.0.1"}, "missing port"},
		{"address by name", embedded.ClickHouseConfig{Dir: t.TempDir(), Addr: "localhost:0"}, "must be an IP address"},
		{"open to strangers", embedded.ClickHouseConfig{Dir: t.TempDir(), Addr: "0.0.0.0:0"}, "needs a password"},
		{"address in use", embedded.ClickHouseConfig{Dir: t.TempDir(), Addr: clickHouse(t)}, "address already in use"},
		{"no library", embedded.ClickHouseConfig{Dir: t.TempDir(), Library: "/nonexistent/libchdb.so"}, "make libchdb"},
		{"no real library", embedded.ClickHouseConfig{Dir: t.TempDir(), Library: notALibrary}, "load library"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.cfg.Logger = quiet()
			c, err := embedded.StartClickHouse(context.Background(), tt.cfg)
			if err == nil {
				_ = c.Close(context.Background())
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestStartIsGivenUp(t *testing.T) {
	needLibrary(t)
	dir := t.TempDir()
	ctx, cancel := context.WithCancelCause(context.Background())
	reason := errors.New("changed my mind")
	cancel(reason)
	if _, err := embedded.StartClickHouse(ctx, embedded.ClickHouseConfig{Dir: dir, Logger: quiet()}); !errors.Is(err, reason) {
		t.Errorf("got %v, want %v", err, reason)
	}
	start(t, embedded.ClickHouseConfig{Dir: dir}) // the directory is free
}

// SQL can read files, so what the parent was given must not be in one.
func TestTheChildHasNoSecretsOfTheParent(t *testing.T) {
	t.Setenv("CRM_TOKEN", "a secret")
	known := children(t, os.Getpid())
	start(t, embedded.ClickHouseConfig{Dir: t.TempDir(), Password: password})
	pid := newChild(t, known)
	for _, name := range []string{"environ", "cmdline"} {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte("a secret")) || bytes.Contains(b, []byte(password)) {
			t.Errorf("%s shows a secret", name)
		}
	}
	if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid)); err != nil || string(b) == "0\n" {
		t.Errorf("the child is no more likely than its parent to go when memory runs out: %q, %v", b, err)
	}
}

func TestMemoryLimit(t *testing.T) {
	c := start(t, embedded.ClickHouseConfig{Dir: t.TempDir(), MemoryLimit: 1 << 30})
	conn := dial(t, c.Addr(), "")
	if got := one[string](t, context.Background(), conn, "SELECT value FROM system.server_settings WHERE name = 'max_server_memory_usage'"); got != fmt.Sprint(1<<30) {
		t.Errorf("got a limit of %s, want 1 GiB", got)
	}
	err := drain(context.Background(), conn, "SELECT groupArray(number) FROM numbers(1000000000)")
	if code(err) != 241 {
		t.Errorf("got %v, want code 241", err)
	}
	if err := conn.Ping(context.Background()); err != nil {
		t.Errorf("after it: %v", err)
	}
}

func TestChildElsewhere(t *testing.T) {
	if code, isChild := embedded.Child(); code != 0 || isChild {
		t.Errorf("got %d, %v in a process that is no child", code, isChild)
	}
	t.Setenv("CRMWATCH_EMBEDDED_CLICKHOUSE", "1")
	if _, err := embedded.StartClickHouse(context.Background(), embedded.ClickHouseConfig{Dir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "embedded.Child") {
		t.Errorf("in a child that did not call Child: got %v", err)
	}
}
