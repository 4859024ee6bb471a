package rules

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Options change what Load accepts. The zero Options take the rules of crmwatch's
// own log source, group by anything, and know no tables but those beside the
// rules.
type Options struct {
	// GroupByOneOf are fields of which every correlation must group by at least one,
	// none where any grouping will do. See PersonFields.
	GroupByOneOf []string
	// AnyLogsource makes the rules of every log source apply, not of crmwatch's own
	// only, for rules and records that are somebody else's. Such rules may have any
	// taxonomy, which is then the records', and may lack an id: their name stands
	// for it, or else a hash of what they match.
	AnyLogsource bool
	// Pipelines translate rules that were written for other field names.
	Pipelines []*Pipeline
	// Lookups holds more look-up tables, nil for none. A table replaces the one of
	// its name in the directory "lookups" beside the rules.
	Lookups fs.FS
}

// Load reads all rules in *.yml and *.yaml files of fsys and below, except in
// hidden directories, and the look-up tables in its directory "lookups", and
// compiles them. The error joins a *LoadError for everything that is wrong in any
// file, in the order of files and lines, and then there is no Set: a set of rules
// with holes is not loaded.
func Load(fsys fs.FS, schema Schema, opts Options) (*Set, error) {
	l := loader{
		opts: opts, pipelines: byPriority(opts.Pipelines), byRef: make(map[string]*document),
		rules: make(map[*document]*Rule), resolved: make(map[*document]*resolved),
	}
	l.compiler = compiler{schema: schema, report: l.report}
	if err := l.read(fsys); err != nil {
		return nil, err
	}
	for _, d := range l.docs {
		l.register(d)
	}
	set := l.set()
	if err := l.err(); err != nil {
		return nil, err
	}
	set.predicates = l.compiler.predicates.list
	set.program = link(set.predicates, set.active)
	return set, nil
}

type loader struct {
	opts      Options
	compiler  compiler
	pipelines []*Pipeline // in the order in which they apply
	tables    tables
	docs      []*document
	problems  []*LoadError
	byRef     map[string]*document // by id and name
	rules     map[*document]*Rule
	resolved  map[*document]*resolved // correlations, nil while they are being resolved
}

func (l *loader) report(pos Position, format string, args ...any) {
	l.problems = append(l.problems, &LoadError{Pos: pos, Message: fmt.Sprintf(format, args...)})
}

func (l *loader) err() error {
	slices.SortStableFunc(l.problems, func(a, b *LoadError) int {
		return cmp.Or(cmp.Compare(a.Pos.File, b.Pos.File), cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Column, b.Pos.Column))
	})
	// A filter is compiled for each of its rules, and is wrong for all of them.
	same := func(a, b *LoadError) bool { return *a == *b }
	var errs []error
	for _, p := range slices.CompactFunc(l.problems, same) {
		errs = append(errs, p)
	}
	return errors.Join(errs...)
}

// read parses all files.
func (l *loader) read(fsys fs.FS) error {
	if err := l.readTables(fsys); err != nil {
		return err
	}
	return fs.WalkDir(fsys, ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("read rules: %w", err)
		}
		if d.IsDir() {
			// Kubernetes mounts a ConfigMap's files through hidden directories.
			if file == lookupDir || file != "." && strings.HasPrefix(d.Name(), ".") {
				return fs.SkipDir
			}
			return nil
		}
		if !isYAML(file) {
			return nil
		}
		data, err := fs.ReadFile(fsys, file)
		if err != nil {
			return fmt.Errorf("read rules: %w", err)
		}
		l.parse(file, data)
		return nil
	})
}

func isYAML(file string) bool {
	ext := path.Ext(file)
	return ext == ".yml" || ext == ".yaml"
}

func (l *loader) parse(file string, data []byte) {
	p := parser{file: file, schema: l.compiler.schema, foreign: l.opts.AnyLogsource, problems: &l.problems}
	text := string(data)
	for _, n := range p.documents(data) {
		if doc := p.document(n); doc != nil {
			doc.meta.Sources = []Source{documentAt(file, text, n.Line)}
			l.docs = append(l.docs, doc)
		}
	}
}

// register makes a document known by its id and its name.
func (l *loader) register(d *document) {
	if id := d.meta.ID; id != "" {
		l.registerAs(d, "id", id)
	}
	if name := d.meta.Name; name != "" && name != d.meta.ID {
		l.registerAs(d, "name", name)
	}
}

func (l *loader) registerAs(d *document, what, ref string) {
	if first := l.byRef[ref]; first != nil {
		l.report(d.meta.Pos, "%s %q is taken by the rule at %s", what, ref, first.meta.Pos)
		return
	}
	l.byRef[ref] = d
}

// find gives the document that a reference means, nil where there is none.
func (l *loader) find(ref name, kind string) *document {
	if d := l.lookup(ref.text); d != nil {
		return d
	}
	var known []string
	for k := range l.byRef {
		known = append(known, k)
	}
	slices.Sort(known)
	l.report(ref.pos, "%s refers to %q, but no rule has that id or name%s", kind, ref.text, didYouMean(ref.text, known))
	return nil
}

