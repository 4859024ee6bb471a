package window

import (
	"encoding/binary"
	"strings"

	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/rules"
)

// table holds the groups of all series that group by the same: one look-up
// serves them all.
type table[P any] struct {
	groups map[string]*group[P]
	names  []string
	spare  []*group[P]
}

// group is one combination of values with its windows.
type group[P any] struct {
	key     string
	numbers uint64
	windows *window[P]
}

// tableFor finds the table that a series can share, or makes one.
func (e *Engine[P]) tableFor(s *series[P]) *table[P] {
	names := []string{"rule"}
	if s.correlation != nil {
		names = s.correlation.GroupBy
	}
	for _, t := range e.tables {
		if strings.Join(t.names, "\x00") == strings.Join(names, "\x00") {
			return t
		}
	}
	t := &table[P]{groups: map[string]*group[P]{}, names: names}
	e.tables = append(e.tables, t)
	return t
}

// groupKey appends the key of the record's group: the tenant and the values by
// their lengths, so that no two groups have one key. It is false where a value
// is missing: such a record belongs to no group. 7 and "7" are one group; upper
// and lower case differ, as they do in the ids of CRMs.
func groupKey(b []byte, tenant string, rec *rules.Record, fields []rules.Field) (key []byte, numbers uint64, ok bool) {
	b = binary.AppendUvarint(b, uint64(len(tenant)))
	b = append(b, tenant...)
	for i, f := range fields {
		v := &rec.Values[f]
		switch v.Kind {
		case event.Absent, event.Null:
			return b, 0, false
		case event.String:
			b = binary.AppendUvarint(b, uint64(len(v.Str)))
			b = append(b, v.Str...)
		case event.Int, event.Float:
			numbers |= 1 << min(i, 63)
			b = appendText(b, v)
		default:
			b = appendText(b, v)
		}
	}
	return b, numbers, true
}

// innerKey appends the key of an outer group, of which every value is one of the
// inner group's.
func innerKey(b []byte, g *Group, fields []rules.Field) (key []byte, numbers uint64) {
	b = binary.AppendUvarint(b, uint64(len(g.Tenant)))
	b = append(b, g.Tenant...)
	for i, f := range fields {
		numbers |= g.Numbers >> f & 1 << min(i, 63)
		b = binary.AppendUvarint(b, uint64(len(g.Values[f])))
		b = append(b, g.Values[f]...)
	}
	return b, numbers
}

// innerValue is what an inner group contributes to a value type.
func innerValue(g *Group, fields []rules.Field, numeric bool) value {
	if numeric {
		return parseNumber(g.Values[fields[0]])
	}
	if len(fields) == 1 {
		return textValue(g.Values[fields[0]])
	}
	var b []byte
	for _, f := range fields {
		v := event.Value{Kind: event.String, Str: g.Values[f]}
		b = appendText(b, &v)
	}
	return textValue(string(b))
}

// describe takes the group's key apart.
func (w *window[P]) describe() Group {
	g := Group{Key: w.group.key, Numbers: w.group.numbers}
	rest := w.group.key
	g.Tenant, rest = cutText(rest)
	for rest != "" {
		var v string
		v, rest = cutText(rest)
		g.Values = append(g.Values, v)
	}
	return g
}

func cutText(s string) (text, rest string) {
	n, size := uvarint(s)
	return s[size : size+n], s[size+n:]
}

// uvarint is binary.Uvarint of a string.
func uvarint(s string) (n, size int) {
	for shift := 0; ; shift += 7 {
		b := s[size]
		size++
		n |= int(b&0x7f) << shift
		if b < 0x80 {
			return n, size
		}
	}
}

// window finds or makes the window of a group; nil where there is no room.
func (e *Engine[P]) window(s *series[P], key []byte, numbers uint64) *window[P] {
	t := s.table
	g := t.groups[string(key)]
	if g != nil {
		for w := g.windows; w != nil; w = w.next {
			if w.series == s {
				return w
			}
		}
	}
	if e.count >= e.cfg.Groups && !e.evict() {
		return nil
	}
	// The one that had to go may have been of this very group.
	if g = t.groups[string(key)]; g == nil {
		g = t.newGroup(string(key), numbers)
	}
	w := s.newWindow(g)
	e.count++
	s.idle.push(w, e.settled+s.checkAfter())
	return w
}

func (t *table[P]) newGroup(key string, numbers uint64) *group[P] {
	g := &group[P]{}
	if n := len(t.spare); n > 0 {
		g = t.spare[n-1]
		t.spare = t.spare[:n-1]
	}
	*g = group[P]{key: key, numbers: numbers}
	t.groups[key] = g
	return g
}

func (s *series[P]) newWindow(g *group[P]) *window[P] {
	w := &window[P]{}
	if n := len(s.free); n > 0 {
		w = s.free[n-1]
		s.free = s.free[:n-1]
	}
	*w = window[P]{series: s, group: g, next: g.windows, done: beforeAll}
	g.windows = w
	return w
}

// release gives up a window, and its group with the last one.
func (e *Engine[P]) release(w *window[P]) {
	g := w.group
	for at := &g.windows; *at != nil; at = &(*at).next {
		if *at == w {
			*at = w.next
			break
		}
	}
	w.forgetFold()
	e.pool.give(w.entries)
	if g.windows == nil {
		delete(w.series.table.groups, g.key)
		w.series.table.spare = append(w.series.table.spare, g)
	}
	e.forget(w)
	e.count--
	s := w.series
	*w = window[P]{}
	s.free = append(s.free, w)
}
