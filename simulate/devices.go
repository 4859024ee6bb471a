package simulate

import (
	"math/rand/v2"
	"strconv"
)

// device is what somebody works with.
type device struct {
	id, agent         string
	browser, platform string // in Salesforce's words
	mobile            bool
}

// models are the devices that the company has bought.
var (
	laptops = []device{
		{agent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36", browser: "Chrome 142", platform: "Windows 10"},
		{agent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0", browser: "Edge 142", platform: "Windows 10"},
		{agent: "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Safari/605.1.15", browser: "Safari 26", platform: "Mac OSX"},
		{agent: "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", browser: "Firefox 145", platform: "Linux"},
	}
	phones = []device{
		{agent: "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148", browser: "Salesforce App", platform: "iOS", mobile: true},
		{agent: "Mozilla/5.0 (Linux; Android 15; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/142.0.0.0 Mobile Safari/537.36", browser: "Salesforce App", platform: "Android", mobile: true},
	}
)

// equip gives a laptop, a phone, a desk and a home.
func (w *worker) equip(r *rand.Rand) {
	model := r.IntN(10)
	w.laptop = own(r, laptops[[]int{0, 0, 0, 0, 0, 1, 1, 2, 2, 3}[model]])
	w.phone = own(r, pick(r, phones))
	w.desk = address(w.office.net, w.office.host+r.IntN(4))
	w.home = address("198.18."+strconv.Itoa(w.office.home+w.index/250%32), 1+w.index%250)
}

func own(r *rand.Rand, model device) *device {
	model.id = "d-" + string(appendHex(nil, r.Uint64(), 8))
	return &model
}

func address(net string, host int) string { return net + "." + strconv.Itoa(host) }

// vpn is the address by which the office's VPN lets its people out.
func (o *office) vpn(n int) string { return address(o.net, o.host+8+n%2) }

// place puts a visit somewhere: at the desk most of the time, at home behind the
// VPN or not, on the phone, or abroad.
func (g *generator) place(w *worker, d date, v *visit, p *planned) {
	v.device, v.ip, v.country, v.near = w.laptop, w.desk, w.office.country, w.office
	n := g.r.IntN(100)
	switch {
	case w.away != nil && w.awayFrom <= d && d <= w.awayTo:
		v.ip, v.country, v.near = address(w.away.net, 1+w.index%250), w.away.country, nil
	case p.remote && n < 40, !p.remote && n < 7:
		v.device, v.ip = w.phone, address("198.19."+strconv.Itoa(w.office.mobile+g.r.IntN(4)), 1+g.r.IntN(250))
	case p.remote && n < 60, !p.remote && n < 10:
		v.ip = w.home
	case p.remote, n < 18:
		v.ip = w.office.vpn(w.index)
	}
}
