package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"
)

func TestHello(t *testing.T) {
	conn := dial(t, clickHouse(t), password)
	v, err := conn.ServerVersion()
	if err != nil {
		t.Fatal(err)
	}
	if v.Revision != 0 || v.Version.Major < 26 || v.Timezone.String() != "UTC" {
		t.Fatalf("got revision %d, version %v, zone %v; want 0, 26 or later, UTC", v.Revision, v.Version, v.Timezone)
	}
	if err := conn.Ping(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// record has a column of each type the product uses, and the hard values of each.
type record struct {
	ID       uint64
	At       time.Time
	Short    time.Time
	Delta    int64
	Kind     string
	Text     string
	List     []string
	Maybe    *string
	Flag     bool
	Share    float64
	Numbers  []uint32
	Settings map[string]string
}

const recordTable = `(
	id UInt64, at DateTime64(3, 'UTC'), short DateTime, delta Int64, kind LowCardinality(String), text String,
	list Array(LowCardinality(String)), maybe Nullable(String), flag Bool, share Float64, numbers Array(UInt32),
	settings Map(String, String)
) ENGINE = MergeTree ORDER BY id`

func makeRecord(i int) record {
	base := time.Date(2026, 2, 28, 23, 59, 59, 0, time.UTC).Add(time.Duration(i) * 1001 * time.Millisecond)
	texts := []string{"", "plain", "张伟 的 客户", "a\x00b\tc\nd\r\\'\"`", "\xff\xfe not utf-8", strings.Repeat("x", 300)}
	text := texts[i%len(texts)]
	r := record{
		ID: 1<<64 - 1 - uint64(i), At: base.Truncate(time.Millisecond), Short: base.Truncate(time.Second),
		Delta: -int64(i) << 20, Kind: fmt.Sprint("kind", i%7), Text: text, List: []string{}, Flag: i%2 == 0,
		Share: float64(i) / 3, Numbers: []uint32{}, Settings: map[string]string{},
	}
	if i%3 == 0 {
		r.Maybe = &text
		r.List = []string{"", text, "b"}
		r.Numbers = []uint32{0, 1<<32 - 1}
		r.Settings["k"] = text
	}
	return r
}

func insertRecords(t *testing.T, conn driver.Conn, table string, from, to int) {
	t.Helper()
	batch, err := conn.PrepareBatch(context.Background(), "INSERT INTO "+table)
	if err != nil {
		t.Fatal(err)
	}
	for i := from; i < to; i++ {
		r := makeRecord(i)
		if err := batch.Append(r.ID, r.At, r.Short, r.Delta, r.Kind, r.Text, r.List, r.Maybe, r.Flag, r.Share, r.Numbers, r.Settings); err != nil {
			t.Fatal(err)
		}
	}
	if err := batch.Send(); err != nil {
		t.Fatal(err)
	}
}

func TestRecordsComeBackAsTheyWent(t *testing.T) {
	const n = 100_000
	conn, db := database(t)
	exec1(t, conn, "CREATE TABLE "+db+".r "+recordTable)
	insertRecords(t, conn, db+".r", 0, n)

	rows, err := conn.Query(context.Background(), "SELECT * FROM "+db+".r ORDER BY id DESC")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	i := 0
	for ; rows.Next(); i++ {
		var r record
		if err := rows.Scan(&r.ID, &r.At, &r.Short, &r.Delta, &r.Kind, &r.Text, &r.List, &r.Maybe, &r.Flag, &r.Share, &r.Numbers, &r.Settings); err != nil {
			t.Fatal(err)
		}
		if i%97 != 0 && i < n-10 {
			continue // comparing all of them with cmp takes longer than the engine
		}
		if diff := cmp.Diff(makeRecord(i), r); diff != "" {
			t.Fatalf("record %d (-want +got):\n%s", i, diff)
		}
	}
	if err := rows.Err(); err != nil || i != n {
		t.Fatalf("got %d records and error %v, want %d", i, err, n)
	}
}

func TestParameters(t *testing.T) {
	conn := dial(t, clickHouse(t), password)
	hard := "a'b\\c\td\ne`f{x:String}; DROP -- 张"
	ctx := context.Background()
	got := one[string](t, ctx, conn, "SELECT {s:String}", clickhouse.Named("s", hard))
	if got != hard {
		t.Errorf("named: got %q, want %q", got, hard)
	}
	if got := one[string](t, ctx, conn, "SELECT ?", hard); got != hard {
		t.Errorf("positional: got %q, want %q", got, hard)
	}
	if got := one[uint64](t, ctx, conn, "SELECT length({l:Array(String)}) + {n:UInt64}",
		clickhouse.Named("l", []string{"a", hard}), clickhouse.Named("n", 40)); got != 42 {
		t.Errorf("array: got %d, want 42", got)
	}
	at := time.Date(2026, 11, 24, 1, 2, 3, 456e6, time.UTC)
	if got := one[time.Time](t, ctx, conn, "SELECT {t:DateTime64(3)}", clickhouse.DateNamed("t", at, clickhouse.MilliSeconds)); !got.Equal(at) {
		t.Errorf("time: got %v, want %v", got, at)
	}
	conn2, db := database(t)
	exec1(t, conn2, "CREATE TABLE "+db+".p (a String) ENGINE = MergeTree ORDER BY a")
	if err := conn2.Exec(ctx, "INSERT INTO "+db+".p SELECT {s:String}", clickhouse.Named("s", hard)); err != nil {
		t.Fatal(err)
	}
	if got := one[string](t, ctx, conn2, "SELECT a FROM "+db+".p WHERE a = {s:String}", clickhouse.Named("s", hard)); got != hard {
		t.Errorf("stored: got %q, want %q", got, hard)
	}
}

func TestDatabaseOfTheClient(t *testing.T) {
	conn, db := database(t)
	exec1(t, conn, "CREATE TABLE "+db+".mine (a UInt8) ENGINE = MergeTree ORDER BY a")
	opts := options(clickHouse(t), password)
	opts.Auth.Database = db
	within, err := clickhouse.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = within.Close() }()
	exec1(t, within, "INSERT INTO mine VALUES (1), (2)")
	if got := one[uint64](t, context.Background(), within, "SELECT count() FROM mine"); got != 2 {
		t.Errorf("got %d rows, want 2", got)
	}
	// A statement does not change where the next one is.
	exec1(t, conn, "USE "+db)
	if got := one[string](t, context.Background(), conn, "SELECT currentDatabase()"); got != "default" {
		t.Errorf("after USE the next statement is in %s, want default", got)
	}
}

func TestResultsAreStreamed(t *testing.T) {
	conn := dial(t, clickHouse(t), password)
	// Far more than would fit into memory, were it not streamed.
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	rows, err := conn.Query(ctx, "SELECT number, repeat('x', 100) FROM system.numbers")
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint64(500_000) {
		var n uint64
		var s string
		if !rows.Next() {
			t.Fatalf("ended after %d rows: %v", i, rows.Err())
		}
		if err := rows.Scan(&n, &s); err != nil || n != i {
			t.Fatalf("row %d: got %d, %v", i, n, err)
		}
	}
	cancel()
	statementsEnd(t, "system.numbers")
}

// statementsEnd waits until no statement with a text in it runs.
func statementsEnd(t *testing.T, text string) {
	t.Helper()
	conn := dial(t, clickHouse(t), password)
	eventually(t, "the statement has ended", func() bool {
		return one[uint64](t, context.Background(), conn,
			"SELECT count() FROM system.processes WHERE position(query, {text:String}) > 0 AND query NOT LIKE '%system.processes%'",
			clickhouse.Named("text", text)) == 0
	})
}

func TestCancelStopsTheStatement(t *testing.T) {
	conn, db := database(t)
	exec1(t, conn, "CREATE TABLE "+db+".t (a UInt64) ENGINE = MergeTree ORDER BY a")
	watch := dial(t, clickHouse(t), password)
	for name, statement := range map[string]string{
		"select":        "SELECT count() FROM system.numbers WHERE sipHash64(number) = 1",
		"first block":   "SELECT number FROM system.numbers WHERE sipHash64(number) = 1",
		"insert select": "INSERT INTO " + db + ".t SELECT number FROM system.numbers WHERE sipHash64(number) = 1",
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error, 1)
			go func() { done <- conn.Exec(ctx, statement) }()
			eventually(t, "the statement runs", func() bool {
				return one[uint64](t, context.Background(), watch,
					"SELECT count() FROM system.processes WHERE query = {q:String}", clickhouse.Named("q", statement)) == 1
			})
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("got error %v, want canceled", err)
			}
			statementsEnd(t, "sipHash64")
		})
	}
}

