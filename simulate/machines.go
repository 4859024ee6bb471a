package simulate

// machine is a program with an account of its own.
type machine struct {
	index    int
	account  *account
	device   *device
	ip       string
	from, to int   // of its daily work, in minutes after the headquarters' midnight
	every    int64 // milliseconds between two pages
	page     int64 // records of a full page
	objects  []objectKind
}

// Every machine reads less than hourlyExport in an hour: it has a quota.
var machines = []struct {
	source, name, agent string
	from, to            int
	every, page         int64
	objects             []objectKind
}{
	{salesforce, "svc-warehouse", "warehouse-loader/4.2 (java 21)", 60, 270, 95_000, 200, []objectKind{accountObject, contactObject, opportunityObject, leadObject, caseObject}},
	{salesforce, "svc-erp", "erp-bridge/2.9", 7 * 60, 22 * 60, 900_000, 120, []objectKind{accountObject, contractObject}},
	{zoho, "svc-mailing", "mailing-sync/1.7 (python 3.13)", 30, 150, 95_000, 200, []objectKind{leadObject, contactObject}},
	{jiandaoyun, "svc-forms", "forms-sync/3.1", 180, 300, 60_000, 100, []objectKind{caseObject, accountObject}},
	{yonyou, "svc-ledger", "ledger-sync/5.0", 120, 240, 80_000, 150, []objectKind{invoiceObject, contractObject}},
}

// janitor is the program that closes the accounts of people who have left.
const janitor = "svc-identity"

func (c *Company) install() {
	for i, m := range machines {
		a := c.robot(i, m.source, m.name)
		c.machines = append(c.machines, &machine{
			index: firstMachine + i, account: a, ip: address("192.0.2", 100+i), device: &device{agent: m.agent, browser: "Unknown", platform: "Unknown"},
			from: m.from, to: m.to, every: m.every, page: m.page, objects: m.objects,
		})
	}
	for i, source := range []string{zoho, jiandaoyun, yonyou} {
		n := len(machines) + i
		c.machines = append(c.machines, &machine{
			index: firstMachine + n, account: c.robot(n, source, janitor), ip: address("192.0.2", 120), device: &device{agent: "identity-sync/2.3"},
		})
	}
}

func (c *Company) robot(n int, source, name string) *account {
	a := c.newAccount(firstMachine+n, source)
	a.name, a.email, a.role, a.department, a.machine = name+"@"+domain, name+"@"+domain, "Integration", "it", true
	if source == zoho {
		a.id = a.email
	}
	return a
}

// run does one day's work.
func (m *machine) run(g *generator, d date) {
	v := &visit{account: m.account, device: m.device, ip: m.ip, country: "CN", key: g.sessionKey()}
	if m.page == 0 {
		m.close(g, v, d)
		return
	}
	midnight := d.midnight(headquarters())
	t, end := midnight+int64(m.from)*minute+g.r.Int64N(minute), midnight+int64(m.to)*minute
	if m.account.source != salesforce { // whose stream has no logins of integration users
		g.act(v, t, login, object{}, 0)
	}
	for i := 0; t < end; i++ {
		t += m.every + g.r.Int64N(m.every/5) - m.every/10
		rows := m.page
		if g.r.IntN(6) == 0 { // the last page of something
			rows = 1 + g.r.Int64N(m.page)
		}
		g.act(v, t, call, object{kind: m.objects[i/20%len(m.objects)]}, rows)
	}
}

// close closes, late on their last day, the accounts of the people who leave,
// except those that are forgotten.
func (m *machine) close(g *generator, v *visit, d date) {
	for _, w := range g.c.workers {
		a := w.account(m.account.source)
		if a == nil || w.last != d || w.open {
			continue
		}
		g.act(v, d.midnight(w.loc)+23*hour+g.r.Int64N(10*minute), deprovide, object{kind: userObject}, 0)
		g.acts[len(g.acts)-1].account = a
	}
}
