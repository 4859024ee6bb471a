package store

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/crmwatch/crmwatch/internal/embedded"
	"github.com/crmwatch/crmwatch/internal/testkit"
)

// The server is killed in the middle of inserts, over and over, and comes back.
func TestKilledServerLosesNothing(t *testing.T) {
	testkit.ClickHouse(t) // skips where there is no engine
	before := children(t)
	server, err := embedded.StartClickHouse(t.Context(), embedded.ClickHouseConfig{Dir: t.TempDir(), Password: "x", Logger: testLogger(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(t.Context()); err != nil {
			t.Log(err)
		}
	})
	db := openDB(t, Config{Addrs: []string{server.Addr()}, Protocol: HTTP, Database: "crmwatch", User: "default", Password: "x"})
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	const n = 6000
	tp := newTopic(0, exports(0, n/2), exports(n/2, n))
	taken := 0
	tp.cut = func() int {
		if taken++; taken%15 == 0 && taken < 50 { // of 60, so that it is there at the end
			for pid := range children(t) {
				if !before[pid] {
					_ = syscall.Kill(pid, syscall.SIGKILL) // the child may be gone already
				}
			}
		}
		return 100
	}
	drain(t, tp, testArchive(db, &graveyard{}).Events(tp))
	wantCount(t, db, "events", n)
	if got := one[uint64](t, db, "SELECT uniqExact(id) FROM events"); got != n {
		t.Errorf("%d different events, want %d", got, n)
	}
}

// children are the processes that this one has started and that still run.
func children(t *testing.T) map[int]bool {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	pids := map[int]bool{}
	for _, stat := range stats {
		line, err := os.ReadFile(stat)
		if err != nil {
			continue // it has ended since
		}
		pid, parent := parseStat(line)
		if parent == os.Getpid() {
			pids[pid] = true
		}
	}
	return pids
}

// parseStat reads "pid (name) state parent …"; the name may hold anything.
func parseStat(line []byte) (pid, parent int) {
	first, _, _ := bytes.Cut(line, []byte(" "))
	pid, _ = strconv.Atoi(string(first))
	var state string
	_, _ = fmt.Sscan(string(line[bytes.LastIndexByte(line, ')')+1:]), &state, &parent)
	return pid, parent
}
