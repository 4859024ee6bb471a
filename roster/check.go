package roster

import (
	"errors"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/crmwatch/crmwatch/event"
)

// Limits of a person, in bytes and in accounts.
const (
	MaxText     = 1 << 10
	MaxAccounts = 100
)

// Validate reports everything that is wrong with the person: its error joins one
// *event.FieldError for each problem, which names the field as the JSON form does
// and never repeats its content.
func (p *Person) Validate() error {
	var errs []error
	if p.Tenant == "" {
		errs = append(errs, &event.FieldError{Field: "tenant", Reason: event.Missing, Msg: "is required"})
	}
	for _, problem := range p.problems() {
		errs = append(errs, problem)
	}
	return errors.Join(errs...)
}

// problems is Validate for a person whose tenant is still to be set.
func (p *Person) problems() []*event.FieldError {
	var all []*event.FieldError
	bad := func(field, reason, msg string) {
		all = append(all, &event.FieldError{Field: field, Reason: reason, Msg: msg})
	}
	if p.ID == "" {
		bad("id", event.Missing, "is required")
	}
	if strings.Contains(p.Tenant, "/") {
		bad("tenant", event.BadText, "must not contain a slash")
	}
	for _, f := range [...]struct{ name, text string }{
		{"id", p.ID}, {"tenant", p.Tenant}, {"name", p.Name}, {"email", p.Email}, {"department", p.Department}, {"role", p.Role}, {"manager", p.Manager},
	} {
		if reason, msg := checkText(f.text); reason != "" {
			bad(f.name, reason, msg)
		}
	}
	if p.Email != "" && !isEmail(p.Email) {
		bad("email", event.BadValue, "is not an e-mail address")
	}
	if _, err := loadZone(p.TimeZone); p.TimeZone != "" && err != nil {
		bad("time_zone", event.BadValue, "is not a time zone such as Asia/Shanghai")
	}
	if p.Hours != (Hours{}) && !p.Hours.Valid() {
		bad("hours", event.BadValue, "do not end after they begin")
	}
	if p.FirstDay != 0 && p.LastDay != 0 && p.LastDay < p.FirstDay {
		bad("last_day", event.BadTime, "is before the first day")
	}
	if msg := checkAccounts(p.Accounts); msg != "" {
		bad("accounts", event.BadValue, msg)
	}
	return all
}

func checkText(s string) (reason, msg string) {
	switch {
	case len(s) > MaxText:
		return event.TooLong, "is too long"
	case !utf8.ValidString(s):
		return event.BadUTF8, "is not valid UTF-8"
	case strings.ContainsFunc(s, unicode.IsControl):
		return event.BadText, "has a control character"
	case strings.TrimSpace(s) != s:
		return event.BadText, "has blanks around it"
	default:
		return "", ""
	}
}

func checkAccounts(accounts []Account) string {
	if len(accounts) > MaxAccounts {
		return "are too many"
	}
	seen := make(map[accountKey]bool, len(accounts))
	for _, a := range accounts {
		reasonSource, _ := checkText(a.Source)
		reasonID, _ := checkText(a.ID)
		k := keyOf("", a.Source, a.ID)
		switch {
		case a.Source == "" || a.ID == "" || reasonSource != "" || reasonID != "":
			return "need a source and an id of plain text each"
		case seen[k]:
			return "name the same account twice"
		case !a.LastActive.IsZero() && (a.LastActive.Before(event.Earliest) || !a.LastActive.Before(event.Latest)):
			return "have a last activity that is out of bounds"
		}
		seen[k] = true
	}
	return ""
}

// isEmail asks for no more than what tells an address from another column.
func isEmail(s string) bool {
	local, domain, ok := strings.Cut(s, "@")
	return ok && local != "" && domain != "" && !strings.ContainsAny(domain, "@") && !strings.ContainsFunc(s, unicode.IsSpace)
}

// loadZone finds a time zone by its IANA name. The zone of this machine is not
// one of them.
func loadZone(name string) (*time.Location, error) {
	if name == "" || name == "Local" {
		return nil, errors.New("load time zone: not an IANA name")
	}
	return time.LoadLocation(name)
}
