package embedded

import (
	"regexp"
	"strconv"
)

// param is a bound parameter of a statement, {name:Type} in its text.
type param struct{ name, value string }

// engineError is what the engine says when a statement fails: text that begins
// with "Code: N.".
type engineError struct{ text string }

func (e *engineError) Error() string { return e.text }

// class is what the engine's parser says of a text: how many statements it holds,
// and the most that one of them does.
type class struct {
	statements uint32
	kind       uint32
}

// Kinds of statements, as the engine numbers them. Between these two are those that
// change something.
const (
	classReadOnly = 0
	classUnknown  = 4 // does not parse
)

var codeOf = regexp.MustCompile(`^Code:\s*(\d+)`)

// Codes of ClickHouse that the bridge gives or knows.
const (
	codeUnknown        = 1002
	codeBadArguments   = 36
	codeNotImplemented = 48
	codeTooManyQueries = 202
	codeSyntax         = 62
	codeReadonly       = 164
	codeUnknownSetting = 115
	codeAuthentication = 516
	codeCancelled      = 394
)

// code is the error's number in ClickHouse's own list.
func (e *engineError) code() int {
	m := codeOf.FindStringSubmatch(e.text)
	if m == nil {
		return codeUnknown
	}
	code, err := strconv.Atoi(m[1])
	if err != nil {
		return codeUnknown
	}
	return code
}

// refusal makes an error of the bridge look like the engine's own.
func refusal(code int, text string) *engineError {
	return &engineError{"Code: " + strconv.Itoa(code) + ". DB::Exception: " + text}
}