func TestSettingsAreOfOneStatement(t *testing.T) {
	conn := dial(t, clickHouse(t), password)
	ask := func(ctx context.Context) string {
		return one[string](t, ctx, conn, "SELECT value FROM system.settings WHERE name = 'max_block_size'")
	}
	before := ask(context.Background())
	with := clickhouse.Context(context.Background(), clickhouse.WithSettings(clickhouse.Settings{"max_block_size": 4321}))
	if got := ask(with); got != "4321" {
		t.Errorf("with the setting: got %s, want 4321", got)
	}
	for range 50 {
		if got := ask(context.Background()); got != before {
			t.Fatalf("after it: got %s, want %s", got, before)
		}
	}
	if got := one[string](t, clickhouse.Context(context.Background(), clickhouse.WithSettings(clickhouse.Settings{"log_comment": "mine"})),
		conn, "SELECT getSetting('log_comment')"); !strings.HasSuffix(got, " mine") {
		t.Errorf("the client's comment is lost: %q", got)
	}
}

func TestReadonlyHolds(t *testing.T) {
	conn, db := database(t)
	exec1(t, conn, "CREATE TABLE "+db+".t (a UInt64) ENGINE = MergeTree ORDER BY a")
	ctx := clickhouse.Context(context.Background(), clickhouse.WithSettings(clickhouse.Settings{
		"readonly": 1, "max_execution_time": 5, "max_result_rows": 100,
	}))
	for _, statement := range []string{
		"INSERT INTO " + db + ".t VALUES (1)",
		"INSERT INTO " + db + ".t SELECT 1",
		"CREATE TABLE " + db + ".u (a UInt64) ENGINE = MergeTree ORDER BY a",
		"DROP TABLE " + db + ".t",
		"SET readonly = 0",
		"SELECT 1 SETTINGS readonly = 0",
		"SELECT * FROM file('/etc/passwd', 'LineAsString')",
		"SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
		"SELECT 1 INTO OUTFILE 'must-not-be'",
		"SELECT 1; DROP TABLE " + db + ".t",
	} {
		if err := conn.Exec(ctx, statement); err == nil {
			t.Errorf("%s: no error", statement)
		}
	}
	if _, err := os.Stat(filepath.Join(shared.dir, "must-not-be")); err == nil {
		t.Error("INTO OUTFILE wrote a file")
	}
	batch, err := conn.PrepareBatch(ctx, "INSERT INTO "+db+".t")
	if err != nil {
		t.Fatal(err)
	}
	if err := batch.Append(uint64(1)); err != nil {
		t.Fatal(err)
	}
	if err := batch.Send(); code(err) != 164 {
		t.Errorf("batch: got %v, want code 164", err)
	}
	if got := one[uint64](t, ctx, conn, "SELECT count() FROM "+db+".t"); got != 0 {
		t.Errorf("the table has %d rows, want 0", got)
	}
	exec1(t, conn, "INSERT INTO "+db+".t VALUES (1)") // the next statement is free again
}

