package event

import (
	"errors"
	"fmt"
)

// The reasons for which an event is refused: few, fixed words, fit for a metric
// label.
const (
	BadJSON      = "bad_json"      // not JSON, or not an object, or more than one
	BadUTF8      = "bad_utf8"      // invalid UTF-8, or half of a surrogate pair
	BadText      = "bad_text"      // a character that has no place in the field
	BadTime      = "bad_time"      // not RFC 3339, or outside Earliest to Latest
	BadNumber    = "bad_number"    // not a whole number of 64 bits, or negative
	BadAddress   = "bad_address"   // not an IP address in canonical form
	BadValue     = "bad_value"     // not one of the field's words
	WrongType    = "wrong_type"    // a number for a text, an array for an object
	DuplicateKey = "duplicate_key" // readers disagree which of the two counts
	TooDeep      = "too_deep"      // nested deeper than MaxDepth
	TooMany      = "too_many_keys" // more than MaxKeys
	TooLong      = "too_long"      // longer than MaxField or MaxRaw
	Missing      = "missing"       // a required field is absent
)

// DecodeError says why a record is not an event. It never repeats the record's
// content.
type DecodeError struct {
	// Field is the path of the field at fault; empty where it is the record as a
	// whole or an attribute that Event has no field for.
	Field string
	// Offset is the byte of the record at which it was noticed, from 0.
	Offset int
	Reason string // one of the reasons above
	Msg    string // continues a sentence: "is not a whole number"
}

func (e *DecodeError) Error() string {
	if e.Field == "" {
		return fmt.Sprintf("record at byte %d %s", e.Offset, e.Msg)
	}
	return fmt.Sprintf("field %q at byte %d %s", e.Field, e.Offset, e.Msg)
}

// FieldError says what is wrong with one field of an event. It never repeats
// the field's content.
type FieldError struct {
	Field  string // the path
	Reason string // one of the reasons above
	Msg    string // continues a sentence: "is negative"
}

func (e *FieldError) Error() string { return fmt.Sprintf("field %q %s", e.Field, e.Msg) }

// Cause finds the field and the reason of the first DecodeError or FieldError
// in err; ok is false where there is neither.
func Cause(err error) (field, reason string, ok bool) {
	if d, is := errors.AsType[*DecodeError](err); is {
		return d.Field, d.Reason, true
	}
	if f, is := errors.AsType[*FieldError](err); is {
		return f.Field, f.Reason, true
	}
	return "", "", false
}
