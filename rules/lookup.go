package rules

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// lookupDir is the directory of the look-up tables beside the rules.
const lookupDir = "lookups"

// table is a list of texts that a placeholder stands for.
type table struct {
	values []string
	pos    Position
	source Source
}

// version is a hash of the texts, in whatever order.
func (t *table) version() string { return hash(slices.Sorted(slices.Values(t.values))...) }

func versionsOf(used []*table) (versions []string) {
	for _, t := range used {
		versions = append(versions, t.version())
	}
	return versions
}

func sourcesOf(used []*table) (sources []Source) {
	for _, t := range used {
		sources = append(sources, t.source)
	}
	return sources
}

type tables map[string]*table

func (t tables) names() []string { return slices.Sorted(maps.Keys(t)) }

// readTables reads the tables beside the rules, and those of the options in place
// of them.
func (l *loader) readTables(fsys fs.FS) error {
	l.tables = make(tables)
	if _, err := fs.Stat(fsys, lookupDir); err == nil {
		if err := l.readTablesIn(fsys, lookupDir); err != nil {
			return err
		}
	}
	if l.opts.Lookups == nil {
		return nil
	}
	return l.readTablesIn(l.opts.Lookups, ".")
}

func (l *loader) readTablesIn(fsys fs.FS, dir string) error {
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return fmt.Errorf("read look-up tables: %w", err)
	}
	read := make(tables) // of this directory, in which no name may be there twice
	for _, e := range entries {
		file := path.Join(dir, e.Name())
		if e.IsDir() || !isYAML(file) && path.Ext(file) != ".csv" {
			continue
		}
		data, err := fs.ReadFile(fsys, file)
		if err != nil {
			return fmt.Errorf("read look-up tables: %w", err)
		}
		r := tableReader{parser{file: file, problems: &l.problems}, read, Source{file, 1, string(data)}}
		r.read(data)
	}
	maps.Copy(l.tables, read)
	return nil
}

// tableReader reads the tables of one file.
type tableReader struct {
	parser
	tables tables
	source Source
}

func (r *tableReader) read(data []byte) {
	if isYAML(r.file) {
		r.readYAML(data)
	} else {
		r.readCSV(data)
	}
}

// base is the file's name, which is its first table's.
func (r *tableReader) base() string {
	return strings.TrimSuffix(path.Base(r.file), path.Ext(r.file))
}

var tableName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)

// add makes a new table, nil where its name cannot be.
func (r *tableReader) add(name string, pos Position) *table {
	switch first := r.tables[name]; {
	case !tableName.MatchString(name):
		r.problemAt(pos, "look-up table has the name %q; names are made of letters, digits, _ - and .", name)
		return nil
	case first != nil:
		r.problemAt(pos, "look-up table %q is there already, at %s", name, first.pos)
		return nil
	}
	t := &table{pos: pos, source: r.source}
	r.tables[name] = t
	return t
}

// readYAML reads a list of texts, or a map of names to such lists.
func (r *tableReader) readYAML(data []byte) {
	docs := r.documents(data)
	if len(docs) == 0 {
		r.problemAt(Position{File: r.file, Line: 1, Column: 1}, "look-up table is empty; write [] for a table without values")
		return
	}
	for _, n := range docs[1:] {
		r.problem(n, "look-up file has more than one document; write one map of names and lists")
	}
	n := docs[0]
	if n.Kind == yaml.SequenceNode {
		r.list(r.base(), n, r.position(n))
		return
	}
	if n.Kind != yaml.MappingNode {
		r.problem(n, "look-up table must be a list of texts, or a map of names and lists")
		return
	}
	for _, e := range r.mapping(n, "look-up file") {
		if e.v.Kind != yaml.SequenceNode {
			r.problem(e.v, "look-up table %q must be a list of texts", e.key)
			continue
		}
		r.list(e.key, e.v, r.position(e.keyNode))
	}
}

