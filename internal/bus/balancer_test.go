package bus

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"
	"pgregory.net/rapid"
)

// members makes group members that had partitions in a generation.
func groupMembers(generation int32, had map[string][]int) []kafka.GroupMember {
	var ms []kafka.GroupMember
	for id, ps := range had {
		b := stickyBalancer{generation: generation, had: ps}
		data, _ := b.UserData()
		ms = append(ms, kafka.GroupMember{ID: id, Topics: []string{"t"}, UserData: data})
	}
	return ms
}

func assign(ms []kafka.GroupMember, partitions int) map[string][]int {
	var ps []kafka.Partition
	for p := range partitions {
		ps = append(ps, kafka.Partition{Topic: "t", ID: p}, kafka.Partition{Topic: "other", ID: p})
	}
	out := map[string][]int{}
	for id, topics := range (&stickyBalancer{topic: "t"}).AssignGroups(ms, ps) {
		out[id] = slices.Sorted(slices.Values(topics["t"]))
	}
	return out
}

// moved counts the partitions that are not with whom they were.
func moved(before, after map[string][]int) (n int) {
	for id, ps := range after {
		for _, p := range ps {
			if !slices.Contains(before[id], p) {
				n++
			}
		}
	}
	return n
}

func TestStickySharing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		partitions := rapid.IntRange(0, 40).Draw(t, "partitions")
		n := rapid.IntRange(1, 9).Draw(t, "members")
		had := map[string][]int{}
		for i := range n {
			had[fmt.Sprint("m", i)] = nil
		}
		shared := assign(groupMembers(1, had), partitions)
		checkFair(t, shared, partitions)
		if again := assign(groupMembers(2, shared), partitions); !maps.EqualFunc(shared, again, slices.Equal) {
			t.Fatalf("the same members, but %s", cmp.Diff(shared, again))
		}

		joined := maps.Clone(shared)
		joined["new"] = nil
		after := assign(groupMembers(2, joined), partitions)
		checkFair(t, after, partitions)
		if got, want := moved(shared, after), len(after["new"]); got != want {
			t.Fatalf("%d partitions moved for a new member that got %d", got, want)
		}

		left := maps.Clone(after)
		delete(left, "m0")
		if len(left) == 0 {
			return
		}
		last := assign(groupMembers(3, left), partitions)
		checkFair(t, last, partitions)
		if got, want := moved(after, last), len(after["m0"]); got != want {
			t.Fatalf("%d partitions moved when a member left that had %d", got, want)
		}
	})
}

func checkFair(t *rapid.T, shared map[string][]int, partitions int) {
	seen := map[int]bool{}
	low, high := partitions, 0
	for _, ps := range shared {
		low, high = min(low, len(ps)), max(high, len(ps))
		for _, p := range ps {
			if seen[p] {
				t.Fatalf("partition %d is shared", p)
			}
			seen[p] = true
		}
	}
	if len(seen) != partitions || high-low > 1 {
		t.Fatalf("%d of %d partitions, between %d and %d each", len(seen), partitions, low, high)
	}
}

// TestStickyNonsense feeds user data of strangers.
func TestStickyNonsense(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var ms []kafka.GroupMember
		for i := range rapid.IntRange(1, 5).Draw(t, "members") {
			data := rapid.SliceOfN(rapid.Byte(), 0, 30).Draw(t, "data")
			ms = append(ms, kafka.GroupMember{ID: fmt.Sprint(i), Topics: []string{"t"}, UserData: data})
		}
		checkFair(t, assign(ms, 7), 7)
	})
}

func TestNewestClaimWins(t *testing.T) {
	ms := append(groupMembers(3, map[string][]int{"old": {0, 1}}), groupMembers(4, map[string][]int{"new": {1}})...)
	want := map[string][]int{"old": {0}, "new": {1}}
	if diff := cmp.Diff(want, assign(ms, 2)); diff != "" {
		t.Error(diff)
	}
}
