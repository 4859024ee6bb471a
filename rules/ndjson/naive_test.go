package ndjson

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/crmwatch/crmwatch/event"
)

// naive looks the names up as the package comment says it, on what encoding/json
// makes of the line. It fails where the line is no object.
func naive(line []byte, names []string) ([]event.Value, error) {
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	var record map[string]any
	if err := d.Decode(&record); err != nil {
		return nil, err
	}
	values := make([]event.Value, len(names))
	for i, name := range names {
		for _, keys := range spellings(strings.Split(name, ".")) {
			if values[i] = naiveValue(record, keys); values[i].Kind != event.Absent {
				break
			}
		}
	}
	return values, nil
}

// spellings are all ways to join segments to keys, the longest first key first.
func spellings(segments []string) [][]string {
	if len(segments) == 0 {
		return [][]string{nil}
	}
	var all [][]string
	for n := len(segments); n > 0; n-- {
		for _, rest := range spellings(segments[n:]) {
			all = append(all, append([]string{strings.Join(segments[:n], ".")}, rest...))
		}
	}
	return all
}

func naiveValue(v any, keys []string) event.Value {
	if list, ok := v.([]any); ok {
		return naiveList(list, keys)
	}
	object, ok := v.(map[string]any)
	switch {
	case len(keys) == 0 && ok:
		return event.ListValue()
	case len(keys) == 0:
		return naiveScalar(v)
	default:
		if member, ok := object[keys[0]]; ok {
			return naiveValue(member, keys[1:])
		}
		return event.Value{}
	}
}

func naiveList(list []any, keys []string) event.Value {
	values, found := []event.Value{}, len(keys) == 0
	for _, element := range list {
		switch v := naiveValue(element, keys); v.Kind {
		case event.Absent:
		case event.List:
			values, found = append(values, *v.List...), true
		default:
			values, found = append(values, v), true
		}
	}
	if !found {
		return event.Value{}
	}
	return event.ListValue(values...)
}

func naiveScalar(v any) event.Value {
	switch v := v.(type) {
	case string:
		return event.Value{Kind: event.String, Str: v}
	case bool:
		return event.BoolValue(v)
	case json.Number:
		if n, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return event.IntValue(n)
		}
		if f, err := v.Float64(); err == nil && strings.ContainsAny(v.String(), ".eE") {
			return event.FloatValue(f)
		}
		return event.Value{Kind: event.String, Str: v.String()}
	default:
		return event.NullValue()
	}
}

// levels counts how many objects and arrays of valid JSON are within each other.
func levels(line []byte) int {
	depth, deepest := 0, 0
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	for {
		token, err := d.Token()
		if err != nil {
			return deepest
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
			deepest = max(deepest, depth)
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
}
