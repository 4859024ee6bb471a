package event

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// Hash names something by what it consists of: 32 hexadecimal digits, the first
// 128 bits of the SHA-256 of the parts. Every part goes in behind its length, so
// that different lists of parts cannot run into the same bytes. The ids of
// events, dead letters and findings are made by it.
func Hash(parts ...string) string {
	var stack [512]byte
	framed := stack[:0]
	for _, part := range parts {
		framed = binary.BigEndian.AppendUint64(framed, uint64(len(part)))
		framed = append(framed, part...)
	}
	sum := sha256.Sum256(framed)
	return hex.EncodeToString(sum[:16])
}