// lookup gives the document of an id or a name, nil where there is none.
func (l *loader) lookup(ref string) *document {
	if d := l.byRef[ref]; d != nil || !uuid.MatchString(ref) {
		return d
	}
	return l.byRef[strings.ToLower(ref)]
}

// set compiles what was read, rules before what refers to them.
func (l *loader) set() *Set {
	s := &Set{lookups: l.tables.names()}
	for _, d := range l.docs {
		if d.kind == ruleDocument {
			r := l.rule(d)
			r.Index = len(s.rules)
			s.rules = append(s.rules, r)
		}
	}
	for _, d := range l.docs {
		if d.kind == filterDocument {
			l.filter(d)
		}
	}
	for _, d := range l.docs {
		if d.kind == correlationDocument {
			l.correlation(d, &s.correlations)
		}
	}
	l.finish(s)
	return s
}

// rule compiles a detection rule. Rules of other products load, but their
// fields are not crmwatch's, so they are not compiled and never match.
func (l *loader) rule(d *document) *Rule {
	t := l.translate(d)
	d.mapping = t
	r := &Rule{Meta: d.meta, Applies: l.opts.AnyLogsource || t.logsource.own()}
	l.rules[d] = r
	parts := []string{d.logic}
	if d.detection != nil && r.Applies {
		detection, used := l.expand(t.detection(l, d.detection))
		r.program = l.compiler.detection(detection)
		parts = slices.Concat(parts, t.versions(), versionsOf(used))
		r.addSources(sourcesOf(used)...)
		l.checkFields(d, t)
	}
	r.Version = hash(parts...)
	return r
}

// checkFields refuses interesting fields that no event has. It does not make a
// record carry them.
func (l *loader) checkFields(d *document, t *translation) {
	for _, f := range d.fields {
		for _, path := range t.field(f.text) {
			if _, ok := l.compiler.schema.Field(path); !ok {
				l.report(f.pos, "field %q is not known%s", path, didYouMean(path, l.compiler.schema.Paths()))
			}
		}
	}
}

// filter narrows the rules that a filter names: they match only where its
// condition holds, too.
func (l *loader) filter(d *document) {
	if d.detection == nil {
		return
	}
	programs := filterPrograms{loader: l, filter: d, done: make(map[*document]filterProgram)}
	if d.logsource.includes(ownLogsource) {
		programs.of(nil) // finds what is wrong with it, whether or not it has rules
	}
	for _, target := range l.filtered(d) {
		r := l.rules[target]
		r.addSources(d.meta.Sources...)
		if !r.Applies {
			r.Version = hash(r.Version, d.logic)
			continue
		}
		p := programs.of(target)
		r.Version = hash(slices.Concat([]string{r.Version, d.logic}, versionsOf(p.tables))...)
		r.addSources(sourcesOf(p.tables)...)
		r.program = allNode{r.program, p.program}
	}
}

// filterPrograms compiles a filter for rules. Where no pipeline translates rules,
// all of them share one program.
type filterPrograms struct {
	*loader
	filter *document
	done   map[*document]filterProgram
}

type filterProgram struct {
	program node
	tables  []*table
}

func (f *filterPrograms) of(target *document) filterProgram {
	if target == nil || len(f.pipelines) == 0 {
		target = f.filter
	}
	p, ok := f.done[target]
	if !ok {
		detection := f.filter.detection
		if target != f.filter {
			// A filter speaks of the fields that its rules speak of.
			detection = target.mapping.detection(f.loader, detection)
		}
		detection, p.tables = f.expand(detection)
		p.program = f.compiler.detection(detection)
		f.done[target] = p
	}
	return p
}

// filtered lists the rules that a filter is for.
func (l *loader) filtered(d *document) []*document {
	var targets []*document
	if d.filter.any {
		for _, t := range l.docs {
			if t.kind == ruleDocument && d.logsource.includes(t.logsource) {
				targets = append(targets, t)
			}
		}
		return targets
	}
	for _, ref := range d.filter.rules {
		t := l.find(ref, "filter")
		switch {
		case t == nil:
		case t.kind != ruleDocument:
			l.report(ref.pos, "filter refers to %q, which is no detection rule; filters narrow those only", ref.text)
		case !d.logsource.includes(t.logsource):
			l.report(ref.pos, "filter has the log source %s, which does not include %s of the rule %q", d.logsource, t.logsource, ref.text)
		default:
			targets = append(targets, t)
		}
	}
	return targets
}

// finish derives what follows from all rules together.
func (l *loader) finish(s *Set) {
	s.uses, s.keywords = l.compiler.uses, l.compiler.keywords
	var versions []string
	for _, r := range s.rules {
		r.Alerts = r.Alerts || !r.Correlated
		if r.Applies {
			s.active = append(s.active, r)
		}
		versions = append(versions, r.ID+" "+r.Version)
	}
	for _, r := range l.resolved {
		r.Alerts = r.kept || !r.fed
	}
	for i, c := range s.correlations {
		c.Index = i
		versions = append(versions, c.ID+" "+c.Version)
	}
	slices.Sort(versions)
	s.version = hash(versions...)
}
