package salesforce

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/ingest"
)

// timeColumns hold the time of an event, the best one first. EVENT_DATE is
// behind those of event log files, because some pipelines add a day under that
// name.
var timeColumns = []string{"TIMESTAMP_DERIVED", "TIMESTAMP", "EVENT_DATE", "LOGIN_TIME", "VERIFICATION_TIME", "CREATED_DATE"}

// time reads the time of the event.
func (f *fields) time(t *time.Time) error {
	for _, name := range timeColumns {
		s := f.get(name)
		if s == "" {
			continue
		}
		at, ok := parseTime(s)
		if !ok {
			return ingest.Reject(name, event.BadTime, "the time is not one as Salesforce writes it, such as 2026-01-31T09:30:00.000Z or 20260131093000.000; export the record again")
		}
		if at.Before(event.Earliest) || !at.Before(event.Latest) {
			return ingest.Reject(name, event.BadTime, fmt.Sprintf("the time is outside the years %d to %d; correct it and ingest the record again",
				event.Earliest.Year(), event.Latest.Year()-1))
		}
		*t = at.UTC().Truncate(time.Millisecond)
		return nil
	}
	return ingest.Reject(timeColumns[1], event.BadTime, "the time is missing here and in the other columns that may have it; export the record again with its time")
}

// compact is TIMESTAMP of event log files without its fraction, whose trailing
// zeros may be missing.
const compact = "20060102150405"

var timeLayouts = []string{
	time.RFC3339,               // TIMESTAMP_DERIVED, and dates of the streams
	"2006-01-02T15:04:05Z0700", // dates of the REST API: +0000
	time.DateTime,              // after some warehouses; UTC
}

// parseTime reads a time in any of the forms that Salesforce, or what stands
// between it and here, writes.
func parseTime(s string) (time.Time, bool) {
	if whole, fraction, _ := strings.Cut(s, "."); isDigits(whole) {
		return parseDigits(whole, fraction, s)
	}
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// parseDigits reads a compact time, or seconds or milliseconds since 1970.
func parseDigits(whole, fraction, s string) (time.Time, bool) {
	if fraction != "" && !isDigits(fraction) {
		return time.Time{}, false
	}
	if len(whole) == len(compact) {
		t, err := time.Parse(compact, s) // takes a fraction of any length
		return t, err == nil
	}
	n, err := strconv.ParseInt(whole, 10, 64)
	switch {
	case err != nil:
		return time.Time{}, false
	case len(whole) == 13:
		return time.UnixMilli(n), true
	case len(whole) == 10:
		return time.Unix(n, 0), true
	}
	return time.Time{}, false
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// count reads a whole number that is not negative; absent is 0. JSON may write
// it with a fraction of zeros, since the API calls it a double.
func (f *fields) count(name string) (int64, error) {
	s := f.get(name)
	if s == "" {
		return 0, nil
	}
	if whole, zeros, ok := strings.Cut(s, "."); ok && strings.Trim(zeros, "0") == "" {
		s = whole
	}
	n, err := strconv.ParseInt(s, 10, 64)
	switch {
	case err != nil:
		return 0, ingest.Reject(name, event.BadNumber, "the number is not a whole one of 64 bits; correct it and ingest the record again")
	case n < 0:
		return 0, ingest.Reject(name, event.BadNumber, "the number is negative; correct it and ingest the record again")
	}
	return n, nil
}

// times multiplies without running over.
func times(a, b int64) int64 {
	if a > 0 && b > math.MaxInt64/a {
		return math.MaxInt64
	}
	return a * b
}

// address returns the canonical form of an IP address. Salesforce also writes
// "Salesforce.com IP", or nothing, which are no addresses.
func address(s string) string {
	ip, _ := event.CanonicalIP(s)
	return ip
}

// id18 returns the id in the form that tells ids apart without case. The three
// letters behind an id of 15 say which of its letters are upper case, five of
// them each. What is no id stays as it is.
func id18(id string) string {
	if len(id) != 15 || !isAlphanumeric(id) {
		return id
	}
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
	var suffix [3]byte
	for group := range suffix {
		bits := 0
		for i := range 5 {
			if isUpper(id[5*group+i]) {
				bits |= 1 << i
			}
		}
		suffix[group] = letters[bits]
	}
	return id + string(suffix[:])
}

func isAlphanumeric(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isUpper(c) && !isLower(c) && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// clip shortens a text to a number of bytes without splitting a character. The
// whole is in Raw; an overlong user agent must not be a way not to be recorded.
func clip(s string, size int) string {
	if len(s) <= size {
		return s
	}
	for size > 0 && !utf8.RuneStart(s[size]) {
		size--
	}
	return s[:size]
}

// country returns a code of two letters, and nothing for anything else.
func country(s string) string {
	if len(s) != 2 {
		return ""
	}
	s = strings.ToUpper(s)
	if !isUpper(s[0]) || !isUpper(s[1]) {
		return ""
	}
	return s
}

// entityOf returns the object type that an id is of, by the prefix that all
// ids of standard objects have.
func entityOf(id string) string {
	if len(id) < 3 {
		return ""
	}
	return prefixes[id[:3]]
}

var prefixes = map[string]string{
	"001": "Account", "003": "Contact", "005": "User", "006": "Opportunity", "00G": "Group", "00O": "Report", "00P": "Attachment",
	"00Q": "Lead", "00T": "Task", "00U": "Event", "00B": "ListView", "015": "Document", "01Z": "Dashboard", "068": "ContentVersion",
	"069": "ContentDocument", "500": "Case", "701": "Campaign", "800": "Contract", "801": "Order", "0PS": "PermissionSet",
}

// fromClause returns the object type that a SOQL query reads.
func fromClause(query string) string {
	words := strings.Fields(clip(query, 4096))
	depth := 0
	for i, w := range words {
		if depth == 0 && i+1 < len(words) && strings.EqualFold(w, "FROM") {
			return clip(strings.TrimFunc(words[i+1], func(r rune) bool { return r == '(' || r == ')' || r == ',' }), 255)
		}
		depth += strings.Count(w, "(") - strings.Count(w, ")")
	}
	return ""
}

// megabytes reads a size that may have a fraction, in bytes.
func megabytes(s string) int64 {
	mb, err := strconv.ParseFloat(s, 64)
	if err != nil || !(mb > 0 && mb < 1<<40) {
		return 0
	}
	return int64(mb * (1 << 20))
}
