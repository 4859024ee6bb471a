package rules

import (
	"fmt"
	"slices"
	"strings"
)

// modifiers is what follows a field's name: how its values are meant.
type modifiers struct {
	// compare is how a value is compared: "" for equal, "contains", "startswith",
	// "endswith", "re", "cidr", "lt", "lte", "gt", "gte" or "exists".
	compare string
	// encode are the encodings, applied to the value in this order.
	encode []string
	// part is the part of a time that is compared: "hour".
	part     string
	flags    string // of a regular expression: "i", "m", "s"
	all      bool   // all values must hold, not any
	neq      bool   // the whole item is negated
	cased    bool   // upper and lower case differ
	fieldref bool   // values are names of fields
	windash  bool   // dashes of parameters are interchangeable
	expand   bool   // values have placeholders for look-up tables
}

var reFlags = map[string]string{
	"i": "i", "ignorecase": "i", "m": "m", "multiline": "m", "s": "s", "dotall": "s",
}

var (
	shapes    = []string{"contains", "startswith", "endswith"}
	orders    = []string{"lt", "lte", "gt", "gte"}
	encodings = []string{"wide", "utf16le", "utf16be", "utf16", "base64", "base64offset"}
	timeParts = []string{"minute", "hour", "day", "week", "month", "year"}
	// plain are the modifiers that no list above has.
	plain = []string{"all", "neq", "cased", "fieldref", "windash", "re", "cidr", "exists", "expand", "i", "m", "s"}
)

// parseModifiers reads the names after a field, in their order.
func parseModifiers(names []string) (modifiers, error) {
	var m modifiers
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			return m, fmt.Errorf("has the modifier %q twice", name)
		}
		if err := m.add(name); err != nil {
			return m, err
		}
	}
	return m, m.check()
}

func (m *modifiers) add(name string) error {
	flags := map[string]*bool{"all": &m.all, "neq": &m.neq, "cased": &m.cased, "fieldref": &m.fieldref, "windash": &m.windash, "expand": &m.expand}
	switch {
	case name == "expand" && (len(m.encode) > 0 || m.windash):
		return fmt.Errorf("has the modifier \"expand\" after one that changes the value; write \"expand\" first")
	case flags[name] != nil:
		*flags[name] = true
	case reFlags[name] != "":
		if m.compare != "re" {
			return fmt.Errorf("has the flag %q, which only follows the modifier \"re\"", name)
		}
		m.flags += reFlags[name]
	case slices.Contains(encodings, name):
		if m.compare != "" {
			return fmt.Errorf("has the modifier %q after %q; encode first: \"%s|%s\"", name, m.compare, name, m.compare)
		}
		m.encode = append(m.encode, name)
	case slices.Contains(timeParts, name):
		if m.part != "" {
			return fmt.Errorf("has both modifiers %q and %q", m.part, name)
		}
		m.part = name
	case slices.Contains(shapes, name), slices.Contains(orders, name), name == "re", name == "cidr", name == "exists":
		if m.compare != "" {
			return fmt.Errorf("has both modifiers %q and %q", m.compare, name)
		}
		m.compare = name
	default:
		return unknownModifier(name)
	}
	return nil
}

func unknownModifier(name string) error {
	if name == "" {
		return fmt.Errorf("has a \"|\" without a modifier")
	}
	known := slices.Concat(shapes, orders, encodings, timeParts, plain)
	return fmt.Errorf("has the unknown modifier %q%s", name, didYouMean(name, known))
}

// check refuses combinations that mean nothing, or something else than they seem
// to.
func (m *modifiers) check() error {
	textual := m.compare == "" || slices.Contains(shapes, m.compare)
	switch {
	case m.compare == "exists" && (m.all || m.neq || m.cased || m.fieldref || m.windash || m.part != "" || len(m.encode) > 0):
		return fmt.Errorf("combines \"exists\" with another modifier; it stands alone")
	case m.part != "" && (!slices.Contains(orders, m.compare) && m.compare != "" || m.cased || m.fieldref || m.windash || len(m.encode) > 0):
		return fmt.Errorf("combines %q with a modifier for texts; only lt, lte, gt, gte, neq and all go with it", m.part)
	case !textual && (m.cased || m.fieldref || m.windash || len(m.encode) > 0):
		return fmt.Errorf("combines %q with a modifier for texts; only neq and all go with it", m.compare)
	case m.expand && (m.fieldref || slices.Contains(orders, m.compare) || m.compare == "exists" || m.part != ""):
		return fmt.Errorf("combines \"expand\" with a modifier that is not for texts; look-up tables hold texts, write the values out")
	case m.fieldref && (m.windash || len(m.encode) > 0):
		return fmt.Errorf("combines \"fieldref\" with an encoding")
	case m.windash && len(m.encode) > 0:
		return fmt.Errorf("combines \"windash\" with an encoding; write the variants out")
	}
	return m.checkEncodings()
}

// checkEncodings refuses UTF-16 that is not encoded further: no text of an event
// holds raw UTF-16.
func (m *modifiers) checkEncodings() error {
	for i, name := range m.encode {
		if !strings.HasPrefix(name, "base64") && (i+1 == len(m.encode) || !strings.HasPrefix(m.encode[i+1], "base64")) {
			return fmt.Errorf("has the modifier %q without base64 after it; write \"%s|base64offset|contains\"", name, name)
		}
	}
	return nil
}
