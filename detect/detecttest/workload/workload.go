// Package workload writes the events by which the speed of rules is measured: what
// a CRM's audit trail looks like, with attacks among it, the same on every machine.
//
// Background traffic is of users drawn from a Zipf law, with a mix of actions that
// never changes; events come out of order by up to two seconds. Attacks are bursts
// of exports, guessed passwords, scans of objects, exports of many rows in small
// pieces, take-overs of accounts, and mass deletes.
package workload

import (
	"bufio"
	"container/heap"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"time"
)

// Config says what is written. The same Config always writes the same bytes.
type Config struct {
	Events, Users int
	// Span is the time that the events are of.
	Span time.Duration
	Seed uint64
	// Hot is the share of the events that one service account makes besides.
	Hot float64
}

// A, B and H are the workloads that performance is stated for: ten thousand users,
// a million, and one account that makes a fifth of all events.
var (
	A = Config{Events: 2_000_000, Users: 10_000, Span: 24 * time.Hour, Seed: 1}
	B = Config{Events: 2_000_000, Users: 1_000_000, Span: 6 * time.Hour, Seed: 2}
	H = Config{Events: 400_000, Users: 10_000, Span: 4 * time.Hour, Seed: 3, Hot: 0.2}
)

// The law of the users' shares is (zipfV + k) ^ -zipfS.
const (
	zipfS, zipfV = 1.1, 10
	// episodes is how many attacks of each kind there are.
	episodes = 60
	// disorder is by how many milliseconds an event may come late.
	disorder = 2000
)

var start = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// Write writes the events as lines of JSON.
func (c Config) Write(w io.Writer) error {
	g := &generator{Config: c, r: rand.New(rand.NewPCG(c.Seed, 0x9e3779b97f4a7c15))}
	g.zipf = rand.NewZipf(g.r, zipfS, zipfV, uint64(c.Users-1))
	for range episodes {
		g.plan()
	}
	out := bufio.NewWriterSize(w, 1<<20)
	var line []byte
	for i := range c.Events {
		now := int64(float64(i) / float64(c.Events) * float64(c.Span.Milliseconds()))
		line = g.appendLine(line[:0], i, now, g.next(now))
		if _, err := out.Write(line); err != nil {
			return fmt.Errorf("write event: %w", err)
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	return nil
}

type generator struct {
	Config
	r       *rand.Rand
	zipf    *rand.Zipf
	attacks agenda
}

// happening is what happens at a time, in milliseconds since the start.
type happening struct {
	due     int64
	user    int
	action  int
	objType int
	objID   int
	rows    int
	country string
	agent   string
	fails   bool
}

// agenda has what is due next in front.
type agenda []happening

func (a agenda) Len() int           { return len(a) }
func (a agenda) Less(i, j int) bool { return a[i].due < a[j].due }
func (a agenda) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)        { *a = append(*a, x.(happening)) }
func (a *agenda) Pop() any {
	old := *a
	x := old[len(old)-1]
	*a = old[:len(old)-1]
	return x
}

// plan puts one attack of each kind on the agenda.
func (g *generator) plan() {
	victim := func() int { return int(mix(uint64(g.r.IntN(g.Users))+77) % uint64(g.Users)) }
	when := func(length int64) int64 { return int64(g.r.Float64() * float64(g.Span.Milliseconds()-length)) }
	add := func(h happening) { heap.Push(&g.attacks, h) }

	user, from, n := victim(), when(300_000), 12+g.r.IntN(19)
	for range n { // a burst of exports
		add(happening{due: from + g.r.Int64N(240_000), user: user, action: export, objType: g.r.IntN(4), objID: g.r.IntN(1 << 24), rows: 1 + g.r.IntN(400)})
	}
	user, from, n = victim(), when(600_000), 22+g.r.IntN(39)
	for range n { // guessed passwords
		add(happening{due: from + g.r.Int64N(540_000), user: user, action: loginFailed, fails: true})
	}
	user, from, n = victim(), when(3_600_000), 520+g.r.IntN(181)
	base := g.r.IntN(1 << 24)
	for i := range n { // a scan of objects
		add(happening{due: from + g.r.Int64N(3_000_000), user: user, action: view, objType: 1, objID: base + i, rows: 1})
	}
	user, from = victim(), when(3_600_000)
	for range 8 { // many rows in small pieces
		add(happening{due: from + g.r.Int64N(3_000_000), user: user, action: export, objType: 5, objID: g.r.IntN(1 << 24), rows: 2600 + g.r.IntN(2300)})
	}
	user, from = victim(), when(900_000) // a take-over
	add(happening{due: from, user: user, action: loginFailed, fails: true, country: badCountries[g.r.IntN(len(badCountries))]})
	add(happening{due: from + 60_000 + g.r.Int64N(120_000), user: user, action: login})
	add(happening{due: from + 240_000 + g.r.Int64N(300_000), user: user, action: export, objType: 2, objID: g.r.IntN(1 << 24), rows: 900})
	user, from, n = victim(), when(600_000), 105+g.r.IntN(56)
	for range n { // mass deletes
		add(happening{due: from + g.r.Int64N(540_000), user: user, action: remove, objType: g.r.IntN(8), objID: g.r.IntN(1 << 24)})
	}
}

// next is what happens now: what an attack has planned, or everyday work.
func (g *generator) next(now int64) happening {
	if len(g.attacks) > 0 && g.attacks[0].due <= now {
		return heap.Pop(&g.attacks).(happening)
	}
	h := happening{user: int(g.zipf.Uint64())}
	if g.Hot > 0 && g.r.Float64() < g.Hot {
		h.user = 0
	}
	for p := g.r.IntN(1000); h.action < len(shares)-1 && p >= shares[h.action]; {
		h.action++
	}
	g.work(&h)
	if g.r.IntN(1000) < 3 {
		h.country = badCountries[g.r.IntN(len(badCountries))]
	}
	if g.r.IntN(1000) < 4 {
		h.agent = badAgents[g.r.IntN(len(badAgents))]
	}
	return h
}

// work fills in what the action is done to.
func (g *generator) work(h *happening) {
	switch h.action {
	case view, edit, remove:
		h.objType = g.r.IntN(len(objTypes))
		if h.action == remove && h.objType >= 5 && g.r.IntN(3) > 0 {
			h.objType = g.r.IntN(4)
		}
		h.rows = 1
		if g.r.IntN(100) >= 95 {
			h.objID = g.r.IntN(1 << 24)
			return
		}
		// Most is done to a few objects that are a person's own.
		own := mix(uint64(h.user)<<8 | uint64(g.r.IntN(120)))
		h.objID, h.objType = int(own&0xffffff), int(own>>60&7)
	case apiCall:
		h.objType = g.r.IntN(len(objTypes))
		h.objID = int(mix(uint64(h.user)<<8) & 0xffffff)
		h.rows = 1 + g.r.IntN(50)
	case export:
		h.objType = g.r.IntN(len(objTypes))
		h.objID = g.r.IntN(1 << 24)
		if g.r.IntN(100) == 0 {
			h.rows = 5001 + g.r.IntN(20000)
		} else {
			h.rows = 1 + int(math.Exp(math.Log(100)+g.r.NormFloat64()))
		}
	case loginFailed:
		h.fails = true
	}
}

// mix spreads the bits of x (the finaliser of SplitMix64).
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}
