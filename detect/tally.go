package detect

import (
	"strconv"

	"github.com/crmwatch/crmwatch/event"
)

// The correlation types of the Sigma correlation rules specification 2.1.0 that
// the engine runs.
var (
	eventCount = tally{
		measure: func(_ *window, from, to int) int64 { return int64(to - from + 1) },
	}

	valueSum = tally{
		contribute: func(e *entry, v event.Value) { e.Sum = number(v) },
		measure:    func(w *window, from, to int) int64 { return w.sums[to] - w.before(from) },
	}

	valueCount = tally{
		contribute: func(e *entry, v event.Value) { e.Value = intern(v.Text()) },
		measure: func(w *window, from, to int) int64 {
			distinct := make(map[string]struct{})
			for _, e := range w.Entries[from : to+1] {
				if e.Value != "" {
					distinct[e.Value] = struct{}{}
				}
			}
			return int64(len(distinct))
		},
	}
)

// number is the value as a number that can be summed: what is none, or is
// negative, adds nothing.
func number(v event.Value) int64 {
	n := v.Int
	if v.Kind == event.String {
		n, _ = strconv.ParseInt(v.Str, 10, 64)
	}
	return max(n, 0)
}
