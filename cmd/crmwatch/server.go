package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/crmwatch/crmwatch/internal/app"
	"github.com/crmwatch/crmwatch/internal/embedded"
)

// servers are the embedded Kafka and ClickHouse that a process started because
// the configuration names none. Once started, they stand in the configuration as
// if they had been named there: nothing else knows the difference.
type servers struct {
	kafka      *embedded.Kafka
	clickhouse *embedded.ClickHouse
	lock       *os.File
}

// endpoints is what other commands need to reach the embedded servers of a
// running process. The file is readable by its owner only.
type endpoints struct {
	PID        int    `json:"pid"`
	Kafka      string `json:"kafka,omitempty"`
	ClickHouse string `json:"clickhouse,omitempty"`
	Password   string `json:"password"`
}

const (
	kafkaUser      = "crmwatch"
	clickhouseUser = "default"
)

// errInUse says that another process runs on the data directory.
var errInUse = errors.New("another crmwatch runs on this data directory")

// startServers locks the data directory and starts what the configuration does
// not name. The error is errInUse when another process has the directory.
func startServers(ctx context.Context, cfg *app.Config, log *slog.Logger) (*servers, error) {
	s := &servers{}
	if err := s.start(ctx, cfg, log); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// withStore calls read with a configuration that names a ClickHouse: the one that
// it names already, that of the process that has the data directory, or one that
// this process starts for as long as it takes.
func withStore(ctx context.Context, cfg app.Config, log *slog.Logger, read func(app.Config) error) error {
	if len(cfg.ClickHouse.Addrs) > 0 {
		return read(cfg)
	}
	s := &servers{}
	err := s.startStore(ctx, &cfg, log)
	if errors.Is(err, errInUse) {
		var e endpoints
		if e, err = awaitServers(ctx, cfg.DataDir); err == nil {
			e.apply(&cfg)
		}
	}
	if err == nil {
		err = read(cfg)
	}
	return errors.Join(err, s.close())
}

// startStore starts the embedded ClickHouse alone. Nobody is told of it: others
// have no use for a process that only reads.
func (s *servers) startStore(ctx context.Context, cfg *app.Config, log *slog.Logger) (err error) {
	if _, err := os.Stat(filepath.Join(cfg.DataDir, "clickhouse")); err != nil {
		return fmt.Errorf("nothing is stored under %s, where no crmwatch has run yet; set data_dir, or clickhouse.addrs for a ClickHouse of your own", cfg.DataDir)
	}
	if s.lock, err = lockDir(cfg.DataDir); err != nil {
		return err
	}
	e := endpoints{Password: rand.Text()}
	if err := s.startClickHouse(ctx, cfg, e.Password, log); err != nil {
		return err
	}
	e.ClickHouse = s.clickhouse.Addr()
	e.apply(cfg)
	return nil
}

func (s *servers) start(ctx context.Context, cfg *app.Config, log *slog.Logger) (err error) {
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	if s.lock, err = lockDir(cfg.DataDir); err != nil {
		return err
	}
	// What a killed predecessor left would send others to servers that are gone.
	if err := os.Remove(endpointsFile(cfg.DataDir)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove old endpoints: %w", err)
	}
	e := endpoints{PID: os.Getpid(), Password: rand.Text()}
	if len(cfg.Kafka.Brokers) == 0 {
		if err := s.startKafka(cfg, e.Password, log); err != nil {
			return err
		}
		e.Kafka = s.kafka.Addr()
	}
	if len(cfg.ClickHouse.Addrs) == 0 {
		if err := s.startClickHouse(ctx, cfg, e.Password, log); err != nil {
			return err
		}
		e.ClickHouse = s.clickhouse.Addr()
	}
	e.apply(cfg)
	return e.write(cfg.DataDir)
}

func (s *servers) startKafka(cfg *app.Config, password string, log *slog.Logger) (err error) {
	s.kafka, err = embedded.StartKafka(embedded.KafkaConfig{
		Dir: filepath.Join(cfg.DataDir, "kafka"), Addr: "127.0.0.1:0", User: kafkaUser, Password: password,
		MaxMessageBytes: app.MaxMessageBytes, Logger: log.With("server", "kafka"),
	})
	if err != nil {
		return fmt.Errorf("start embedded Kafka: %w", err)
	}
	return nil
}

func (s *servers) startClickHouse(ctx context.Context, cfg *app.Config, password string, log *slog.Logger) error {
	lib, err := embedded.FindLibrary(cfg.ClickHouse.Library)
	if err != nil {
		return fmt.Errorf("start embedded ClickHouse: %w", err)
	}
	s.clickhouse, err = embedded.StartClickHouse(ctx, embedded.ClickHouseConfig{
		Dir: filepath.Join(cfg.DataDir, "clickhouse"), Addr: "127.0.0.1:0", Library: lib, Password: password, Logger: log.With("server", "clickhouse"),
	})
	if err != nil {
		return fmt.Errorf("start embedded ClickHouse: %w", err)
	}
	return nil
}

// apply names the servers in the configuration.
func (e endpoints) apply(cfg *app.Config) {
	if e.Kafka != "" {
		cfg.Kafka.Brokers = []string{e.Kafka}
		cfg.Kafka.SASL = app.SASL{Mechanism: "plain", User: kafkaUser, Password: app.NewSecret(e.Password)}
		cfg.Kafka.Replication = 1
	}
	if e.ClickHouse != "" {
		cfg.ClickHouse.Addrs, cfg.ClickHouse.Protocol = []string{e.ClickHouse}, "http"
		cfg.ClickHouse.User, cfg.ClickHouse.Password = clickhouseUser, app.NewSecret(e.Password)
	}
}

func endpointsFile(dir string) string { return filepath.Join(dir, "endpoints.json") }

func (e endpoints) write(dir string) error {
	b, err := json.MarshalIndent(e, "", "  ") //nolint:gosec // the file is readable by its owner only
	if err != nil {
		return fmt.Errorf("encode endpoints: %w", err)
	}
	tmp := endpointsFile(dir) + ".tmp"
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return fmt.Errorf("write endpoints: %w", err)
	}
	if err := os.Rename(tmp, endpointsFile(dir)); err != nil {
		return fmt.Errorf("write endpoints: %w", err)
	}
	return nil
}

