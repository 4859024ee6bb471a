package simulate

import (
	"time"

	"github.com/crmwatch/crmwatch/event"
)

// pen writes acts down in their CRM's form.
type pen struct {
	tenant string
	id     string // of the act being written
	page   []byte // the page that lines are written on
	event  event.Event
}

// A page holds many lines; a line that does not fit begins a new page.
const (
	pageSize = 128 << 10
	lineSize = 2 << 10
)

func (p *pen) record(a *act) Record {
	if cap(p.page)-len(p.page) < lineSize {
		p.page = make([]byte, 0, pageSize)
	}
	p.id = a.name()
	from := len(p.page)
	if a.visit.account.source == salesforce {
		p.page = p.salesforce(p.page, a)
	} else {
		p.page = p.native(p.page, a)
	}
	to := len(p.page)
	return Record{At: time.UnixMilli(a.at).UTC(), Line: p.page[from:to:to], ID: p.id}
}

// name is the id of the act's record, in the form of its CRM.
func (a *act) name() string {
	hi, lo := a.id, mix64(a.id)
	var b [36]byte
	switch a.visit.account.source {
	case zoho:
		return string(appendHex(append(b[:0], "zg-"...), hi, 16))
	case yonyou:
		return string(appendHex(appendHex(b[:0], hi, 16), lo, 8))
	default:
		return string(appendUUID(b[:0], hi, lo))
	}
}

// native writes the act as a native event, as the company's access gateway sends
// it: it stands in front of the CRM and so knows address and device, and counts
// what comes out.
func (p *pen) native(b []byte, a *act) []byte {
	v, acc := a.visit, a.visit.account
	p.event = event.Event{
		ID: p.id, Time: time.UnixMilli(a.t).UTC(), Tenant: p.tenant, Source: acc.source, Type: nativeType(a),
		Action: a.kind.action(), Rows: a.rows, Bytes: a.bytes(), SrcIP: v.ip, Country: v.country, UserAgent: v.device.agent,
		DeviceID: v.device.id, App: v.app(), Session: string(appendKey(nil, v.key)), Outcome: event.Success,
		Actor:  event.Actor{ID: acc.id, Name: acc.name, Email: acc.email, Type: event.User, Role: acc.role, Department: acc.department},
		Object: event.Object{Type: a.object.name(), ID: a.object.nativeID()},
	}
	if acc.machine {
		p.event.Actor.Type = event.Integration
	}
	if a.kind == badLogin {
		p.event.Outcome, p.event.Reason = event.Failure, "invalid password"
	}
	if a.kind == deprovide {
		p.event.Object.ID, p.event.Reason = a.account.id, "account disabled"
	}
	return p.event.AppendJSON(b)
}

// app is the client's name.
func (v *visit) app() string {
	switch {
	case v.account.machine:
		return v.account.name
	case v.device.mobile:
		return "mobile"
	default:
		return "web"
	}
}

// bytes is the size of what left the CRM.
func (a *act) bytes() int64 {
	x := int64(mix64(a.id) >> 40)
	switch a.kind {
	case export, call:
		return a.rows * (180 + x%400)
	case download:
		return 20_000 + x%3_000_000
	default:
		return 0
	}
}

// nativeID is the record's id where one record is meant.
func (o object) nativeID() string {
	if o.id == 0 {
		return ""
	}
	return string(appendHex(append(make([]byte, 0, 12), kinds[o.kind].name[0]), uint64(o.id), 8))
}

// nativeType is what the CRM itself calls it.
func nativeType(a *act) string {
	names := &nativeTypes[a.visit.account.sourceIndex()]
	return names[a.kind]
}

func (a *account) sourceIndex() int {
	switch a.source {
	case zoho:
		return 0
	case jiandaoyun:
		return 1
	default:
		return 2
	}
}

const kindCount = int(deprovide) + 1

var nativeTypes = [3][kindCount]string{
	{ // Zoho
		login: "Sign In", badLogin: "Sign In Failed", logout: "Sign Out", view: "View", edit: "Update", create: "Add", search: "Search",
		list: "List View", report: "Run Report", export: "Export", download: "Attachment Download", call: "API Read", deprovide: "Deactivate User",
	},
	{ // Jiandaoyun
		login: "auth.session.login", badLogin: "auth.session.login_failed", logout: "auth.session.logout", view: "data.record.view", edit: "data.record.update",
		create: "data.record.create", search: "data.record.search", list: "data.record.list", report: "data.dash.view", export: "data.record.export",
		download: "data.file.download", call: "api.data.list", deprovide: "admin.member.freeze",
	},
	{ // Yonyou
		login: "登录", badLogin: "登录失败", logout: "登出", view: "打开", edit: "保存", create: "新增", search: "查询",
		list: "列表", report: "报表", export: "导出", download: "下载附件", call: "接口查询", deprovide: "停用用户",
	},
}
