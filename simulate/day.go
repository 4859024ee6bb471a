package simulate

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// generator makes the acts of whole days. Everything random about somebody's day
// follows from the seed, the person and the date alone, so that a day is the same
// whichever days are generated before it.
type generator struct {
	c    *Company
	pcg  *rand.PCG
	r    *rand.Rand
	acts []act
	// id is the id of the next act, key scatters the ids of visits.
	id    uint64
	key   uint64
	plans []planned
}

func (g *generator) reset(c *Company) {
	g.c, g.pcg = c, rand.NewPCG(0, 0)
	g.r = rand.New(g.pcg)
	g.key = mix64(c.cfg.Seed ^ 0x5e55)
}

// begin starts the day of one person or machine: indices are those of workers
// from 0 and of machines from firstMachine on.
func (g *generator) begin(index int, d date) {
	g.pcg.Seed(mix64(mix64(g.c.cfg.Seed)^uint64(index)), mix64(uint64(d)))
	g.id = uint64(index)<<40 | uint64(d)<<20
}

// Indices beyond those of the workers.
const (
	firstMachine  = 1 << 20
	firstIncident = 1 << 21
)

// day appends what everybody does on the day d by their own calendar.
func (g *generator) day(acts []act, d date) []act {
	g.acts = acts
	for _, w := range g.c.workers {
		if w.employed(d) {
			g.begin(w.index, d)
			g.workday(w, d)
		}
	}
	for _, m := range g.c.machines {
		g.begin(m.index, d)
		m.run(g, d)
	}
	if d == g.c.today {
		g.acts = append(g.acts, g.c.planted...)
	}
	return g.acts
}

// planned is a session that somebody will have.
type planned struct {
	start  int64
	remote bool  // not from the office
	brief  bool  // a glance at something
	duty   int64 // rows to export as a duty
}

// diary is what a person has done on a day so far, for the habits that keep an
// ordinary day ordinary.
type diary struct {
	w        *worker
	d        date
	midnight int64
	late     int64 // rows seen outside working hours
	exports  []sum
}

type sum struct{ t, rows int64 }

// Ordinary people stay below these, with a distance to what the shipped rules
// find unusual.
const (
	hourlyExport = 9_000 // rows a person exports within any hour
	lateRows     = 120   // rows a person sees outside working hours in a day
)

func (g *generator) workday(w *worker, d date) {
	plans := g.plan(w, d)
	b := diary{w: w, d: d, midnight: d.midnight(w.loc)}
	for i := range plans {
		p := &plans[i]
		end := b.midnight + 23*hour
		if i+1 < len(plans) {
			end = plans[i+1].start - minute
		}
		if p.start < end {
			g.session(&b, p, end)
		}
	}
}

// bustle is how busy a weekday is.
var bustle = [7]float64{time.Sunday: 0.9, time.Monday: 1.28, time.Tuesday: 1.08, time.Wednesday: 1, time.Thursday: 0.96, time.Friday: 0.82, time.Saturday: 0.9}

// plan draws the sessions of a day, in the order of time.
func (g *generator) plan(w *worker, d date) []planned {
	g.plans = g.plans[:0]
	midnight := d.midnight(w.loc)
	at := func(m float64) int64 { return midnight + int64(m*float64(minute)) }
	switch absent := g.r.IntN(100) < 4; {
	case !w.workday(d):
		if g.r.IntN(100) < 4 {
			g.plans = append(g.plans, planned{start: at(10*60 + 10*60*g.r.Float64()), remote: true, brief: true})
		}
	case !absent || w.duty != noDuty:
		n := int(w.tempo*bustle[d.weekday()]*math.Exp(0.25*g.r.NormFloat64()) + g.r.Float64())
		for range max(n, 1) {
			g.plans = append(g.plans, planned{start: at(g.moment(w))})
		}
		if g.r.IntN(100) < 5 && w.Hours.To <= 19*60 {
			g.plans = append(g.plans, planned{start: at(20*60 + 120*g.r.Float64()), remote: true, brief: true})
		}
		g.duties(w, d, at)
	}
	slices.SortFunc(g.plans, func(a, b planned) int { return cmp.Compare(a.start, b.start) })
	return g.plans
}

// moment draws a minute of the day in which to begin something: within working
// hours, seldom around them, less at their edges and during the break.
func (g *generator) moment(w *worker) float64 {
	from, to, pause := float64(w.Hours.From), float64(w.Hours.To), float64(w.office.lunch)
	if pause < from+60 {
		pause = from + 270
	}
	for {
		m := from - 30 + g.r.Float64()*(to-from+105)
		weight := 1.0
		switch {
		case m < from:
			weight = 0.15
		case m < from+20:
			weight = 0.6
		case m > to:
			weight = 0.1
		case m > to-30:
			weight = 0.5
		case m > pause && m < pause+75:
			weight = 0.22
		}
		if g.r.Float64() < weight {
			return m
		}
	}
}

// duties adds the large exports that belong to somebody's work.
func (g *generator) duties(w *worker, d date, at func(float64) int64) {
	switch {
	case w.duty == daily:
		for _, m := range []float64{10 * 60, 14*60 + 30} {
			g.plans = append(g.plans, planned{start: at(m + 50*g.r.Float64()), brief: true, duty: 2500 + g.r.Int64N(4000)})
		}
	case w.duty == monthly && d == w.reporting(d):
		g.plans = append(g.plans, planned{start: at(15*60 + 60*g.r.Float64()), brief: true, duty: 7800 + g.r.Int64N(1100)})
	}
}

// reporting is the day of d's month on which the month is reported: the first
// working day from the fifth on.
func (w *worker) reporting(d date) date {
	day := d.add(5 - d.utc().Day())
	for !w.workday(day) {
		day++
	}
	return day
}
