package eval

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/crmwatch/crmwatch/detect/window"
	"github.com/crmwatch/crmwatch/rules"
	"github.com/crmwatch/crmwatch/rules/ndjson"
)

// plan is a run: readers that turn chunks of lines into matches, and shards that
// count the matches of the groups that are theirs. They take turns: while lines
// are read nothing is counted, so that neither needs a lock.
type plan struct {
	cfg     *Config
	set     *rules.Set
	time    rules.Field
	id      rules.Field
	heads   map[*rules.Meta][]byte // how the lines about a rule begin
	order   map[*rules.Meta]int    // of lines about one instant
	readers []*reader
	shards  []*shard
	sharder *window.Sharder[int64]
	ids     []string // by line, where IDField is set
	newest  int64
	stats   Stats
}

func newPlan(cfg *Config, set *rules.Set, schema *ndjson.Schema) *plan {
	p := &plan{cfg: cfg, set: set, id: -1, heads: map[*rules.Meta][]byte{}, order: map[*rules.Meta]int{}, newest: math.MinInt64}
	p.time, _ = schema.Field(cfg.TimeField)
	if cfg.IDField != "" {
		p.id, _ = schema.Field(cfg.IDField)
	}
	for _, c := range set.Correlations() {
		p.heads[&c.Meta], p.order[&c.Meta] = head(&c.Meta), len(p.order)
	}
	for _, r := range set.Rules() {
		p.heads[&r.Meta], p.order[&r.Meta] = head(&r.Meta), len(p.order)
	}
	threads := max(1, cfg.Threads)
	for range threads {
		p.shards = append(p.shards, p.newShard(set))
	}
	p.sharder = window.NewSharder(p.shards[0].engine, threads)
	for range threads {
		p.readers = append(p.readers, &reader{plan: p, scanner: schema.Scanner(set.Keywords()), matcher: set.Matcher()})
	}
	return p
}

// head is how every line about a rule begins.
func head(m *rules.Meta) []byte {
	id, _ := json.Marshal(m.ID) // texts can always be encoded
	title, _ := json.Marshal(m.Title)
	return append(append(append(append([]byte(`{"rule":`), id...), `,"title":`...), title...), `,"time":`...)
}

// chunkSize is how many bytes of lines are read at a time. What is on the way is
// few of them, so memory does not depend on the input.
const chunkSize = 1 << 18

// run reads everything and writes what was found.
func (p *plan) run(ctx context.Context, r io.Reader, w io.Writer) (Stats, error) {
	in := newChunker(r)
	perRound := len(p.readers)
	if perRound > 1 {
		perRound *= 4
	}
	chunks := make([]*chunk, perRound)
	for i := range chunks {
		chunks[i] = &chunk{batches: make([]window.Batch[int64], len(p.shards))}
	}
	for {
		n := 0
		for n < len(chunks) && in.next(chunks[n]) {
			n++
		}
		if n == 0 || ctx.Err() != nil {
			break
		}
		if err := p.round(chunks[:n], w); err != nil {
			return p.stats, err
		}
	}
	if err := cmp.Or(in.err, ctx.Err()); err != nil {
		return p.stats, err
	}
	p.each(func(s *shard) { s.engine.CloseAt(p.newest) })
	err := p.write(nil, w)
	p.sum()
	return p.stats, err
}

// round works on some chunks and writes what they complete.
func (p *plan) round(chunks []*chunk, w io.Writer) error {
	p.read(chunks)
	for _, c := range chunks {
		p.newest = max(p.newest, c.newest)
		c.newest = p.newest
		p.stats.Events += c.events
		p.stats.Bad += c.bad
		p.stats.Untimed += c.untimed
		p.ids = append(p.ids, c.ids...)
		for _, b := range c.broken {
			if p.cfg.OnBad != nil {
				p.cfg.OnBad(b.line, b.err)
			}
		}
	}
	p.each(func(s *shard) { s.play(chunks) })
	return p.write(chunks, w)
}

// read turns chunks into matches, by all readers.
func (p *plan) read(chunks []*chunk) {
	if len(p.readers) == 1 {
		for _, c := range chunks {
			p.readers[0].read(c)
		}
		return
	}
	work := make(chan *chunk, len(chunks))
	for _, c := range chunks {
		work <- c
	}
	close(work)
	var wg sync.WaitGroup
	for _, r := range p.readers {
		wg.Go(func() {
			for c := range work {
				r.read(c)
			}
		})
	}
	wg.Wait()
}

// each does something with every shard.
func (p *plan) each(do func(*shard)) {
	if len(p.shards) == 1 {
		do(p.shards[0])
		return
	}
	var wg sync.WaitGroup
	for _, s := range p.shards {
		wg.Go(func() { do(s) })
	}
	wg.Wait()
}

// write writes what was found, chunk by chunk: the matches of single events in the
// order of the input, then what correlations have found until then in the order of
// time. So the output is the same however many chunks are worked on at once.
func (p *plan) write(chunks []*chunk, w io.Writer) error {
	var found []found
	for _, s := range p.shards {
		found = append(found, s.found...)
	}
	slices.SortStableFunc(found, compareFound)
	p.stats.Matches += int64(len(found))
	for i, c := range chunks {
		p.stats.Matches += c.matches
		if _, err := w.Write(c.out); err != nil {
			return err
		}
		for len(found) > 0 && found[0].chunk == i {
			if err := found[0].write(w); err != nil {
				return err
			}
			found = found[1:]
		}
	}
	for _, f := range found {
		if err := f.write(w); err != nil {
			return err
		}
	}
	for _, s := range p.shards {
		s.found, s.out = s.found[:0], s.out[:0]
	}
	return nil
}

