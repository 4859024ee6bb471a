package rules

import (
	"fmt"
	"slices"
	"strings"
)

// reasonPart is literal text, or the path of a field.
type reasonPart struct{ text, field string }

// neverInMessages are the fields that may hold customers' data.
var neverInMessages = []string{"raw", "object.name", "object.id"}

// parseReason splits "left on {person.last_day}" into its parts.
func parseReason(template string, schema Schema) ([]reasonPart, error) {
	var parts []reasonPart
	for rest := template; rest != ""; {
		text, tail, found := strings.Cut(rest, "{")
		if strings.Contains(text, "}") {
			return nil, fmt.Errorf("has a %q without its %q", "}", "{")
		}
		if text != "" {
			parts = append(parts, reasonPart{text: text})
		}
		if !found {
			break
		}
		field, tail, found := strings.Cut(tail, "}")
		if !found {
			return nil, fmt.Errorf("has a %q without its %q", "{", "}")
		}
		if err := checkReasonField(field, schema); err != nil {
			return nil, err
		}
		parts = append(parts, reasonPart{field: field})
		rest = tail
	}
	return parts, nil
}

func checkReasonField(path string, schema Schema) error {
	if slices.Contains(neverInMessages, path) {
		return fmt.Errorf("must not show {%s}: it may hold customers' data", path)
	}
	if _, ok := schema.Field(path); !ok {
		return fmt.Errorf("names the unknown field {%s}%s", path, didYouMean(path, schema.Paths()))
	}
	return nil
}

// ExpandReason is the Reason with every field in braces replaced by what get
// says about it, and by "unknown" where that is the empty text.
func (m *Meta) ExpandReason(get func(path string) string) string {
	var b strings.Builder
	for _, p := range m.reason {
		if p.field == "" {
			b.WriteString(p.text)
			continue
		}
		b.WriteString(orUnknown(get(p.field)))
	}
	return b.String()
}

// ReasonFields lists the fields that the Reason names.
func (m *Meta) ReasonFields() (fields []string) {
	for _, p := range m.reason {
		if p.field != "" {
			fields = append(fields, p.field)
		}
	}
	return fields
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}
