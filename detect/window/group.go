package window

import (
	"encoding/binary"

	"github.com/crmwatch/crmwatch/event"
	"github.com/crmwatch/crmwatch/rules"
)

// groupKey appends the key of the record's group: the tenant and the values by
// their lengths, so that no two groups have one key. It is false where a value
// is missing, or is a list, which is no one value: such a record belongs to no
// group. 7 and "7" are one group; upper and lower case differ, as they do in the
// ids of CRMs.
func groupKey(b []byte, tenant string, rec *rules.Record, fields []rules.Field) (key []byte, numbers uint64, ok bool) {
	b = binary.AppendUvarint(b, uint64(len(tenant)))
	b = append(b, tenant...)
	for i, f := range fields {
		v := &rec.Values[f]
		switch v.Kind {
		case event.Absent, event.Null, event.List:
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

// describe takes the group's key apart. The list of values is good until the next
// call.
func (e *Engine[P]) describe(w *window[P]) Group {
	g := Group{Key: w.groupKey(), Numbers: w.numbers, Values: e.values[:0]}
	rest := g.Key
	g.Tenant, rest = cutText(rest)
	for rest != "" {
		var v string
		v, rest = cutText(rest)
		g.Values = append(g.Values, v)
	}
	e.values = g.Values
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