// sum adds up what the engines have counted.
func (p *plan) sum() {
	for _, s := range p.shards {
		p.stats.Late += s.engine.Late
		p.stats.Ungrouped += s.engine.Ungrouped
	}
}

// chunk is some lines and what was found in them.
type chunk struct {
	lines []byte
	first int64 // number of the first line

	out                           []byte
	events, matches, bad, untimed int64
	newest                        int64 // of it, then of all until its end
	ids                           []string
	broken                        []broken
	batches                       []window.Batch[int64]
}

type broken struct {
	line int64
	err  error
}

// reader turns lines into matches.
type reader struct {
	plan    *plan
	scanner *ndjson.Scanner
	matcher *rules.Matcher
	clock   clock
}

func (r *reader) read(c *chunk) {
	c.out, c.events, c.matches, c.bad, c.untimed = c.out[:0], 0, 0, 0, 0
	c.newest, c.ids, c.broken = math.MinInt64, c.ids[:0], c.broken[:0]
	for i := range c.batches {
		c.batches[i].Reset()
	}
	number, rest := c.first, c.lines
	for len(rest) > 0 {
		line := rest
		if i := bytes.IndexByte(rest, '\n'); i >= 0 {
			line, rest = rest[:i], rest[i+1:]
		} else {
			rest = nil
		}
		r.line(c, number, line)
		number++
	}
}

func (r *reader) line(c *chunk, number int64, line []byte) {
	blank := len(line) == 0 || len(bytes.TrimSpace(line)) == 0
	if blank {
		r.noteID(c, nil)
		return
	}
	rec, err := r.scanner.Scan(line)
	if err != nil {
		r.noteID(c, nil)
		c.bad++
		c.broken = append(c.broken, broken{number, err})
		return
	}
	c.events++
	r.noteID(c, rec)
	at, timed := r.clock.millis(&rec.Values[r.plan.time])
	if timed {
		c.newest = max(c.newest, at)
	}
	for _, rule := range r.matcher.Match(rec) {
		if rule.Alerts && rule.Window.Suppress == 0 {
			c.matches++
			c.out = r.plan.appendEvent(c.out, rule, number, at, timed)
		}
		switch {
		case !rule.Correlated && rule.Window.Suppress == 0:
		case timed:
			r.plan.sharder.Match(c.batches, rule, rec, "", at, number)
		default:
			c.untimed++
		}
	}
}

// noteID remembers the id of a line; of one that is no record it is empty.
func (r *reader) noteID(c *chunk, rec *rules.Record) {
	if r.plan.id < 0 {
		return
	}
	id := ""
	if rec != nil {
		id = strings.Clone(rec.Values[r.plan.id].Text())
	}
	c.ids = append(c.ids, id)
}

// shard counts the matches of its groups.
type shard struct {
	plan   *plan
	engine *window.Engine[int64]
	out    []byte
	found  []found
	chunk  int // which of the round is counted
}

// found is a line about a correlation, with what it is sorted by.
type found struct {
	chunk    int
	at       int64
	rule     int
	group    string
	shard    *shard
	from, to int
}

func (f *found) write(w io.Writer) error {
	_, err := w.Write(f.shard.out[f.from:f.to])
	return err
}

func compareFound(a, b found) int {
	return cmp.Or(cmp.Compare(a.chunk, b.chunk), cmp.Compare(a.at, b.at), cmp.Compare(a.rule, b.rule), strings.Compare(a.group, b.group))
}

func (p *plan) newShard(set *rules.Set) *shard {
	s := &shard{plan: p}
	s.engine = window.New(window.Config[int64]{
		Compare: p.compare, Emit: s.emit, Absorb: absorb, Final: true, Every: p.cfg.Every,
		Entries: math.MaxInt, Groups: math.MaxInt,
	}, set, p.time)
	return s
}

// compare orders events by their ids where they have some, so that an event that
// is there twice counts once.
func (p *plan) compare(a, b int64) int {
	if p.id >= 0 && p.ids[a] != "" && p.ids[b] != "" {
		return strings.Compare(p.ids[a], p.ids[b])
	}
	return cmp.Compare(a, b)
}

// absorb collects the lines of entries that the engine forgets.
func absorb(sum any, line int64) any {
	lines, ok := sum.(*[]int64)
	if !ok {
		lines = new([]int64)
	}
	*lines = append(*lines, line)
	return lines
}

func (s *shard) play(chunks []*chunk) {
	own := slices.Index(s.plan.shards, s)
	for i, c := range chunks {
		s.chunk = i
		s.engine.Play(&c.batches[own])
		if c.newest > math.MinInt64 {
			s.engine.Advance(c.newest - s.plan.cfg.Lateness.Milliseconds() - 1)
		}
	}
}

func (s *shard) emit(a *window.Alert[int64]) {
	from := len(s.out)
	s.out = s.plan.appendAlert(s.out, a)
	s.found = append(s.found, found{s.chunk, a.First, s.plan.order[a.Meta], a.Group.Key, s, from, len(s.out)})
}
