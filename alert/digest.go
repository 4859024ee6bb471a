package alert

import (
	"cmp"
	"slices"
	"time"

	"github.com/crmwatch/crmwatch/event"
)

// maxRules is how many rules a digest counts one by one.
const maxRules = 9

// NewDigest draws up one message about findings that were detected longer than
// age ago: they are history, and somebody who is called at night must not have
// to read them one by one.
func NewDigest(findings []Finding, age time.Duration, consoleURL string) Message {
	ids := []string{"digest"}
	first, last := findings[0].Detected, findings[0].Detected
	top := Level("")
	for i := range findings {
		f := &findings[i]
		ids = append(ids, f.ID)
		if f.Detected.Before(first) {
			first = f.Detected
		}
		if f.Detected.After(last) {
			last = f.Detected
		}
		if level := f.Rule.Level.known(); level.rank() > top.rank() {
			top = level
		}
	}
	number := counted(int64(len(findings)), "older alert")
	m := Message{
		ID: event.Hash(ids...), Level: top, Title: number,
		Summary: number + ", detected more than " + span(age) + " ago, between " + first.UTC().Format(minute) +
			" and " + last.UTC().Format(minute) + " UTC, in one message instead of one each.",
		Notes: []string{"Every one of them is kept and can be found like any other alert."},
	}
	if base := console(consoleURL); base != nil {
		m.Links = []Link{{"All alerts", base.JoinPath("alerts").String()}}
	}
	m.add("By rule", byRule(findings), nil)
	m.add("By level", byLevel(findings), nil)
	return m
}

const minute = "2 Jan 2006 15:04"

// rank orders the levels; an unknown one is 0.
func (l Level) rank() int { return max(0, slices.Index(levels[:], l)) }

func byRule(findings []Finding) []Fact {
	return ranked(findings, func(f *Finding) string { return f.title() })
}

func byLevel(findings []Finding) []Fact {
	return ranked(findings, func(f *Finding) string {
		if level := f.Rule.Level.known(); level != "" {
			return capital(string(level))
		}
		return "No level"
	})
}

// ranked counts findings by a label, the most frequent first.
func ranked(findings []Finding, label func(*Finding) string) []Fact {
	counts := map[string]int64{}
	for i := range findings {
		counts[label(&findings[i])]++
	}
	labels := make([]string, 0, len(counts))
	for l := range counts {
		labels = append(labels, l)
	}
	slices.SortFunc(labels, func(a, b string) int { return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b)) })
	var all facts
	for _, l := range labels[:min(len(labels), maxRules)] {
		all.add(l, thousands(counts[l]))
		delete(counts, l)
	}
	var others int64
	for _, n := range counts {
		others += n
	}
	if others > 0 {
		all.add("Others", thousands(others))
	}
	return all
}
