package simulate

import "time"

// office is a place of work. No office lies east of the headquarters: days
// relies on a worker's day not beginning before the headquarters'.
type office struct {
	city, country string
	region        string // first-level subdivision
	zone          string
	lat, lon      float64
	// net and host are the first of the addresses that the office and its VPN
	// come from.
	net  string
	host int
	// from and to are the usual working hours, lunch the beginning of the break, in
	// minutes after midnight.
	from, to, lunch int
	// home and mobile are the third byte of the first address of the city's homes
	// and of its mobile network.
	home, mobile int
	foreign      bool // people's names are from western
	trips        []trip
}

// trip is where people travel to on business: never far enough to turn the day
// around, so that they keep their hours.
type trip struct{ country, net string }

var (
	chinaTrips  = []trip{{"SG", "198.19.200"}, {"HK", "198.19.201"}, {"MY", "198.19.202"}, {"JP", "198.19.203"}}
	europeTrips = []trip{{"FR", "198.19.210"}, {"GB", "198.19.211"}, {"PL", "198.19.212"}}
	usTrips     = []trip{{"CA", "198.19.220"}, {"MX", "198.19.221"}}
)

// The offices, by their index in departments.
const (
	shanghai = iota
	beijing
	shenzhen
	singapore
	berlin
	newYork
)

var offices = [...]office{
	shanghai:  {city: "Shanghai", country: "CN", region: "Shanghai", zone: "Asia/Shanghai", lat: 31.2222, lon: 121.4581, net: "203.0.113", host: 10, from: 9 * 60, to: 18 * 60, lunch: 12 * 60, home: 0, mobile: 0, trips: chinaTrips},
	beijing:   {city: "Beijing", country: "CN", region: "Beijing", zone: "Asia/Shanghai", lat: 39.9075, lon: 116.3972, net: "203.0.113", host: 40, from: 9 * 60, to: 18 * 60, lunch: 11*60 + 45, home: 32, mobile: 32, trips: chinaTrips},
	shenzhen:  {city: "Shenzhen", country: "CN", region: "Guangdong", zone: "Asia/Shanghai", lat: 22.5455, lon: 114.0683, net: "203.0.113", host: 70, from: 9*60 + 30, to: 18*60 + 30, lunch: 12 * 60, home: 64, mobile: 64, trips: chinaTrips},
	singapore: {city: "Singapore", country: "SG", region: "Singapore", zone: "Asia/Singapore", lat: 1.2897, lon: 103.8501, net: "198.51.100", host: 10, from: 9 * 60, to: 18 * 60, lunch: 12 * 60, home: 96, mobile: 96, foreign: true, trips: chinaTrips[1:]},
	berlin:    {city: "Berlin", country: "DE", region: "Berlin", zone: "Europe/Berlin", lat: 52.5244, lon: 13.4105, net: "198.51.100", host: 40, from: 8*60 + 30, to: 17*60 + 30, lunch: 12 * 60, home: 128, mobile: 128, foreign: true, trips: europeTrips},
	newYork:   {city: "New York", country: "US", region: "New York", zone: "America/New_York", lat: 40.7143, lon: -74.006, net: "198.51.100", host: 70, from: 9 * 60, to: 17*60 + 30, lunch: 12 * 60, home: 160, mobile: 160, foreign: true, trips: usTrips},
}

// department is a group of people with the same work.
type department struct {
	name  string
	share int // of the company's people, in a thousand
	// seats are the offices, each as often as its weight.
	seats []int
	// crms are the sources they have accounts in, the main one first.
	crms  []string
	tempo float64 // sessions on an ordinary day
	mix   mix
	// objects are the kinds of record they work with, most used first.
	objects []objectKind
	rights  string // the Salesforce profile's name, and the role of native events
	chief   string // role of its first person
	titles  []string
	shifts  []shift
}

// shift is a pattern of working hours; the zero shift is the office's own.
type shift struct {
	days     uint8
	from, to int // minutes after midnight
}

var workweek = weekdays(time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday)

var supportShifts = []shift{
	{},
	{},
	{days: workweek, from: 13 * 60, to: 22 * 60},
	{days: weekdays(time.Wednesday, time.Thursday, time.Friday, time.Saturday, time.Sunday), from: 9 * 60, to: 18 * 60},
	{days: weekdays(time.Saturday, time.Sunday, time.Monday, time.Tuesday, time.Wednesday), from: 12 * 60, to: 21 * 60},
}

