package store

import (
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write golden files")

// realFiles are the migrations as shipped, to be changed by a test.
func realFiles(t *testing.T) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	names, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := migrationFiles.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(name)] = &fstest.MapFile{Data: text}
	}
	return files
}

// schema is everything that is in the database, as the server describes it.
func schema(t *testing.T, db *DB) map[string]string {
	t.Helper()
	var rows []struct {
		Name  string `ch:"name"`
		Query string `ch:"create_table_query"`
	}
	if err := db.conn.Select(t.Context(), &rows, "SELECT name, create_table_query FROM system.tables WHERE database = ?", db.cfg.Database); err != nil {
		t.Fatal(err)
	}
	tables := map[string]string{}
	for _, r := range rows {
		tables[r.Name] = strings.ReplaceAll(r.Query, db.cfg.Database+".", "")
	}
	return tables
}

func TestMigrateMakesEverything(t *testing.T) {
	db := migrated(t)
	want := []string{
		"alerts", "alerts_log", "dead_letters", "dead_letters_log", "events", "events_log",
		"roster", "roster_log", "rules", "rules_log", "schema_journal",
	}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(schema(t, db)))); diff != "" {
		t.Error(diff)
	}
	if n := one[uint64](t, db, "SELECT count() FROM schema_journal FINAL"); int(n) != len(realFiles(t))-1 {
		t.Errorf("the journal has %d entries, want %d", n, len(realFiles(t))-1)
	}
}

func TestMigrateCreatesTheDatabase(t *testing.T) {
	cfg := testConfig(t)
	cfg.Database += "_new"
	db := openDB(t, cfg)
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantCount(t, db, "events", 0)
	if err := db.conn.Exec(t.Context(), "DROP DATABASE "+cfg.Database); err != nil {
		t.Error(err)
	}
}

