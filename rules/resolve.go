package rules

import (
	"fmt"
	"slices"
	"strings"
)

// resolved is a correlation whose references were followed.
type resolved struct {
	*Correlation
	// person says of each name in GroupBy whether it is one of GroupByOneOf in every
	// input.
	person []bool
	// fed says that another correlation measures it, kept that one of those says
	// "generate: true".
	fed, kept bool
}

// correlation resolves a correlation after those that it refers to, and adds all
// of them to list.
func (l *loader) correlation(d *document, list *[]*Correlation) *resolved {
	if r, begun := l.resolved[d]; begun {
		return r
	}
	l.resolved[d] = nil
	doc := d.corr
	r := &resolved{Correlation: &Correlation{
		Meta: d.meta, Type: doc.typ, Timespan: doc.timespan, Bounds: doc.bounds, Percentile: doc.percentile,
		Generate: doc.generate, GroupBy: texts(doc.groupBy), FieldNames: texts(doc.fields),
	}}
	res := resolver{loader: l, doc: doc, corr: r, list: list}
	res.inputs()
	res.condition()
	res.checkAliases()
	for i := range r.Inputs {
		res.fields(i)
	}
	res.checkGroups()
	r.Version = res.version(d.logic)
	l.resolved[d] = r
	*list = append(*list, r.Correlation)
	return r
}

func texts(names []name) []string {
	var list []string
	for _, n := range names {
		list = append(list, n.text)
	}
	return list
}

// resolver follows the references of one correlation.
type resolver struct {
	*loader
	doc  *correlationDoc
	corr *resolved
	list *[]*Correlation
	// docs are the documents of the inputs, words what names them in a condition in
	// words.
	docs  []*document
	words map[string]int
	// located are the fields of all inputs, for the version.
	located []string
}

// inputs finds what the correlation measures: its rules, or where it names none,
// those of its condition in words.
func (r *resolver) inputs() {
	refs := r.doc.rules
	if len(refs) == 0 && r.doc.words != nil {
		for _, n := range namesIn(r.doc.words) {
			refs = append(refs, name{n, r.doc.wordsPos})
		}
	}
	if len(refs) > MaxInputs {
		r.report(refs[MaxInputs].pos, "correlation refers to %d rules; at most %d can be measured together", len(refs), MaxInputs)
		return
	}
	for _, ref := range refs {
		d := r.find(ref, "correlation")
		if d != nil && slices.Contains(r.docs, d) {
			r.report(ref.pos, "correlation refers to the rule %q twice", ref.text)
			continue
		}
		if in, ok := r.input(ref, d); ok {
			r.corr.Inputs = append(r.corr.Inputs, in)
			r.corr.addSources(in.meta().Sources...)
			r.docs = append(r.docs, d)
		}
	}
}

// input makes an input of what a reference means.
func (r *resolver) input(ref name, d *document) (in Input, ok bool) {
	switch {
	case d == nil:
	case d.kind == correlationDocument:
		return r.inner(ref, d)
	case d.kind == filterDocument:
		r.report(ref.pos, "correlation refers to %q, which is a filter", ref.text)
	case !r.rules[d].Applies:
		r.report(ref.pos, "correlation refers to %q, which is no rule for product crm and never matches", ref.text)
	default:
		rule := r.rules[d]
		rule.Correlated = true
		rule.Alerts = rule.Alerts || r.doc.generate
		return Input{Rule: rule}, true
	}
	return Input{}, false
}

// inner resolves a correlation that this one measures.
func (r *resolver) inner(ref name, d *document) (in Input, ok bool) {
	if begun, ok := r.resolved[d]; ok && begun == nil {
		r.report(ref.pos, "correlation refers to %q, which refers back to it; a chain must have an end", ref.text)
		return Input{}, false
	}
	c := r.correlation(d, r.list)
	c.fed, c.kept = true, c.kept || r.doc.generate
	return Input{Correlation: c.Correlation}, true
}

// condition makes clauses of a condition in words, or gives a temporal rule the
// condition that it has where none is written.
func (r *resolver) condition() {
	doc := r.doc
	switch {
	case doc.words != nil:
		r.clauses()
	case doc.typ.temporal() && len(doc.bounds) == 0:
		r.corr.Bounds = []Bound{{GTE, float64(len(r.corr.Inputs))}}
	}
}

func (r *resolver) clauses() {
	if !r.nameInputs() {
		return
	}
	clauses, err := clausesOf(r.doc.words, r.words)
	if err != nil {
		r.report(r.doc.wordsPos, "%v", err)
	}
	r.corr.Clauses = clauses
}

// nameInputs finds which input each name in the condition is. They must be the
// same rules that the correlation lists, so that none is listed for nothing.
func (r *resolver) nameInputs() bool {
	r.words = make(map[string]int)
	named, ok := make([]bool, len(r.docs)), len(r.docs) > 0
	for _, n := range namesIn(r.doc.words) {
		i := slices.Index(r.docs, r.lookup(n))
		if i < 0 {
			if ok = false; len(r.doc.rules) > 0 {
				r.report(r.doc.wordsPos, "condition names %q, which is not among the correlation's rules%s", n, didYouMean(n, texts(r.doc.rules)))
			}
			continue
		}
		r.words[n], named[i] = i, true
	}
	for i, is := range named {
		if !is && len(r.docs) == len(r.doc.rules) {
			r.report(r.doc.wordsPos, "condition does not name %q, which is among the correlation's rules; take it out there, or say what it is for", r.doc.rules[i].text)
		}
	}
	return ok
}