// code is the number of a ClickHouse error, 0 when it is none.
func code(err error) int32 {
	var e *clickhouse.Exception
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

func TestErrorsReachTheClient(t *testing.T) {
	conn, db := database(t)
	exec1(t, conn, "CREATE TABLE "+db+".t (a UInt64, b String) ENGINE = MergeTree ORDER BY a")
	set := func(s clickhouse.Settings) context.Context {
		return clickhouse.Context(context.Background(), clickhouse.WithSettings(s))
	}
	plain := context.Background()
	for _, tt := range []struct {
		name, statement string
		ctx             context.Context
		want            int32
	}{
		{"syntax", "SELEC 1", plain, 62},
		{"several statements", "SELECT 1; SELECT 2", plain, 62},
		{"an expression is no statement", "1 + 1", plain, 62},
		{"unknown table", "SELECT * FROM " + db + ".nosuch", plain, 60},
		{"unknown table on insert", "INSERT INTO " + db + ".nosuch VALUES (1)", plain, 60},
		{"unknown database", "SELECT * FROM nosuch.t", plain, 81},
		{"unknown setting", "SELECT 1", set(clickhouse.Settings{"no_such_setting": 1}), 115},
		{"setting that is no name", "SELECT 1", set(clickhouse.Settings{"a = 1, readonly": 1}), 115},
		{"setting of a wrong type", "SELECT 1", set(clickhouse.Settings{"max_threads": "many"}), 27},
		{"missing parameter", "SELECT {x:UInt8}", plain, 456},
		{"thrown at once", "SELECT throwIf(1)", plain, 395},
		{"thrown after results", "SELECT throwIf(number = 5000000) FROM numbers(10000000)", plain, 395},
		{"too slow", "SELECT count() FROM system.numbers WHERE sipHash64(number) = 1", set(clickhouse.Settings{"max_execution_time": 1}), 159},
		{"too many rows", "SELECT number FROM numbers(1000000)", set(clickhouse.Settings{"max_result_rows": 10}), 396},
		{"too much memory", "SELECT groupArray(number) FROM numbers(100000000)", set(clickhouse.Settings{"max_memory_usage": 10 << 20}), 241},
		{"users", "CREATE USER eve", plain, 497},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := drain(tt.ctx, conn, tt.statement)
			if code(err) != tt.want {
				t.Errorf("got %v, want code %d", err, tt.want)
			}
		})
	}
}

