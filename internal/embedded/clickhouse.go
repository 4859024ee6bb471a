package embedded

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
)

const (
	// startTime is how long a child may take to load what is on disk.
	startTime = 2 * time.Minute
	// stopTime is how long it may take to end once asked, beyond its drain.
	stopTime = 2*drainTime + 5*time.Second

	firstBackoff = 100 * time.Millisecond
	maxBackoff   = 5 * time.Second
	// steadyTime is how long a child must have lived to count as a fresh failure.
	steadyTime = 30 * time.Second

	maxEngineLog = 1 << 20
)

// ClickHouseConfig says how to run the embedded ClickHouse.
type ClickHouseConfig struct {
	// Dir is where the data live. One process at a time may use it.
	Dir string
	// Addr is where to listen, "127.0.0.1:0" (default) for any free port. An
	// address other than loopback needs a Password.
	Addr string
	// Library is the path of the engine's library; empty means [FindLibrary].
	Library string
	// Password of the user "default"; without one nobody is asked.
	Password string
	// MemoryLimit of the engine in bytes; 0 means nine tenths of the machine's.
	MemoryLimit int64
	// Logger hears of crashes and restarts; nil means slog.Default.
	Logger *slog.Logger
}

// ClickHouse is a running embedded ClickHouse. Its methods may be called from
// several goroutines at once.
type ClickHouse struct {
	cfg      ClickHouseConfig
	log      *slog.Logger
	listener *net.TCPListener
	lock     *os.File

	closing chan struct{} // closed when Close has been called
	ended   chan struct{} // closed when there is no child any more

	mu      sync.Mutex // guards process and the closing of closing
	process *process   // nil between two children
}

// StartClickHouse starts the engine in a child process and returns when it has
// answered a query. ctx bounds the start only. Should the engine crash, it is
// logged and started again, on the same address; clients that connect meanwhile
// wait.
func StartClickHouse(ctx context.Context, cfg ClickHouseConfig) (*ClickHouse, error) {
	if os.Getenv(childEnv) != "" {
		return nil, errors.New("start clickhouse: this is the child already: embedded.Child must be the first call of main and of TestMain")
	}
	c, err := prepareClickHouse(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("start clickhouse: %w", err)
	}
	first := make(chan error, 1)
	go c.supervise(first)
	select {
	case err = <-first:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start clickhouse: %w", err), c.Close(ctx))
	}
	return c, nil
}

// prepareClickHouse takes what outlives a child: the directory and the address.
func prepareClickHouse(ctx context.Context, cfg ClickHouseConfig) (c *ClickHouse, err error) {
	cfg.Addr = cmp.Or(cfg.Addr, "127.0.0.1:0")
	cfg.Logger = cmp.Or(cfg.Logger, slog.Default())
	if cfg.Dir == "" {
		return nil, errors.New("no directory is given")
	}
	if cfg.Dir, err = filepath.Abs(cfg.Dir); err != nil {
		return nil, fmt.Errorf("find directory: %w", err)
	}
	if err := checkAddr(cfg.Addr, cfg.Password); err != nil {
		return nil, err
	}
	if cfg.Library, err = FindLibrary(cfg.Library); err != nil {
		return nil, err
	}
	if cfg.Library, err = filepath.Abs(cfg.Library); err != nil { // the child works in Dir
		return nil, fmt.Errorf("find library: %w", err)
	}
	lock, err := lockDir(cfg.Dir)
	if err != nil {
		return nil, err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", cfg.Addr)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return &ClickHouse{
		cfg: cfg, log: cfg.Logger, listener: listener.(*net.TCPListener), lock: lock,
		closing: make(chan struct{}), ended: make(chan struct{}),
	}, nil
}

// Addr is the "host:port" for clickhouse-go's HTTP protocol.
func (c *ClickHouse) Addr() string { return c.listener.Addr().String() }

// Close lets running statements finish for some seconds and ends the engine. When
// that takes too long, or ctx ends, the engine is killed: what is committed is on
// disk already. It returns when the child is gone and the directory is free.
func (c *ClickHouse) Close(ctx context.Context) error {
	if !c.beginClose() {
		<-c.ended
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, stopTime)
	defer cancel()
	select {
	case <-c.ended:
	case <-ctx.Done():
		c.killChild()
		<-c.ended
	}
	return errors.Join(c.listener.Close(), c.lock.Close())
}

// beginClose asks the child to stop; it reports whether this is the first time.
func (c *ClickHouse) beginClose() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isClosing() {
		return false
	}
	close(c.closing)
	if c.process != nil {
		_ = c.process.stdin.Close()
	}
	return true
}

func (c *ClickHouse) isClosing() bool {
	select {
	case <-c.closing:
		return true
	default:
		return false
	}
}

func (c *ClickHouse) killChild() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.process != nil {
		_ = c.process.cmd.Process.Kill() // it may have ended just now
	}
}