func (r *tableReader) list(name string, n *yaml.Node, pos Position) {
	t := r.add(name, pos)
	if t == nil {
		return
	}
	what := fmt.Sprintf("entry of the look-up table %q", name)
	for _, c := range n.Content {
		l, ok := r.literal(c, what)
		if ok && l.text == "" {
			r.problem(c, "%s is empty; take it out", what)
			ok = false
		}
		if ok {
			t.values = append(t.values, l.text)
		}
	}
	t.unique()
}

// unique drops repetitions, so that they cost nothing.
func (t *table) unique() {
	seen := make(map[string]bool, len(t.values))
	t.values = slices.DeleteFunc(t.values, func(s string) bool {
		again := seen[s]
		seen[s] = true
		return again
	})
}

// readCSV makes a table of each column: the first has the file's name, the others
// "file.column".
func (r *tableReader) readCSV(data []byte) {
	dec := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(data, []byte("\xEF\xBB\xBF"))))
	dec.TrimLeadingSpace = true
	header, err := dec.Read()
	if errors.Is(err, io.EOF) {
		r.problemAt(Position{File: r.file, Line: 1, Column: 1}, "look-up table is empty; its first row names the columns")
	}
	if err != nil {
		r.csvError(err)
		return
	}
	columns := make([]*table, len(header))
	for i, title := range header {
		line, column := dec.FieldPos(i)
		name := r.base()
		if i > 0 {
			name += "." + strings.TrimSpace(title)
		}
		columns[i] = r.add(name, Position{r.file, line, column})
	}
	for {
		row, err := dec.Read()
		if err != nil {
			r.csvError(err)
			break
		}
		for i, cell := range row {
			// An empty cell is a column that is shorter than the others.
			if cell = strings.TrimSpace(cell); cell != "" && columns[i] != nil {
				columns[i].values = append(columns[i].values, cell)
			}
		}
	}
	for _, t := range columns {
		if t != nil {
			t.unique()
		}
	}
}

func (r *tableReader) csvError(err error) {
	var bad *csv.ParseError
	if !errors.As(err, &bad) {
		return // the end
	}
	pos := Position{r.file, bad.Line, bad.Column}
	if errors.Is(err, csv.ErrFieldCount) {
		r.problemAt(pos, "row has not as many cells as the header; separate cells by commas, and quote a text that has one")
		return
	}
	r.problemAt(pos, "is not CSV: %v", bad.Err)
}

// maxExpanded is how many values one item may have once its placeholders are
// filled in.
const maxExpanded = 100_000

// expand fills in the placeholders of a detection, and gives the tables that they
// took.
func (l *loader) expand(d *detection) (*detection, []*table) {
	e := expander{loader: l, used: make(map[string]bool)}
	d = d.rewrite(func(it item) search {
		if it.mods.expand {
			it = e.item(it)
		}
		return it
	})
	var used []*table
	for _, name := range slices.Sorted(maps.Keys(e.used)) {
		used = append(used, e.tables[name])
	}
	return d, used
}

type expander struct {
	*loader
	used map[string]bool // tables by name
}

// item fills in the placeholders of one item. With all, a table without values
// would leave an item that holds for everything.
func (e *expander) item(it item) item {
	var values []literal
	placeholders := 0
	for _, l := range it.values {
		if l.kind != textLiteral {
			values = append(values, l)
			continue
		}
		parts := splitPlaceholders(it.mods.tokens(l.text))
		placeholders += len(parts) / 2
		for _, text := range e.combine(&it, l, parts) {
			values = append(values, literal{text: text, pos: l.pos})
		}
	}
	switch {
	case placeholders == 0:
		e.report(it.pos, "%s has the modifier \"expand\", but no placeholder; write the name of a look-up table as %%name%%", it.what())
	case len(values) == 0 && it.mods.all:
		e.report(it.pos, "%s has no values, because the look-up table is empty, and with \"all\" it would match everything; take \"all\" out", it.what())
	case len(values) > maxExpanded:
		e.report(it.pos, "%s has more than %d values once its placeholders are filled in; use smaller look-up tables", it.what(), maxExpanded)
		values = nil
	}
	it.values = values
	return it
}

