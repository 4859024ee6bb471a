// Package coverage says what a set of rules sees in which CRM, and with which
// licence: at once, late, or not at all. It goes by what the rules' authors say
// under crmwatch.requires, and by their ATT&CK tags.
package coverage

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/crmwatch/crmwatch/rules"
)

// State is how a rule fares in a CRM.
type State string

// The states, best first. A Delayed rule sees what happened when the CRM reports
// it; a Blind one never does.
const (
	Live    State = "live"
	Delayed State = "delayed"
	Blind   State = "blind"
)

// Options say what is asked for.
type Options struct {
	// CRMs are those that are asked about, all that are known where there is none.
	CRMs []string
	// Licences are those that the company has. Where nil every CRM is looked at
	// without any, and with each that a rule asks for.
	Licences []string
}

// Scene is a CRM with the licences that there are.
type Scene struct {
	CRM      string   `json:"crm"`
	Licences []string `json:"licences"`
}

func (s Scene) String() string {
	if len(s.Licences) == 0 {
		return s.CRM
	}
	return s.CRM + " with " + strings.Join(s.Licences, ", ")
}

// View is how a rule fares in a scene.
type View struct {
	Scene
	State State `json:"state"`
	// Delay is how late a Delayed rule is: "3h".
	Delay string `json:"delay,omitempty"`
	// Lacks are the licences without which a Blind rule is blind.
	Lacks []string `json:"lacks,omitempty"`

	delay time.Duration
}

// said is the view in a word or two.
func (v *View) said() string {
	switch {
	case v.State == Delayed:
		return "delayed by " + v.Delay
	case len(v.Lacks) > 0:
		return "blind without " + strings.Join(v.Lacks, ", ")
	default:
		return string(v.State)
	}
}

// Rule is a rule that makes alerts.
type Rule struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Title string `json:"title"`
	Level string `json:"level"`
	File  string `json:"file"`
	// Techniques are ATT&CK techniques and sub-techniques, T1078.004.
	Techniques []string `json:"techniques"`
	// Views are as Report.Scenes are.
	Views []View `json:"views"`
}

// Report is what the rules cover.
type Report struct {
	Scenes []Scene `json:"scenes"`
	// Rules are in the order of their files.
	Rules []Rule `json:"rules"`
}

// Of reports what the rules of a set cover. A correlation that says nothing of
// what it requires, or of its techniques, has those of what it measures. The error
// names a CRM or a licence that there is not.
func Of(set *rules.Set, o Options) (*Report, error) {
	all := collect(set)
	if err := check(o, all); err != nil {
		return nil, err
	}
	r := &Report{Scenes: scenes(o, all)}
	for _, s := range all {
		if !s.alerts {
			continue
		}
		rule := Rule{
			ID: s.meta.ID, Name: s.meta.Name, Title: s.meta.Title, Level: s.meta.Level, File: s.meta.Pos.File,
			Techniques: s.techniques(),
		}
		for _, scene := range r.Scenes {
			rule.Views = append(rule.Views, s.needs[scene.CRM].view(scene))
		}
		r.Rules = append(r.Rules, rule)
	}
	slices.SortStableFunc(r.Rules, func(a, b Rule) int { return cmp.Compare(a.File, b.File) })
	return r, nil
}

// subject is a rule or a correlation, with what follows from what it measures.
type subject struct {
	meta   *rules.Meta
	alerts bool
	tags   []string
	needs  map[string]need // by CRM; what is not there needs nothing
}

// need is what a rule needs of a CRM.
type need struct {
	licences []string
	delay    time.Duration
	blind    bool
}

// and is what is needed where both are.
func (n need) and(o need) need {
	for _, l := range o.licences {
		if !slices.Contains(n.licences, l) {
			n.licences = append(n.licences[:len(n.licences):len(n.licences)], l)
		}
	}
	return need{n.licences, max(n.delay, o.delay), n.blind || o.blind}
}

func (n need) view(s Scene) View {
	v := View{Scene: s, State: Live, delay: n.delay}
	for _, l := range n.licences {
		if !slices.Contains(s.Licences, l) {
			v.Lacks = append(v.Lacks, l)
		}
	}
	switch {
	case n.blind:
		v.State, v.Lacks, v.delay = Blind, nil, 0
	case len(v.Lacks) > 0:
		v.State, v.delay = Blind, 0
	case n.delay > 0:
		v.State, v.Delay = Delayed, span(n.delay)
	}
	return v
}

