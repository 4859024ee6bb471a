package store

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// ErrSchema says that the database and this binary do not fit together, which no
// retry changes.
var ErrSchema = errors.New("the schema does not fit")

// Migrate brings the schema up to this binary and the retention up to the
// configuration. It may be called at every start, by several processes at once,
// and again after it was cut off anywhere: each migration is one idempotent
// statement, noted in the journal once it is done.
//
// It refuses a database that a newer binary has migrated, and one whose applied
// migrations are not those of this binary.
func (db *DB) Migrate(ctx context.Context) error {
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return db.migrate(ctx, files)
}

func (db *DB) migrate(ctx context.Context, files fs.FS) error {
	all, err := db.load(files)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if err := db.createDatabase(ctx); err != nil {
		return err
	}
	// The first one creates the journal, so it is not in it.
	if err := db.ddl(ctx, all[0].statement); err != nil {
		return failed("migrate: create journal", err)
	}
	applied, err := db.journal(ctx)
	if err != nil {
		return err
	}
	pending, err := compare(all[1:], applied)
	if err != nil {
		return fmt.Errorf("migrate database %s: %w: %w", db.cfg.Database, ErrSchema, err)
	}
	for _, m := range pending {
		if err := db.apply(ctx, m); err != nil {
			return failed("migrate: apply "+m.name, err)
		}
	}
	return db.applyRetention(ctx)
}

// migration is one file of migrations/.
type migration struct {
	version   uint32
	name      string // of the file
	checksum  string // of the file as it is, templates and all
	statement string // what is executed
}

var migrationName = regexp.MustCompile(`^([0-9]{4})_[a-z0-9_]+\.sql$`)

// load reads the migrations in order. They are numbered from 0 without a gap.
func (db *DB) load(files fs.FS) ([]migration, error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, fmt.Errorf("list migrations: %w", err)
	}
	if len(names) == 0 {
		return nil, errors.New("list migrations: there are none")
	}
	var all []migration
	for i, name := range names {
		parts := migrationName.FindStringSubmatch(name)
		if parts == nil {
			return nil, fmt.Errorf("migration %s: name must be NNNN_words.sql", name)
		}
		if n, _ := strconv.Atoi(parts[1]); n != i {
			return nil, fmt.Errorf("migration %s: number must be %04d", name, i)
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, fmt.Errorf("read migration: %w", err)
		}
		statement, err := db.render(string(text))
		if err != nil {
			return nil, fmt.Errorf("migration %s: %w", name, err)
		}
		sum := sha256.Sum256(text)
		all = append(all, migration{uint32(i), name, hex.EncodeToString(sum[:8]), statement})
	}
	return all, nil
}

// render fills in what depends on the configuration:
//
//	{{on_cluster}}                 ON CLUSTER …, or nothing
//	{{engine "table" "version"}}   ReplacingMergeTree, replicated on a cluster
//	{{insert_settings}}            what makes inserts durable, and their tokens work
//	{{ttl_days}}, {{alert_ttl_days}}
func (db *DB) render(text string) (string, error) {
	t, err := template.New("").Funcs(template.FuncMap{
		"on_cluster":      db.onCluster,
		"engine":          db.engine,
		"insert_settings": func() string { return insertSettings },
		"ttl_days":        func() int { return db.cfg.RetentionDays },
		"alert_ttl_days":  func() int { return db.cfg.AlertRetentionDays },
	}).Parse(text)
	if err != nil {
		return "", fmt.Errorf("parse template: %w", err)
	}
	var b strings.Builder
	if err := t.Execute(&b, nil); err != nil {
		return "", fmt.Errorf("fill in template: %w", err)
	}
	return b.String(), nil
}

// An offset is committed once its rows are in, so an insert must survive a loss
// of power; what merges make need not, for the parts they came from stay for some
// minutes. Without a window a MergeTree ignores insert tokens, and the window of a
// replicated one is an hour by default, shorter than an outage may be.
const insertSettings = "fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 1000, " +
	"replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800"

func (db *DB) onCluster() string {
	if db.cfg.Cluster == "" {
		return ""
	}
	return "ON CLUSTER '" + db.cfg.Cluster + "'"
}

func (db *DB) engine(table, version string) string {
	if db.cfg.Cluster == "" {
		return fmt.Sprintf("ReplacingMergeTree(%s)", version)
	}
	return fmt.Sprintf("ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/%s/%s', '{replica}', %s)",
		db.cfg.Database, table, version)
}

