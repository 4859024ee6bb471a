package salesforce

import (
	"slices"
	"strings"
)

// fields are the names and the values of one record. A name is that of event
// log files, in upper snake case: LoginHistoryId of a real-time event is
// LOGIN_HISTORY_ID here, and the lower-case columns of some exports are no
// others.
type fields struct {
	index  map[string]int
	names  []string
	values []string
}

func newFields(size int) *fields {
	return &fields{index: make(map[string]int, size), names: make([]string, 0, size)}
}

// define adds a name and reports whether it is new.
func (f *fields) define(name string) bool {
	f.names = append(f.names, name)
	if _, twice := f.index[name]; twice {
		return false
	}
	f.index[name] = len(f.names) - 1
	return true
}

// set adds a name with its value.
func (f *fields) set(name, value string) {
	f.define(name)
	f.values = append(f.values, value)
}

func (f *fields) reset() {
	clear(f.index)
	f.names, f.values = f.names[:0], f.values[:0]
}

// get returns the value of the first of the names that has one.
func (f *fields) get(names ...string) string {
	for _, name := range names {
		if i, ok := f.index[name]; ok && f.values[i] != "" {
			return f.values[i]
		}
	}
	return ""
}

// has reports whether the name is there, with a value or without.
func (f *fields) has(name string) bool {
	_, ok := f.index[name]
	return ok
}

func (f *fields) hasAll(names ...string) bool {
	return !slices.ContainsFunc(names, func(name string) bool { return !f.has(name) })
}

// sorted returns the columns in the order of their names.
func (f *fields) sorted() []int {
	order := make([]int, len(f.names))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return strings.Compare(f.names[a], f.names[b]) })
	return order
}

// canonical writes a name in upper snake case: "EventDate", "event_date" and
// "EVENT_DATE" are one name. A path such as "CreatedBy.Name" keeps its dot.
func canonical(name string) string {
	name = strings.TrimSpace(name)
	if isCanonical(name) {
		return name
	}
	out := make([]byte, 0, len(name)+4)
	for i := range len(name) {
		c := name[i]
		if isUpper(c) && i > 0 && isLower(name[i-1]) {
			out = append(out, '_')
		}
		if isLower(c) {
			c -= 'a' - 'A'
		}
		out = append(out, c)
	}
	return string(out)
}

func isCanonical(name string) bool {
	for i := range len(name) {
		if isLower(name[i]) {
			return false
		}
	}
	return true
}

func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }
func isLower(c byte) bool { return 'a' <= c && c <= 'z' }