// drain runs a query and reads all of its result.
func drain(ctx context.Context, conn driver.Conn, query string) error {
	rows, err := conn.Query(ctx, query)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
	}
	return rows.Err()
}

func TestBadInsertStoresNothing(t *testing.T) {
	_, db := database(t)
	conn := dial(t, clickHouse(t), password)
	exec1(t, conn, "CREATE TABLE "+db+".t (a UInt64) ENGINE = MergeTree ORDER BY a")
	for _, tt := range []struct{ name, statement, body string }{
		{"wrong value", "INSERT INTO " + db + ".t FORMAT CSV", "1\nabc\n"},
		{"cut off block", "INSERT INTO " + db + ".t FORMAT Native", "\x01\x05\x01a\x06UInt64\x00\x00"},
		{"no block at all", "INSERT INTO " + db + ".t FORMAT Native", "hello"},
		{"unknown column", "INSERT INTO " + db + ".t (b) FORMAT CSV", "1\n"},
		{"unknown format", "INSERT INTO " + db + ".t FORMAT Nosuch", "1\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp := post(t, "/?query="+urlEscape(tt.statement), tt.body)
			if resp.StatusCode != http.StatusInternalServerError || resp.Header.Get("X-ClickHouse-Exception-Code") == "" {
				t.Errorf("got %s, code %q, want 500 and a code", resp.Status, resp.Header.Get("X-ClickHouse-Exception-Code"))
			}
		})
	}
	if got := one[uint64](t, context.Background(), conn, "SELECT count() FROM "+db+".t"); got != 0 {
		t.Errorf("the table has %d rows, want 0", got)
	}
}

func TestInsertThatBreaksOffStoresNothing(t *testing.T) {
	conn, db := database(t)
	exec1(t, conn, "CREATE TABLE "+db+".t (a UInt64) ENGINE = MergeTree ORDER BY a")
	for _, rows := range []int{1, 1000, 1 << 20} {
		body, feed := io.Pipe()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
			"http://"+clickHouse(t)+"/?query="+urlEscape("INSERT INTO "+db+".t FORMAT TSV"), body)
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth("default", password)
		done := make(chan error, 1)
		go func() {
			resp, err := http.DefaultClient.Do(req)
			if err == nil {
				_ = resp.Body.Close()
			}
			done <- err
		}()
		if _, err := io.WriteString(feed, strings.Repeat("1\n", rows)); err != nil {
			t.Fatal(err)
		}
		broken := errors.New("broke off")
		_ = feed.CloseWithError(broken)
		if err := <-done; !errors.Is(err, broken) {
			t.Errorf("%d rows: got error %v, want %v", rows, err, broken)
		}
		statementsEnd(t, "INSERT INTO "+db)
		if got := one[uint64](t, context.Background(), conn, "SELECT count() FROM "+db+".t"); got != 0 {
			t.Errorf("%d rows: the table has %d, want 0", rows, got)
		}
	}
}

