package roster

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/crmwatch/crmwatch/internal/stream"
)

// Key is the person's key on the topic of people: tenant, slash, id.
func (p *Person) Key() []byte { return []byte(p.Tenant + "/" + p.ID) }

// Record is the person as a message of the topic of people.
func (p *Person) Record() (stream.Record, error) {
	value, err := json.Marshal(p)
	if err != nil {
		return stream.Record{}, fmt.Errorf("encode person: %w", err)
	}
	return stream.Record{Key: p.Key(), Value: value}, nil
}

// Ref is what a person is found by.
type Ref struct{ Tenant, ID string }

// Decode reads a message of the topic of people: who it is about, and the person,
// nil where that is removed. Its errors do not repeat the message.
func Decode(rec stream.Record) (Ref, *Person, error) {
	tenant, id, ok := strings.Cut(string(rec.Key), "/")
	if !ok || tenant == "" || id == "" {
		return Ref{}, nil, errors.New("decode person: the key is not tenant and id")
	}
	n := Ref{tenant, id}
	if rec.Value == nil {
		return n, nil, nil
	}
	var p Person
	if json.Unmarshal(rec.Value, &p) != nil {
		return n, nil, errors.New("decode person: not the JSON form of one")
	}
	if p.Tenant != tenant || p.ID != id {
		return n, nil, errors.New("decode person: the key is another person's")
	}
	return n, &p, nil
}

// partition is where a key's messages are, of partitions in all.
func partition(key []byte, partitions int) int {
	h := fnv.New32a()
	_, _ = h.Write(key) // a hash takes everything
	return int(h.Sum32() % uint32(partitions))
}