// collect lists all rules, and correlations after what they measure.
func collect(set *rules.Set) []*subject {
	var all []*subject
	byID := map[string]*subject{}
	add := func(m *rules.Meta, alerts bool) *subject {
		s := &subject{meta: m, alerts: alerts, tags: m.Tags, needs: map[string]need{}}
		for _, r := range m.Requires {
			n := need{delay: r.Delay, blind: r.Blind}
			if r.License != "" {
				n.licences = []string{r.License}
			}
			s.needs[r.CRM] = n
		}
		all = append(all, s)
		byID[m.ID] = s
		return s
	}
	for _, r := range set.Rules() {
		add(&r.Meta, r.Alerts && r.Applies)
	}
	for _, c := range set.Correlations() {
		s := add(&c.Meta, c.Alerts)
		for _, in := range c.Inputs {
			if in.Rule != nil {
				s.inherit(byID[in.Rule.ID])
			} else {
				s.inherit(byID[in.Correlation.ID])
			}
		}
	}
	return all
}

// inherit takes over what an input says, of what the correlation itself does not.
func (s *subject) inherit(in *subject) {
	if len(s.meta.Tags) == 0 {
		for _, t := range in.tags {
			if !slices.Contains(s.tags, t) {
				s.tags = append(s.tags, t)
			}
		}
	}
	if len(s.meta.Requires) == 0 {
		for crm, n := range in.needs {
			s.needs[crm] = s.needs[crm].and(n)
		}
	}
}

var technique = regexp.MustCompile(`^attack\.(t\d{4}(?:\.\d{3})?)$`)

func (s *subject) techniques() []string {
	ids := []string{} // an empty list in JSON
	for _, t := range s.tags {
		if m := technique.FindStringSubmatch(t); m != nil {
			ids = append(ids, strings.ToUpper(m[1]))
		}
	}
	slices.Sort(ids)
	return ids
}

// check refuses what no rule and no CRM is called, because coverage that is asked
// for by a wrong name would look as if there were none.
func check(o Options, all []*subject) error {
	for _, crm := range o.CRMs {
		if !slices.Contains(rules.CRMs(), crm) {
			return fmt.Errorf("there is no CRM %q; those that are known are %s", crm, strings.Join(rules.CRMs(), ", "))
		}
	}
	known := licences(all, "")
	for _, l := range o.Licences {
		switch {
		case slices.Contains(known, l):
		case len(known) == 0:
			return fmt.Errorf("no rule asks for the licence %q, or for any", l)
		default:
			return fmt.Errorf("no rule asks for the licence %q; those that rules ask for are %s", l, strings.Join(known, ", "))
		}
	}
	return nil
}

// licences lists what rules ask for in a CRM, or in any where it is empty.
func licences(all []*subject, crm string) []string {
	var list []string
	for _, s := range all {
		for c, n := range s.needs {
			if crm == "" || c == crm {
				list = append(list, n.licences...)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func scenes(o Options, all []*subject) []Scene {
	crms := o.CRMs
	if len(crms) == 0 {
		crms = rules.CRMs()
	}
	var list []Scene
	for i, crm := range crms {
		if slices.Contains(crms[:i], crm) {
			continue
		}
		asked := licences(all, crm)
		if o.Licences != nil {
			list = append(list, Scene{crm, slices.DeleteFunc(asked, func(l string) bool { return !slices.Contains(o.Licences, l) })})
			continue
		}
		list = append(list, Scene{crm, []string{}})
		for _, l := range asked {
			list = append(list, Scene{crm, []string{l}})
		}
	}
	for i := range list {
		list[i].Licences = append([]string{}, list[i].Licences...) // an empty list in JSON
	}
	return list
}

// span writes a duration as rules do: 3h, 5m, 7d.
func span(d time.Duration) string {
	for _, unit := range []struct {
		length time.Duration
		name   string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}} {
		if d >= unit.length && d%unit.length == 0 {
			return fmt.Sprintf("%d%s", d/unit.length, unit.name)
		}
	}
	return fmt.Sprintf("%gs", d.Seconds())
}
