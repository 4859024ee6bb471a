package workload

import (
	"fmt"
	"strconv"
	"time"
)

const (
	view = iota
	edit
	apiCall
	login
	export
	remove
	loginFailed
	permissionChange
)

var actions = [...]string{"view", "edit", "api_call", "login", "export", "delete", "login_failed", "permission_change"}

// shares are how many of a thousand events are of an action, or of one before it.
var shares = [...]int{700, 842, 912, 957, 977, 987, 997, 1000}

var (
	sources      = [...]string{"salesforce", "zoho", "jiandaoyun", "yonyou"}
	objTypes     = [...]string{"Account", "Contact", "Lead", "Opportunity", "Case", "Report", "Contract", "PriceBook"}
	countries    = [...]string{"CN", "CN", "CN", "CN", "CN", "CN", "HK", "SG", "US", "DE", "JP", "GB"}
	badCountries = [...]string{"RU", "KP", "NG", "BR", "UA", "VN"}
	agents       = [...]string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/126.0 Safari/537.36",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) Safari/605.1.15",
		"SalesforceMobileSDK/11.1 iOS/17.5 (iPhone15,2)",
		"Mozilla/5.0 (X11; Linux x86_64) Firefox/127.0",
	}
	badAgents = [...]string{
		"curl/8.5.0", "python-requests/2.32.3", "Wget/1.21.4", "PostmanRuntime/7.39.0", "Scrapy/2.11.2 (+https://scrapy.org)", "sqlmap/1.8.5#stable",
	}
	roles       = [...]string{"sales_rep", "sales_manager", "support", "admin", "analyst", "integration"}
	departments = [...]string{"sales-east", "sales-south", "marketing", "support", "finance", "it"}
	apps        = [...]string{"web", "mobile", "api", "dataloader"}
	surnames    = [...]string{"Wang", "Li", "Zhang", "Liu", "Chen", "Yang", "Zhao", "Huang", "Zhou", "Wu", "Xu", "Sun"}
	givenNames  = [...]string{"Wei", "Fang", "Na", "Min", "Jing", "Lei", "Qiang", "Yan", "Jun", "Ping", "Tao", "Hui"}
)

// appendLine appends event number i. What belongs to a person is always the same.
func (g *generator) appendLine(b []byte, i int, now int64, h happening) []byte {
	person := mix(uint64(h.user) + 0xabcdef)
	if h.country == "" {
		h.country = countries[person%uint64(len(countries))]
	}
	if h.agent == "" {
		h.agent = agents[person>>8%uint64(len(agents))]
	}
	at := time.UnixMilli(start.UnixMilli() + now - g.r.Int64N(disorder)).UTC()
	id := mix(uint64(i) ^ g.Seed<<40)

	b = fmt.Appendf(b, `{"id":"%016x","time":"`, id)
	b = at.AppendFormat(b, "2006-01-02T15:04:05.000Z")
	b = fmt.Appendf(b, `","tenant":"t%02d","source":"%s","action":"%s"`, person>>16%50, sources[person>>24&3], actions[h.action])
	b = fmt.Appendf(b, `,"actor":{"id":"u%07d","name":"%s %s","role":"%s","department":"%s"}`,
		h.user, givenNames[person>>28%12], surnames[person>>33%12], roles[person>>38%6], departments[person>>42%6])
	switch h.action {
	case login, loginFailed, permissionChange:
		b = fmt.Appendf(b, `,"object":{"type":"User","id":"u%07d"}`, h.user)
	default:
		b = fmt.Appendf(b, `,"object":{"type":"%s","id":"%c%09d"}`, objTypes[h.objType], objTypes[h.objType][0], h.objID&0xffffff)
	}
	b = append(b, `,"rows":`...)
	b = strconv.AppendInt(b, int64(h.rows), 10)
	b = append(b, `,"bytes":`...)
	b = strconv.AppendInt(b, int64(h.rows)*int64(180+id%400), 10)
	b = fmt.Appendf(b, `,"src_ip":"10.%d.%d.%d","country":"%s","user_agent":"%s"`, person>>46&255, person>>50&255, 1+id>>8%250&255, h.country, h.agent)
	outcome := "success"
	if h.fails {
		outcome = "failure"
	}
	return fmt.Appendf(b, `,"device_id":"d-%08x","app":"%s","outcome":"%s","local_hour":%d}`+"\n",
		uint32(person>>20), apps[person>>55&3], outcome, (at.Hour()+8)%24)
}
