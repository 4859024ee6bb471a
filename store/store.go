// Package store keeps events, alerts, people, rules and dead letters in
// ClickHouse: a schema by numbered migrations, an archive stage that copies the
// topics into it, and queries.
//
// What the archive writes may be delivered any number of times, in any batches
// and in any month. The names events, alerts, roster, rules and dead_letters show
// every record once all the same: they are views that remove the copies on every
// read.
package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/client_golang/prometheus"
)

// DB is one database of a ClickHouse. It is safe for concurrent use.
type DB struct {
	cfg     Config
	conn    driver.Conn
	log     *slog.Logger
	metrics *metrics
}

// Deps are what a DB uses of its surroundings.
type Deps struct {
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Open makes a DB of a valid configuration. It does not connect: ClickHouse may
// be down when crmwatch starts, and everything but queries waits for it.
func Open(cfg Config, deps Deps) (*DB, error) {
	cfg = cfg.withDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("open clickhouse: %w", err)
	}
	conn, err := connect(cfg, cfg.Database)
	if err != nil {
		return nil, err
	}
	return &DB{cfg: cfg, conn: conn, log: deps.Logger, metrics: newMetrics(deps.Registerer)}, nil
}

// dialTimeout also bounds the wait for a free connection.
const dialTimeout = 5 * time.Second

func connect(cfg Config, database string) (driver.Conn, error) {
	opts := &clickhouse.Options{
		Addr:         cfg.Addrs,
		Protocol:     clickhouse.Native,
		Auth:         clickhouse.Auth{Database: database, Username: cfg.User, Password: cfg.Password},
		TLS:          cfg.TLS,
		DialTimeout:  dialTimeout,
		MaxOpenConns: 10,
		Compression:  &clickhouse.Compression{Method: clickhouse.CompressionLZ4},
	}
	if cfg.Protocol == HTTP {
		// HTTP is the protocol of the embedded ClickHouse on loopback, where
		// compression only costs.
		opts.Protocol, opts.Compression = clickhouse.HTTP, nil
	}
	conn, err := clickhouse.Open(opts)
	if err != nil {
		return nil, fmt.Errorf("open clickhouse: %w", err)
	}
	return conn, nil
}

// Ping reports whether ClickHouse answers now.
func (db *DB) Ping(ctx context.Context) error {
	var one uint8
	err := db.conn.QueryRow(ctx, "SELECT 1").Scan(&one)
	if ctx.Err() == nil {
		db.metrics.up.Set(upValue(err))
	}
	return failed("ping clickhouse", err)
}

func upValue(err error) float64 {
	if err != nil {
		return 0
	}
	return 1
}

// Close ends the connections.
func (db *DB) Close() error { return failed("close clickhouse", db.conn.Close()) }

// failed wraps an error of the client library, nil if err is. Of an error of
// HTTP it leaves out the address, which carries the parameters of a query and
// so perhaps the name of a person.
func failed(doing string, err error) error {
	if err == nil {
		return nil
	}
	if u := (*url.Error)(nil); errors.As(err, &u) {
		err = u.Err
	}
	return fmt.Errorf("%s: %w", doing, err)
}
