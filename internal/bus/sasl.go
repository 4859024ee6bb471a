package bus

import (
	"fmt"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
)

// mechanism returns the kafka-go mechanism of s, nil when there is none.
func (s SASL) mechanism() (sasl.Mechanism, error) {
	var m sasl.Mechanism
	var err error
	switch s.Mechanism {
	case "":
		return nil, nil
	case "plain":
		return plain.Mechanism{Username: s.User, Password: s.Password}, nil
	case "scram-sha-256":
		m, err = scram.Mechanism(scram.SHA256, s.User, s.Password)
	case "scram-sha-512":
		m, err = scram.Mechanism(scram.SHA512, s.User, s.Password)
	default:
		return nil, fmt.Errorf("sasl: mechanism %q is none of plain, scram-sha-256, scram-sha-512", s.Mechanism)
	}
	if err != nil {
		// The library's reason may quote what it refused.
		return nil, fmt.Errorf("sasl: user or password has characters that %s forbids", s.Mechanism)
	}
	return m, nil
}
