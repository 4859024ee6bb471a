package eval

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/crmwatch/crmwatch/detect/window"
	"github.com/crmwatch/crmwatch/rules"
)

// appendEvent appends the line of an event that matches a rule.
func (p *plan) appendEvent(b []byte, r *rules.Rule, line, at int64, timed bool) []byte {
	b = append(b, p.heads[&r.Meta]...)
	if timed {
		b = appendTime(b, at)
	} else {
		b = append(b, "null"...)
	}
	b = append(b, `,"event":`...)
	b = strconv.AppendInt(b, line, 10)
	return append(b, '}', '\n')
}

// appendAlert appends the line of a correlation that holds.
func (p *plan) appendAlert(b []byte, a *window.Alert[int64]) []byte {
	b = append(b, p.heads[a.Meta]...)
	b = appendTime(b, a.First)
	if a.Last != a.First {
		b = append(b, `,"last":`...)
		b = appendTime(b, a.Last)
	}
	b = append(b, `,"group":{`...)
	b = appendGroup(b, a)
	b = append(b, `},"value":`...)
	b = strconv.AppendFloat(b, a.Measured, 'f', -1, 64)
	lines := contributing(a)
	b = append(b, `,"events":[`...)
	for i, line := range lines {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, line, 10)
	}
	b = append(b, ']')
	if p.id >= 0 {
		b = p.appendIDs(b, lines)
	}
	return append(b, '}', '\n')
}

// contributing are the lines that an alert rests on, in their order and each
// once: an event can be in several instants of an inner correlation.
func contributing(a *window.Alert[int64]) []int64 {
	lines := a.Events
	if old, ok := a.Absorbed.(*[]int64); ok {
		lines = slices.Concat(*old, lines)
	}
	if !slices.IsSorted(lines) {
		slices.Sort(lines)
	}
	return slices.Compact(lines)
}

func (p *plan) appendIDs(b []byte, lines []int64) []byte {
	b = append(b, `,"ids":[`...)
	for i, line := range lines {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(b, p.ids[line])
	}
	return append(b, ']')
}

func appendGroup(b []byte, a *window.Alert[int64]) []byte {
	if a.Correlation == nil {
		return b
	}
	for i, name := range a.Correlation.GroupBy {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendText(b, name), ':')
		if a.Group.Numbers>>min(i, 63)&1 == 1 {
			b = append(b, a.Group.Values[i]...)
		} else {
			b = appendText(b, a.Group.Values[i])
		}
	}
	return b
}

// appendText appends a JSON text. Most have nothing to escape.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f || c == '<' || c == '>' || c == '&' {
			quoted, _ := json.Marshal(s) // texts can always be encoded
			return append(b, quoted...)
		}
	}
	b = append(append(b, '"'), s...)
	return append(b, '"')
}

func appendTime(b []byte, ms int64) []byte {
	b = append(b, '"')
	b = time.UnixMilli(ms).UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
	return append(b, '"')
}
