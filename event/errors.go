package event

import (
	"errors"
	"fmt"
)

// The reasons for which an event is refused: few, fixed words, fit for a metric
// label.
const (
	BadJSON      = "bad_json"
	BadUTF8      = "bad_utf8"
	BadText      = "bad_text"
	BadTime      = "bad_time"
	BadNumber    = "bad_number"
	BadAddress   = "bad_address"
	BadValue     = "bad_value"
	WrongType    = "wrong_type"
	DuplicateKey = "duplicate_key"
	TooDeep      = "too_deep"
	TooManyKeys  = "too_many_keys"
	TooLong      = "too_long"
	Missing      = "missing"
)

// Reasons lists them with their meaning, for documentation and for counters
// that are to exist before the first refusal.
var Reasons = []struct{ Word, Doc string }{
	{BadJSON, "Not JSON, not complete, or something after the object."},
	{BadUTF8, "Bytes that are not UTF-8, or half of a surrogate pair."},
	{BadText, "A character that has no place in the field."},
	{BadTime, "Not an RFC 3339 time, or one that is out of bounds."},
	{BadNumber, "Not a whole number of 64 bits, or negative."},
	{BadAddress, "Not an IP address in its canonical form."},
	{BadValue, "Not one of the words that the field may have."},
	{WrongType, "A number for a text, an array for an object, and so on."},
	{DuplicateKey, "The same key twice in one object: readers disagree which of the two counts."},
	{TooDeep, "Objects and arrays nested too deep."},
	{TooManyKeys, "More keys than any event has."},
	{TooLong, "A text over its limit."},
	{Missing, "A required field is absent."},
}

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