// createDatabase uses a connection of its own: one that names a database which
// does not exist is refused.
func (db *DB) createDatabase(ctx context.Context) error {
	conn, err := connect(db.cfg, "")
	if err != nil {
		return err
	}
	err = conn.Exec(ctx, strings.TrimSpace("CREATE DATABASE IF NOT EXISTS "+db.cfg.Database+" "+db.onCluster()))
	return failed("create database "+db.cfg.Database, errors.Join(err, conn.Close()))
}

// done is one row of the journal.
type done struct {
	Version  uint32 `ch:"version"`
	Name     string `ch:"name"`
	Checksum string `ch:"checksum"`
}

func (db *DB) journal(ctx context.Context) ([]done, error) {
	var applied []done
	err := db.conn.Select(ctx, &applied, "SELECT version, name, checksum FROM schema_journal FINAL ORDER BY version")
	return applied, failed("migrate: read journal", err)
}

// compare gives the migrations that are still to do.
func compare(known []migration, applied []done) ([]migration, error) {
	isDone := make(map[uint32]bool, len(applied))
	for _, a := range applied {
		if a.Version == 0 || int(a.Version) > len(known) {
			return nil, fmt.Errorf("it has schema version %d (%s), but this binary knows only up to %d: use a newer crmwatch, or restore the backup from before the upgrade",
				a.Version, a.Name, len(known))
		}
		if m := known[a.Version-1]; a.Checksum != m.checksum {
			return nil, fmt.Errorf("migration %s was applied with checksum %s, but in this binary it has %s: an applied migration must never change, add a new one",
				m.name, a.Checksum, m.checksum)
		}
		isDone[a.Version] = true
	}
	var pending []migration
	for _, m := range known {
		if !isDone[m.version] {
			pending = append(pending, m)
		}
	}
	return pending, nil
}

func (db *DB) apply(ctx context.Context, m migration) error {
	if err := db.ddl(ctx, m.statement); err != nil {
		return err
	}
	db.log.Info("applied migration", "name", m.name)
	columns := []string{"version", "name", "checksum"}
	token := fmt.Sprintf("schema_journal:%d:%s", m.version, m.checksum)
	return db.insertRows(ctx, "schema_journal", columns, token, nil, func(b driver.Batch) error {
		return b.Append(m.version, m.name, m.checksum)
	})
}

// cannotAssignAlter says that another replica is altering the same table.
const cannotAssignAlter = 517

// ddl executes a statement on all replicas, and again for a while where
// another process is altering the same table.
func (db *DB) ddl(ctx context.Context, statement string) error {
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"alter_sync": 2}))
	wait := backoff{max: time.Second}
	for range 10 {
		err := db.conn.Exec(ctx, statement)
		var ex *clickhouse.Exception
		if !errors.As(err, &ex) || ex.Code != cannotAssignAlter {
			return err
		}
		if !wait.sleep(ctx) {
			return err
		}
	}
	return errors.New("another replica keeps altering the same table")
}

// applyRetention makes the TTL of existing tables what the configuration says.
func (db *DB) applyRetention(ctx context.Context) error {
	for _, t := range []struct {
		table string
		days  int
	}{
		{"events_log", db.cfg.RetentionDays},
		{"dead_letters_log", db.cfg.RetentionDays},
		{"alerts_log", db.cfg.AlertRetentionDays},
	} {
		if err := db.applyTTL(ctx, t.table, t.days); err != nil {
			return failed("migrate: set retention of "+t.table, err)
		}
	}
	return nil
}

func (db *DB) applyTTL(ctx context.Context, table string, days int) error {
	ttl := fmt.Sprintf("kept_from + toIntervalDay(%d)", days)
	var engine string
	err := db.conn.QueryRow(ctx, "SELECT engine_full FROM system.tables WHERE database = ? AND name = ?", db.cfg.Database, table).Scan(&engine)
	if err != nil || strings.Contains(engine, ttl) {
		return err
	}
	if err := db.ddl(ctx, fmt.Sprintf("ALTER TABLE %s %s MODIFY TTL %s", table, db.onCluster(), ttl)); err != nil {
		return err
	}
	db.log.Info("changed retention", "table", table, "days", days)
	return nil
}
