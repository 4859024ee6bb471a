package coverage

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Layer is a layer of the ATT&CK Navigator, in version 4.5 of its format.
type Layer struct {
	Name        string           `json:"name"`
	Versions    LayerVersions    `json:"versions"`
	Domain      string           `json:"domain"`
	Description string           `json:"description"`
	Sorting     int              `json:"sorting"`
	Layout      LayerLayout      `json:"layout"`
	Techniques  []LayerTechnique `json:"techniques"`
	Gradient    LayerGradient    `json:"gradient"`
	Legend      []LayerLegend    `json:"legendItems"`
	Metadata    []LayerMetadata  `json:"metadata"`
}

// LayerVersions are those of the format and of the Navigator. That of ATT&CK is
// left out, which the Navigator takes for its own.
type LayerVersions struct {
	Navigator string `json:"navigator"`
	Layer     string `json:"layer"`
}

// LayerTechnique is a technique or a sub-technique with the best that a rule makes
// of it.
type LayerTechnique struct {
	ID       string          `json:"techniqueID"`
	Score    int             `json:"score"`
	Color    string          `json:"color"`
	Comment  string          `json:"comment"`
	Metadata []LayerMetadata `json:"metadata"`
}

// LayerLayout is how the matrix is shown.
type LayerLayout struct {
	Layout   string `json:"layout"`
	ShowID   bool   `json:"showID"`
	ShowName bool   `json:"showName"`
	Expanded string `json:"expandedSubtechniques"`
}

// LayerGradient gives scores their colours.
type LayerGradient struct {
	Colors []string `json:"colors"`
	Min    int      `json:"minValue"`
	Max    int      `json:"maxValue"`
}

// LayerLegend says what a colour means.
type LayerLegend struct {
	Label string `json:"label"`
	Color string `json:"color"`
}

// LayerMetadata is a line of the Navigator's tooltip.
type LayerMetadata struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// paint is how a state looks in a layer.
var paint = map[State]struct {
	score int
	color string
}{
	Live:    {100, "#8ec843"},
	Delayed: {50, "#ffe766"},
	Blind:   {0, "#ff6666"},
}

// sortByScore puts the techniques that are seen best first.
const sortByScore = 3

// Layers are the report as layers of the ATT&CK Navigator, one for each scene.
func (r *Report) Layers() []Layer {
	layers := make([]Layer, len(r.Scenes))
	for i, s := range r.Scenes {
		layers[i] = Layer{
			Name: "crmwatch: " + s.String(), Versions: LayerVersions{Navigator: "5.0.0", Layer: "4.5"}, Domain: "enterprise-attack",
			Description: "What crmwatch's rules see of " + s.String() + ": each technique by the best of its rules." + r.untagged(),
			Sorting:     sortByScore, Layout: LayerLayout{Layout: "side", ShowID: true, ShowName: true, Expanded: "annotated"},
			Techniques: r.techniques(i),
			Gradient:   LayerGradient{[]string{paint[Blind].color, paint[Delayed].color, paint[Live].color}, paint[Blind].score, paint[Live].score},
			Legend: []LayerLegend{
				{"live: seen within seconds", paint[Live].color},
				{"delayed: seen when the CRM reports it", paint[Delayed].color},
				{"blind: the CRM, or the licence, does not report it", paint[Blind].color},
			},
			Metadata: []LayerMetadata{{"crm", s.CRM}, {"licences", cmp.Or(strings.Join(s.Licences, ", "), "none")}},
		}
	}
	return layers
}

// untagged says which rules no layer can show.
func (r *Report) untagged() string {
	var names []string
	for i := range r.Rules {
		if len(r.Rules[i].Techniques) == 0 {
			names = append(names, r.Rules[i].Name)
		}
	}
	if names == nil {
		return ""
	}
	return " Rules without a technique in their tags are not shown: " + strings.Join(names, ", ") + "."
}

// techniques gathers a scene's techniques from the rules that are tagged with
// them, in the order of their ids.
func (r *Report) techniques(scene int) []LayerTechnique {
	rulesOf := map[string][]*Rule{}
	for i := range r.Rules {
		for _, id := range r.Rules[i].Techniques {
			rulesOf[id] = append(rulesOf[id], &r.Rules[i])
		}
	}
	list := make([]LayerTechnique, 0, len(rulesOf))
	for _, id := range slices.Sorted(maps.Keys(rulesOf)) {
		list = append(list, layerTechnique(id, rulesOf[id], scene))
	}
	return list
}

func layerTechnique(id string, tagged []*Rule, scene int) LayerTechnique {
	best := slices.MinFunc(tagged, func(a, b *Rule) int { return better(&a.Views[scene], &b.Views[scene]) })
	look := paint[best.Views[scene].State]
	t := LayerTechnique{ID: id, Score: look.score, Color: look.color}
	ordered := slices.Clone(tagged)
	slices.SortStableFunc(ordered, func(a, b *Rule) int { return better(&a.Views[scene], &b.Views[scene]) })
	var lines []string
	for i, rule := range ordered {
		said := rule.Views[scene].said()
		t.Metadata = append(t.Metadata, LayerMetadata{rule.Name, said})
		if i > 0 && said == ordered[i-1].Views[scene].said() {
			lines[len(lines)-1] += ", " + rule.Name
			continue
		}
		lines = append(lines, fmt.Sprintf("%s: %s", said, rule.Name))
	}
	t.Comment = strings.Join(lines, "\n")
	return t
}

// better orders views, best first.
func better(a, b *View) int {
	return cmp.Or(cmp.Compare(paint[b.State].score, paint[a.State].score), cmp.Compare(a.delay, b.delay), cmp.Compare(a.said(), b.said()))
}
