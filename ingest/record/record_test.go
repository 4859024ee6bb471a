package record

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

type splitter interface{ Next() (Record, error) }

// got writes records down as "line:data" with their problem.
func got(t testing.TB, s splitter) []string {
	t.Helper()
	var all []string
	for {
		rec, err := s.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			return append(all, "error: "+err.Error())
		}
		text := fmt.Sprintf("%d:%s", rec.Line, rec.Data)
		if rec.Problem != "" {
			text += " !" + string(rec.Problem)
		}
		all = append(all, text)
	}
}

func TestCSV(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		want []string
	}{
		"plain":                   {"a,b\nc,d\n", []string{"1:a,b", "2:c,d"}},
		"crlf, no last end":       {"a,b\r\nc,d", []string{"1:a,b", "2:c,d"}},
		"line break in quotes":    {"\"a\nb\",c\nd\n", []string{"1:\"a\nb\",c", "3:d"}},
		"quotes in quotes":        {"\"a\"\"\n\"\"b\"\nc\n", []string{"1:\"a\"\"\n\"\"b\"", "3:c"}},
		"empty lines":             {"\n\na\n\r\n\nb\n", []string{"3:a", "6:b"}},
		"only line ends":          {"\n\r\n\n", nil},
		"nothing":                 {"", nil},
		"empty quoted field":      {"\"\"\n\"\",\"\"\n", []string{"1:\"\"", "2:\"\",\"\""}},
		"quote opened at the end": {"a\nb,\"c\nd\ne\n", []string{"1:a", "2:b,\"c !unterminated_quote", "3:d", "4:e"}},
		"text behind a quote":     {"\"a\"b,c\nd\n", []string{"1:\"a\"b,c !bad_quote", "2:d"}},
		"quote never closed, then quoted rows": {
			"\"a\",\"b\n\"c\",\"d\"\n\"e\",\"f\"\n",
			[]string{"1:\"a\",\"b !bad_quote", "2:\"c\",\"d\"", "3:\"e\",\"f\""},
		},
		"quote inside": {"a\"b,c\nd\n", []string{"1:a\"b,c", "2:d"}},
		"lone return":  {"a\rb\nc\n", []string{"1:a\rb", "2:c"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, got(t, NewCSV(strings.NewReader(c.in), ','))); diff != "" {
				t.Errorf("at once (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.want, got(t, NewCSV(iotest.OneByteReader(strings.NewReader(c.in)), ','))); diff != "" {
				t.Errorf("byte by byte (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	long := strings.Repeat("x", 50)
	limited := func(in string) window { return newWindow(strings.NewReader(in), 20) }
	t.Run("csv line", func(t *testing.T) {
		s := &CSV{w: limited("a\n" + long + "\nb\n"), comma: ','}
		check(t, s, "1:a", "2:"+long[:20]+" !too_large", "3:b")
	})
	t.Run("csv quote over the limit", func(t *testing.T) {
		s := &CSV{w: limited("a,\"b\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\n"), comma: ','}
		want := []string{"1:a,\"b !unterminated_quote"}
		for i, c := range "cdefghijkl" {
			want = append(want, fmt.Sprintf("%d:%c", i+2, c))
		}
		check(t, s, want...)
	})
	t.Run("line", func(t *testing.T) {
		check(t, &Lines{limited(long + "\nb")}, "1:"+long[:20]+" !too_large", "2:b")
	})
	t.Run("line without an end", func(t *testing.T) {
		check(t, &Lines{limited(long)}, "1:"+long[:20]+" !too_large")
	})
	t.Run("value", func(t *testing.T) {
		check(t, &Values{w: limited(`[{"a":"` + long + `"},{"b":1}]`)}, `1:{"a":"`+long[:14]+" !too_large", `1:{"b":1}`)
	})
}

func check(t *testing.T, s splitter, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got(t, s)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// zeros is an endless line that counts what was read of it.
type zeros struct{ left int }

func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), z.left)
	for i := range n {
		p[i] = 'x'
	}
	z.left -= n
	return n, nil
}

func TestAHugeLineIsReadInBoundedMemory(t *testing.T) {
	const size = 100 << 20
	for name, s := range map[string]splitter{
		"lines":  NewLines(&zeros{size}),
		"csv":    NewCSV(&zeros{size}, ','),
		"quoted": NewCSV(io.MultiReader(strings.NewReader(`"`), &zeros{size - 1}), ','),
		"value":  NewValues(io.MultiReader(strings.NewReader(`["`), &zeros{size - 1})),
	} {
		t.Run(name, func(t *testing.T) {
			rec, err := s.Next()
			if err != nil || rec.Problem != TooLarge || rec.Size != size || len(rec.Data) != Limit || cap(rec.Data) > 2*Limit {
				t.Errorf("%d bytes of %d kept (cap %d), problem %q, %v", len(rec.Data), rec.Size, cap(rec.Data), rec.Problem, err)
			}
			if _, err := s.Next(); !errors.Is(err, io.EOF) {
				t.Errorf("then %v", err)
			}
		})
	}
}

func TestValues(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		want []string
	}{
		"array":               {"[{\"a\":1},\n{\"b\":2}]", []string{`1:{"a":1}`, `2:{"b":2}`}},
		"one after the other": {"{\"a\":1}{\"b\":2}\n {\"c\":[1,{}]}", []string{`1:{"a":1}`, `1:{"b":2}`, `2:{"c":[1,{}]}`}},
		"query response":      {`{"totalSize":2,"x":{"records":[9]},"records":[{"a":1},{"b":2}],"more":[1]} {"c":3}`, []string{`1:{"a":1}`, `1:{"b":2}`, `1:{"c":3}`}},
		"no records in it":    {`{"records":3}`, []string{`1:{"records":3}`}},
		"several arrays":      {"[1] [2]", []string{"1:1", "1:2"}},
		"arrays within":       {"[[1,2],[3]]", []string{"1:[1,2]", "1:[3]"}},
		"braces in strings":   {`[{"a":"}]\"{"},2]`, []string{`1:{"a":"}]\"{"}`, "1:2"}},
		"cut":                 {`[{"a":1},{"b":`, []string{`1:{"a":1}`, `1:{"b": !truncated`}},
		"cut in a string":     {`[{"a":"b`, []string{`1:{"a":"b !truncated`}},
		"line break in a string": {
			"[{\"a\":\"b\n\"},\n{\"c\":1}]",
			[]string{"1:{\"a\":\"b\n\"}, !broken", `3:{"c":1}`},
		},
		"scalars":          {"1 true \"x\" null", []string{"1:1", "1:true", `1:"x"`, "1:null"}},
		"closing too many": {"]}{\"a\":1}", []string{"1:]", "1:}", `1:{"a":1}`}},
		"empty":            {" \n ", nil},
		"empty array":      {"[]", nil},
	} {
		t.Run(name, func(t *testing.T) {
			check(t, NewValues(strings.NewReader(c.in)), c.want...)
			check(t, NewValues(iotest.OneByteReader(strings.NewReader(c.in))), c.want...)
		})
	}
}

func TestAReadErrorIsFinal(t *testing.T) {
	broken := errors.New("disk on fire")
	in := func() io.Reader { return io.MultiReader(strings.NewReader("a,b\nc"), iotest.ErrReader(broken)) }
	for _, s := range []splitter{NewCSV(in(), ','), NewLines(in())} {
		check(t, s, "1:a,b", "error: disk on fire")
	}
}

func TestKeys(t *testing.T) {
	for in, want := range map[string][]string{
		`{"a":1,"b":{"c":2},"d":["e",{"f":1}]}`: {"a", "b", "d"},
		` { "a" : "x\"y" , "b" : null }`:        {"a", "b"},
		`{"a":1,"b":"cut off`:                   {"a", "b"},
		`{"a":1,"b`:                             {"a"},
		`{}`:                                    nil, `[1]`: nil, ``: nil, `{`: nil, `{"a"`: nil, `"a"`: nil,
	} {
		var names []string
		for _, k := range AppendKeys(nil, []byte(in)) {
			names = append(names, string(k))
		}
		if !slices.Equal(names, want) {
			t.Errorf("keys of %s are %q, want %q", in, names, want)
		}
	}
}

func TestComplete(t *testing.T) {
	for in, want := range map[string]bool{`{"a":"}"}`: true, ` {} `: true, `{`: false, `{"a":"`: false, `{}{}`: false, `[]`: false, ``: false} {
		if got := Complete([]byte(in)); got != want {
			t.Errorf("Complete(%s) = %v", in, got)
		}
	}
}

// Where encoding/csv finds nothing wrong, it is the oracle.
func FuzzCSV(f *testing.F) {
	for _, s := range []string{"a,b\nc,d\n", "\"a\nb\",c\r\n\r\nd", "\"a\"\"b\"", "\"a", "a\"b", "\"a\"b\n\"c\n", "\r\n\"\r\"", ",\n,,\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		covers(t, data, NewCSV(bytes.NewReader(data), ','))
		theirs := csv.NewReader(bytes.NewReader(data))
		theirs.FieldsPerRecord = -1
		want, err := theirs.ReadAll()
		if err != nil || bytes.Contains(data, []byte("\r")) { // encoding/csv rewrites returns in fields
			return
		}
		var have [][]string
		s := NewCSV(bytes.NewReader(data), ',')
		for {
			rec, err := s.Next()
			if err != nil {
				break
			}
			fields, ok := Fields(nil, string(rec.Data), ',')
			if rec.Problem != "" || !ok {
				t.Fatalf("line %d is refused (%s), encoding/csv reads it", rec.Line, rec.Problem)
			}
			have = append(have, fields)
		}
		if diff := cmp.Diff(want, have); diff != "" {
			t.Fatalf("(-encoding/csv +ours):\n%s", diff)
		}
	})
}

