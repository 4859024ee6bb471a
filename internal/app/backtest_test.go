package app

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

// backtestRules are a rule of each kind: of one event, suppressed, a sum, an
// order, and a correlation over correlations.
const backtestRules = `title: Big export
id: 10000000-0000-4000-8000-000000000001
name: big
logsource: {product: crm, category: audit}
detection: {s: {action: export, rows|gte: 5000}, condition: s}
---
title: Deletion
id: 10000000-0000-4000-8000-000000000002
name: deletion
logsource: {product: crm, category: audit}
detection: {s: {action: delete}, condition: s}
crmwatch: {suppress: 30m}
---
title: Export
id: 10000000-0000-4000-8000-000000000003
name: export
logsource: {product: crm, category: audit}
detection: {s: {action: export}, condition: s}
---
title: Many rows
id: 10000000-0000-4000-8000-000000000004
name: many_rows
correlation: {type: value_sum, rules: [export], group-by: [actor.key], timespan: 1h, condition: {gte: 3000, field: rows}, generate: true}
---
title: Deleted after export
id: 10000000-0000-4000-8000-000000000005
name: deleted_after
correlation: {type: temporal_ordered, rules: [export, deletion], group-by: [actor.key], timespan: 20m, generate: true}
---
title: Exports without a deletion
id: 10000000-0000-4000-8000-000000000006
name: kept
correlation: {type: temporal, group-by: [actor.key], timespan: 15m, condition: many_rows and not deletion, generate: true}
`

// activity are n events of some people in the order of their time, seldom more
// than minutes apart, and one of each person two days later.
func activity(n int) (lines []string) {
	r := rand.New(rand.NewPCG(1, 2))
	at := monday
	for i := range n {
		at = at.Add(time.Duration(r.IntN(90)) * time.Second)
		user, action, rows := r.IntN(8), "export", 100+r.IntN(900)
		switch r.IntN(12) {
		case 0, 1:
			action, rows = "delete", 1
		case 2:
			rows = 5000
		case 3:
			at = at.Add(40 * time.Minute)
		}
		lines = append(lines, line(fmt.Sprintf("e%d", i), at, user, action, rows))
	}
	for user := range 8 {
		lines = append(lines, line(fmt.Sprintf("last%d", user), at.Add(48*time.Hour), user, "view", 1))
	}
	return lines
}

func line(id string, at time.Time, user int, action string, rows int) string {
	return fmt.Sprintf(`{"id":%q,"time":%q,"source":"zoho","action":%q,"actor":{"id":"u%d"},"rows":%d}`, id, at.Format(time.RFC3339Nano), action, user, rows)
}

func (l *life) post(t *testing.T, lines []string) {
	t.Helper()
	if code, text := l.ask(t, "POST", "/v1/events", strings.Join(lines, "\n"), asSender...); code != http.StatusOK {
		t.Fatalf("%d %s", code, text)
	}
}

