package ingest

import "github.com/crmwatch/crmwatch/event"

// Ordinals makes ids for records whose source gives them none: a hash of the
// content, and which of several equal records of one input it is. The same file
// read again gives the same ids, and two equal rows of one file stay two.
//
// The zero Ordinals is ready. It remembers between 262,144 and 524,288 different
// records; equal ones that lie further apart count as one record delivered
// twice. The memory is so bounded, and equal rows of an audit log, which carry
// the same millisecond, lie next to each other.
type Ordinals struct {
	now, before map[string]int
}

const ordinalsGeneration = 1 << 18

// ID returns the id of a record with this hash of its content.
func (o *Ordinals) ID(hash string) string {
	n, ok := o.now[hash]
	if !ok {
		n = o.before[hash]
	}
	if len(o.now) >= ordinalsGeneration {
		o.before, o.now = o.now, nil
	}
	if o.now == nil {
		o.now = make(map[string]int, 64)
	}
	o.now[hash] = n + 1
	if n == 0 {
		return hash
	}
	return event.Hash(hash, "ordinal", itoa(n))
}
