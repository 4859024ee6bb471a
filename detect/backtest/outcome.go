package backtest

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Outcome is what a run found in a period, counted.
type Outcome struct {
	Alerts int `json:"alerts"`
	Users  int `json:"users"`
	// PerDay has every day of the period; the others have what was hit, most often
	// first.
	PerDay []Count `json:"per_day"`
	ByUser []Count `json:"by_user"`
	ByRule []Count `json:"by_rule"`
	// Same is how many of the alerts that were compared with are found again, and
	// Missed are those that are not. New is how many alerts are none of them.
	Same   int   `json:"same"`
	Missed []Hit `json:"missed"`
	New    int   `json:"new"`
}

// Count is how many alerts there were of something.
type Count struct {
	Name   string `json:"name"`
	Alerts int    `json:"alerts"`
}

// Rate is how many alerts there were on a day, on average.
func (o *Outcome) Rate() float64 { return float64(o.Alerts) / float64(max(len(o.PerDay), 1)) }

// Tally counts the alerts that were first told in the period that begins with from
// and ends before to, by the days of those times' zone. It compares all of them
// with others: an alert is found again where one has its id, or is about the same
// user at the same time, since a rule that has changed names its alerts otherwise.
func Tally(all, others []Hit, from, to time.Time) Outcome {
	o := Outcome{Missed: []Hit{}, PerDay: daysOf(from, to)}
	days, users, byRule := map[string]int{}, map[string]int{}, map[string]int{}
	for i, d := range o.PerDay {
		days[d.Name] = i
	}
	known := newIndex(others)
	for i := range all {
		h := &all[i]
		if h.At.Before(from) || !h.At.Before(to) {
			continue
		}
		o.Alerts++
		o.PerDay[days[dayOf(h.At.In(from.Location()))]].Alerts++
		users[h.Tenant+"/"+h.User]++
		byRule[h.Rule]++
		if !known.has(h) {
			o.New++
		}
	}
	o.Users, o.ByUser, o.ByRule = len(users), ranked(users), ranked(byRule)
	found := newIndex(all)
	for i := range others {
		if found.has(&others[i]) {
			o.Same++
		} else {
			o.Missed = append(o.Missed, others[i])
		}
	}
	return o
}

// index finds alerts by user.
type index map[string][]*Hit

func newIndex(hits []Hit) index {
	x := index{}
	for i := range hits {
		key := hits[i].Tenant + "/" + hits[i].User
		x[key] = append(x[key], &hits[i])
	}
	return x
}

func (x index) has(h *Hit) bool {
	return slices.ContainsFunc(x[h.Tenant+"/"+h.User], func(o *Hit) bool { return o.ID == h.ID || o.overlaps(h) })
}

// daysOf lists the days of a period, without alerts.
func daysOf(from, to time.Time) []Count {
	days := []Count{}
	for d := from; d.Before(to); d = time.Date(d.Year(), d.Month(), d.Day()+1, 0, 0, 0, 0, d.Location()) {
		days = append(days, Count{Name: dayOf(d)})
	}
	return days
}

func dayOf(t time.Time) string { return t.Format(time.DateOnly) }

// ranked lists what was counted, most often first.
func ranked(counts map[string]int) []Count {
	list := make([]Count, 0, len(counts))
	for name, n := range counts {
		list = append(list, Count{name, n})
	}
	slices.SortFunc(list, func(a, b Count) int { return cmp.Or(cmp.Compare(b.Alerts, a.Alerts), strings.Compare(a.Name, b.Name)) })
	return list
}
