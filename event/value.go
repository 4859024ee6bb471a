package event

import (
	"math"
	"strconv"
)

// Kind is the type of a Value.
type Kind uint8

// The kinds. Absent is a field that the event does not have; Null one that is
// there without content. A List has several values, as arrays of raw records do;
// the fields of an Event are never Null, Float or List.
const (
	Absent Kind = iota
	String
	Int
	Bool
	Float
	Null
	List
)

// Value is one field's content, as a rule sees it.
type Value struct {
	Kind Kind
	Str  string   // of String
	Int  int64    // of Int; 1 or 0 of Bool; the bits of the number of Float
	List *[]Value // of List; it belongs to the record
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

// FloatValue is the value of a number that may have a fraction. One that is
// whole becomes an Int where that is exact.
func FloatValue(f float64) Value {
	if i := int64(f); float64(i) == f && math.Abs(f) < 1<<53 {
		return IntValue(i)
	}
	return Value{Kind: Float, Int: int64(math.Float64bits(f))}
}

// NullValue is the value of a field that is there without content.
func NullValue() Value { return Value{Kind: Null} }

// ListValue is the value of a field with several values.
func ListValue(list ...Value) Value { return Value{Kind: List, List: &list} }

// Float is the number of a Float.
func (v Value) Float() float64 { return math.Float64frombits(uint64(v.Int)) }

// Text is the value as Sigma compares it: everything is a string there
// (Sigma specification 2.1.0, "Value types"). Absent, Null and a List are the
// empty text.
func (v Value) Text() string {
	switch v.Kind {
	case String:
		return v.Str
	case Int:
		return strconv.FormatInt(v.Int, 10)
	case Bool:
		return strconv.FormatBool(v.Int != 0)
	case Float:
		return strconv.FormatFloat(v.Float(), 'f', -1, 64)
	default:
		return ""
	}
}
