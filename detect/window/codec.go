package window

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/fxamacker/cbor/v2"
)

// The state is written as CBOR (RFC 8949), because a restart waits until it is
// read: it takes a third of the time of JSON. Names of fields are their json tags,
// so state that was written as JSON, until form 2, is read by the same types.
var (
	encoder = must(cbor.EncOptions{Time: cbor.TimeRFC3339Nano}.EncMode())
	decoder = must(cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, MaxArrayElements: 1 << 24, MaxMapPairs: 1 << 20,
	}.DecMode())
)

// encoded is something within the state that is encoded itself.
type encoded []byte

// null is CBOR's.
const null = 0xf6

// MarshalCBOR implements cbor.Marshaler.
func (e encoded) MarshalCBOR() ([]byte, error) {
	if len(e) == 0 {
		return []byte{null}, nil
	}
	return e, nil
}

// UnmarshalCBOR implements cbor.Unmarshaler.
func (e *encoded) UnmarshalCBOR(data []byte) error {
	*e = nil
	if len(data) != 1 || data[0] != null {
		*e = slices.Clone(data)
	}
	return nil
}

// UnmarshalJSON implements json.Unmarshaler, for state until form 2.
func (e *encoded) UnmarshalJSON(data []byte) error {
	*e = slices.Clone(data)
	return nil
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // the options above are wrong
	}
	return v
}

// Encode gives a part of the state as it is kept.
func Encode(v any) ([]byte, error) {
	b, err := encoder.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", v, err)
	}
	return b, nil
}

// Decode reads what Encode has given. No CBOR map begins with a brace, so that
// JSON can be told from it.
func Decode(data []byte, v any) error {
	var err error
	if len(data) > 0 && data[0] == '{' {
		err = json.Unmarshal(data, v)
	} else {
		err = decoder.Unmarshal(data, v)
	}
	if err != nil {
		return fmt.Errorf("decode %T: %w", v, err)
	}
	return nil
}
