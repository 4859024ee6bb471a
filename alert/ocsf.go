package alert

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/crmwatch/crmwatch/event"
)

// maxRevision bounds a revision to what the archive's column holds.
const maxRevision = math.MaxInt32

// EncodeOCSF writes the finding as it lies on the topic of alerts: an OCSF 1.5.0
// Detection Finding (class 2004) with the host profile, which the actor needs.
// Every fact is in the attribute that OCSF has for it, and what OCSF has none for
// is in unmapped.crmwatch, so that DecodeOCSF gives the same finding back, its
// times to the millisecond and its state spelt out. Equal findings have equal
// bytes. Bytes that are not UTF-8 become U+FFFD.
//
// Every revision is an event of its own to OCSF: finding_info.uid stays, the
// activity is Create, Update or Close, and metadata has the revision as sequence
// and in its uid, because consumers take events of one uid for copies.
func EncodeOCSF(f Finding) ([]byte, error) {
	if f.ID == "" {
		return nil, errors.New("encode finding: it has no id")
	}
	if f.Revision < 0 || f.Revision > maxRevision {
		return nil, fmt.Errorf("encode finding %s: revision %d is outside 0 to %d", f.ID, f.Revision, maxRevision)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(toOCSF(&f)); err != nil {
		return nil, fmt.Errorf("encode finding: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// DecodeOCSF reads what EncodeOCSF wrote. It ignores attributes that it does not
// know, so that later versions may add some. Its error is an *event.DecodeError
// and never repeats the record's content.
func DecodeOCSF(b []byte) (Finding, error) {
	var o ocsfFinding
	if err := json.Unmarshal(b, &o); err != nil {
		return Finding{}, jsonError(err)
	}
	activity := o.TypeUID - ocsfClass*100
	switch {
	case o.ClassUID != ocsfClass || activity < ocsfCreate || activity > ocsfClose:
		return Finding{}, &event.DecodeError{
			Field: "type_uid", Reason: event.BadValue,
			Msg: "is not that of a Detection Finding that is created, updated or closed: 200401, 200402 or 200403",
		}
	case o.Info.UID == "":
		return Finding{}, &event.DecodeError{Field: "finding_info.uid", Reason: event.Missing, Msg: "is required"}
	case o.Metadata.Sequence < 0 || o.Metadata.Sequence > maxRevision:
		return Finding{}, &event.DecodeError{Field: "metadata.sequence", Reason: event.BadValue, Msg: "is no revision"}
	}
	return o.finding(), nil
}

// jsonError keeps the record's content, which encoding/json may quote, out of
// the error.
func jsonError(err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return &event.DecodeError{Field: wrong.Field, Offset: int(wrong.Offset), Reason: event.WrongType, Msg: "has the wrong type"}
	}
	d := &event.DecodeError{Reason: event.BadJSON, Msg: "is not JSON"}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		d.Offset = int(syntax.Offset)
	}
	return d
}

func toOCSF(f *Finding) *ocsfFinding {
	start, end := millis(f.Start), millis(f.End)
	o := &ocsfFinding{
		CategoryUID: 2, CategoryName: "Findings",
		ClassUID: ocsfClass, ClassName: "Detection Finding", IsAlert: true,
		Time: firstOf(millis(f.Detected), end, start), StartTime: start, EndTime: end,
		Count: f.Count, Message: f.Summary(),
		Metadata: ocsfMetadata{
			Version: ocsfVersion, UID: f.eventUID(), Sequence: f.Revision, TenantUID: f.Tenant, LoggedTime: millis(f.Detected),
			Product:  ocsfProduct{Name: "crmwatch", VendorName: "crmwatch"},
			Profiles: []string{"host"},
		},
		Info: ocsfInfo{
			UID: f.ID, Title: f.Rule.Title, Analytic: toAnalytic(&f.Rule), Attacks: attacks(f.Rule.Tags),
			Created: millis(f.Detected), FirstSeen: start, LastSeen: end, DataSources: f.Sources,
			RelatedEvents: toRelated(f), RelatedCount: f.Count,
		},
	}
	o.ActivityID, o.ActivityName = f.activity()
	o.TypeUID, o.TypeName = ocsfClass*100+o.ActivityID, o.ClassName+": "+o.ActivityName
	o.StatusID, o.Status = f.status()
	o.SeverityID, o.Severity = severity(f.Rule.Level)
	if !f.Start.IsZero() && f.End.After(f.Start) {
		o.Duration = *end - *start
	}
	rest := &o.Unmapped.Crmwatch
	*rest = ocsfRest{
		Action: f.Action, Rows: f.Rows, Bytes: f.Bytes, Measured: f.Measured, Threshold: f.Threshold, Unit: f.Unit,
		Uncertainty: f.Uncertainty, ObjectTypes: f.ObjectTypes, Countries: f.Countries, UserAgents: f.UserAgents, Reasons: f.Reasons,
		Rule: ocsfRuleRest{
			FalsePositives: f.Rule.FalsePositives, Tags: f.Rule.Tags, Author: f.Rule.Author,
			References: f.Rule.References, Response: f.Rule.Response,
		},
		Subject: ocsfSubjectRest{TimeZone: f.Subject.TimeZone, Employment: f.Subject.Employment, LastDay: f.Subject.LastDay},
	}
	if o.Info.Analytic == nil {
		rest.Rule.Version, rest.Rule.Description = f.Rule.Version, f.Rule.Description
	}
	o.Actor = toActor(f, &rest.Subject)
	o.Evidences = toEvidences(f, rest)
	o.Observables = toObservables(o.Evidences)
	return o
}

func (o *ocsfFinding) finding() Finding {
	rest := &o.Unmapped.Crmwatch
	f := Finding{
		ID: o.Info.UID, Tenant: o.Metadata.TenantUID, Revision: o.Metadata.Sequence, State: o.state(),
		Start: moment(o.StartTime), End: moment(o.EndTime), Detected: moment(o.Metadata.LoggedTime),
		Count: o.Count, Rows: rest.Rows, Bytes: rest.Bytes,
		Measured: rest.Measured, Threshold: rest.Threshold, Unit: rest.Unit, Uncertainty: rest.Uncertainty,
		Action: rest.Action, Sources: o.Info.DataSources, ObjectTypes: rest.ObjectTypes,
		IPs: rest.IPs, Countries: rest.Countries, UserAgents: rest.UserAgents, Apps: rest.Apps, Reasons: rest.Reasons,
		Rule: Rule{
			Version: rest.Rule.Version, Title: o.Info.Title, Level: levelOf(o.SeverityID, o.Severity),
			Description: rest.Rule.Description, FalsePositives: rest.Rule.FalsePositives, Tags: rest.Rule.Tags,
			Author: rest.Rule.Author, References: rest.Rule.References, Response: rest.Rule.Response,
		},
		Subject: rest.subject(),
	}
	if a := o.Info.Analytic; a != nil {
		f.Rule.ID, f.Rule.Name, f.Rule.Version, f.Rule.Description = a.UID, a.Name, a.Version, a.Desc
	}
	for i := range o.Info.RelatedEvents {
		o.Info.RelatedEvents[i].into(&f)
	}
	o.Actor.into(&f.Subject)
	for i := range o.Evidences {
		o.Evidences[i].into(&f)
	}
	return f
}

// toAnalytic is nil for a rule without id and name, which OCSF has no analytic
// for.
func toAnalytic(r *Rule) *ocsfAnalytic {
	if r.ID == "" && r.Name == "" {
		return nil
	}
	return &ocsfAnalytic{TypeID: 1, Type: "Rule", UID: r.ID, Name: r.Name, Version: r.Version, Desc: r.Description}
}

// eventUID names the revision among all events.
func (f *Finding) eventUID() string {
	if f.Revision == 0 {
		return f.ID
	}
	return f.ID + "/" + strconv.Itoa(f.Revision)
}

// activity is what a revision does to the finding. Closed and Withdrawn both
// close it, and their status tells them apart.
func (f *Finding) activity() (id int, caption string) {
	switch {
	case f.State == Closed || f.State == Withdrawn:
		return ocsfClose, "Close"
	case f.Revision > 0:
		return ocsfUpdate, "Update"
	default:
		return ocsfCreate, "Create"
	}
}

// status is what has become of the finding in the eyes of people. One whose
// burst is over is still New: that it went quiet does not mean that anybody has
// looked at it, and a SIEM must not count it as done.
func (f *Finding) status() (id int, caption string) {
	if f.State == Withdrawn {
		return ocsfSuppressed, "Suppressed"
	}
	return ocsfNew, "New"
}

func (o *ocsfFinding) state() State {
	switch {
	case o.TypeUID != ocsfClass*100+ocsfClose:
		return Open
	case o.StatusID == ocsfSuppressed:
		return Withdrawn
	default:
		return Closed
	}
}

// The names of the tags on a related event. One with a relation is no event but
// another finding; its value says which.
const (
	tagAction   = "crmwatch.action"
	tagRows     = "crmwatch.rows"
	tagRelation = "crmwatch.relation"

	replaces   = "replaces"
	replacedBy = "replaced_by"
)

// toRelated lists the events and then the other findings, for which OCSF has no
// list of their own.
func toRelated(f *Finding) []ocsfRelated {
	related := toRelatedEvents(f.Events)
	add := func(id, relation string) {
		related = append(related, ocsfRelated{UID: id, TypeUID: ocsfClass*100 + ocsfCreate, Tags: []ocsfTag{{tagRelation, relation}}})
	}
	for _, id := range f.Replaces {
		add(id, replaces)
	}
	if f.ReplacedBy != "" {
		add(f.ReplacedBy, replacedBy)
	}
	return related
}

func toRelatedEvents(events []EventRef) []ocsfRelated {
	var related []ocsfRelated
	for _, e := range events {
		r := ocsfRelated{UID: e.ID, TypeUID: e.Action.TypeUID(), Created: millis(e.Time)}
		if e.Action != "" {
			r.Tags = append(r.Tags, ocsfTag{tagAction, string(e.Action)})
		}
		if e.Rows != 0 {
			r.Tags = append(r.Tags, ocsfTag{tagRows, strconv.FormatInt(e.Rows, 10)})
		}
		related = append(related, r)
	}
	return related
}

func (r *ocsfRelated) into(f *Finding) {
	for _, t := range r.Tags {
		if t.Name != tagRelation {
			continue
		}
		switch t.Value {
		case replaces:
			f.Replaces = append(f.Replaces, r.UID)
		case replacedBy:
			f.ReplacedBy = r.UID
		}
		return
	}
	f.Events = append(f.Events, r.ref())
}

func (r *ocsfRelated) ref() EventRef {
	e := EventRef{ID: r.UID, Time: moment(r.Created)}
	for _, t := range r.Tags {
		switch t.Name {
		case tagAction:
			e.Action = event.Action(t.Value)
		case tagRows:
			e.Rows, _ = strconv.ParseInt(t.Value, 10, 64) // what is no number is no rows
		}
	}
	return e
}

// emailAddr is OCSF's pattern of an e-mail address.
var emailAddr = regexp.MustCompile("^[a-zA-Z0-9!#$%&'*+-/=?^_`{|}~.]+@[a-zA-Z0-9-]+\\.[a-zA-Z0-9-.]+$")

// toActor maps the subject. OCSF's user needs a uid and its organization a uid;
// what has no place without them goes to rest.
func toActor(f *Finding, rest *ocsfSubjectRest) *ocsfActor {
	s := &f.Subject
	if s.Key == "" {
		rest.Person, rest.Name, rest.Email = s.Person, s.Name, s.Email
		rest.Department, rest.Role, rest.Manager = s.Department, s.Role, s.Manager
		return nil
	}
	u := &ocsfUser{UID: s.Key, FullName: s.Name}
	if emailAddr.MatchString(s.Email) {
		u.Email = s.Email
	} else {
		rest.Email = s.Email
	}
	if f.Tenant != "" && s.Department != "" {
		u.Org = &ocsfOrg{UID: f.Tenant, Unit: s.Department}
	} else {
		rest.Department = s.Department
	}
	if s.Person != "" || s.Role != "" || s.Manager != "" {
		u.Person = &ocsfPerson{EmployeeUID: s.Person, JobTitle: s.Role}
		if s.Manager != "" {
			u.Person.Manager = &ocsfUser{Name: s.Manager}
		}
	}
	return &ocsfActor{User: u}
}

func (r *ocsfRest) subject() Subject {
	s := &r.Subject
	return Subject{
		Person: s.Person, Name: s.Name, Email: s.Email, Department: s.Department, Role: s.Role, Manager: s.Manager,
		TimeZone: s.TimeZone, Employment: s.Employment, LastDay: s.LastDay, Accounts: s.Accounts,
	}
}

func (a *ocsfActor) into(s *Subject) {
	if a == nil || a.User == nil {
		return
	}
	u := a.User
	s.Key, s.Name = u.UID, u.FullName
	if u.Email != "" {
		s.Email = u.Email
	}
	if u.Org != nil {
		s.Department = u.Org.Unit
	}
	if p := u.Person; p != nil {
		s.Person, s.Role = p.EmployeeUID, p.JobTitle
		if p.Manager != nil {
			s.Manager = p.Manager.Name
		}
	}
}

// toEvidences makes one evidence of each account, application and address that
// was seen: which of them came together the finding does not say. A list with a
// member that OCSF refuses goes to rest as a whole, so that its order stays.
func toEvidences(f *Finding, rest *ocsfRest) []ocsfEvidence {
	var all []ocsfEvidence
	if every(f.Subject.Accounts, func(a Account) bool { return a.ID != "" || a.Name != "" }) {
		for _, a := range f.Subject.Accounts {
			all = append(all, ocsfEvidence{Actor: &ocsfActor{User: &ocsfUser{UID: a.ID, Name: a.Name, Domain: a.Source}}})
		}
	} else {
		rest.Subject.Accounts = f.Subject.Accounts
	}
	if every(f.Apps, func(app string) bool { return app != "" }) {
		for _, app := range f.Apps {
			all = append(all, ocsfEvidence{Actor: &ocsfActor{App: app}})
		}
	} else {
		rest.Apps = f.Apps
	}
	if every(f.IPs, isAddress) {
		for _, ip := range f.IPs {
			all = append(all, ocsfEvidence{Source: &ocsfEndpoint{IP: ip}})
		}
	} else {
		rest.IPs = f.IPs
	}
	return all
}

func every[T any](list []T, ok func(T) bool) bool {
	for _, v := range list {
		if !ok(v) {
			return false
		}
	}
	return true
}

// isAddress reports whether OCSF's ip_t takes the text.
func isAddress(s string) bool {
	ip, err := netip.ParseAddr(s)
	return err == nil && ip.Zone() == "" && !ip.Is4In6()
}

func (e *ocsfEvidence) into(f *Finding) {
	switch {
	case e.Source != nil:
		f.IPs = append(f.IPs, e.Source.IP)
	case e.Actor != nil && e.Actor.User != nil:
		u := e.Actor.User
		f.Subject.Accounts = append(f.Subject.Accounts, Account{Source: u.Domain, ID: u.UID, Name: u.Name})
	case e.Actor != nil:
		f.Apps = append(f.Apps, e.Actor.App)
	}
}

// toObservables lists the addresses where every consumer of OCSF looks for them.
func toObservables(evidences []ocsfEvidence) []ocsfObservable {
	var all []ocsfObservable
	for _, e := range evidences {
		if e.Source != nil {
			all = append(all, ocsfObservable{Name: "evidences.src_endpoint.ip", TypeID: 2, Type: "IP Address", Value: e.Source.IP})
		}
	}
	return all
}

var levels = [...]Level{1: Informational, Low, Medium, High, Critical}

// severity maps a level to severity_id and its caption, which for a level that
// Sigma does not have is the level itself.
func severity(l Level) (id int, caption string) {
	if l == "" {
		return 0, "Unknown"
	}
	for id, known := range levels {
		if l == known {
			return id, capital(string(l))
		}
	}
	return 99, string(l)
}

func levelOf(id int, caption string) Level {
	switch {
	case id == 99:
		return Level(caption)
	case id > 0 && id < len(levels):
		return levels[id]
	default:
		return ""
	}
}

func millis(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	ms := t.UnixMilli()
	return &ms
}

func moment(ms *int64) time.Time {
	if ms == nil {
		return time.Time{}
	}
	return time.UnixMilli(*ms).UTC()
}

func firstOf(times ...*int64) int64 {
	for _, t := range times {
		if t != nil {
			return *t
		}
	}
	return 0
}

// tactics are the tactics of MITRE ATT&CK Enterprise, under the names of Sigma's
// tags.
var tactics = map[string]ocsfNamed{
	"reconnaissance":       {UID: "TA0043", Name: "Reconnaissance"},
	"resource-development": {UID: "TA0042", Name: "Resource Development"},
	"initial-access":       {UID: "TA0001", Name: "Initial Access"},
	"execution":            {UID: "TA0002", Name: "Execution"},
	"persistence":          {UID: "TA0003", Name: "Persistence"},
	"privilege-escalation": {UID: "TA0004", Name: "Privilege Escalation"},
	"defense-evasion":      {UID: "TA0005", Name: "Defense Evasion"},
	"credential-access":    {UID: "TA0006", Name: "Credential Access"},
	"discovery":            {UID: "TA0007", Name: "Discovery"},
	"lateral-movement":     {UID: "TA0008", Name: "Lateral Movement"},
	"collection":           {UID: "TA0009", Name: "Collection"},
	"command-and-control":  {UID: "TA0011", Name: "Command and Control"},
	"exfiltration":         {UID: "TA0010", Name: "Exfiltration"},
	"impact":               {UID: "TA0040", Name: "Impact"},
}

var technique = regexp.MustCompile(`^(t[0-9]{4})(\.[0-9]{3})?$`)

// attacks reads tactics, techniques and sub-techniques from Sigma's tags. Which
// tactic a technique serves the tags do not say, so each is an attack of its own.
func attacks(tags []string) []ocsfAttack {
	var all []ocsfAttack
	for _, tag := range tags {
		name, ok := strings.CutPrefix(strings.ToLower(tag), "attack.")
		if !ok {
			continue
		}
		if tactic, ok := tactics[strings.ReplaceAll(name, "_", "-")]; ok {
			all = append(all, ocsfAttack{Tactic: &tactic})
		}
		if id := technique.FindStringSubmatch(name); id != nil {
			a := ocsfAttack{Technique: &ocsfNamed{UID: strings.ToUpper(id[1])}}
			if id[2] != "" {
				a.SubTechnique = &ocsfNamed{UID: strings.ToUpper(name)}
			}
			all = append(all, a)
		}
	}
	return all
}
