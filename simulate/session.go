package simulate

import (
	"math"
	"math/rand/v2"
)

// session is one visit: a login, some work, perhaps a logout. It ends before the
// next one begins: a person does one thing at a time.
func (g *generator) session(b *diary, p *planned, end int64) {
	v := &visit{account: g.choose(b.w)}
	g.place(b.w, b.d, v, p)
	t := p.start
	if g.r.IntN(100) < 3 {
		g.act(v, t, badLogin, object{}, 0)
		t += 6_000 + g.r.Int64N(25_000)
	}
	v.key = g.sessionKey()
	g.act(v, t, login, object{}, 0)
	n := max(1, min(40, int(lognormal(g.r, 6.6, 0.6))))
	if p.brief {
		n = 2 + g.r.IntN(4)
	}
	for i := range n {
		t += g.pause()
		if t >= end {
			return
		}
		if p.duty > 0 && i == n-1 {
			g.export(b, v, t, p.duty)
		} else {
			g.step(b, v, t)
		}
	}
	if t += g.pause(); t < end && g.r.IntN(100) < 55 {
		g.act(v, t, logout, object{}, 0)
	}
}

// sessionKey names a session that begins with the next act.
func (g *generator) sessionKey() uint64 { return mix64(g.key + g.id) }

// pause is the time between two clicks that leave a record: half a minute, often
// longer, never more than eight.
func (g *generator) pause() int64 {
	return min(int64(lognormal(g.r, 34_000, 0.9)), 8*minute) + 1_500
}

func lognormal(r *rand.Rand, median, sigma float64) float64 {
	return median * math.Exp(sigma*r.NormFloat64())
}

// choose takes the main account in two of three sessions.
func (g *generator) choose(w *worker) *account {
	if len(w.accounts) == 1 || g.r.IntN(3) > 0 {
		return w.accounts[0]
	}
	return w.accounts[1+g.r.IntN(len(w.accounts)-1)]
}

// step is one thing somebody does in the course of their work.
func (g *generator) step(b *diary, v *visit, t int64) {
	k := g.kind(&b.w.dept.mix, v)
	if !b.w.working(b.d, b.midnight, t) {
		g.glance(b, v, t, k)
		return
	}
	switch k {
	case export:
		g.export(b, v, t, int64(min(lognormal(g.r, b.w.dept.mix.exportRows, 0.9), 4_000))+1)
	case report:
		g.act(v, t, k, g.summary(v, b.w.dept, reportObject), int64(min(lognormal(g.r, 150, 0.9), 2_000))+1)
	case list:
		g.act(v, t, k, g.summary(v, b.w.dept, listObject), int64(min(lognormal(g.r, 55, 0.6), 200))+1)
	case search:
		g.act(v, t, k, g.summary(v, b.w.dept, noObject), int64(min(lognormal(g.r, 6, 0.9), 60)))
	case call:
		g.act(v, t, k, object{kind: pickObject(g.r, b.w.dept)}, 1+g.r.Int64N(20))
	case download:
		g.act(v, t, k, object{kind: fileObject, id: g.r.Uint32()}, 0)
	default:
		g.act(v, t, k, g.record(v, b.w.dept), 1)
	}
}

// glance is a step outside working hours: single records, short lists, and no
// more than lateRows of them in a day.
func (g *generator) glance(b *diary, v *visit, t int64, k kind) {
	if b.late >= lateRows {
		return
	}
	if k == list || k == search {
		rows := 1 + min(g.r.Int64N(25), lateRows-b.late-1)
		b.late += rows
		g.act(v, t, list, g.summary(v, b.w.dept, listObject), rows)
		return
	}
	if k != edit {
		k = view
	}
	b.late++
	g.act(v, t, k, g.record(v, b.w.dept), 1)
}

// export exports what keeps the person's sum of an hour ordinary.
func (g *generator) export(b *diary, v *visit, t, rows int64) {
	room := int64(hourlyExport)
	for _, e := range b.exports {
		if t-e.t <= hour {
			room -= e.rows
		}
	}
	if rows = min(rows, room); rows < 1 || !b.w.working(b.d, b.midnight, t) {
		g.glance(b, v, t, view)
		return
	}
	b.exports = append(b.exports, sum{t, rows})
	g.act(v, t, export, g.summary(v, b.w.dept, reportObject), rows)
}

// kind draws what is done next.
func (g *generator) kind(m *mix, v *visit) kind {
	n := g.r.IntN(1000)
	for _, c := range [...]struct {
		kind  kind
		share int
	}{{edit, m.edit}, {create, m.create}, {search, m.search}, {list, m.list}, {report, m.report}, {export, m.export}, {download, m.download}} {
		if n < c.share {
			return v.available(c.kind)
		}
		n -= c.share
	}
	if v.device.mobile && v.account.source == salesforce && n%3 == 0 {
		return call // the mobile application reads through the API
	}
	return view
}

// available is what comes nearest to k in the CRM and on the device.
func (v *visit) available(k kind) kind {
	switch {
	case k == search && v.account.source == salesforce:
		return list // searches leave no real-time event there
	case (k == export || k == report) && v.device.mobile:
		return view
	}
	return k
}

// record is one of the hundred and twenty that the account works with, or, one
// time in ten, any other.
func (g *generator) record(v *visit, d *department) object {
	if g.r.IntN(10) == 0 {
		return object{kind: pickObject(g.r, d), id: g.r.Uint32()}
	}
	own := mix64(v.account.salt + g.r.Uint64N(120))
	return object{kind: d.objects[own>>40%uint64(len(d.objects))], id: uint32(own)}
}

// summary is one of the account's eight reports or lists, about one kind of
// record.
func (g *generator) summary(v *visit, d *department, k objectKind) object {
	own := mix64(v.account.salt ^ uint64(k)<<32 + g.r.Uint64N(8))
	o := object{kind: k, of: d.objects[own>>40%uint64(len(d.objects))], id: uint32(own)}
	if k == noObject { // a search names what it looks for
		o.kind, o.id = o.of, 0
	}
	return o
}

// pickObject prefers the kinds that come first.
func pickObject(r *rand.Rand, d *department) objectKind {
	return d.objects[min(r.IntN(len(d.objects)), r.IntN(len(d.objects)))]
}

func (g *generator) act(v *visit, t int64, k kind, o object, rows int64) {
	g.acts = append(g.acts, act{id: mix64(g.id ^ g.key), t: t, at: g.delivery(v.account.source, t), kind: k, visit: v, object: o, rows: rows})
	g.id++
}

// delivery is when the record of something that happened at t arrives: Salesforce
// and the gateway before Zoho stream, the other two are polled every minute and
// every three.
func (g *generator) delivery(source string, t int64) int64 {
	switch source {
	case jiandaoyun:
		return polled(t, minute, 7_000)
	case yonyou:
		return polled(t, 3*minute, 31_000)
	default:
		return t + 50 + g.r.Int64N(1_950)
	}
}

// polled is the first poll after t, by a collector that polls at a fixed offset
// and takes a moment.
func polled(t, every, offset int64) int64 {
	n := (t-offset)/every + 1
	return n*every + offset + int64(mix64(uint64(n))%800)
}
