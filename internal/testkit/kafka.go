package testkit

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Kafka starts a Kafka within this process, empty and on loopback, and returns its
// address. It speaks the protocol of the real one, which is ApacheKafka, and ends
// with the test.
func Kafka(t testing.TB) (addr string) {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(500*time.Millisecond))
	if err != nil {
		t.Fatalf("start kfake: %v", err)
	}
	t.Cleanup(c.Close)
	return c.ListenAddrs()[0]
}

// apacheFiles are what a broker is fetched and run with.
//
//go:embed apachekafka/pom.xml apachekafka/jars.sha256 apachekafka/fetch.sh apachekafka/run.sh apachekafka/server.properties
var apacheFiles embed.FS

// apache is the one broker of this test process.
var apache struct {
	once  sync.Once
	addr  string
	err   error
	stdin io.WriteCloser // kept open: the broker ends when it closes
}

// errNoJava means that this machine has not got what the broker runs on.
var errNoJava = errors.New("java and mvn are needed to run Apache Kafka")

// ApacheKafka starts the real Apache Kafka, a single node on loopback with a data
// directory of its own, once for all tests of this process, and returns its
// address. Tests share it, so they name their topics and groups uniquely. It ends,
// and its data goes, with the process, however that ends.
//
// Without Java or Maven the test is skipped. When only the jars cannot be had, it
// is skipped too, unless CI=true.
func ApacheKafka(t testing.TB) (addr string) {
	t.Helper()
	apache.once.Do(func() { apache.addr, apache.err = startApache() })
	switch {
	case apache.err == nil:
		return apache.addr
	case errors.Is(apache.err, errNoJava), os.Getenv("CI") != "true":
		t.Skipf("no Apache Kafka here: %v", apache.err)
	default:
		t.Fatalf("start Apache Kafka: %v", apache.err)
	}
	return ""
}

func startApache() (addr string, err error) {
	for _, tool := range []string{"java", "sh"} {
		if _, err := exec.LookPath(tool); err != nil {
			return "", fmt.Errorf("%w: %w", errNoJava, err)
		}
	}
	// The ports are free when they are chosen; another process may be quicker.
	for range 2 {
		if addr, err = tryApache(); err == nil || errors.Is(err, errNoJava) {
			return addr, err
		}
	}
	return "", err
}

// tryApache fetches the jars, if need be, and starts a broker in a new directory,
// which the broker removes when it ends.
func tryApache() (addr string, err error) {
	dir, err := os.MkdirTemp("", "crmwatch-kafka-")
	if err != nil {
		return "", err
	}
	lib, err := fetchApache(dir)
	if err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	return runApache(lib, dir)
}

// fetchApache unpacks the files into dir and returns the directory of the jars.
func fetchApache(dir string) (lib string, err error) {
	entries, err := apacheFiles.ReadDir("apachekafka")
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		data, err := apacheFiles.ReadFile("apachekafka/" + e.Name())
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(dir, e.Name()), data, 0o600); err != nil {
			return "", err
		}
	}
	cmd := exec.CommandContext(context.Background(), "sh", filepath.Join(dir, "fetch.sh"))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		if _, missing := exec.LookPath("mvn"); missing != nil {
			return "", fmt.Errorf("%w: %w", errNoJava, missing)
		}
		return "", fmt.Errorf("fetch jars: %w: %s", err, tail(stderr.Bytes()))
	}
	return strings.TrimSpace(string(out)), nil
}

// runApache starts a broker on free ports and waits until it answers.
func runApache(lib, dir string) (addr string, err error) {
	ports, err := freePorts(2)
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "server.properties")
	template, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	properties := strings.NewReplacer("@DIR@", dir, "@PORT@", ports[0], "@CONTROLLER@", ports[1]).Replace(string(template))
	if err := os.WriteFile(file, []byte(properties), 0o600); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(context.Background(), "sh", filepath.Join(dir, "run.sh"), lib, dir)
	// An interrupt at the keyboard is for the tests; the broker ends after them.
	separate(cmd)
	if apache.stdin, err = cmd.StdinPipe(); err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	addr = net.JoinHostPort("127.0.0.1", ports[0])
	if err := awaitBroker(addr, time.Minute); err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "server.log"))
		format, _ := os.ReadFile(filepath.Join(dir, "format.log"))
		_ = apache.stdin.Close()
		_ = cmd.Wait()
		return "", fmt.Errorf("%w: %s%s", err, tail(format), tail(log))
	}
	return addr, nil
}

// awaitBroker asks the broker until it answers.
func awaitBroker(addr string, within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		return err
	}
	defer client.Close()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := client.Ping(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("broker at %s did not answer within %v: %w", addr, within, err)
		}
	}
}

// freePorts returns n loopback ports that nobody listens on.
func freePorts(n int) ([]string, error) {
	ports := make([]string, n)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer func() { _ = l.Close() }()
		ports[i] = strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// tail returns the end of a log, for an error message.
func tail(log []byte) string {
	const most = 2000
	if len(log) > most {
		log = log[len(log)-most:]
	}
	return string(log)
}
