package bus

import (
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"

	"github.com/crmwatch/crmwatch/internal/stream"
)

var (
	// ErrClaimLost is returned by the methods of a claim that has been given to
	// another member, or whose group can no longer be reached.
	ErrClaimLost = errors.New("the claim on the partition is lost")
	// ErrClosed is returned by everything that is used after Client.Close.
	ErrClosed = errors.New("the bus is closed")
)

// TooLargeError says that some records of one Write are larger than the topic
// takes. All others of that call were written, unless another error is joined
// with it; writing these again is of no use.
type TooLargeError struct {
	Topic string
	// Records are the positions in the call, ascending.
	Records []int
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("write to %q: %d records are larger than the topic takes, the first is number %d",
		e.Topic, len(e.Records), e.Records[0])
}

// Permanent says that no retry helps.
func (e *TooLargeError) Permanent() bool { return true }

// Gap is a run of offsets [From, To) of a partition that were deleted before
// they were read.
type Gap struct {
	Topic     string
	Group     string // empty for a Table
	Partition int
	From, To  int64
}

// BeyondEndError says that the offset to read next lies after the end of the
// log: the topic was created anew, or lost its tail, since the offset was noted.
// Reading on would skip records silently, so an operator has to decide.
type BeyondEndError struct {
	Topic     string
	Partition int
	Offset    int64 // asked for
	End       int64 // offset of the next record that will be written
}

func (e *BeyondEndError) Error() string {
	return fmt.Sprintf("read %q partition %d: offset %d is after the end of the log at %d; was the topic created anew?",
		e.Topic, e.Partition, e.Offset, e.End)
}

// permanent reports whether asking the broker again cannot help. All that is not
// known to be permanent is retried, since giving up loses records and waiting
// does not.
func permanent(err error) bool {
	var layout *partitionsError
	if errors.Is(err, ErrClosed) || errors.Is(err, stream.ErrFenced) || errors.As(err, &layout) {
		return true
	}
	var code kafka.Error
	if !errors.As(err, &code) {
		return false
	}
	switch code {
	case kafka.MessageSizeTooLarge, kafka.RecordListTooLarge, kafka.InvalidTopic, kafka.InvalidRecord,
		kafka.InvalidTimestamp, kafka.PolicyViolation, kafka.InvalidConfiguration,
		kafka.InvalidPartitionNumber, kafka.InvalidReplicationFactor, kafka.UnsupportedVersion,
		kafka.UnsupportedForMessageFormat, kafka.UnsupportedSASLMechanism, kafka.SASLAuthenticationFailed,
		kafka.TopicAuthorizationFailed, kafka.GroupAuthorizationFailed, kafka.ClusterAuthorizationFailed,
		kafka.TransactionalIDAuthorizationFailed:
		return true
	default:
		return false
	}
}
