package testkit

import (
	"testing"
	"time"
)

func TestKafkaAnswers(t *testing.T) {
	for name, start := range map[string]func(testing.TB) string{"kfake": Kafka, "apache": ApacheKafka} {
		t.Run(name, func(t *testing.T) {
			addr := start(t)
			if err := awaitBroker(addr, 10*time.Second); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestApacheKafkaIsShared(t *testing.T) {
	if first, second := ApacheKafka(t), ApacheKafka(t); first != second {
		t.Errorf("two brokers, at %s and %s", first, second)
	}
}

func TestAwaitBrokerGivesUp(t *testing.T) {
	ports, err := freePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	if err := awaitBroker("127.0.0.1:"+ports[0], 300*time.Millisecond); err == nil {
		t.Error("nobody listens, and yet somebody answered")
	}
}
