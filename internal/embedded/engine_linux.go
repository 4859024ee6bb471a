//go:build linux && (amd64 || arm64)

package embedded

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"unsafe"

	"github.com/ebitengine/purego"
)

// engine is ClickHouse inside this process. There can be one, for one directory.
// Its methods may be called from several goroutines at once; a session's may not.
type engine struct {
	lib  library
	path string
	root *session // keeps the engine running between statements
}

// library is the part of the engine's C interface that is used. Every result and
// every stream it returns must be destroyed.
type library struct {
	setSignalHandlers func(enabled int32)
	connect           func(argc int32, argv **byte) unsafe.Pointer
	closeConn         func(conn unsafe.Pointer)
	shutdown          func() int32

	query func(conn unsafe.Pointer, query *byte, queryLen uintptr, format *byte, formatLen uintptr,
		names **byte, nameLens *uintptr, values **byte, valueLens *uintptr, n uintptr) unsafe.Pointer
	streamQuery func(conn unsafe.Pointer, query *byte, queryLen uintptr, format *byte, formatLen uintptr,
		names **byte, nameLens *uintptr, values **byte, valueLens *uintptr, n uintptr) unsafe.Pointer
	streamFetch  func(conn, result unsafe.Pointer) unsafe.Pointer
	streamCancel func(conn, result unsafe.Pointer)

	streamInsert func(conn unsafe.Pointer, query *byte, queryLen uintptr, format *byte, formatLen uintptr,
		names **byte, nameLens *uintptr, values **byte, valueLens *uintptr, n uintptr) unsafe.Pointer
	insertAppend  func(stream unsafe.Pointer, data *byte, length uintptr) int32
	insertDone    func(stream unsafe.Pointer) unsafe.Pointer
	insertCancel  func(stream unsafe.Pointer)
	insertError   func(stream unsafe.Pointer) string
	insertDestroy func(stream unsafe.Pointer)

	classify func(conn unsafe.Pointer, query *byte, queryLen uintptr, database *byte, databaseLen uintptr, analysis *analysis) int32

	resultBuffer  func(result unsafe.Pointer) *byte
	resultLength  func(result unsafe.Pointer) uintptr
	resultError   func(result unsafe.Pointer) string
	resultDestroy func(result unsafe.Pointer)
}

// load binds the functions of a shared library.
func load(name string) (lib library, err error) {
	handle, err := purego.Dlopen(name, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return lib, fmt.Errorf("load library: %w", err)
	}
	for symbol, fn := range map[string]any{
		"chdb_set_signal_handlers_enabled": &lib.setSignalHandlers,
		"chdb_connect":                     &lib.connect,
		"chdb_close_conn":                  &lib.closeConn,
		"chdb_shutdown":                    &lib.shutdown,
		"chdb_query_with_params_n":         &lib.query,
		"chdb_stream_query_with_params_n":  &lib.streamQuery,
		"chdb_stream_fetch_result":         &lib.streamFetch,
		"chdb_stream_cancel_query":         &lib.streamCancel,
		"chdb_stream_insert_with_params_n": &lib.streamInsert,
		"chdb_stream_append":               &lib.insertAppend,
		"chdb_stream_done":                 &lib.insertDone,
		"chdb_stream_cancel_insert":        &lib.insertCancel,
		"chdb_stream_insert_error":         &lib.insertError,
		"chdb_destroy_insert_stream":       &lib.insertDestroy,
		"chdb_classify_query_n":            &lib.classify,
		"chdb_result_buffer":               &lib.resultBuffer,
		"chdb_result_length":               &lib.resultLength,
		"chdb_result_error":                &lib.resultError,
		"chdb_destroy_query_result":        &lib.resultDestroy,
	} {
		address, err := purego.Dlsym(handle, symbol)
		if err != nil {
			return lib, fmt.Errorf("load library: %s is not version %s of it: %w", name, LibraryVersion(), err)
		}
		purego.RegisterFunc(fn, address)
	}
	return lib, nil
}

