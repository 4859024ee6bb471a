package reference

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
)

// record is an event as encoding/json decodes it, numbers as json.Number.
type record map[string]any

// field is what a record has under a path. Exists says that something is there;
// values are the scalars there: one, or the elements of an array, or none of an
// object.
type field struct {
	exists bool
	values []any
	array  bool
}

// field finds a path: literal keys with dots in them and nested objects alike, the
// longest key first; in arrays of objects, what any of them has.
func (rec record) field(path string) field {
	return find(map[string]any(rec), strings.Split(path, "."))
}

func find(v any, names []string) field {
	if len(names) == 0 {
		_, isArray := v.([]any)
		return field{exists: true, values: scalars(v), array: isArray}
	}
	var f field
	switch v := v.(type) {
	case map[string]any:
		for n := len(names); n > 0; n-- {
			if child, ok := v[strings.Join(names[:n], ".")]; ok {
				if f := find(child, names[n:]); f.exists {
					return f
				}
			}
		}
	case []any:
		f.array = true
		for _, element := range v {
			g := find(element, names)
			f.exists = f.exists || g.exists
			f.values = append(f.values, g.values...)
		}
	}
	return f
}

// scalars are the elements of an array and of those in it; an object is none.
func scalars(v any) []any {
	switch v := v.(type) {
	case map[string]any:
		return nil
	case []any:
		var list []any
		for _, element := range v {
			list = append(list, scalars(element)...)
		}
		return list
	default:
		return []any{v}
	}
}

// leaves are all scalars of a record but null: what keywords are searched in.
func leaves(v any) []any {
	var list []any
	switch v := v.(type) {
	case nil:
	case record:
		return leaves(map[string]any(v))
	case map[string]any:
		for _, child := range v {
			list = append(list, leaves(child)...)
		}
	case []any:
		for _, child := range v {
			list = append(list, leaves(child)...)
		}
	default:
		list = append(list, v)
	}
	return list
}

// text is a scalar as Sigma compares it; null has none.
func text(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case json.Number:
		return numberText(string(v)), true
	default:
		return "", false
	}
}

// numberText writes a number in one way only: 5.0 and 5e0 are 5.
func numberText(s string) string {
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return strconv.FormatInt(i, 10)
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || !strings.ContainsAny(s, ".eE") {
		return s
	}
	if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return strconv.FormatInt(int64(f), 10)
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

// number is a scalar as a number: a number, or a text that is written as one in
// decimal.
func number(v any) (float64, bool) {
	s := ""
	switch v := v.(type) {
	case json.Number:
		s = string(v)
	case string:
		s = v
	}
	if s == "" || strings.Trim(s, "0123456789+-.eE") != "" {
		return 0, false
	}
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil
}

// single is the text of a field that has exactly one value which is no null.
func (f field) single() (string, bool) {
	if f.array || len(f.values) != 1 {
		return "", false
	}
	return text(f.values[0])
}

func (rec record) time() (time.Time, bool) {
	s, _ := rec["time"].(string)
	at, err := time.Parse(time.RFC3339, s)
	return at.UTC(), err == nil
}
