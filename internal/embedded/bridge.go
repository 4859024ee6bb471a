package embedded

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// maxStatements run at once; more wait their turn.
	maxStatements = 32
	// insertPiece is how much of an INSERT's data is handed over at a time.
	insertPiece = 1 << 20
	// killInterval is how often a statement nobody waits for is told to stop,
	// until it has. The first time may come before it has begun.
	killInterval = 50 * time.Millisecond

	userName = "default"
)

// bridge speaks ClickHouse's HTTP interface for the engine, as far as clients use
// it: statements, bound parameters, settings, data of inserts, streamed results,
// and errors also in the middle of a result.
type bridge struct {
	engine   *engine
	password [sha256.Size]byte // compared as hashes, which have one length
	open     bool              // no password is asked for
	slots    chan struct{}
	pieces   sync.Pool
}

func newBridge(e *engine, password string) *bridge {
	return &bridge{
		engine:   e,
		password: sha256.Sum256([]byte(password)),
		open:     password == "",
		slots:    make(chan struct{}, maxStatements),
		pieces:   sync.Pool{New: func() any { b := make([]byte, insertPiece); return &b }},
	}
}

func (b *bridge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/ping":
		_, _ = io.WriteString(w, "Ok.\n")
	case r.URL.Path != "/":
		http.NotFound(w, r)
	case !b.fromProgram(r):
		fail(w, http.StatusForbidden, refusal(codeAuthentication, "requests of web pages are refused. (AUTHENTICATION_FAILED)"))
	case !b.authenticated(r):
		fail(w, http.StatusForbidden, refusal(codeAuthentication, "Authentication failed: password is incorrect, or there is no user with such name. (AUTHENTICATION_FAILED)"))
	default:
		if err := b.serve(w, r); err != nil {
			fail(w, http.StatusInternalServerError, err)
		}
	}
}

// fromProgram tells a program from a web page in someone's browser on this
// machine, which may send requests to loopback but cannot hide that it does.
func (b *bridge) fromProgram(r *http.Request) bool {
	return r.Header.Get("Origin") == "" && r.Header.Get("Sec-Fetch-Site") == ""
}

func (b *bridge) authenticated(r *http.Request) bool {
	if b.open {
		return true
	}
	user, password, ok := r.BasicAuth()
	if !ok {
		user, password = r.Header.Get("X-ClickHouse-User"), r.Header.Get("X-ClickHouse-Key")
	}
	got := sha256.Sum256([]byte(password))
	return subtle.ConstantTimeCompare(got[:], b.password[:]) == 1 && (user == userName || user == "")
}

// fail answers with an error as ClickHouse does.
func fail(w http.ResponseWriter, status int, err error) {
	var engineErr *engineError
	if !errors.As(err, &engineErr) {
		engineErr = refusal(codeUnknown, err.Error())
	}
	w.Header().Set("X-ClickHouse-Exception-Code", strconv.Itoa(engineErr.code()))
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, engineErr.text+"\n")
}

// serve executes one request in a session of its own. It returns an error only
// while nothing of the answer has been written.
func (b *bridge) serve(w http.ResponseWriter, r *http.Request) error {
	st, err := parseStatement(r)
	if err != nil {
		return err
	}
	ctx := r.Context()
	select {
	case b.slots <- struct{}{}:
		defer func() { <-b.slots }()
	case <-ctx.Done():
		return refusal(codeTooManyQueries, "too many simultaneous statements. (TOO_MANY_SIMULTANEOUS_QUERIES)")
	}
	s, err := b.engine.session()
	if err != nil {
		return fmt.Errorf("open session: %w", err)
	}
	defer s.close()
	tag := rand.Text()
	if err := equip(s, st, tag); err != nil {
		return err
	}
	if err := checkReadonly(s, st); err != nil {
		return err
	}
	if st.data != nil {
		return b.insert(s, st)
	}
	defer b.stopWith(ctx, tag)()
	if isHello(st) {
		return b.hello(w, s)
	}
	return answer(w, s, st)
}

// equip gives a session the database and the settings of a statement.
func equip(s *session, st *statement, tag string) error {
	if st.database != "" {
		if _, err := s.run("USE "+quoteName(st.database), "Null", nil); err != nil {
			return err
		}
	}
	set, err := st.prepare(tag)
	if err != nil {
		return err
	}
	_, err = s.run(set, "Null", nil)
	return err
}

// checkReadonly refuses, where the client asked for readonly, whatever the engine's
// parser does not know to be a plain question. The engine's own check, which comes
// on top, lets INTO OUTFILE pass, as it is a client's business on a server.
func checkReadonly(s *session, st *statement) error {
	if !st.readonly() {
		return nil
	}
	class, err := s.classify(st.text)
	if err != nil {
		return err
	}
	if class.kind > classReadOnly && class.kind < classUnknown {
		return refusal(codeReadonly, "Cannot execute query in readonly mode. (READONLY)")
	}
	return nil // the engine tells what is wrong with a text it cannot parse
}

