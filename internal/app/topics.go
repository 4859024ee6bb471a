package app

import (
	"time"

	"github.com/crmwatch/crmwatch/internal/bus"
)

// The topics, behind the configured prefix.
const (
	topicEvents = "events" // key: tenant/person; value: event.Event as JSON
	topicAlerts = "alerts" // key: tenant/subject; value: OCSF Detection Finding
	topicDead   = "dlq"    // key: id; value: event.DeadLetter as JSON
	topicState  = "state"  // compacted, partitioned like events: the detector's checkpoints
	topicSent   = "sent"   // compacted, partitioned like alerts: what was sent where
	topicRoster = "roster" // compacted; key: tenant/person; value: roster.Person as JSON
	topicRules  = "rules"  // compacted; key: rule/version/text; value: history.Version as JSON
)

// The consumer groups, behind the same prefix.
const (
	groupDetect  = "detect"
	groupNotify  = "notify"
	groupArchive = "archive." // and the topic: members of one group must read the same
)

const (
	alertRetention = 90 * 24 * time.Hour
	deadRetention  = 30 * 24 * time.Hour

	maxEventBytes = 4 << 20
	maxStateBytes = 16 << 20
	maxDeadBytes  = 32 << 20
)

func (k Kafka) topic(name string) string { return k.TopicPrefix + name }

// topics lists every topic with its settings. The state must be partitioned
// like the events, and what was sent like the alerts.
func (k Kafka) topics() []bus.Topic {
	return []bus.Topic{
		{Name: k.topic(topicEvents), Partitions: k.Partitions, Replication: k.Replication, Retention: k.Retention, MaxMessageBytes: maxEventBytes},
		{Name: k.topic(topicState), Partitions: k.Partitions, Replication: k.Replication, Compact: true, MaxMessageBytes: maxStateBytes},
		{Name: k.topic(topicAlerts), Partitions: k.Partitions, Replication: k.Replication, Retention: alertRetention, MaxMessageBytes: maxEventBytes},
		{Name: k.topic(topicSent), Partitions: k.Partitions, Replication: k.Replication, Compact: true, MaxMessageBytes: maxEventBytes},
		{Name: k.topic(topicRoster), Partitions: 1, Replication: k.Replication, Compact: true, MaxMessageBytes: maxEventBytes},
		// Compaction by version, not by rule: every version is kept for good.
		{Name: k.topic(topicRules), Partitions: 1, Replication: k.Replication, Compact: true, MaxMessageBytes: maxStateBytes},
		{Name: k.topic(topicDead), Partitions: 1, Replication: k.Replication, Retention: deadRetention, MaxMessageBytes: maxDeadBytes},
	}
}

// MaxMessageBytes is the largest message of any topic; a broker has to allow it.
const MaxMessageBytes = maxDeadBytes