// openEngine loads the library and starts the engine on a directory. memoryLimit
// is in bytes; 0 leaves the engine's own, nine tenths of the machine.
func openEngine(name, path string, memoryLimit int64) (*engine, error) {
	lib, err := load(name)
	if err != nil {
		return nil, err
	}
	e := &engine{lib: lib, path: path}
	boot := []string{}
	if memoryLimit > 0 {
		boot = append(boot, fmt.Sprintf("--max_server_memory_usage=%d", memoryLimit))
	}
	// The engine sets the handlers of the fatal signals to their defaults, twice:
	// Go's are put back, so that a fault in Go code stays a panic.
	keepSignals(func() {
		e.lib.setSignalHandlers(0)
		e.root, err = e.connect(boot...)
	})
	if err != nil {
		return nil, fmt.Errorf("start engine in %s: %w", path, err)
	}
	return e, nil
}

// close stops the engine. All sessions must be closed.
func (e *engine) close() error {
	e.root.close()
	if e.lib.shutdown() != 0 {
		return errors.New("stop engine: some of its threads still run")
	}
	return nil
}

// session is a fresh connection: nothing that a statement sets outlives it. It
// takes a fifth of a millisecond to open. One statement at a time.
func (e *engine) session() (s *session, err error) {
	keepSignals(func() { s, err = e.connect() })
	return s, err
}

func (e *engine) connect(options ...string) (*session, error) {
	// The engine's local flavour is laxer than a server: it takes expressions
	// for statements and lets everyone look into the process.
	args := append([]string{
		"clickhouse", "--path=" + e.path,
		"--implicit_select=0", "--allow_introspection_functions=0",
	}, options...)
	var pin runtime.Pinner
	defer pin.Unpin()
	argv := make([]*byte, len(args))
	for i, arg := range args {
		argv[i] = &append([]byte(arg), 0)[0]
		pin.Pin(argv[i])
	}
	pin.Pin(&argv[0])
	conn := e.lib.connect(int32(len(args)), &argv[0])
	if conn == nil {
		return nil, errors.New("the engine refused the connection")
	}
	// The connection is a pointer to the handle that the other functions take.
	return &session{lib: &e.lib, conn: conn, handle: *(*unsafe.Pointer)(conn)}, nil
}

type session struct {
	lib          *library
	conn, handle unsafe.Pointer
}

func (s *session) close() { s.lib.closeConn(s.conn) }

// run executes a statement and returns its whole result in a format.
func (s *session) run(query, format string, params []param) ([]byte, error) {
	p := newArgs(query, format, params)
	defer p.free()
	result := s.lib.query(s.handle, p.query, p.queryLen, p.format, p.formatLen, p.names, p.nameLens, p.values, p.valueLens, p.n)
	return s.take(result)
}

// analysis is the C structure of chdb_classify_query_n.
type analysis struct{ size, statements, _, kind uint32 }

// classify says what a text would do, without doing it.
func (s *session) classify(query string) (class, error) {
	p := newArgs(query, "", nil)
	defer p.free()
	a := &analysis{size: uint32(unsafe.Sizeof(analysis{}))}
	p.pin.Pin(a)
	if s.lib.classify(s.handle, p.query, p.queryLen, nil, 0, a) != 0 {
		return class{}, refusal(codeUnknown, "the engine cannot classify the statement")
	}
	return class{statements: a.statements, kind: a.kind}, nil
}

// take copies a result out and destroys it.
func (s *session) take(result unsafe.Pointer) ([]byte, error) {
	if result == nil {
		return nil, refusal(codeUnknown, "the engine gave no result")
	}
	defer s.lib.resultDestroy(result)
	if text := s.lib.resultError(result); text != "" {
		return nil, &engineError{text}
	}
	n := s.lib.resultLength(result)
	if n == 0 {
		return nil, nil
	}
	return append([]byte(nil), unsafe.Slice(s.lib.resultBuffer(result), n)...), nil //nolint:gosec // the engine gives an address and a length
}

// errNotStreamed says that the engine streams the results of SELECT only.
var errNotStreamed = errors.New("statement cannot be streamed")

