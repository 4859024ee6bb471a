package detect

import "math"

// sources are how far each source's events have come. Streams come within
// seconds and log files hours later, so what waits for missing events must wait
// for the slowest.
type sources map[string]progress

// progress is how far a source has come, in milliseconds since 1970 UTC.
type progress struct {
	Newest    int64 `json:"n"` // event time
	Collected int64 `json:"c"`
}

func (s sources) saw(source string, at, collected int64) {
	p := s[source]
	s[source] = progress{max(p.Newest, at), max(p.Collected, collected)}
}

// watermark is the time up to which events are known, but for late ones: the
// least of the sources that are not idle. What is idle is told by the time of
// collection, because the engine knows no clock. Before there is any source it is
// before all times.
func (s sources) watermark(cfg *Config) int64 {
	if len(s) == 0 {
		return math.MinInt64 / 2
	}
	var now int64
	for _, p := range s {
		now = max(now, p.Collected)
	}
	least := int64(math.MaxInt64)
	for name, p := range s {
		delay, ok := cfg.Delays[name]
		if !ok {
			delay = cfg.Delay
		}
		if now-p.Collected <= max(cfg.Idle, 2*delay).Milliseconds() {
			least = min(least, p.Newest-delay.Milliseconds())
		}
	}
	return least
}
