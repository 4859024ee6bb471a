package store

import (
	"strings"
	"testing"
	"time"

	"github.com/crmwatch/crmwatch/internal/stream"
)

func TestVersionOrdersCopies(t *testing.T) {
	at := func(ms, offset int64) stream.Record { return stream.Record{Time: time.UnixMilli(ms), Offset: offset} }
	const now = 1_795_000_000_000
	for name, tt := range map[string]struct{ older, newer stream.Record }{
		"later in the log":        {at(now, 1), at(now, 2)},
		"later by time":           {at(now, 9), at(now+1, 1)},
		"topic was made again":    {at(now, 1<<19), at(now+60_000, 0)},
		"long log":                {at(now, 1<<40), at(now+1, 1<<40+1)},
		"without a time":          {stream.Record{Offset: 1}, at(now, 0)},
		"before 1970 counts as 0": {at(-5, 0), at(1, 0)},
	} {
		if version(tt.older) >= version(tt.newer) {
			t.Errorf("%s: %d is not below %d", name, version(tt.older), version(tt.newer))
		}
	}
	if v := version(at(4_102_444_800_000, 1<<20-1)); v>>20 != 4_102_444_800_000 {
		t.Errorf("the last millisecond of the century is cut: %d", v>>20)
	}
}

func TestKeptFrom(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct{ claimed, want time.Time }{
		"just now":                 {now, now},
		"replay of a week ago":     {now.AddDate(0, 0, -7), now.AddDate(0, 0, -7)},
		"clock a bit ahead":        {now.Add(time.Hour), now.Add(time.Hour)},
		"would vanish at once":     {now.AddDate(-2, 0, 0), now},
		"would stay for good":      {now.AddDate(70, 0, 0), now},
		"not set":                  {time.Time{}, now},
		"year 1":                   {time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), now},
		"edge of what is believed": {now.Add(-believedAge), now.Add(-believedAge)},
	} {
		if got := keptFrom(tt.claimed, now); !got.Equal(tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

func rowsOf(first int64, values ...string) []row[string] {
	rows := make([]row[string], len(values))
	for i, v := range values {
		rows[i].rec = stream.Record{Partition: 3, Offset: first + int64(i), Value: []byte(v)}
	}
	return rows
}

func TestTokenNamesPlaceAndContent(t *testing.T) {
	base := token("events", rowsOf(10, "a", "b"))
	if !strings.HasPrefix(base, "events:3:10-11:") {
		t.Errorf("token %q does not name its place", base)
	}
	if again := token("events", rowsOf(10, "a", "b")); again != base {
		t.Errorf("the same block has tokens %q and %q", base, again)
	}
	for name, other := range map[string]string{
		"another table":                  token("alerts", rowsOf(10, "a", "b")),
		"another place":                  token("events", rowsOf(11, "a", "b")),
		"another cut":                    token("events", rowsOf(10, "a")),
		"a topic that was made again":    token("events", rowsOf(10, "a", "c")),
		"bytes moved between the values": token("events", rowsOf(10, "ab", "")),
	} {
		if other == base {
			t.Errorf("%s has the same token", name)
		}
	}
}

func TestBlocks(t *testing.T) {
	for name, tt := range map[string]struct {
		sizes []int
		want  []int // rows in each block
	}{
		"none":               {nil, nil},
		"all in one":         {[]int{3, 3, 4}, []int{3}},
		"one over":           {[]int{3, 3, 5}, []int{2, 1}},
		"each by itself":     {[]int{9, 9, 9}, []int{1, 1, 1}},
		"larger than any":    {[]int{1, 99, 1}, []int{1, 1, 1}},
		"larger than any, 1": {[]int{99}, []int{1}},
		"empty values":       {[]int{0, 0, 0}, []int{3}},
	} {
		t.Run(name, func(t *testing.T) {
			var values []string
			for _, n := range tt.sizes {
				values = append(values, strings.Repeat("x", n))
			}
			var got []int
			next := int64(0)
			for b := range blocks(rowsOf(0, values...), 10) {
				got = append(got, len(b))
				for _, r := range b {
					if r.rec.Offset != next {
						t.Fatalf("offset %d where %d was due", r.rec.Offset, next)
					}
					next++
				}
			}
			if len(got) != len(tt.want) || next != int64(len(values)) {
				t.Fatalf("blocks of %v, want %v", got, tt.want)
			}
			for i := range got {
				if got[i] != tt.want[i] {
					t.Errorf("blocks of %v, want %v", got, tt.want)
				}
			}
		})
	}
}