func TestMigrateAgainChangesNothing(t *testing.T) {
	db := migrated(t)
	before := schema(t, db)
	applied := one[time.Time](t, db, "SELECT max(applied_at) FROM schema_journal")
	for range 2 {
		if err := db.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(before, schema(t, db)); diff != "" {
		t.Error(diff)
	}
	if again := one[time.Time](t, db, "SELECT max(applied_at) FROM schema_journal"); !again.Equal(applied) {
		t.Error("a migration was applied a second time")
	}
}

// A process may die after any statement, and either before or after the journal
// has it.
func TestMigrateResumesAfterACrash(t *testing.T) {
	want := schema(t, migrated(t))
	files := realFiles(t)
	names := slices.Sorted(maps.Keys(files))
	for n := 1; n <= len(names); n++ {
		for _, journalled := range []bool{true, false} {
			t.Run(fmt.Sprintf("after %s, in the journal %v", names[n-1], journalled), func(t *testing.T) {
				db := openDB(t, testConfig(t))
				crashAfter(t, db, files, n, journalled)
				if err := db.Migrate(t.Context()); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, schema(t, db)); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

// crashAfter does what Migrate does for the first n files, and leaves the last
// one out of the journal if the crash came before it was written.
func crashAfter(t *testing.T, db *DB, files fs.FS, n int, journalled bool) {
	t.Helper()
	all, err := db.load(files)
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range all[:n] {
		if i == 0 || i == n-1 && !journalled {
			err = db.ddl(t.Context(), m.statement)
		} else {
			err = db.apply(t.Context(), m)
		}
		if err != nil {
			t.Fatalf("%s: %v", m.name, err)
		}
	}
}

func TestMigrateRefuses(t *testing.T) {
	shipped := slices.Sorted(maps.Keys(realFiles(t)))
	last := shipped[len(shipped)-1]
	version := func(after int) string { return strconv.Itoa(len(shipped) + after) }
	file := func(after int, words string) string { return fmt.Sprintf("%04d%s", len(shipped)+after, words) }
	for name, tt := range map[string]struct {
		change func(fstest.MapFS)
		want   []string
	}{
		"a changed migration": {
			func(f fstest.MapFS) { f["0003_alerts_log.sql"].Data = append(f["0003_alerts_log.sql"].Data, '\n') },
			[]string{"0003_alerts_log.sql", "must never change"},
		},
		"a database newer than the binary": {
			func(f fstest.MapFS) { delete(f, last) },
			[]string{"schema version " + version(-1) + " (" + last + ")", "knows only up to " + version(-2), "use a newer crmwatch"},
		},
		"a gap": {
			func(f fstest.MapFS) { f[file(1, "_x.sql")] = f["0002_events.sql"] },
			[]string{file(1, "_x.sql"), "number must be " + file(0, "")},
		},
		"two of one number": {
			func(f fstest.MapFS) { f["0002_zz.sql"] = f["0002_events.sql"] },
			[]string{"0002_zz.sql", "number must be 0003"},
		},
		"a bad name": {
			func(f fstest.MapFS) { f[file(0, "-x.sql")] = f["0002_events.sql"] },
			[]string{file(0, "-x.sql"), "NNNN_words.sql"},
		},
		"a bad template": {
			func(f fstest.MapFS) { f[file(0, "_x.sql")] = &fstest.MapFile{Data: []byte("SELECT {{nothing}}")} },
			[]string{file(0, "_x.sql"), "nothing"},
		},
		"a failing statement": {
			func(f fstest.MapFS) { f[file(0, "_x.sql")] = &fstest.MapFile{Data: []byte("CREATE TABEL x")} },
			[]string{"apply " + file(0, "_x.sql")},
		},
		"none": {
			func(f fstest.MapFS) { clear(f) },
			[]string{"there are none"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			db := migrated(t)
			before := schema(t, db)
			files := realFiles(t)
			tt.change(files)
			err := db.migrate(t.Context(), files)
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("migrate: %v, want %q in it", err, want)
				}
			}
			if diff := cmp.Diff(before, schema(t, db)); diff != "" {
				t.Errorf("a refused database was changed: %s", diff)
			}
		})
	}
}

func TestMigrateAddsWhatIsNew(t *testing.T) {
	db := migrated(t)
	files := realFiles(t)
	files[fmt.Sprintf("%04d_more.sql", len(files))] = &fstest.MapFile{Data: []byte("ALTER TABLE events_log {{on_cluster}} ADD COLUMN IF NOT EXISTS more String")}
	for range 2 {
		if err := db.migrate(t.Context(), files); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(schema(t, db)["events_log"], "`more` String") {
		t.Error("the column is not there")
	}
}

func TestRetention(t *testing.T) {
	cfg := testConfig(t)
	for _, days := range []struct{ events, alerts, wantEvents, wantAlerts int }{
		{0, 0, 400, 1095}, {180, 0, 180, 1095}, {2000, 0, 2000, 2000}, {500, 600, 500, 600},
	} {
		cfg.RetentionDays, cfg.AlertRetentionDays = days.events, days.alerts
		db := openDB(t, cfg)
		if err := db.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		for table, want := range map[string]int{"events_log": days.wantEvents, "dead_letters_log": days.wantEvents, "alerts_log": days.wantAlerts} {
			if got := schema(t, db)[table]; !strings.Contains(got, fmt.Sprintf("TTL kept_from + toIntervalDay(%d)", want)) {
				t.Errorf("%s is not kept for %d days: %s", table, want, got)
			}
		}
		if got := schema(t, db)["roster_log"]; strings.Contains(got, "TTL") {
			t.Errorf("people vanish: %s", got)
		}
	}
}

// The server itself is asked whether it drops what is too old, by the time of
// collection and not by that of the event.
func TestRetentionDropsByCollection(t *testing.T) {
	db := migrated(t)
	insert := func(id, event, kept string) {
		t.Helper()
		q := fmt.Sprintf("INSERT INTO events_log (id, tenant, time, kept_from) SELECT '%s', 't', toDateTime64('%s', 3, 'UTC'), %s", id, event, kept)
		if err := db.conn.Exec(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	insert("old event, loaded today", "2001-01-01 00:00:00", "today()")
	insert("kept for 390 days", "2024-01-01 00:00:00", "today() - 390")
	insert("kept for 401 days", "2024-01-01 00:00:00", "today() - 401")
	if err := db.conn.Exec(t.Context(), "OPTIMIZE TABLE events_log FINAL"); err != nil {
		t.Fatal(err)
	}
	var got []struct {
		ID string `ch:"id"`
	}
	if err := db.conn.Select(t.Context(), &got, "SELECT id FROM events ORDER BY id"); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].ID != "kept for 390 days" {
		t.Errorf("left are %v", got)
	}
}

func TestOpenRefusesRetentionBelowTheFloor(t *testing.T) {
	_, err := Open(Config{Addrs: []string{"127.0.0.1:1"}, Database: "x", RetentionDays: 90}, Deps{})
	if err == nil || !strings.Contains(err.Error(), "legal floor") {
		t.Errorf("Open: %v", err)
	}
}

// A cluster cannot be had in a test; what it would be told can be read.
func TestClusterStatements(t *testing.T) {
	db := &DB{cfg: Config{Database: "crmwatch", Cluster: "{cluster}"}.withDefaults()}
	all, err := db.load(realFiles(t))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, m := range all {
		fmt.Fprintf(&b, "-- %s\n%s\n", m.name, m.statement)
	}
	golden := filepath.Join("testdata", "cluster.golden.sql")
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Error(diff)
	}
}