// backtest runs one over the days of activity.
func (w *world) backtest(t *testing.T, b Backtest) *BacktestReport {
	t.Helper()
	b.From, b.To = monday.AddDate(0, 0, -1).In(time.FixedZone("", 8*60*60)), monday.AddDate(0, 0, 7)
	if err := b.Load(w.cfg.Rules); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	report, err := b.Run(ctx, w.cfg, slog.New(w.logs.handler()))
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// told writes alerts out as they were told last, with their revision or without.
func (r *BacktestReport) told(revision bool) (lines []string) {
	for _, h := range r.Variants[0].hits {
		n := h.Revision
		if !revision {
			n = 0
		}
		lines = append(lines, fmt.Sprintf("%s %s %s %d %s %d %d %d %d", h.ID, h.Rule, h.User, n, h.State, h.Start.UnixMilli(), h.End.UnixMilli(), h.Events, h.Measured))
	}
	slices.Sort(lines)
	return lines
}

func (w *world) told(t *testing.T, revision string) []string {
	t.Helper()
	lines := w.query(t, `SELECT concat(id, ' ', rule_name, ' ', subject, ' ', toString(`+revision+`), ' ', state, ' ', toString(toUnixTimestamp64Milli(start)), ' ',
		toString(toUnixTimestamp64Milli(end)), ' ', toString(events), ' ', toString(measured)) FROM alerts WHERE state != 'withdrawn'`)
	slices.Sort(lines)
	return lines
}

// storyBacktest has the same events judged live, by a detector with an engine for
// each partition, and by a backtest over what the archive has stored.
func storyBacktest(t *testing.T, w *world) {
	w.cfg.Rules.Dir = t.TempDir()
	put(t, filepath.Join(w.cfg.Rules.Dir, "rules.yml"), backtestRules)
	l := w.start(t)
	lines := activity(200)
	l.post(t, lines)
	l.drained(t)
	report := w.backtest(t, Backtest{WarmUp: -1})
	live := w.told(t, "revision")
	if diff := gocmp.Diff(live, report.told(true)); diff != "" {
		t.Errorf("live and the backtest differ (- live, + backtest):\n%s", diff)
	}
	found := report.Variants[0]
	if report.Events != int64(len(lines)) || report.Compared != len(live) || found.Same != len(live) || len(found.Missed) != 0 || found.New != 0 || found.Alerts != len(live) {
		t.Errorf("the report is %+v", report)
	}
	for _, rule := range []string{"big", "deletion", "many_rows", "deleted_after", "kept"} {
		if !slices.ContainsFunc(live, func(s string) bool { return strings.Contains(s, " "+rule+" ") }) {
			t.Errorf("%s made no alert, so that it was not compared", rule)
		}
	}
	if got := w.query(t, "SELECT DISTINCT toString(kafka_partition) FROM events"); len(got) != w.cfg.Kafka.Partitions {
		t.Errorf("the events are in the partitions %v", got)
	}
	w.backtestOfOne(t, live)
}

// backtestOfOne runs one rule, in several forms at once.
func (w *world) backtestOfOne(t *testing.T, live []string) {
	t.Helper()
	of := func(rule string) (lines []string) {
		for _, l := range live {
			if strings.Contains(l, " "+rule+" ") {
				lines = append(lines, l)
			}
		}
		return lines
	}
	var last int64
	one := w.backtest(t, Backtest{Rule: "kept", WarmUp: -1, Progress: func(done, total int64, _ time.Time) { last = total - done }})
	if diff := gocmp.Diff(of("kept"), one.told(true)); diff != "" || last != 0 || one.Variants[0].ByRule[0].Name != "kept" {
		t.Errorf("the rule by itself (- live, + backtest): %s; %d events are left", diff, last)
	}
	varied := w.backtest(t, Backtest{Rule: "many_rows", WarmUp: time.Hour, Vary: "threshold", Values: []string{"1", "3000", "100000"}})
	alerts := func(i int) int { return varied.Variants[i].Alerts }
	if alerts(1) != len(of("many_rows")) || alerts(0) == 0 || alerts(2) != 0 || len(varied.Variants[2].Missed) != alerts(1) || varied.Variants[0].Version == varied.Variants[1].Version {
		t.Errorf("varied: %+v", varied)
	}
	if len(varied.Variants[0].Missed) != 0 {
		t.Errorf("a lower threshold misses %+v", varied.Variants[0].Missed)
	}
}

// Events that come late and in no order are put where they belong, live as in a
// backtest: in the end both tell the same, if not in the same number of revisions.
// Only a correlation over others has the evidence of the moment at which they held,
// so of that the ids alone are compared.
func storyBacktestOfLateEvents(t *testing.T, w *world) {
	w.cfg.Rules.Dir = t.TempDir()
	put(t, filepath.Join(w.cfg.Rules.Dir, "rules.yml"), backtestRules)
	l := w.start(t)
	lines := activity(150)
	order := slices.Clone(lines[:150])
	rand.New(rand.NewPCG(3, 4)).Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	for part := range slices.Chunk(append(order, lines[150:]...), 80) {
		l.post(t, part)
		l.drained(t)
	}
	inShort := func(lines []string) []string {
		for i, l := range lines {
			if id, _, ok := strings.Cut(l, " kept "); ok {
				lines[i] = id
			}
		}
		return lines
	}
	if diff := gocmp.Diff(inShort(w.told(t, "0")), inShort(w.backtest(t, Backtest{WarmUp: -1}).told(false))); diff != "" {
		t.Errorf("live and the backtest differ (- live, + backtest):\n%s", diff)
	}
}

func TestBacktestRefuses(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "rules.yml"), strings.ReplaceAll(backtestRules, ", generate: true", ""))
	put(t, filepath.Join(dir, "other.yml"), "title: Other\nid: 10000000-0000-4000-8000-000000000009\nname: other\nlogsource: {product: windows}\ndetection: {s: {a: b}, condition: s}\n")
	for _, c := range []struct {
		b    Backtest
		want string
	}{
		{Backtest{Rule: "bigg"}, `there is no rule "bigg", nor a directory of that name; crmwatch rules list`},
		{Backtest{Rule: "export"}, `the rule "export" makes no alerts of its own; name the correlation that measures it: many_rows, deleted_after`},
		{Backtest{Rule: "many_rows"}, `the correlation "many_rows" makes no alerts of its own; name the one that measures it: kept`},
		{Backtest{Rule: "other"}, `the rule "other" is for another product`},
		{Backtest{Vary: "threshold", Values: []string{"1"}}, "only a rule can be varied, not all of them; name one"},
		{Backtest{Rule: "big", Vary: "threshold", Values: []string{"1"}}, "it is a rule of single events"},
		{Backtest{Rule: "kept", Vary: "timespan", Values: []string{"1h", "soon"}}, "timespan=soon: rules in " + dir + ":\nrules.yml:"},
		{Backtest{Rule: "big", To: monday}, "the period ends at 2026-09-21T02:00:00Z, which is not after it begins, at 2026-09-21T02:00:00Z"},
	} {
		c.b.From = monday
		if c.b.To.IsZero() {
			c.b.To = monday.Add(time.Hour)
		}
		if err := c.b.Load(Rules{Dir: dir}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %s", c.b, err, c.want)
		}
	}
}