// stream starts a SELECT whose result is fetched piece by piece. It parses the
// statement first and refuses several in one text.
func (s *session) stream(query, format string, params []param) (*rows, error) {
	p := newArgs(query, format, params)
	defer p.free()
	result := s.lib.streamQuery(s.handle, p.query, p.queryLen, p.format, p.formatLen, p.names, p.nameLens, p.values, p.valueLens, p.n)
	if result == nil {
		return nil, refusal(codeUnknown, "the engine gave no result")
	}
	text := s.lib.resultError(result)
	if text == "" {
		return &rows{s: s, result: result}, nil
	}
	s.lib.resultDestroy(result)
	if err := (&engineError{text}); err.code() != codeBadArguments || !strings.Contains(text, "Streaming query is not supported") {
		return nil, err
	}
	return nil, errNotStreamed
}

// rows is a result that is being fetched. close must be called.
type rows struct {
	s      *session
	result unsafe.Pointer
	ended  bool
}

// next returns the next piece of the result, whole blocks in the format, and
// nothing when it has ended.
func (r *rows) next() ([]byte, error) {
	piece, err := r.s.take(r.s.lib.streamFetch(r.s.handle, r.result))
	r.ended = len(piece) == 0
	return piece, err
}

func (r *rows) close() {
	if !r.ended {
		r.s.lib.streamCancel(r.s.handle, r.result)
	}
	r.s.lib.resultDestroy(r.result)
}

// insert starts an INSERT whose data is appended piece by piece.
func (s *session) insert(query, format string, params []param) (*insertion, error) {
	p := newArgs(query, format, params)
	defer p.free()
	stream := s.lib.streamInsert(s.handle, p.query, p.queryLen, p.format, p.formatLen, p.names, p.nameLens, p.values, p.valueLens, p.n)
	in := &insertion{s: s, stream: stream}
	if err := in.err(); err != nil {
		in.close()
		return nil, err
	}
	return in, nil
}

// insertion is an INSERT in progress. close must be called; before commit it
// gives the insert up.
type insertion struct {
	s      *session
	stream unsafe.Pointer
}

func (in *insertion) err() error {
	if text := in.s.lib.insertError(in.stream); text != "" {
		return &engineError{text}
	}
	return nil
}

// append hands over a piece of the data; the engine copies it, and may block until
// it has room.
func (in *insertion) append(data []byte) error {
	if len(data) == 0 {
		return nil
	}
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(&data[0])
	if in.s.lib.insertAppend(in.stream, &data[0], uintptr(len(data))) == 0 {
		return nil
	}
	if err := in.err(); err != nil {
		return err
	}
	return refusal(codeUnknown, "the insert has already failed")
}

// commit ends the data and waits until it is stored.
func (in *insertion) commit() error {
	_, err := in.s.take(in.s.lib.insertDone(in.stream))
	return err
}

func (in *insertion) abandon() { in.s.lib.insertCancel(in.stream) }

func (in *insertion) close() { in.s.lib.insertDestroy(in.stream) }

// args are a statement's arguments as C wants them, pinned until free.
type args struct {
	pin                 runtime.Pinner
	query, format       *byte
	queryLen, formatLen uintptr
	names, values       **byte
	nameLens, valueLens *uintptr
	n                   uintptr
}

func newArgs(query, format string, params []param) *args {
	a := &args{n: uintptr(len(params))}
	a.query, a.queryLen = a.text(query)
	a.format, a.formatLen = a.text(format)
	if len(params) == 0 {
		return a
	}
	names, values := make([]*byte, len(params)), make([]*byte, len(params))
	nameLens, valueLens := make([]uintptr, len(params)), make([]uintptr, len(params))
	for i, p := range params {
		names[i], nameLens[i] = a.text(p.name)
		values[i], valueLens[i] = a.text(p.value)
	}
	a.names, a.values, a.nameLens, a.valueLens = &names[0], &values[0], &nameLens[0], &valueLens[0]
	a.pin.Pin(a.names)
	a.pin.Pin(a.values)
	a.pin.Pin(a.nameLens)
	a.pin.Pin(a.valueLens)
	return a
}

// text is a pointer that is never nil, also for an empty text.
func (a *args) text(s string) (*byte, uintptr) {
	p := &append([]byte(s), 0)[0]
	a.pin.Pin(p)
	return p, uintptr(len(s))
}

func (a *args) free() { a.pin.Unpin() }
