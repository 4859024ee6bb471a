package window_test

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"pgregory.net/rapid"

	"github.com/crmwatch/crmwatch/detect/window"
	"github.com/crmwatch/crmwatch/rules"
)

// told is an alert as it was told, the events in their order.
type told struct {
	group               string
	first, last         int64
	value, uncertainty  float64
	events              []int
	revision            int
	closed, withdrawn   bool
	replaces            []int64
	replacedBy          int64
	rule                string
	begin               int64
	absorbed, remaining int
}

func (a told) String() string {
	return fmt.Sprintf("%s rev %d closed %v withdrawn %v by %d, takes %v: %s", a.rule, a.revision, a.closed, a.withdrawn, a.replacedBy, a.replaces, alertLine(a.group, a.first, a.last, a.value, a.events))
}

// watch is an engine with all that it has told.
type watch struct {
	*window.Engine[int]
	set     *rules.Set
	matcher *rules.Matcher
	told    []told
	clock   int64
}

func load(t failer, docs string) *rules.Set {
	t.Helper()
	set, err := rules.Load(fstest.MapFS{"r.yml": {Data: []byte(docs)}}, caseFields, rules.Options{})
	if err != nil {
		t.Fatalf("%v\n%s", err, docs)
	}
	return set
}

type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

func newWatch(set *rules.Set, cfg window.Config[int]) *watch {
	w := &watch{set: set, matcher: set.Matcher(), clock: -1 << 40}
	if cfg.Compare == nil {
		cfg.Compare = cmp.Compare[int]
	}
	cfg.Emit = func(a *window.Alert[int]) { w.told = append(w.told, tellOf(a)) }
	cfg.Absorb = func(sum any, id int) any {
		ids, _ := sum.([]int)
		return append(slices.Clone(ids), id)
	}
	cfg.Recall = func(data []byte) (any, error) {
		var ids []int
		err := window.Decode(data, &ids)
		return ids, err
	}
	w.Engine = window.New(cfg, set, 1)
	return w
}

func tellOf(a *window.Alert[int]) told {
	old, _ := a.Absorbed.([]int)
	events := slices.Concat(old, a.Events)
	slices.Sort(events)
	return told{
		group: strings.Join(a.Group.Values, ","), first: a.First / 1000, last: a.Last / 1000, value: a.Measured, uncertainty: a.Uncertainty,
		events: slices.Compact(events), revision: a.Revision, closed: a.Closed, withdrawn: a.Withdrawn, rule: a.Meta.Title,
		replaces: seconds(a.Replaces), replacedBy: a.ReplacedBy / 1000, begin: a.Begin / 1000, absorbed: len(old), remaining: len(a.Events),
	}
}

func seconds(ms []int64) (s []int64) {
	for _, t := range ms {
		s = append(s, t/1000)
	}
	return s
}

func (w *watch) take(s sample) {
	rec := s.record()
	for _, r := range w.matcher.Match(rec) {
		w.Match(r, rec, "t", s.at*1000, s.id)
	}
}

// advance moves the watermark, which never goes back.
func (w *watch) advance(to int64) {
	w.clock = max(w.clock, to)
	w.Advance(w.clock * 1000)
}

// standing are the alerts that were not withdrawn, in their last revision.
func (w *watch) standing() (lines []string) {
	last := map[[3]string]told{}
	for _, a := range w.told {
		last[[3]string{a.rule, a.group, fmt.Sprint(a.first)}] = a
	}
	for _, a := range last {
		if !a.withdrawn {
			lines = append(lines, alertLine(a.group, a.first, a.last, a.value, a.events))
		}
	}
	slices.Sort(lines)
	return lines
}

// checkRevisions checks that what tells an alert's revisions apart is good: they
// count from 0, one by one, and the last closes the alert.
func (w *watch) checkRevisions(t *rapid.T) {
	last := map[[3]string]told{}
	for _, a := range w.told {
		key := [3]string{a.rule, a.group, fmt.Sprint(a.first)}
		before, known := last[key]
		if known && a.revision != before.revision+1 || !known && a.revision != 0 {
			t.Fatalf("%v\nfollows\n%v\nin\n%s", a, before, strings.Join(lines(w.told), "\n"))
		}
		last[key] = a
	}
	for _, a := range last {
		if !a.closed {
			t.Fatalf("still open: %v", a)
		}
		if by, ok := last[[3]string{a.rule, a.group, fmt.Sprint(a.replacedBy)}]; a.replacedBy != 0 && (!ok || a.first < by.first) {
			t.Fatalf("%v\nis replaced by what nobody was told of", a)
		}
	}
}

// check is rapid.Check with more tries: what they cost is little, and what they
// look for is rare.
func check(t *testing.T, property func(*rapid.T)) {
	t.Helper()
	for i := range 10 {
		t.Run(fmt.Sprint(i), rapid.MakeCheck(property))
	}
}