// checkAliases refuses aliases that stand for nothing.
func (r *resolver) checkAliases() {
	used := slices.Concat(r.corr.GroupBy, r.corr.FieldNames)
	for _, a := range r.doc.aliases {
		if !slices.Contains(used, a.text) {
			r.report(a.pos, "alias %q is used neither in group-by nor as the condition's field; take it out", a.text)
		}
		var seen []*document
		for _, f := range a.fields {
			d := r.find(f.rule, "alias")
			switch {
			case d == nil:
			case !slices.Contains(r.docs, d):
				r.report(f.rule.pos, "alias %q has a field for %q, which is not among the correlation's rules", a.text, f.rule.text)
			case slices.Contains(seen, d):
				r.report(f.rule.pos, "alias %q has two fields for the rule %q", a.text, f.rule.text)
			}
			seen = append(seen, d)
		}
	}
}

// fields finds the fields of input i.
func (r *resolver) fields(i int) {
	in := &r.corr.Inputs[i]
	for g, n := range r.doc.groupBy {
		f, person := r.locate(i, n, "group-by")
		in.GroupBy = append(in.GroupBy, f)
		if i == 0 {
			r.corr.person = append(r.corr.person, true)
		}
		r.corr.person[g] = r.corr.person[g] && person
	}
	for _, n := range r.doc.fields {
		f, _ := r.locate(i, n, "condition")
		in.Values = append(in.Values, f)
	}
}

// locate finds the field that a name means in input i, and whether it is a
// person's. What has mistakes counts as one, so that they are not said twice.
func (r *resolver) locate(i int, n name, what string) (f Field, person bool) {
	target, aliased := r.unalias(i, n)
	if inner := r.corr.Inputs[i].Correlation; inner != nil {
		return r.carried(r.resolved[r.docs[i]], target, what)
	}
	paths := r.docs[i].mapping.field(target.text)
	if len(paths) != 1 {
		r.report(target.pos, "%s has the field %q, which a pipeline maps to %s; a correlation needs one field", what, target.text, strings.Join(paths, " and "))
		return 0, true
	}
	path := paths[0]
	_, known := r.compiler.schema.Field(path)
	if !known && !aliased && r.doc.alias(n.text) != nil {
		r.report(n.pos, "alias %q says nothing of the rule %q, and no field has that name; add the rule's field to the alias", n.text, r.corr.Inputs[i].Rule.Name)
		return 0, true
	}
	r.located = append(r.located, path)
	f = r.compiler.field(path, target.pos)
	return f, !known || slices.Contains(r.opts.GroupByOneOf, path)
}

// unalias gives the name that the alias has in input i; itself where n is no
// alias, or one that says nothing of that input.
func (r *resolver) unalias(i int, n name) (target name, aliased bool) {
	if a := r.doc.alias(n.text); a != nil {
		for _, f := range a.fields {
			if d := r.lookup(f.rule.text); d == r.docs[i] {
				return f.field, true
			}
		}
	}
	return n, false
}

func (c *correlationDoc) alias(text string) *alias {
	for i := range c.aliases {
		if c.aliases[i].text == text {
			return &c.aliases[i]
		}
	}
	return nil
}

// carried finds a name among what an inner correlation groups by: nothing else is
// left of the events that it measured.
func (r *resolver) carried(inner *resolved, n name, what string) (f Field, person bool) {
	i := slices.Index(inner.GroupBy, n.text)
	if i < 0 {
		r.report(n.pos, "%s has %q, which the correlation %q does not carry: its group-by has %s", what, n.text, inner.Name, listed(inner.GroupBy))
		return 0, true
	}
	r.located = append(r.located, n.text)
	// The fields of an inner correlation that has mistakes are not all found.
	return Field(i), i >= len(inner.person) || inner.person[i]
}

func listed(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, ", ")
}

// checkGroups refuses groups that reach over what meets in one place.
func (r *resolver) checkGroups() {
	oneOf := r.opts.GroupByOneOf
	switch {
	case len(oneOf) == 0 || slices.Contains(r.corr.person, true):
	case len(r.doc.groupBy) == 0 && r.doc.badGroups, r.doc.typ == "" && len(r.doc.rules) == 0: // was said to be wrong
	case len(r.doc.groupBy) == 0:
		r.report(r.doc.pos, "correlation has no \"group-by\"; name one of %s", strings.Join(oneOf, ", "))
	case len(r.corr.Inputs) > 0:
		r.report(r.doc.groupBy[0].pos, "group-by must name one of %s, because events are partitioned by person and only what one person did meets in one place", strings.Join(oneOf, ", "))
	}
}

// version is a hash of what the correlation finds.
func (r *resolver) version(logic string) string {
	parts := []string{logic}
	for _, in := range r.corr.Inputs {
		parts = append(parts, in.meta().Version)
	}
	if len(r.corr.Clauses) > 0 {
		parts = append(parts, fmt.Sprint(r.corr.Clauses))
	}
	// Without aliases and pipelines the names that stand in logic say it all.
	if len(r.doc.aliases) > 0 || len(r.pipelines) > 0 {
		parts = append(parts, r.located...)
	}
	return hash(parts...)
}
