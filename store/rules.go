package store

import (
	"context"
	"iter"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/crmwatch/crmwatch/internal/stream"
	"github.com/crmwatch/crmwatch/rules/history"
)

func ruleTable() table[history.Version] {
	return table[history.Version]{
		name:    "rules",
		columns: ruleColumns,
		decoder: func() decoder[history.Version] { return decodeRule },
		batch:   1000,
	}
}

var ruleColumns = []column[history.Version]{
	of("id", func(v *history.Version) string { return v.RuleID }),
	of("rule_version", func(v *history.Version) string { return v.Version }),
	of("text", func(v *history.Version) string { return v.Text }),
	of("name", func(v *history.Version) string { return v.Name }),
	of("title", func(v *history.Version) string { return v.Title }),
	of("level", func(v *history.Version) string { return v.Level }),
	of("first_seen", func(v *history.Version) time.Time { return instant(v.First) }),
	of("last_seen", func(v *history.Version) time.Time { return instant(v.Last) }),
	of("source_files", ofSources(func(s *history.Source) string { return s.File })),
	of("source_lines", ofSources(func(s *history.Source) int32 { return int32(s.Line) })),
	of("source_texts", ofSources(func(s *history.Source) string { return s.Text })),
	of("source_left", ofSources(func(s *history.Source) int64 { return int64(s.Left) })),
}

func ofSources[V any](get func(*history.Source) V) func(*history.Version) []V {
	return func(v *history.Version) []V {
		vs := make([]V, len(v.Sources))
		for i := range v.Sources {
			vs[i] = get(&v.Sources[i])
		}
		return vs
	}
}

func decodeRule(rec stream.Record) (history.Version, error) {
	v, err := history.Decode(rec.Value)
	if err != nil {
		return v, err
	}
	return v, checkTimes(timeField{"first", v.First}, timeField{"last", v.Last})
}

// RuleVersions are the versions that a rule has had, by its id or its name, or
// those of all rules where it is empty; of each rule the oldest first. An error
// ends the sequence.
func (db *DB) RuleVersions(ctx context.Context, rule string) iter.Seq2[history.Version, error] {
	const q = `SELECT id, rule_version, text, name, title, level, first_seen, last_seen, source_files, source_lines, source_texts, source_left
		FROM rules WHERE ? = '' OR id = ? OR name = ? ORDER BY id, first_seen, last_seen, text`
	return each(ctx, db, "read versions of rules", scanRule, q, rule, rule, rule)
}

func scanRule(rows driver.Rows) (v history.Version, err error) {
	var files, texts []string
	var lines []int32
	var left []int64
	err = rows.Scan(&v.RuleID, &v.Version, &v.Text, &v.Name, &v.Title, &v.Level, &v.First, &v.Last, &files, &lines, &texts, &left)
	for i := range files {
		v.Sources = append(v.Sources, history.Source{File: files[i], Line: int(lines[i]), Text: texts[i], Left: int(left[i])})
	}
	return v, err
}
