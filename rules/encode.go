package rules

import (
	"encoding/base64"
	"encoding/binary"
	"slices"
	"unicode/utf16"
)

// encodeText applies encodings to a text, in order, and gives all texts that may
// then stand in an event: base64offset makes three.
func encodeText(s string, encodings []string) []string {
	texts := [][]byte{[]byte(s)}
	for _, name := range encodings {
		var next [][]byte
		for _, t := range texts {
			next = append(next, encodeBytes(t, name)...)
		}
		texts = next
	}
	var out []string
	for _, t := range texts {
		out = append(out, string(t))
	}
	return out
}

func encodeBytes(b []byte, encoding string) [][]byte {
	switch encoding {
	case "base64":
		return [][]byte{base64.StdEncoding.AppendEncode(nil, b)}
	case "base64offset":
		return base64Offsets(b)
	case "utf16be":
		return [][]byte{encodeUTF16(string(b), binary.BigEndian)}
	case "utf16":
		return [][]byte{append([]byte{0xFF, 0xFE}, encodeUTF16(string(b), binary.LittleEndian)...)}
	default: // wide and utf16le are two names of one encoding
		return [][]byte{encodeUTF16(string(b), binary.LittleEndian)}
	}
}

func encodeUTF16(s string, order binary.AppendByteOrder) []byte {
	var out []byte
	for _, u := range utf16.Encode([]rune(s)) {
		out = order.AppendUint16(out, u)
	}
	return out
}

// base64Offsets encodes b as it looks inside a longer encoded text, where it may
// begin at any of three offsets; characters that its neighbours share are cut
// off.
func base64Offsets(b []byte) [][]byte {
	start, end := [3]int{0, 2, 3}, [3]int{0, 3, 2}
	var out [][]byte
	for i := range 3 {
		enc := base64.StdEncoding.AppendEncode(nil, slices.Concat([]byte("   ")[:i], b))
		// A short text leaves nothing that is its own at some offsets.
		if from, to := start[i], len(enc)-end[(len(b)+i)%3]; from < to {
			out = append(out, enc[from:to])
		}
	}
	return out
}
