package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// childEnv tells a process that it is the engine's.
const childEnv = "CRMWATCH_EMBEDDED_CLICKHOUSE"

// The files a child inherits, after the three standard ones.
const (
	listenerFD = 3 + iota // a listening socket: the address outlives any one child
	lockFD                // the directory stays locked until the child has gone too
	statusFD              // the child's one line to its parent
)

// childConfig goes through the child's standard input, where no other process can
// read the password. The pipe stays open for as long as the child is wanted.
type childConfig struct {
	Library     string `json:"library"`
	Path        string `json:"path"`
	Password    string `json:"password"`
	MemoryLimit int64  `json:"memory_limit"`
}

// What the status line begins with.
const (
	statusReady  = "ready "
	statusFailed = "failed "
)

// drainTime is how long a child that is asked to stop lets statements finish.
const drainTime = 5 * time.Second

// Child is the first call of main and of TestMain. In a process that
// [StartClickHouse] started it runs the engine, returns the exit code when it has
// ended, and isChild is true. In any other process it does nothing.
func Child() (code int, isChild bool) {
	if os.Getenv(childEnv) == "" {
		return 0, false
	}
	_ = os.Unsetenv(childEnv)
	status := os.NewFile(statusFD, "status")
	if err := runChild(os.Stdin, status); err != nil {
		_, _ = fmt.Fprintln(status, statusFailed+strings.ReplaceAll(err.Error(), "\n", " "))
		log.Printf("embedded clickhouse: %v", err)
		return 1, true
	}
	return 0, true
}

// runChild serves until the standard input ends, which it does when the parent
// asks for it and when the parent is no more.
func runChild(stdin io.Reader, status io.Writer) error {
	preferVictim()
	input := json.NewDecoder(stdin)
	var cfg childConfig
	if err := input.Decode(&cfg); err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	listener, err := net.FileListener(os.NewFile(listenerFD, "listener"))
	if err != nil {
		return fmt.Errorf("inherit listener: %w", err)
	}
	e, err := openEngine(cfg.Library, filepath.Join(cfg.Path, "engine"), cfg.MemoryLimit)
	if err != nil {
		return err
	}
	version, err := engineVersion(e)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(status, statusReady+version); err != nil {
		return fmt.Errorf("report readiness: %w", err)
	}
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, stdin)
		close(ended)
	}()
	return errors.Join(serveUntil(ended, listener, newBridge(e, cfg.Password)), e.close())
}

// engineVersion is the engine's answer to its first statement.
func engineVersion(e *engine) (string, error) {
	s, err := e.session()
	if err != nil {
		return "", fmt.Errorf("open session: %w", err)
	}
	defer s.close()
	version, err := s.run("SELECT version()", "TabSeparated", nil)
	if err != nil {
		return "", fmt.Errorf("ask version: %w", err)
	}
	return strings.TrimSpace(string(version)), nil
}

// serveUntil serves HTTP, and then lets statements finish for a while before it
// stops them.
func serveUntil(ended <-chan struct{}, listener net.Listener, handler http.Handler) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ended:
	}
	patience, done := context.WithTimeout(context.Background(), drainTime)
	defer done()
	if server.Shutdown(patience) == nil {
		return nil
	}
	cancel() // stops the statements, so that their connections end
	patience, done = context.WithTimeout(context.Background(), drainTime)
	defer done()
	if err := server.Shutdown(patience); err != nil {
		return fmt.Errorf("stop statements: %w", err)
	}
	return nil
}