// runningServers reads where the servers of the process are that has the data
// directory.
func runningServers(dir string) (e endpoints, err error) {
	b, err := os.ReadFile(endpointsFile(dir))
	if err != nil {
		return e, fmt.Errorf("read endpoints of the running crmwatch: %w", err)
	}
	if err := json.Unmarshal(b, &e); err != nil {
		return e, fmt.Errorf("decode %s: %w", endpointsFile(dir), err)
	}
	return e, nil
}

// startWithin bounds how long a process that has the data directory may take
// until its servers can be reached.
const startWithin = 30 * time.Second

// awaitServers is runningServers, once the process has started them.
func awaitServers(ctx context.Context, dir string) (endpoints, error) {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	ask := time.NewTicker(50 * time.Millisecond)
	defer ask.Stop()
	for {
		e, err := runningServers(dir)
		if err == nil || !errors.Is(err, os.ErrNotExist) {
			return e, err
		}
		select {
		case <-ask.C:
		case <-ctx.Done():
			return e, fmt.Errorf("%w: %s, but its servers are not up", errInUse, dir)
		}
	}
}

// lockDir makes sure that one process at a time runs on the directory. The lock
// ends with the process, however that ends.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock data directory: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, errors.Join(fmt.Errorf("%w: %s", errInUse, dir), f.Close())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock data directory: %w", err), f.Close())
	}
	return f, nil
}

// close stops the servers, last started first, and gives up the directory.
func (s *servers) close() error {
	var errs []error
	if s.clickhouse != nil {
		ctx, cancel := context.WithTimeout(context.Background(), clickhouseStopWithin)
		defer cancel()
		errs = append(errs, s.clickhouse.Close(ctx))
	}
	if s.kafka != nil {
		errs = append(errs, s.kafka.Close())
	}
	if s.lock != nil {
		errs = append(errs, os.Remove(endpointsFile(filepath.Dir(s.lock.Name()))), s.lock.Close())
	}
	if err := errors.Join(errs...); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("stop embedded servers: %w", err)
	}
	return nil
}