// mix says, in a thousand, what people do within a session; the rest is views.
// An export's rows are lognormal around exportRows.
type mix struct {
	edit, create, search, list, report, export, download int
	exportRows                                           float64
}

var (
	sellers  = mix{edit: 150, create: 40, search: 120, list: 110, report: 25, export: 10, download: 20, exportRows: 90}
	helpers  = mix{edit: 200, create: 90, search: 170, list: 80, report: 10, export: 3, download: 30, exportRows: 40}
	writers  = mix{edit: 90, create: 50, search: 90, list: 160, report: 70, export: 22, download: 20, exportRows: 260}
	counters = mix{edit: 110, create: 50, search: 90, list: 140, report: 60, export: 18, download: 50, exportRows: 160}
	keepers  = mix{edit: 100, create: 30, search: 80, list: 150, report: 30, export: 4, download: 5, exportRows: 60}
	leaders  = mix{edit: 40, create: 10, search: 60, list: 160, report: 160, export: 10, download: 40, exportRows: 120}
)

var (
	sales   = []objectKind{accountObject, contactObject, opportunityObject, leadObject, contractObject}
	service = []objectKind{caseObject, contactObject, accountObject}
	money   = []objectKind{contractObject, invoiceObject, accountObject}
)

// headOffice and the others are where a department sits.
var (
	headOffice  = []int{shanghai, shanghai, shanghai, beijing}
	everywhere  = []int{shanghai, shanghai, shanghai, beijing, shenzhen, singapore, berlin, newYork}
	abroad      = []int{singapore, singapore, berlin, newYork}
	serviceDesk = []int{shanghai, shanghai, shenzhen, beijing, singapore}
)

var departments = [...]department{
	{name: "sales-east", share: 170, seats: []int{shanghai}, crms: []string{salesforce, jiandaoyun}, tempo: 4.2, mix: sellers, objects: sales, rights: "Sales User", chief: "sales manager", titles: []string{"sales representative", "sales representative", "account manager"}},
	{name: "sales-south", share: 130, seats: []int{shenzhen}, crms: []string{zoho, jiandaoyun}, tempo: 4.2, mix: sellers, objects: sales, rights: "Sales User", chief: "sales manager", titles: []string{"sales representative", "sales representative", "account manager"}},
	{name: "sales-north", share: 130, seats: []int{beijing}, crms: []string{salesforce, zoho}, tempo: 4.2, mix: sellers, objects: sales, rights: "Sales User", chief: "sales manager", titles: []string{"sales representative", "sales representative", "account manager"}},
	{name: "sales-international", share: 110, seats: abroad, crms: []string{salesforce}, tempo: 4, mix: sellers, objects: sales, rights: "Sales User", chief: "sales manager", titles: []string{"account executive", "account executive", "sales engineer"}},
	{name: "support", share: 180, seats: serviceDesk, crms: []string{jiandaoyun, salesforce}, tempo: 5, mix: helpers, objects: service, rights: "Support User", chief: "support manager", titles: []string{"support engineer", "support engineer", "field engineer"}, shifts: supportShifts},
	{name: "marketing", share: 90, seats: headOffice, crms: []string{zoho, salesforce}, tempo: 3, mix: writers, objects: []objectKind{leadObject, campaignObject, contactObject}, rights: "Marketing User", chief: "marketing manager", titles: []string{"campaign manager", "content editor", "event manager"}},
	{name: "finance", share: 80, seats: headOffice, crms: []string{yonyou, salesforce}, tempo: 3, mix: counters, objects: money, rights: "Finance User", chief: "finance manager", titles: []string{"accountant", "accountant", "controller"}},
	{name: "it", share: 50, seats: headOffice, crms: []string{salesforce, jiandaoyun, zoho, yonyou}, tempo: 2, mix: keepers, objects: []objectKind{accountObject, userObject, caseObject}, rights: "System Administrator", chief: "it manager", titles: []string{"crm administrator", "systems engineer", "reporting analyst"}},
	{name: "management", share: 60, seats: everywhere, crms: []string{salesforce, yonyou}, tempo: 1.6, mix: leaders, objects: []objectKind{opportunityObject, accountObject, contractObject}, rights: "Executive", chief: "managing director", titles: []string{"director", "regional director", "assistant"}},
}