// questions draws a correlation of any type.
func questions(t *rapid.T) question {
	q := question{
		kind: rapid.SampledFrom([]rules.Type{
			rules.EventCount, rules.ValueCount, rules.ValueSum, rules.ValueAvg, rules.ValueMedian, rules.ValuePercentile, rules.Temporal, rules.TemporalOrdered,
		}).Draw(t, "type"),
		inputs: rapid.SampledFrom([]string{"a", "ab", "abc"}).Draw(t, "inputs"),
		span:   rapid.Int64Range(1, 12).Draw(t, "span"),
	}
	if rapid.Bool().Draw(t, "suppresses") {
		q.suppress = rapid.Int64Range(1, 30).Draw(t, "suppress")
	}
	ops := []rules.Op{rules.GT, rules.GTE, rules.LT, rules.LTE, rules.EQ, rules.NEQ}
	switch q.kind {
	case rules.Temporal, rules.TemporalOrdered:
		q.inputs = rapid.SampledFrom([]string{"ab", "abc"}).Draw(t, "temporal inputs")
		if q.kind == rules.TemporalOrdered {
			break
		}
		switch rapid.IntRange(0, 5).Draw(t, "condition") {
		case 0:
			q.op, q.limit = rapid.SampledFrom([]rules.Op{rules.GTE, rules.LT, rules.EQ, rules.NEQ}).Draw(t, "op"), 2
		case 1:
			q.inputs, q.words, q.clauses = "ab", "ra and not rb", [][2]string{{"a", "b"}}
		case 2:
			q.inputs, q.words, q.clauses = "abc", "ra and rb or rc", [][2]string{{"ab", ""}, {"c", ""}}
		case 3:
			q.inputs, q.words, q.clauses = "abc", "ra and (rb or not rc)", [][2]string{{"ab", ""}, {"a", "c"}}
		}
	case rules.ValuePercentile:
		q.percent = float64(rapid.SampledFrom([]int{0, 10, 50, 90, 99, 100}).Draw(t, "percentile"))
		fallthrough
	default:
		q.op, q.limit = rapid.SampledFrom(ops).Draw(t, "op"), float64(rapid.IntRange(1, 6).Draw(t, "limit"))
	}
	if q.op == rules.LT {
		q.limit = max(q.limit, 2) // less than one never holds
	}
	return q
}

func someSamples(t *rapid.T) (samples []sample) {
	n := rapid.IntRange(1, 25).Draw(t, "n")
	within := rapid.Int64Range(0, 60).Draw(t, "within")
	xs := []string{"", "1", "2", "3", "-4", "2.5"}
	for id := range n {
		samples = append(samples, sample{
			id: id, at: rapid.Int64Range(0, within).Draw(t, "at") + 100,
			kinds: rapid.SampledFrom([]string{"a", "b", "c", "ab", "abc"}).Draw(t, "kinds"),
			user:  rapid.SampledFrom([]string{"u", "u", "v", ""}).Draw(t, "user"),
			x:     rapid.SampledFrom(xs).Draw(t, "x"),
		})
	}
	return samples
}

// late puts samples in an order in which none comes further behind the newest
// than so many seconds, and repeats some.
func late(t *rapid.T, samples []sample, by int64) (out []sample) {
	type arrival struct {
		sample
		when int64
	}
	var all []arrival
	for _, s := range samples {
		all = append(all, arrival{s, s.at + rapid.Int64Range(0, by).Draw(t, "delay")})
		if rapid.IntRange(0, 9).Draw(t, "repeat") == 0 {
			all = append(all, arrival{s, s.at + rapid.Int64Range(0, by).Draw(t, "delay")})
		}
	}
	slices.SortStableFunc(all, func(a, b arrival) int { return cmp.Compare(a.when, b.when) })
	for _, a := range all {
		out = append(out, a.sample)
	}
	return out
}