func TestSameTokenIsStoredOnce(t *testing.T) {
	conn, db := database(t)
	exec1(t, conn, "CREATE TABLE "+db+".t (a UInt64) ENGINE = MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 1000")
	insert := func(token string) {
		t.Helper()
		ctx := clickhouse.Context(context.Background(), clickhouse.WithSettings(clickhouse.Settings{
			"insert_deduplication_token": token, "insert_deduplicate": 1,
		}))
		batch, err := conn.PrepareBatch(ctx, "INSERT INTO "+db+".t (a)")
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(batch.Append(uint64(7)), batch.Send()); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		token string
		want  uint64
	}{{"topic:0:1-5", 1}, {"topic:0:1-5", 1}, {"topic:0:6-9", 2}, {"topic:0:1-5", 2}} {
		insert(tt.token)
		if got := one[uint64](t, context.Background(), conn, "SELECT count() FROM "+db+".t"); got != tt.want {
			t.Errorf("after %s: got %d rows, want %d", tt.token, got, tt.want)
		}
	}
}

func TestLargeValue(t *testing.T) {
	conn, db := database(t)
	exec1(t, conn, "CREATE TABLE "+db+".t (a UInt64, b String) ENGINE = MergeTree ORDER BY a")
	value := strings.Repeat("0123456789abcdef", 20<<20/16)
	batch, err := conn.PrepareBatch(context.Background(), "INSERT INTO "+db+".t")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(batch.Append(uint64(1), value), batch.Send()); err != nil {
		t.Fatal(err)
	}
	exec1(t, conn, "INSERT INTO "+db+".t VALUES (2, '"+value+"')")
	for a := range uint64(2) {
		if got := one[string](t, context.Background(), conn, "SELECT b FROM "+db+".t WHERE a = {a:UInt64}", clickhouse.Named("a", a+1)); got != value {
			t.Errorf("row %d: got %d bytes, want the %d that went in", a+1, len(got), len(value))
		}
	}
}

func TestInsertsAndQueriesAtOnce(t *testing.T) {
	conn, db := database(t)
	exec1(t, conn, "CREATE TABLE "+db+".r "+recordTable)
	const writers, batches, size = 4, 5, 1000
	var writing, reading sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		reading.Go(func() {
			for last := uint64(0); ; {
				got := one[uint64](t, context.Background(), conn, "SELECT count() FROM "+db+".r")
				if got < last || got%size != 0 {
					t.Errorf("saw %d rows after %d: a batch is not atomic", got, last)
					return
				}
				last = got
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for w := range writers {
		writing.Go(func() {
			for b := range batches {
				from := (w*batches + b) * size
				insertRecords(t, conn, db+".r", from, from+size)
			}
		})
	}
	writing.Wait()
	close(stop)
	reading.Wait()
	if got := one[uint64](t, context.Background(), conn, "SELECT uniqExact(id) FROM "+db+".r"); got != writers*batches*size {
		t.Errorf("got %d records, want %d", got, writers*batches*size)
	}
}

// More statements than run at once wait their turn.
func TestManyStatementsAtOnce(t *testing.T) {
	opts := options(clickHouse(t), password)
	opts.MaxOpenConns, opts.MaxIdleConns = 100, 100
	conn, err := clickhouse.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	var all sync.WaitGroup
	for i := range uint64(100) {
		all.Go(func() {
			ctx := clickhouse.Context(context.Background(), clickhouse.WithSettings(clickhouse.Settings{"max_block_size": 1000 + i}))
			var n uint64
			err := conn.QueryRow(ctx, "SELECT toUInt64(getSetting('max_block_size')) + sleep(0.02)").Scan(&n)
			if err != nil || n != 1000+i {
				t.Errorf("statement %d: got %d, %v", i, n, err)
			}
		})
	}
	all.Wait()
}
