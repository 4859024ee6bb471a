package simulate

import (
	"slices"
	"time"
)

// Alert is what a detector said, as far as the answer key can judge it.
type Alert struct {
	ID      string
	Rule    string // the rule's short name
	Subject string // the finding's subject key
	Events  []string
	Time    time.Time // when it was said, by the clock the caller measures with
}

// Result is a detector's marks.
type Result struct {
	Found  []Found
	Missed []Incident
	// True are all alerts that belong to an incident, by whichever rule; False are
	// the others.
	True, False []Alert
}

// Found is an incident and the earliest alert by one of its rules.
type Found struct {
	Incident Incident
	Alert    Alert
}

// Score marks alerts with the answer key. An alert is true when it names the
// subject of an incident and at least one of its events; an incident is found
// when one of its true alerts is by a rule that it asks for. Incidents keep
// their order, and so do alerts.
func Score(incidents []Incident, alerts []Alert) Result {
	var res Result
	earliest := make([]*Alert, len(incidents))
	key := indexEvents(incidents)
	for i := range alerts {
		a := &alerts[i]
		hits := key.hits(a)
		if len(hits) == 0 {
			res.False = append(res.False, *a)
			continue
		}
		res.True = append(res.True, *a)
		for _, n := range hits {
			if slices.Contains(incidents[n].Rules, a.Rule) && (earliest[n] == nil || a.Time.Before(earliest[n].Time)) {
				earliest[n] = a
			}
		}
	}
	for i, in := range incidents {
		if earliest[i] == nil {
			res.Missed = append(res.Missed, in)
		} else {
			res.Found = append(res.Found, Found{in, *earliest[i]})
		}
	}
	return res
}

type mark struct{ subject, event string }

// answers finds the incidents of a subject and an event.
type answers map[mark][]int

func indexEvents(incidents []Incident) answers {
	m := answers{}
	for i, in := range incidents {
		for _, e := range in.Events {
			k := mark{in.Subject, e}
			m[k] = append(m[k], i)
		}
	}
	return m
}

// hits are the incidents that the alert belongs to, each once, in their order.
func (m answers) hits(a *Alert) []int {
	var out []int
	for _, e := range a.Events {
		out = append(out, m[mark{a.Subject, e}]...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
