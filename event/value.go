package event

import "strconv"

// Kind is the type of a Value.
type Kind uint8

// The kinds. Absent is a field that the event does not have.
const (
	Absent Kind = iota
	String
	Int
	Bool
)

// Value is one field's content, as a rule sees it.
type Value struct {
	Kind Kind
	Str  string // of String
	Int  int64  // of Int; 1 or 0 of Bool
}

// StringValue is the value of a text field; an empty text is an absent field.
func StringValue(s string) Value {
	if s == "" {
		return Value{}
	}
	return Value{Kind: String, Str: s}
}

// IntValue is the value of a number.
func IntValue(n int64) Value { return Value{Kind: Int, Int: n} }

// BoolValue is the value of a yes or no.
func BoolValue(b bool) Value {
	if b {
		return Value{Kind: Bool, Int: 1}
	}
	return Value{Kind: Bool}
}

// Text is the value as Sigma compares it: everything is a string there
// (Sigma specification 2.1.0, "Value types"). Absent is the empty text.
func (v Value) Text() string {
	switch v.Kind {
	case String:
		return v.Str
	case Int:
		return strconv.FormatInt(v.Int, 10)
	case Bool:
		return strconv.FormatBool(v.Int != 0)
	default:
		return ""
	}
}