// supervise runs one child after another until Close. first hears how the start of
// the first one went; where that failed, there is no second.
func (c *ClickHouse) supervise(first chan<- error) {
	defer close(c.ended)
	// The kernel ties the child's life to the thread that started it, so the
	// thread must be there for as long as the child.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	started := false
	ready := func() {
		if !started {
			started = true
			first <- nil
		}
	}
	for delay := firstBackoff; ; delay = min(2*delay, maxBackoff) {
		began := time.Now()
		err := c.run(ready)
		if !started {
			first <- err
			return
		}
		if c.isClosing() {
			return
		}
		if time.Since(began) > steadyTime {
			delay = firstBackoff
		}
		c.log.Error("embedded clickhouse stopped unexpectedly and is started again",
			"error", err, "in", delay, "details", c.engineLog())
		if !c.pause(delay) {
			return
		}
	}
}

// pause waits; it reports false when Close is called meanwhile.
func (c *ClickHouse) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-c.closing:
		return false
	case <-timer.C:
		return true
	}
}

// run starts a child, calls ready when it is, and returns when it has ended.
func (c *ClickHouse) run(ready func()) error {
	p, err := c.spawn()
	if err != nil {
		return err
	}
	version, startErr := p.awaitReady(startTime)
	if startErr == nil {
		c.log.Info("embedded clickhouse is ready", "addr", c.Addr(), "version", version)
		ready()
	}
	err = p.cmd.Wait()
	c.mu.Lock()
	c.process = nil
	c.mu.Unlock()
	return errors.Join(startErr, err)
}

// spawn starts this binary again as a child and hands it its configuration.
func (c *ClickHouse) spawn() (*process, error) {
	exe, err := ownBinary()
	if err != nil {
		return nil, fmt.Errorf("find own binary: %w", err)
	}
	engineLog, err := openEngineLog(c.engineLog())
	if err != nil {
		return nil, err
	}
	defer func() { _ = engineLog.Close() }()
	socket, err := c.listener.File()
	if err != nil {
		return nil, fmt.Errorf("share listener: %w", err)
	}
	defer func() { _ = socket.Close() }()
	statusRead, statusWrite, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make status pipe: %w", err)
	}
	defer func() { _ = statusWrite.Close() }()
	cmd := &exec.Cmd{
		Path: exe, Args: []string{os.Args[0], "embedded-clickhouse"}, Dir: c.cfg.Dir,
		Env:    childEnviron(),
		Stdout: engineLog, Stderr: engineLog,
		ExtraFiles: []*os.File{listenerFD - 3: socket, lockFD - 3: c.lock, statusFD - 3: statusWrite},
	}
	bind(cmd)
	p := &process{cmd: cmd, status: statusRead}
	if err := c.launch(p); err != nil {
		return nil, errors.Join(err, statusRead.Close())
	}
	return p, nil
}

// childEnviron holds what loading a library takes, and none of the secrets that the
// parent may have been given: SQL can read files, and /proc/self/environ is one.
// The time zone is the same for everyone, as what a DateTime column without one
// means must not depend on the machine.
func childEnviron() []string {
	env := []string{childEnv + "=1", "TZ=UTC"}
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "GOCOVERDIR"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// launch starts a prepared child, unless Close has been called.
func (c *ClickHouse) launch(p *process) (err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isClosing() {
		return errors.New("it is being closed")
	}
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return fmt.Errorf("make input pipe: %w", err)
	}
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("start child process: %w", err)
	}
	c.process = p
	// It fits into the pipe, so this does not wait for the child. Should the
	// child be gone already, waiting for it will tell.
	_ = json.NewEncoder(p.stdin).Encode(childConfig{ //nolint:gosec // a private pipe is where the password belongs
		Library: c.cfg.Library, Path: c.cfg.Dir, Password: c.cfg.Password, MemoryLimit: c.cfg.MemoryLimit,
	})
	return nil
}

// engineLog is what the child prints, crash reports above all. It stays with the
// data, as it may quote them.
func (c *ClickHouse) engineLog() string { return filepath.Join(c.cfg.Dir, "engine.log") }

func openEngineLog(name string) (*os.File, error) {
	flags := os.O_WRONLY | os.O_CREATE | os.O_APPEND
	if info, err := os.Stat(name); err == nil && info.Size() > maxEngineLog {
		flags |= os.O_TRUNC
	}
	f, err := os.OpenFile(name, flags, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open engine log: %w", err)
	}
	return f, nil
}

// process is one child.
type process struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser // closing it asks the child to end
	status *os.File
}

// awaitReady waits for the child's line, or its end, and returns the version of
// the engine.
func (p *process) awaitReady(limit time.Duration) (version string, err error) {
	defer func() { _ = p.status.Close() }()
	timer := time.AfterFunc(limit, func() { _ = p.cmd.Process.Kill() })
	defer timer.Stop()
	line, err := bufio.NewReader(p.status).ReadString('\n')
	line = strings.TrimSuffix(line, "\n")
	if version, ok := strings.CutPrefix(line, statusReady); ok {
		return version, nil
	}
	if reason, ok := strings.CutPrefix(line, statusFailed); ok {
		return "", errors.New(reason)
	}
	return "", fmt.Errorf("the child process ended before it was ready: %w", err)
}
