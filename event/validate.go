package event

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"
)

// Validate reports everything that is wrong with the event: its error joins one
// *FieldError for each problem. It never repeats a field's content. AppendJSON
// and Decode give a valid event back unchanged, to the millisecond.
func (e *Event) Validate() error {
	var p problems
	p.checkNames(e)
	p.checkTime("time", e.Time)
	p.checkTime("collected", e.Collected)
	p.checkWords(e)
	p.checkOrigin(e)
	if e.Rows < 0 {
		p.add("rows", BadNumber, "is negative")
	}
	if e.Bytes < 0 {
		p.add("bytes", BadNumber, "is negative")
	}
	for i := range Fields {
		p.checkText(&Fields[i], e)
	}
	return errors.Join(p...)
}

// CanonicalIP returns the canonical text of an IPv4 or IPv6 address, the form
// that SrcIP needs: an IPv4 address without its IPv6 wrapping, an IPv6 address
// in the form of RFC 5952 without a zone. It is false where s is no address.
func CanonicalIP(s string) (string, bool) {
	ip, err := netip.ParseAddr(s)
	if err != nil {
		return "", false
	}
	return ip.Unmap().WithZone("").String(), true
}

// problems collects FieldErrors; it stays nil, and Validate free of
// allocations, for a valid event.
type problems []error

func (p *problems) add(field, reason, msg string) {
	*p = append(*p, &FieldError{Field: field, Reason: reason, Msg: msg})
}

// checkNames checks the fields that become parts of keys, file names and labels.
func (p *problems) checkNames(e *Event) {
	for _, f := range [...]struct{ path, v string }{{"id", e.ID}, {"tenant", e.Tenant}, {"source", e.Source}} {
		if f.v == "" {
			p.add(f.path, Missing, "is required")
		} else if strings.ContainsFunc(f.v, isControl) {
			p.add(f.path, BadText, "has a control character")
		}
	}
	if strings.Contains(e.Tenant, "/") {
		p.add("tenant", BadText, "must not contain a slash")
	}
}

func isControl(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 }

func (p *problems) checkTime(field string, t time.Time) {
	switch {
	case t.IsZero() && field == "time":
		p.add(field, Missing, "is required")
	case t.IsZero():
	case t.Before(Earliest) || !t.Before(Latest):
		p.add(field, BadTime, fmt.Sprintf("is outside %d to %d", Earliest.Year(), Latest.Year()-1))
	}
}

// checkWords checks the fields that have a vocabulary.
func (p *problems) checkWords(e *Event) {
	if e.Action == "" {
		p.add("action", Missing, "is required")
	} else if !e.Action.Valid() {
		p.add("action", BadValue, `is not an action crmwatch knows; use "other" and keep the record in "raw"`)
	}
	switch e.Outcome {
	case "", Success, Failure:
	default:
		p.add("outcome", BadValue, fmt.Sprintf("must be %q, %q or absent", Success, Failure))
	}
	switch e.Actor.Type {
	case "", User, Integration, Guest, System:
	default:
		p.add("actor.type", BadValue, fmt.Sprintf("must be %q, %q, %q, %q or absent", User, Integration, Guest, System))
	}
}

// checkOrigin checks where the event says it came from.
func (p *problems) checkOrigin(e *Event) {
	if e.SrcIP != "" && !isCanonicalIP(e.SrcIP) {
		p.add("src_ip", BadAddress, "is not an IP address in its canonical form")
	}
	if c := e.Country; c != "" && (len(c) != 2 || !isUpper(c[0]) || !isUpper(c[1])) {
		p.add("country", BadValue, "is not a country code of two capital letters")
	}
}

func isUpper(c byte) bool { return c >= 'A' && c <= 'Z' }

// isCanonicalIP is CanonicalIP(s) == s without allocating.
func isCanonicalIP(s string) bool {
	ip, err := netip.ParseAddr(s)
	if err != nil || ip.Is4In6() || ip.Zone() != "" {
		return false
	}
	var buf [64]byte
	return string(ip.AppendTo(buf[:0])) == s
}

// checkText checks what holds for every text.
func (p *problems) checkText(f *Field, e *Event) {
	if f.text == nil {
		return
	}
	s := *f.text(e)
	if limit := f.limit(); len(s) > limit {
		p.add(f.Path, TooLong, fmt.Sprintf("is longer than %d bytes", limit))
	}
	if !utf8.ValidString(s) {
		p.add(f.Path, BadUTF8, "is not valid UTF-8")
	}
	if strings.IndexByte(s, 0) >= 0 && f.Path != "id" && f.Path != "tenant" && f.Path != "source" {
		p.add(f.Path, BadText, "has a NUL")
	}
}
