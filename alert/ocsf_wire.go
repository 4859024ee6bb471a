package alert

import "github.com/crmwatch/crmwatch/event"

// What every alert has in common, by https://schema.ocsf.io/1.5.0/classes/detection_finding.
const (
	ocsfVersion = "1.5.0"
	ocsfClass   = 2004
)

// The activities of a Detection Finding.
const (
	ocsfCreate = 1
	ocsfUpdate = 2
	ocsfClose  = 3
)

// The statuses of a finding that crmwatch gives.
const (
	ocsfNew        = 1
	ocsfSuppressed = 3
)

// ocsfFinding is an OCSF Detection Finding, as far as crmwatch writes one. The
// order of its fields is the order of the bytes.
type ocsfFinding struct {
	ActivityID   int              `json:"activity_id"`
	ActivityName string           `json:"activity_name"`
	CategoryUID  int              `json:"category_uid"`
	CategoryName string           `json:"category_name"`
	ClassUID     int              `json:"class_uid"`
	ClassName    string           `json:"class_name"`
	TypeUID      int              `json:"type_uid"`
	TypeName     string           `json:"type_name"`
	SeverityID   int              `json:"severity_id"`
	Severity     string           `json:"severity"`
	StatusID     int              `json:"status_id"`
	Status       string           `json:"status"`
	IsAlert      bool             `json:"is_alert"`
	Time         int64            `json:"time"`
	StartTime    *int64           `json:"start_time,omitempty"`
	EndTime      *int64           `json:"end_time,omitempty"`
	Duration     int64            `json:"duration,omitempty"`
	Count        int64            `json:"count,omitempty"`
	Message      string           `json:"message"`
	Metadata     ocsfMetadata     `json:"metadata"`
	Info         ocsfInfo         `json:"finding_info"`
	Actor        *ocsfActor       `json:"actor,omitempty"`
	Evidences    []ocsfEvidence   `json:"evidences,omitempty"`
	Observables  []ocsfObservable `json:"observables,omitempty"`
	Unmapped     struct {
		Crmwatch ocsfRest `json:"crmwatch"`
	} `json:"unmapped"`
}

type ocsfMetadata struct {
	Version    string      `json:"version"`
	Product    ocsfProduct `json:"product"`
	Profiles   []string    `json:"profiles"`
	UID        string      `json:"uid"`
	Sequence   int         `json:"sequence,omitempty"` // the revision
	TenantUID  string      `json:"tenant_uid,omitempty"`
	LoggedTime *int64      `json:"logged_time,omitempty"`
}

type ocsfProduct struct {
	Name       string `json:"name"`
	VendorName string `json:"vendor_name"`
}

type ocsfInfo struct {
	UID           string        `json:"uid"`
	Title         string        `json:"title,omitempty"`
	Analytic      *ocsfAnalytic `json:"analytic,omitempty"`
	Attacks       []ocsfAttack  `json:"attacks,omitempty"`
	Created       *int64        `json:"created_time,omitempty"`
	FirstSeen     *int64        `json:"first_seen_time,omitempty"`
	LastSeen      *int64        `json:"last_seen_time,omitempty"`
	DataSources   []string      `json:"data_sources,omitempty"`
	RelatedCount  int64         `json:"related_events_count,omitempty"`
	RelatedEvents []ocsfRelated `json:"related_events,omitempty"`
}

type ocsfAnalytic struct {
	TypeID  int    `json:"type_id"`
	Type    string `json:"type"`
	UID     string `json:"uid,omitempty"`
	Name    string `json:"name,omitempty"`
	Version string `json:"version,omitempty"`
	Desc    string `json:"desc,omitempty"`
}

type ocsfAttack struct {
	Tactic       *ocsfNamed `json:"tactic,omitempty"`
	Technique    *ocsfNamed `json:"technique,omitempty"`
	SubTechnique *ocsfNamed `json:"sub_technique,omitempty"`
}