// tokens reads a value as its modifier does: wildcards and escapes are those of
// texts only.
func (m *modifiers) tokens(text string) []token {
	if m.compare == "re" || m.compare == "cidr" {
		return plainTokens(text)
	}
	return parseString(text)
}

// written is the opposite of tokens.
func (m *modifiers) written(tokens []token) string {
	raw := m.compare == "re" || m.compare == "cidr"
	var b strings.Builder
	for _, t := range tokens {
		switch {
		case t == anyRun:
			b.WriteByte('*')
		case t == anyOne:
			b.WriteByte('?')
		case !raw && strings.ContainsRune(`*?\`, rune(t)):
			b.WriteByte('\\')
			fallthrough
		default:
			b.WriteRune(rune(t))
		}
	}
	return b.String()
}

// inserted is a table's text as it stands in a value. It is taken literally: a
// wildcard in it is a character.
func (m *modifiers) inserted(value string) string {
	if m.compare == "re" {
		return regexp.QuoteMeta(value)
	}
	return m.written(plainTokens(value))
}

// splitPlaceholders splits a value into the tokens between placeholders and the
// names in them, in turn: there is always one more of the former. As in pySigma, a
// backslash makes the percent sign after it literal.
func splitPlaceholders(tokens []token) [][]token {
	parts := [][]token{nil}
	text := func(t ...token) { parts[len(parts)-1] = append(parts[len(parts)-1], t...) }
	for i := 0; i < len(tokens); i++ {
		switch {
		case tokens[i] == '\\' && i+1 < len(tokens) && tokens[i+1] == '%':
			i++
			text('%')
		case tokens[i] == '%' && placeholderEnd(tokens[i+1:]) > 0:
			n := placeholderEnd(tokens[i+1:])
			parts = append(parts, tokens[i+1:i+1+n], nil)
			i += n + 1
		default:
			text(tokens[i])
		}
	}
	return parts
}

// placeholderEnd is the length of the name that ends at the next percent sign, 0
// where there is none.
func placeholderEnd(tokens []token) int {
	for i, t := range tokens {
		if t == '%' {
			return i
		}
		if t < 0 || !tableName.MatchString("_"+string(rune(t))) {
			return 0
		}
	}
	return 0
}

// combine gives all texts that a value stands for: every combination of what its
// placeholders do.
func (e *expander) combine(it *item, l literal, parts [][]token) []string {
	texts := []string{it.mods.written(parts[0])}
	for i := 1; i < len(parts); i += 2 {
		t := e.table(it, l, parts[i])
		if t == nil {
			return nil
		}
		if len(texts)*len(t.values) > maxExpanded {
			e.report(l.pos, "value of %s stands for %d texts or more; use fewer placeholders or smaller look-up tables", it.what(), maxExpanded)
			return nil
		}
		after := it.mods.written(parts[i+1])
		next := make([]string, 0, len(texts)*len(t.values))
		for _, text := range texts {
			for _, v := range t.values {
				next = append(next, text+it.mods.inserted(v)+after)
			}
		}
		texts = next
	}
	return texts
}

func (e *expander) table(it *item, l literal, tokens []token) *table {
	name, _ := plainText(tokens)
	t := e.tables[name]
	if t == nil {
		e.report(l.pos, "value of %s has the placeholder %%%s%%, but there is no look-up table of that name%s", it.what(), name, remedyForTable(name, e.tables.names()))
		return nil
	}
	e.used[name] = true
	return t
}

func remedyForTable(name string, known []string) string {
	if near := didYouMean(name, known); near != "" {
		return near
	}
	return fmt.Sprintf("; write it as %s/%s.csv, or write \\%% for a percent sign", lookupDir, name)
}
