package coverage

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// WriteTable writes the report for people: first how many rules each scene has
// live, delayed and blind, then every rule.
func (r *Report) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "\tLIVE\tDELAYED\tBLIND\tOF %d RULES, IN\n", len(r.Rules))
	for i, s := range r.Scenes {
		n := r.count(i)
		fmt.Fprintf(t, "%s\t%d\t%s\t%d\t%s\n", letter(i), n.live, n.delays(), n.blind, s)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("write coverage: %w", err)
	}
	fmt.Fprint(t, "\nRULE\t")
	for i := range r.Scenes {
		fmt.Fprintf(t, "%s\t", letter(i))
	}
	fmt.Fprintln(t, "TECHNIQUES")
	for i := range r.Rules {
		rule := &r.Rules[i]
		fmt.Fprintf(t, "%s\t", rule.Name)
		for j := range rule.Views {
			fmt.Fprintf(t, "%s\t", rule.Views[j].cell())
		}
		fmt.Fprintln(t, dash(strings.Join(rule.Techniques, " ")))
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("write coverage: %w", err)
	}
	return nil
}

// letter names a column: the names of scenes are long, and not all of one width.
func letter(i int) string {
	if i >= 26 {
		return letter(i/26-1) + letter(i%26)
	}
	return string(rune('A' + i))
}

func (v *View) cell() string {
	if v.State == Delayed {
		return "+" + v.Delay
	}
	return string(v.State)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// tally counts the rules of a scene.
type tally struct {
	live, delayed, blind int
	least, most          time.Duration
}

func (r *Report) count(scene int) (n tally) {
	for i := range r.Rules {
		switch v := &r.Rules[i].Views[scene]; v.State {
		case Live:
			n.live++
		case Blind:
			n.blind++
		default:
			if n.delayed == 0 {
				n.least = v.delay
			}
			n.delayed++
			n.least, n.most = min(n.least, v.delay), max(n.most, v.delay)
		}
	}
	return n
}

// delays says how many are delayed, and by how much.
func (n *tally) delays() string {
	switch {
	case n.delayed == 0:
		return "0"
	case n.least == n.most:
		return fmt.Sprintf("%d (by %s)", n.delayed, span(n.most))
	default:
		return fmt.Sprintf("%d (by %s to %s)", n.delayed, span(n.least), span(n.most))
	}
}
