package embedded

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/twmb/franz-go/pkg/kfake"
)

// KafkaConfig says how to run the embedded Kafka.
type KafkaConfig struct {
	// Dir is where the topics live. One process at a time may use it.
	Dir string
	// Addr is where to listen, "127.0.0.1:0" (default) for any free port. Clients
	// are told this address, so it must be one they can reach. An address other
	// than loopback needs a Password.
	Addr string
	// User and Password are asked for by SASL/PLAIN; without a Password nobody is
	// asked.
	User, Password string
	// MaxMessageBytes bounds a batch of records; 0 means Kafka's own, 1 MiB. A
	// topic may have a bound of its own.
	MaxMessageBytes int
	// Logger hears of trouble; nil means slog.Default.
	Logger *slog.Logger
}

// Kafka is a running embedded Kafka of one broker. Topics are created by asking for
// it, never by the way. What it acknowledged is on disk: records, topics and group
// offsets survive a restart, and a killed process.
type Kafka struct {
	cluster *kfake.Cluster
	addr    string
	dir     string
	lock    *os.File
	close   sync.Once
	err     error
}

// StartKafka starts a Kafka within this process; it answers when this returns.
func StartKafka(cfg KafkaConfig) (*Kafka, error) {
	k, err := startKafka(cfg)
	if err != nil {
		return nil, fmt.Errorf("start kafka: %w", err)
	}
	return k, nil
}

func startKafka(cfg KafkaConfig) (*Kafka, error) {
	cfg.Addr = cmp.Or(cfg.Addr, "127.0.0.1:0")
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	lock, err := lockDir(cfg.Dir)
	if err != nil {
		return nil, err
	}
	k := &Kafka{dir: filepath.Join(cfg.Dir, "broker"), lock: lock}
	// The broker prefers users it saved before to those it is given, so a new
	// password would not count.
	err = k.forgetUsers()
	if err == nil {
		k.cluster, err = kfake.NewCluster(cfg.options(k.dir)...)
	}
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	k.addr = k.cluster.ListenAddrs()[0]
	if err := k.forgetUsers(); err != nil {
		return nil, errors.Join(err, k.Close())
	}
	return k, nil
}

func (cfg KafkaConfig) validate() error {
	if cfg.Dir == "" {
		return errors.New("no directory is given")
	}
	if cfg.Password != "" && cfg.User == "" {
		return errors.New("a password without a user is given")
	}
	if cfg.MaxMessageBytes < 0 {
		return fmt.Errorf("the largest message cannot be %d bytes", cfg.MaxMessageBytes)
	}
	return checkAddr(cfg.Addr, cfg.Password)
}

func (cfg KafkaConfig) options(dir string) []kfake.Opt {
	opts := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.ClusterID("crmwatch-embedded"),
		kfake.DataDir(dir),
		kfake.SyncWrites(),
		kfake.ListenFn(func(network, _ string) (net.Listener, error) {
			return new(net.ListenConfig).Listen(context.Background(), network, cfg.Addr)
		}),
		kfake.WithLogger(kafkaLogger{cmp.Or(cfg.Logger, slog.Default())}),
	}
	if cfg.Password != "" {
		opts = append(opts, kfake.EnableSASL(), kfake.Superuser("PLAIN", cfg.User, cfg.Password))
	}
	if cfg.MaxMessageBytes > 0 {
		opts = append(opts, kfake.BrokerConfigs(map[string]string{"message.max.bytes": strconv.Itoa(cfg.MaxMessageBytes)}))
	}
	return opts
}

// Addr is the broker's "host:port".
func (k *Kafka) Addr() string { return k.addr }

// Close ends the broker and frees the directory. Open connections break off.
func (k *Kafka) Close() error {
	k.close.Do(func() {
		k.cluster.Close()
		k.err = errors.Join(k.forgetUsers(), k.lock.Close())
	})
	return k.err
}

// forgetUsers removes the file where the broker keeps passwords, in plain text.
func (k *Kafka) forgetUsers() error {
	err := os.Remove(filepath.Join(k.dir, "sasl.json"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove saved users: %w", err)
	}
	return nil
}

// kafkaLogger passes the broker's errors and warnings on. It tells each request at
// lower levels, which nobody wants to read.
type kafkaLogger struct{ log *slog.Logger }

func (l kafkaLogger) Logf(level kfake.LogLevel, msg string, args ...any) {
	switch level {
	case kfake.LogLevelError:
		l.log.Error("embedded kafka reports an error", "text", fmt.Sprintf(msg, args...))
	case kfake.LogLevelWarn:
		l.log.Warn("embedded kafka reports trouble", "text", fmt.Sprintf(msg, args...))
	default:
	}
}