// insert streams the request's body into a table. A body that breaks off is not
// committed.
func (b *bridge) insert(s *session, st *statement) error {
	in, err := s.insert(st.text, st.format, st.params)
	if err != nil {
		return err
	}
	defer in.close()
	piece := b.pieces.Get().(*[]byte)
	defer b.pieces.Put(piece)
	for {
		n, readErr := fill(*piece, st.data)
		if readErr != nil && readErr != io.EOF { //nolint:errorlint // only a bare EOF is the end
			in.abandon()
			return fmt.Errorf("read data: %w", readErr)
		}
		if err := in.append((*piece)[:n]); err != nil {
			return err
		}
		if readErr != nil {
			return in.commit()
		}
	}
}

// fill reads until the buffer is full or the data end. Unlike io.ReadFull it keeps
// an end apart from a connection that broke, on which nothing must be committed.
func fill(buf []byte, data io.Reader) (n int, err error) {
	for n < len(buf) && err == nil {
		var m int
		m, err = data.Read(buf[n:])
		n += m
	}
	return n, err
}

// answer executes a statement and writes its result: piece by piece where the
// engine can, which is for SELECT.
func answer(w http.ResponseWriter, s *session, st *statement) error {
	rows, err := s.stream(st.text, st.format, st.params)
	if errors.Is(err, errNotStreamed) {
		result, err := s.run(st.text, st.format, st.params)
		if err != nil {
			return err
		}
		begin(w, st.format)
		_, _ = w.Write(result) //nolint:gosec // not HTML, and begin says so
		return nil
	}
	if err != nil {
		return err
	}
	defer rows.close()
	piece, err := rows.next()
	if err != nil {
		return err
	}
	begin(w, st.format)
	for len(piece) > 0 {
		if _, err := w.Write(piece); err != nil { //nolint:gosec // not HTML, and begin says so
			return nil // the client has gone
		}
		if piece, err = rows.next(); err != nil {
			failWithin(w, err)
			return nil
		}
	}
	return nil
}

func begin(w http.ResponseWriter, format string) {
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("X-ClickHouse-Format", format)
}

// failWithin writes an error after a part of the result, in the frame that clients
// look for when a block does not parse: marker, tag, text, length, tag, marker.
func failWithin(w io.Writer, err error) {
	const marker = "__exception__"
	tag := rand.Text()[:16]
	text := strings.TrimRight(err.Error(), "\n")
	_, _ = fmt.Fprintf(w, "\r\n%s\r\n%s\r\n%s\n%d %s\r\n%s\r\n", marker, tag, text, len(text)+1, tag, marker)
}

// stopWith stops the tagged statement when the client goes away. The function it
// returns ends the watch; the statement must be over.
func (b *bridge) stopWith(ctx context.Context, tag string) (end func()) {
	over, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-over:
			return
		case <-ctx.Done():
		}
		for {
			b.kill(tag)
			select {
			case <-over:
				return
			case <-time.After(killInterval):
			}
		}
	}()
	return func() { close(over); <-ended }
}

// kill asks the engine to stop a statement. Failing is of no consequence: it is
// repeated until the statement is over.
func (b *bridge) kill(tag string) {
	s, err := b.engine.session()
	if err != nil {
		return
	}
	defer s.close()
	_, _ = s.run("KILL QUERY WHERE startsWith(Settings['log_comment'], {tag:String}) ASYNC", "Null", []param{{"tag", tag}})
}

// helloText is the first statement of the Go client. It reads the answer in the
// newest revision of the block format, and everything after that in the revision
// the answer names.
const helloText = "SELECT displayName(), version(), revision(), timezone()"

func isHello(st *statement) bool { return st.text == helloText && st.format == "Native" }

// hello names revision 0: plain blocks, which is what the engine reads and prints.
func (b *bridge) hello(w http.ResponseWriter, s *session) error {
	result, err := s.run("SELECT version(), timezone()", "TabSeparated", nil)
	if err != nil {
		return err
	}
	version, zone, _ := strings.Cut(strings.TrimSuffix(string(result), "\n"), "\t")
	begin(w, "Native")
	_, _ = w.Write(helloBlock("crmwatch", version, zone))
	return nil
}

// helloBlock is one row of displayName, version, revision and timezone, with the
// block info and the serialization bytes that the newest revision asks for.
func helloBlock(name, version, zone string) []byte {
	block := []byte{1, 0, 2, 0xff, 0xff, 0xff, 0xff, 0} // no overflows, bucket -1, end
	block = append(block, 4, 1)                         // columns, rows
	column := func(name, kind string, value ...byte) {
		block = appendString(appendString(block, name), kind)
		block = append(block, 0) // no custom serialization
		block = append(block, value...)
	}
	column("displayName()", "String", appendString(nil, name)...)
	column("version()", "String", appendString(nil, version)...)
	column("revision()", "UInt32", 0, 0, 0, 0)
	column("timezone()", "String", appendString(nil, zone)...)
	return block
}

// appendString appends a length as a varint and the text.
func appendString(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}
