package detect

import (
	"cmp"
	"slices"
	"time"

	"github.com/crmwatch/crmwatch/alert"
	"github.com/crmwatch/crmwatch/event"
)

// entry is one event that counts in a window, with what a finding will need to
// say about it. Times are milliseconds since 1970 UTC.
type entry struct {
	Time    int64        `json:"t"`
	ID      string       `json:"i"`
	Value   string       `json:"v,omitempty"` // the counted value of value_count
	Sum     int64        `json:"n,omitempty"` // the summed value of value_sum
	Rows    int64        `json:"r,omitempty"`
	Bytes   int64        `json:"b,omitempty"`
	Action  event.Action `json:"a"`
	Source  string       `json:"s"`
	Account string       `json:"u,omitempty"`
	Login   string       `json:"l,omitempty"`
	Object  string       `json:"o,omitempty"`
	IP      string       `json:"p,omitempty"`
	Country string       `json:"c,omitempty"`
	Agent   string       `json:"g,omitempty"`
	App     string       `json:"x,omitempty"`
}

// window holds the events that count for one rule and one group, in the order of
// event time whatever order they came in, and what has been found in them.
//
// A window over the span T ends at each of its entries: it holds the entries of
// [t-T, t], both ends included, exactly.
type window struct {
	Entries []entry `json:"e"`
	// Fired are the ends of the windows that a finding was made of.
	Fired []int64 `json:"f,omitempty"`
	// Floor is the time before which entries have been forgotten.
	Floor int64 `json:"z,omitempty"`

	sums []int64 // running sums of Entries' Sum: sums[i] is over Entries[:i+1]
}

// placed says what became of an inserted entry.
type placed int

const (
	inserted placed = iota
	duplicate
	tooLate
)

// insert puts the entry where its time belongs and returns its index.
func (w *window) insert(e entry) (int, placed) {
	if e.Time < w.Floor {
		return 0, tooLate
	}
	i, found := slices.BinarySearchFunc(w.Entries, e, compareEntries)
	if found {
		return i, duplicate
	}
	w.Entries = slices.Insert(w.Entries, i, e)
	w.resum(i)
	return i, inserted
}

func compareEntries(a, b entry) int {
	return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.ID, b.ID))
}

// resum brings the running sums up to date from index i on. In the order of
// event time that is the last one only.
func (w *window) resum(i int) {
	w.sums = w.sums[:min(i, len(w.sums))]
	for i = len(w.sums); i < len(w.Entries); i++ {
		w.sums = append(w.sums, w.before(i)+min(w.Entries[i].Sum, maxSum))
	}
}

// maxSum caps what one entry adds to a sum, so that no hostile number can make
// the running sums overflow and so blind a rule.
const maxSum = 1 << 40

func (w *window) before(i int) int64 {
	if i == 0 {
		return 0
	}
	return w.sums[i-1]
}

// start is the index of the first entry of the window of this span that ends at
// entry j.
func (w *window) start(j int, span time.Duration) int {
	from := w.Entries[j].Time - span.Milliseconds()
	i, _ := slices.BinarySearchFunc(w.Entries[:j+1], from, func(e entry, t int64) int { return cmp.Compare(e.Time, t) })
	return i
}

// fired reports whether a finding was already made of a window whose end is
// less than the span away: one burst is one finding, told once per span.
func (w *window) fired(t int64, span time.Duration) bool {
	return slices.ContainsFunc(w.Fired, func(f int64) bool {
		d := t - f
		return max(d, -d) < span.Milliseconds()
	})
}

// forget drops entries that are older than keep before the newest one, and the
// oldest beyond the limit; what comes later for the forgotten time is too late.
// It waits until a quarter of the entries can go, since dropping one costs as
// much as dropping many.
func (w *window) forget(keep time.Duration, limit int) {
	n := len(w.Entries)
	if n == 0 {
		return
	}
	floor := w.Entries[n-1].Time - keep.Milliseconds()
	drop := max(0, n-limit)
	for drop < n && w.Entries[drop].Time < floor {
		drop++
	}
	if drop == 0 || 4*drop < n {
		return
	}
	w.Floor = max(w.Floor, floor, w.Entries[drop-1].Time+1)
	w.Entries = slices.Delete(w.Entries, 0, drop)
	w.resum(0)
	w.Fired = slices.DeleteFunc(w.Fired, func(f int64) bool { return f < w.Floor })
}

// describe fills the finding with what was seen in the entries.
func describe(f *alert.Finding, entries []entry) {
	f.Start, f.End = fromMillis(entries[0].Time), fromMillis(entries[len(entries)-1].Time)
	f.Action = entries[len(entries)-1].Action
	for _, e := range entries {
		f.Count++
		f.Rows = addSaturating(f.Rows, e.Rows)
		f.Bytes = addSaturating(f.Bytes, e.Bytes)
		f.Sources = seen(f.Sources, e.Source)
		f.ObjectTypes = seen(f.ObjectTypes, e.Object)
		f.IPs = seen(f.IPs, e.IP)
		f.Countries = seen(f.Countries, e.Country)
		f.UserAgents = seen(f.UserAgents, e.Agent)
		f.Apps = seen(f.Apps, e.App)
		if a := (alert.Account{Source: e.Source, ID: e.Account, Name: e.Login}); len(f.Subject.Accounts) < alert.MaxSeen && !slices.Contains(f.Subject.Accounts, a) {
			f.Subject.Accounts = append(f.Subject.Accounts, a)
		}
		if len(f.Events) < alert.MaxEvents {
			f.Events = append(f.Events, alert.EventRef{ID: e.ID, Time: fromMillis(e.Time), Action: e.Action, Rows: e.Rows})
		}
	}
}

// seen adds v to the distinct values, at most alert.MaxSeen of them.
func seen(values []string, v string) []string {
	if v == "" || len(values) >= alert.MaxSeen || slices.Contains(values, v) {
		return values
	}
	return append(values, v)
}

func fromMillis(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// addSaturating adds two counts that are not negative, staying at the largest
// number rather than turning negative on hostile input.
func addSaturating(a, b int64) int64 {
	if s := a + b; s >= a {
		return s
	}
	return 1<<63 - 1
}
