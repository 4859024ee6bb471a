package detect

import "github.com/crmwatch/crmwatch/rules"

// SetRules goes on with another set of rules. Windows belong to a rule's version,
// so those of rules that stayed as they were are kept, with what was found in
// them; those of rules that have changed or gone are deleted.
func (en *Engine) SetRules(set *rules.Set) {
	old := en.windows
	en.set, en.matcher, en.said = set, set.Matcher(), saidBy(set)
	// Fields that the old rules did not read are filled in from now on, and those
	// that only they read must not keep the values of old events.
	en.fields = rules.Record{}
	en.windows = en.newWindows(set)
	en.windows.Adopt(old)
}

// follow takes up the rules that are in force now, before a batch is judged by
// them: all events of one batch are judged by one set.
func (p *partition) follow() {
	if set := p.Rules(); set != p.engine.set {
		p.engine.SetRules(set)
	}
}
