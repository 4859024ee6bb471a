package bus

import (
	"cmp"
	"encoding/binary"
	"slices"
	"sync"

	"github.com/segmentio/kafka-go"
)

// stickyBalancer shares partitions out evenly and leaves each with the member
// that had it, as far as even allows. Members tell what they had in the user data
// of their request to join.
type stickyBalancer struct {
	topic string

	mu         sync.Mutex
	generation int32
	had        []int
}

// own notes the partitions of the generation that begins.
func (b *stickyBalancer) own(generation int32, as []kafka.PartitionAssignment) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.generation = generation
	b.had = b.had[:0]
	for _, a := range as {
		b.had = append(b.had, a.ID)
	}
}

// ProtocolName implements kafka.GroupBalancer. The name stands for the format of
// the user data too.
func (b *stickyBalancer) ProtocolName() string { return "crmwatch-sticky-1" }

// UserData implements kafka.GroupBalancer: the generation, then the partitions,
// as varints.
func (b *stickyBalancer) UserData() ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	data := binary.AppendVarint(nil, int64(b.generation))
	for _, p := range b.had {
		data = binary.AppendUvarint(data, uint64(p))
	}
	return data, nil
}

// parseOwned reads UserData. It stops where the data makes no sense: a member
// that tells nonsense had nothing.
func parseOwned(data []byte) (generation int64, partitions []int) {
	generation, n := binary.Varint(data)
	for n > 0 && n < len(data) {
		data = data[n:]
		var p uint64
		if p, n = binary.Uvarint(data); n > 0 && p < 1<<31 {
			partitions = append(partitions, int(p))
		}
	}
	return generation, partitions
}

// AssignGroups implements kafka.GroupBalancer.
func (b *stickyBalancer) AssignGroups(members []kafka.GroupMember, partitions []kafka.Partition) kafka.GroupMemberAssignments {
	var all []int
	for _, p := range partitions {
		if p.Topic == b.topic {
			all = append(all, p.ID)
		}
	}
	slices.Sort(all)
	out := kafka.GroupMemberAssignments{}
	for id, mine := range share(all, members) {
		out[id] = map[string][]int{b.topic: mine}
	}
	return out
}

// share gives every partition to one member, by ID.
func share(all []int, members []kafka.GroupMember) map[string][]int {
	members = slices.SortedFunc(slices.Values(members), func(a, b kafka.GroupMember) int { return cmp.Compare(a.ID, b.ID) })
	before := owners(members)
	each, extra := len(all)/len(members), len(all)%len(members)
	out := map[string][]int{}
	for _, m := range members {
		out[m.ID] = nil
	}
	var free []int
	for _, p := range all {
		id, had := before[p]
		switch {
		case had && len(out[id]) < each:
			out[id] = append(out[id], p)
		case had && len(out[id]) == each && extra > 0:
			out[id] = append(out[id], p)
			extra--
		default:
			free = append(free, p)
		}
	}
	for _, p := range free {
		least := slices.MinFunc(members, func(a, b kafka.GroupMember) int { return cmp.Compare(len(out[a.ID]), len(out[b.ID])) })
		out[least.ID] = append(out[least.ID], p)
	}
	return out
}

// owners returns the member that had each partition last.
func owners(members []kafka.GroupMember) map[int]string {
	ids, since := map[int]string{}, map[int]int64{}
	for _, m := range members {
		generation, had := parseOwned(m.UserData)
		for _, p := range had {
			if _, taken := ids[p]; !taken || generation > since[p] {
				ids[p], since[p] = m.ID, generation
			}
		}
	}
	return ids
}
