package rules

// Evaluated is how many rules the matcher has looked at.
func (m *Matcher) Evaluated() uint64 { return m.evaluated }
