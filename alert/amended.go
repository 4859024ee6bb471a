package alert

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Told is what a finding's message said when it was sent: what its reader has in
// mind when the message is edited. Zero is not known.
type Told struct {
	Count    int64 `json:"count,omitempty"`
	Measured int64 `json:"measured,omitempty"`
}

// NewUpdate draws up the message about a finding that has a message already, of
// which it says what has changed.
func NewUpdate(f *Finding, told Told, consoleURL string) Message {
	m := NewMessage(f, consoleURL)
	m.Status = f.standing(&told)
	return m
}

// known is the state with its default spelt out.
func (s State) known() State {
	switch s {
	case Closed, Withdrawn:
		return s
	default:
		return Open
	}
}

// standing says where the alert stands, for somebody who has read it before:
// what has changed, and whether it goes on. A new alert that is open, which told
// is nil for, has nothing to say.
func (f *Finding) standing(told *Told) string {
	text := ""
	switch state := f.State.known(); {
	case state == Withdrawn:
		return f.withdrawal()
	case state == Closed:
		text = "Closed: " + f.progress(told) + ". That it has stopped is no all-clear."
	case told != nil:
		text = "Updated: " + f.progress(told) + "."
	}
	return strings.TrimSpace(text + f.absorbed())
}

func (f *Finding) withdrawal() string {
	if id := value(f.ReplacedBy); id != "" {
		return "Withdrawn: joined with alert " + id + ", because a late event showed that both are one. Decide there."
	}
	return "Withdrawn: a late event showed that it does not hold."
}

// absorbed names the alerts that this one has taken in.
func (f *Finding) absorbed() string {
	switch ids := words(f.Replaces, value); {
	case ids == "":
		return ""
	case len(f.Replaces) == 1:
		return " It now includes alert " + ids + ", which a late event showed to be part of it."
	default:
		return " It now includes alerts " + ids + ", which late events showed to be parts of it."
	}
}

// progress says from what to what the finding has grown, and when it was last
// seen: "12 → 240 events, last seen 10:42 UTC".
func (f *Finding) progress(told *Told) string {
	var parts []string
	if grown := f.grown(told); grown != "" {
		parts = append(parts, grown)
	}
	if !f.End.IsZero() {
		parts = append(parts, "last seen "+f.lastSeen())
	}
	if len(parts) == 0 {
		return "nothing more is known"
	}
	return strings.Join(parts, ", ")
}

// grown compares what the rule measures, or where that stands for itself the
// number of events, with what was told.
func (f *Finding) grown(told *Told) string {
	now, before, unit := f.Measured, int64(0), Plain(f.Unit, maxName)
	if told != nil {
		before = told.Measured
	}
	if unit == "" || unit == "days" || f.Measured == 0 {
		now, unit = f.Count, "events"
		if told != nil {
			before = told.Count
		}
	}
	if now == 0 {
		return ""
	}
	text := f.amount(now, unit)
	if before == 0 || before == now {
		return text
	}
	if unit == "bytes" {
		return size(before) + " → " + text
	}
	return thousands(before) + " → " + text
}

// lastSeen is the end of the window in UTC, which is what logs have, with its day
// where that is not the one on which it began.
func (f *Finding) lastSeen() string {
	const clock, day = "15:04", "2 Jan "
	end := f.End.UTC()
	if f.Start.UTC().Format(time.DateOnly) == end.Format(time.DateOnly) {
		return end.Format(clock) + " UTC"
	}
	return end.Format(day+clock) + " UTC"
}

// amount writes what the rule measured with its unit, which is a plural noun, or
// "different" and the name of a field. It says so where the number is not exact:
// "about 15,300 (± 2 %) different src_ip".
func (f *Finding) amount(n int64, unit string) string {
	margin := f.margin()
	if margin == "" || n != f.Measured {
		return amount(n, unit)
	}
	if unit == "bytes" {
		return "about " + size(n) + margin
	}
	return strings.TrimRight("about "+thousands(rounded(n))+margin+" "+unit, " ")
}

// margin is how far the measured number may be off, empty where it is exact.
func (f *Finding) margin() string {
	const least = 0.001
	if math.IsNaN(f.Uncertainty) || f.Uncertainty <= 0 {
		return ""
	}
	percent := 100 * min(max(f.Uncertainty, least), 1)
	digits := 1
	if percent >= 10 {
		digits = 0
	}
	return " (± " + strings.TrimSuffix(strconv.FormatFloat(percent, 'f', digits, 64), ".0") + " %)"
}

// rounded keeps three digits of a number: more of them would claim to be exact.
func rounded(n int64) int64 {
	step := int64(1)
	for n/step >= 1000 {
		step *= 10
	}
	if n > math.MaxInt64-step {
		return n
	}
	return (n + step/2) / step * step
}