func FuzzLines(f *testing.F) {
	f.Add([]byte("a\n\nb\r\nc"))
	f.Fuzz(func(t *testing.T, data []byte) { covers(t, data, NewLines(bytes.NewReader(data))) })
}

var lineEnd = regexp.MustCompile(`^\r?\n`)

// covers fails where a byte of the input is in no record and is not white space
// between records, or where a line number is wrong.
func covers(t *testing.T, data []byte, s splitter) {
	t.Helper()
	rest := data
	for {
		rec, err := s.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for lineEnd.Match(rest) { // so that a row of white space is not found in one
			rest = rest[len(lineEnd.Find(rest)):]
		}
		i := bytes.Index(rest, rec.Data)
		if i < 0 {
			t.Fatalf("record %q is not in what is left", rec.Data)
		}
		if gap := bytes.TrimSpace(rest[:i]); len(gap) > 0 {
			t.Fatalf("%q is in no record", gap)
		}
		if line := int64(1 + bytes.Count(data[:len(data)-len(rest)+i], newline)); line != rec.Line {
			t.Fatalf("record %q is on line %d, not %d", rec.Data, line, rec.Line)
		}
		rest = rest[i+len(rec.Data):]
	}
	if gap := bytes.TrimSpace(rest); len(gap) > 0 {
		t.Fatalf("%q is in no record", gap)
	}
}

func FuzzValues(f *testing.F) {
	for _, s := range []string{`[{"a":1},{"b":2}]`, `{"records":[1,2],"x":[3]}`, "[{\"a\":\"\n\"},{}]", `]}`, `{"a":"\"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s := NewValues(bytes.NewReader(data))
		for n := 0; ; n++ {
			rec, err := s.Next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil || len(rec.Data) == 0 || n > len(data) {
				t.Fatalf("record %d of %d bytes, %v", n, len(rec.Data), err)
			}
			if !bytes.Contains(data, rec.Data) {
				t.Fatalf("%q is not in the input", rec.Data)
			}
		}
	})
}
