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

// Load reads all rules in *.yml and *.yaml files of fsys and below, except in
// hidden directories, and compiles them. The error joins a *LoadError for
// everything that is wrong in any file, in the order of files and lines, and then
// there is no Set: a set of rules with holes is not loaded.
func Load(fsys fs.FS, schema Schema) (*Set, error) {
	l := loader{byRef: make(map[string]*document), rules: make(map[*document]*Rule)}
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
	return set, nil
}

type loader struct {
	compiler compiler
	docs     []*document
	problems []*LoadError
	byRef    map[string]*document // by id and name
	rules    map[*document]*Rule
}

func (l *loader) report(pos Position, format string, args ...any) {
	l.problems = append(l.problems, &LoadError{Pos: pos, Message: fmt.Sprintf(format, args...)})
}

func (l *loader) err() error {
	slices.SortStableFunc(l.problems, func(a, b *LoadError) int {
		return cmp.Or(cmp.Compare(a.Pos.File, b.Pos.File), cmp.Compare(a.Pos.Line, b.Pos.Line))
	})
	var errs []error
	for _, p := range l.problems {
		errs = append(errs, p)
	}
	return errors.Join(errs...)
}

// read parses all files.
func (l *loader) read(fsys fs.FS) error {
	return fs.WalkDir(fsys, ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("read rules: %w", err)
		}
		if d.IsDir() {
			// Kubernetes mounts a ConfigMap's files through hidden directories.
			if file != "." && strings.HasPrefix(d.Name(), ".") {
				return fs.SkipDir
			}
			return nil
		}
		if ext := path.Ext(file); ext != ".yml" && ext != ".yaml" {
			return nil
		}
		data, err := fs.ReadFile(fsys, file)
		if err != nil {
			return fmt.Errorf("read rules: %w", err)
		}
		p := parser{file: file, schema: l.compiler.schema, problems: &l.problems}
		for _, n := range p.documents(data) {
			if doc := p.document(n); doc != nil {
				l.docs = append(l.docs, doc)
			}
		}
		return nil
	})
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
	if d := l.byRef[ref.text]; d != nil {
		return d
	}
	if d := l.byRef[strings.ToLower(ref.text)]; d != nil && uuid.MatchString(ref.text) {
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

// set compiles what was read, rules before what refers to them.
func (l *loader) set() *Set {
	s := &Set{}
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
			c := l.correlation(d)
			c.Index = len(s.correlations)
			s.correlations = append(s.correlations, c)
		}
	}
	l.finish(s)
	return s
}

// rule compiles a detection rule. Rules of other products load, but their
// fields are not crmwatch's, so they are not compiled and never match.
func (l *loader) rule(d *document) *Rule {
	r := &Rule{Meta: d.meta, Applies: d.logsource.own()}
	r.Version = hash(d.logic)
	l.rules[d] = r
	if d.detection != nil && r.Applies {
		r.program = l.compiler.detection(d.detection)
		for _, f := range d.fields {
			l.compiler.field(f.text, f.pos)
		}
	}
	return r
}

// filter narrows the rules that a filter names: they match only where its
// condition holds, too.
func (l *loader) filter(d *document) {
	if d.detection == nil {
		return
	}
	var program node
	if d.logsource.includes(ownLogsource) {
		program = l.compiler.detection(d.detection)
	}
	for _, target := range l.filtered(d) {
		r := l.rules[target]
		r.Version = hash(r.Version, d.logic)
		if r.Applies && program != nil {
			r.program = allNode{r.program, program}
		}
	}
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

// correlation resolves what a correlation refers to.
func (l *loader) correlation(d *document) *Correlation {
	doc := d.corr
	c := &Correlation{Meta: d.meta, Type: doc.typ, Timespan: doc.timespan, Bounds: doc.bounds, Generate: doc.generate, Alerts: true}
	var in Input
	for _, g := range doc.groupBy {
		in.GroupBy = append(in.GroupBy, l.compiler.field(g.text, g.pos))
		c.GroupBy = append(c.GroupBy, g.text)
	}
	if doc.field != nil && doc.field.text != "" {
		c.FieldNames = []string{doc.field.text}
		in.Values = []Field{l.compiler.field(doc.field.text, doc.field.pos)}
	}
	versions := []string{d.logic}
	for _, ref := range doc.rules {
		in.Rule = l.correlated(ref)
		switch {
		case in.Rule == nil:
		case slices.ContainsFunc(c.Inputs, func(i Input) bool { return i.Rule == in.Rule }):
			l.report(ref.pos, "correlation refers to the rule %q twice", ref.text)
		default:
			in.Rule.Correlated = true
			in.Rule.Alerts = in.Rule.Alerts || c.Generate
			c.Inputs = append(c.Inputs, in)
			versions = append(versions, in.Rule.Version)
		}
	}
	c.Version = hash(versions...)
	return c
}

// correlated finds a rule that a correlation refers to.
func (l *loader) correlated(ref name) *Rule {
	d := l.find(ref, "correlation")
	switch {
	case d == nil:
		return nil
	case d.kind == correlationDocument:
		l.report(ref.pos, "correlation refers to the correlation %q; chains are not supported yet", ref.text)
	case d.kind == filterDocument:
		l.report(ref.pos, "correlation refers to %q, which is a filter", ref.text)
	case !d.logsource.own():
		l.report(ref.pos, "correlation refers to %q, which is no rule for product crm and never matches", ref.text)
	}
	return l.rules[d]
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
	for _, c := range s.correlations {
		versions = append(versions, c.ID+" "+c.Version)
	}
	slices.Sort(versions)
	s.version = hash(versions...)
}
