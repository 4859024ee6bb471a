//go:build !linux || (!amd64 && !arm64)

package embedded

import (
	"errors"
	"fmt"
	"runtime"
)

// The engine's library exists for Linux only. Elsewhere the child says so, and the
// rest of this file is what the bridge needs to compile.

func openEngine(string, string, int64) (*engine, error) {
	return nil, fmt.Errorf("the embedded clickhouse needs linux, this is %s: point clickhouse.addrs at a server", runtime.GOOS)
}

var (
	errNotStreamed = errors.New("statement cannot be streamed")
	errNoEngine    = errors.New("no engine on this system")
)

type (
	engine    struct{}
	session   struct{}
	rows      struct{}
	insertion struct{}
)

func (*engine) session() (*session, error) { return nil, errNoEngine }
func (*engine) close() error               { return errNoEngine }

func (*session) run(string, string, []param) ([]byte, error)        { return nil, errNoEngine }
func (*session) stream(string, string, []param) (*rows, error)      { return nil, errNoEngine }
func (*session) insert(string, string, []param) (*insertion, error) { return nil, errNoEngine }
func (*session) classify(string) (class, error)                     { return class{}, errNoEngine }
func (*session) close()                                             {}

func (*rows) next() ([]byte, error) { return nil, errNoEngine }
func (*rows) close()                {}

func (*insertion) append([]byte) error { return errNoEngine }
func (*insertion) commit() error       { return errNoEngine }
func (*insertion) abandon()            {}
func (*insertion) close()              {}
