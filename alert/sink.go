package alert

import (
	"context"
	"errors"
	"time"
)

// Sink takes messages to people: a Slack channel, a terminal.
type Sink interface {
	// Name is a short word for the sink, a metric label: "slack".
	Name() string
	// Send delivers the message and returns when the medium has taken it, or with
	// the reason why it has not, best as a *SendError. It blocks as long as the
	// medium's own pace demands, and no longer than ctx lasts; it does not retry,
	// because its caller does. It neither follows nor interprets any text of the
	// message but the URLs of its links, and no error of it holds a secret or a
	// text of the message. Safe for concurrent use.
	Send(ctx context.Context, m Message) (Ref, error)
	// Update changes the message at ref, which this sink sent, to m. It never makes
	// a second message: where the medium cannot change what it has shown it notes
	// in one line under the same id what is new, and where the message is not there
	// any more it returns a *SendError that is Gone. To update again with the same m
	// changes nothing. Otherwise it is as Send.
	Update(ctx context.Context, ref Ref, m Message) error
}

// Ref is where a sink has put a message, so that it can be changed later. Either
// may be empty where the medium has no such thing.
type Ref struct {
	Channel string `json:"channel,omitempty"`
	Message string `json:"message,omitempty"`
}

// SendError says why a sink did not deliver a message.
type SendError struct {
	// Reason is one of a few words of the sink, fit for a metric label.
	Reason string
	// Permanent says that no retry helps until somebody has done what Remedy says.
	Permanent bool
	// Gone says that a message cannot be changed any more, which nothing mends.
	Gone bool
	// RetryAfter is how long the medium asks to wait, 0 where it does not say.
	RetryAfter time.Duration
	// Remedy is a sentence for whoever runs crmwatch; it may be empty.
	Remedy string
	Err    error // may be nil
}

func (e *SendError) Error() string {
	text := e.Reason
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	if e.Remedy != "" {
		text += ": " + e.Remedy
	}
	return text
}

func (e *SendError) Unwrap() error { return e.Err }

// gone reports whether err says that the message cannot be changed any more.
func gone(err error) bool {
	e, ok := errors.AsType[*SendError](err)
	return ok && e.Gone
}

// Permanent reports whether err is of the kind that no retry helps.
func Permanent(err error) bool {
	e, ok := errors.AsType[*SendError](err)
	return ok && e.Permanent
}