// TestOrderDoesNotMatter compares what is found in the end, in any order within
// the lateness, with events repeated and the watermark anywhere, with what brute
// force finds in all events at once.
func TestOrderDoesNotMatter(t *testing.T) {
	check(t, func(t *rapid.T) {
		q, samples := questions(t), someSamples(t)
		q.lateness = rapid.Int64Range(1, 80).Draw(t, "lateness")
		w := newWatch(load(t, q.document()), window.Config[int]{Lateness: time.Hour})
		newest, story := int64(0), ""
		for _, s := range late(t, samples, q.lateness) {
			w.take(s)
			newest = max(newest, s.at)
			story += fmt.Sprint(" ", s)
			if rapid.Bool().Draw(t, "advance") {
				w.advance(newest - rapid.Int64Range(0, 40).Draw(t, "behind"))
				story += fmt.Sprint(" until ", w.clock)
			}
		}
		w.Close()
		if w.Late != 0 {
			t.Fatalf("%d are late", w.Late)
		}
		if got, want := w.standing(), q.alerts(samples); !slices.Equal(got, want) {
			t.Fatalf("%v\n%s\ntold %v\ngot\n%s\nwant\n%s", &q, story, w.told, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		w.checkRevisions(t)
	})
}

// TestChainsDoNotDependOnOrder does the same with a correlation over another, of
// which instants are taken back.
func TestChainsDoNotDependOnOrder(t *testing.T) {
	check(t, func(t *rapid.T) {
		c := chain{inner: questions(t), limit: rapid.IntRange(1, 3).Draw(t, "outer limit"), span: rapid.Int64Range(1, 30).Draw(t, "outer span")}
		samples := someSamples(t)
		w := newWatch(load(t, c.document()), window.Config[int]{Lateness: time.Hour})
		newest, story := int64(0), ""
		for _, s := range late(t, samples, 80) {
			w.take(s)
			newest = max(newest, s.at)
			story += fmt.Sprint(" ", s)
			if rapid.Bool().Draw(t, "advance") {
				w.advance(newest - rapid.Int64Range(0, 40).Draw(t, "behind"))
				story += fmt.Sprint(" until ", w.clock)
			}
		}
		w.Close()
		if got, want := w.standing(), c.alerts(samples); !slices.Equal(got, want) {
			t.Fatalf("%v over %v\n%s\ntold %v\ngot\n%s\nwant\n%s", c, &c.inner, story, w.told, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		w.checkRevisions(t)
	})
}

// saved is what a compacted topic would hold of an engine.
type saved map[window.Key][]byte

// save takes in what has changed. Like a compacted topic it keeps the last value
// of each key.
func (s saved) save(t failer, w *watch) {
	t.Helper()
	err := w.Changes(func(k window.Key, value []byte) error {
		if value == nil {
			delete(s, k)
		} else {
			s[k] = bytes.Clone(value)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("%v", err)
	}
	w.Saved()
}

func (s saved) restore(t failer, w *watch) {
	t.Helper()
	for k, value := range s {
		if err := w.Restore(k, value); err != nil {
			t.Fatalf("%v", err)
		}
	}
}

// TestRestoredEngineTellsTheSame takes an engine away at any time and goes on
// with one that was restored from what was saved: it tells the same, in the same
// revisions, and ends up with nothing.
func TestRestoredEngineTellsTheSame(t *testing.T) {
	check(t, func(t *rapid.T) {
		q, samples := questions(t), someSamples(t)
		q.lateness = rapid.Int64Range(1, 80).Draw(t, "lateness")
		cfg := window.Config[int]{Lateness: time.Hour, Every: rapid.Bool().Draw(t, "every"), Entries: rapid.SampledFrom([]int{0, 3, 6}).Draw(t, "entries")}
		docs := q.document()
		if rapid.Bool().Draw(t, "chained") {
			c := chain{q, rapid.IntRange(1, 3).Draw(t, "outer limit"), rapid.Int64Range(1, 30).Draw(t, "outer span")}
			docs = c.document()
		}
		set := load(t, docs)
		whole, broken := newWatch(set, cfg), newWatch(set, cfg)
		topic := saved{}
		story := ""
		check := func() {
			got, want := lines(broken.told), lines(whole.told)
			if !slices.Equal(got, want) {
				t.Fatalf("%s\n%s\nrestored tells\n%s\nthe other\n%s", docs, story, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			whole.told, broken.told = nil, nil
		}
		newest := int64(0)
		for _, s := range late(t, samples, q.lateness) {
			newest = max(newest, s.at)
			story += fmt.Sprint(" ", s)
			whole.take(s)
			broken.take(s)
			check()
			if rapid.Bool().Draw(t, "advance") {
				to := newest - rapid.Int64Range(0, 40).Draw(t, "behind")
				whole.advance(to)
				broken.advance(to)
				story += fmt.Sprint(" until ", whole.clock)
				check()
			}
			if rapid.Bool().Draw(t, "save") {
				topic.save(t, broken)
				story += " save"
			}
			if broken.Dirty() == 0 && rapid.Bool().Draw(t, "crash") {
				story += " crash"
				clock := broken.clock
				broken = newWatch(set, cfg)
				topic.restore(t, broken)
				broken.clock = clock
				broken.Resume(clock * 1000)
			}
		}
		whole.Close()
		broken.Close()
		check()
		topic.save(t, broken)
		if len(topic) != 0 {
			t.Fatalf("still saved: %v", slices.Collect(maps.Keys(topic)))
		}
	})
}

func lines(all []told) (out []string) {
	for _, a := range all {
		out = append(out, a.String())
	}
	slices.Sort(out)
	return out
}
