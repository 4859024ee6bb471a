package detect

import (
	"fmt"

	"github.com/crmwatch/crmwatch/event"
)

// reasons say why the activity is unusual: what the rule's author wrote, then
// what the roster and the account's history say whatever the rule.
func reasons(w *watcher, r *record) []string {
	var out []string
	if text := w.ExpandReason(r.text); text != "" {
		out = append(out, text)
	}
	if n := r.derived[personDaysSinceLastDay].Int; n > 0 {
		out = append(out, fmt.Sprintf("The account's owner left on %s, %s before.", r.derived[personLastDay].Text(), days(n)))
	}
	if n := r.derived[accountIdleDays].Int; n > 0 {
		out = append(out, fmt.Sprintf("The account had been silent for %s.", days(n)))
	}
	if v := r.derived[localOffHours]; v == event.BoolValue(true) {
		out = append(out, offHoursReason(r))
	}
	return out
}

func offHoursReason(r *record) string {
	return fmt.Sprintf("It was %s (%s), outside working hours.", r.local.Format("15:04 on Monday"), r.local.Location())
}

func days(n int64) string {
	if n == 1 {
		return "1 day"
	}
	return fmt.Sprintf("%d days", n)
}