type ocsfNamed struct {
	UID  string `json:"uid"`
	Name string `json:"name,omitempty"`
}

type ocsfRelated struct {
	UID     string    `json:"uid"`
	TypeUID int       `json:"type_uid,omitempty"`
	Created *int64    `json:"created_time,omitempty"`
	Tags    []ocsfTag `json:"tags,omitempty"`
}

type ocsfTag struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type ocsfActor struct {
	User *ocsfUser `json:"user,omitempty"`
	App  string    `json:"app_name,omitempty"`
}

type ocsfUser struct {
	UID      string      `json:"uid,omitempty"`
	Name     string      `json:"name,omitempty"`
	FullName string      `json:"full_name,omitempty"`
	Email    string      `json:"email_addr,omitempty"`
	Domain   string      `json:"domain,omitempty"`
	Org      *ocsfOrg    `json:"org,omitempty"`
	Person   *ocsfPerson `json:"ldap_person,omitempty"`
}

type ocsfOrg struct {
	UID  string `json:"uid"`
	Unit string `json:"ou_name"`
}

type ocsfPerson struct {
	EmployeeUID string    `json:"employee_uid,omitempty"`
	JobTitle    string    `json:"job_title,omitempty"`
	Manager     *ocsfUser `json:"manager,omitempty"`
}

type ocsfEvidence struct {
	Actor  *ocsfActor    `json:"actor,omitempty"`
	Source *ocsfEndpoint `json:"src_endpoint,omitempty"`
}

type ocsfEndpoint struct {
	IP string `json:"ip"`
}

type ocsfObservable struct {
	Name   string `json:"name"`
	TypeID int    `json:"type_id"`
	Type   string `json:"type"`
	Value  string `json:"value"`
}

// ocsfRest is what OCSF has no attribute for, and what OCSF's attribute does not
// take in the case at hand.
type ocsfRest struct {
	Action      event.Action    `json:"action,omitempty"`
	Rows        int64           `json:"rows,omitempty"`
	Bytes       int64           `json:"bytes,omitempty"`
	Measured    int64           `json:"measured,omitempty"`
	Threshold   int64           `json:"threshold,omitempty"`
	Unit        string          `json:"unit,omitempty"`
	Uncertainty float64         `json:"uncertainty,omitempty"`
	ObjectTypes []string        `json:"object_types,omitempty"`
	Countries   []string        `json:"countries,omitempty"`
	UserAgents  []string        `json:"user_agents,omitempty"`
	Apps        []string        `json:"apps,omitempty"` // where one is empty
	IPs         []string        `json:"ips,omitempty"`  // where one is no address
	Reasons     []string        `json:"reasons,omitempty"`
	Rule        ocsfRuleRest    `json:"rule,omitzero"`
	Subject     ocsfSubjectRest `json:"subject,omitzero"`
}

type ocsfRuleRest struct {
	FalsePositives []string `json:"false_positives,omitempty"`
	Tags           []string `json:"tags,omitempty"`
	Author         string   `json:"author,omitempty"`
	References     []string `json:"references,omitempty"`
	Response       string   `json:"response,omitempty"`
	Version        string   `json:"version,omitempty"`     // without an analytic
	Description    string   `json:"description,omitempty"` // without an analytic
}

// ocsfSubjectRest has the person's attributes for a subject without key, the
// e-mail address where it is none by OCSF's pattern, and the department where no
// tenant is known.
type ocsfSubjectRest struct {
	TimeZone   string    `json:"time_zone,omitempty"`
	Employment string    `json:"employment,omitempty"`
	LastDay    string    `json:"last_day,omitempty"`
	Person     string    `json:"person,omitempty"`
	Name       string    `json:"name,omitempty"`
	Email      string    `json:"email,omitempty"`
	Department string    `json:"department,omitempty"`
	Role       string    `json:"role,omitempty"`
	Manager    string    `json:"manager,omitempty"`
	Accounts   []Account `json:"accounts,omitempty"`
}
