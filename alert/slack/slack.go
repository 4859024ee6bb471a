// Package slack sends alerts to a Slack channel and edits them there. It is the only place that knows
// of Slack's client library.
package slack

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/slack-go/slack"

	"github.com/crmwatch/crmwatch/alert"
)

// EventType marks a message's metadata as crmwatch's; its payload has the
// alert's id under "alert_id".
const EventType = "crmwatch_alert"

const (
	defaultPace = time.Second
	// patience bounds one request.
	patience = 30 * time.Second
)

// Deps is what a Sink works with.
type Deps struct {
	Logger *slog.Logger
	// Transport carries the requests; nil for http.DefaultTransport.
	Transport http.RoundTripper
}

// Sink posts messages to one channel.
type Sink struct {
	client  *slack.Client
	token   Token
	channel string
	log     *slog.Logger
	// Slack counts posting and editing apart.
	posts, edits pacer
}

var _ alert.Sink = (*Sink)(nil)

// New returns a sink for the channel. It does not talk to Slack.
func New(cfg Config, deps Deps) (*Sink, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	// A redirect would carry the token, which is in the request, to another host.
	web := &http.Client{
		Timeout: patience, Transport: deps.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	options := []slack.Option{slack.OptionHTTPClient(web)}
	if cfg.APIURL != "" {
		options = append(options, slack.OptionAPIURL(strings.TrimSuffix(cfg.APIURL, "/")+"/"))
	}
	pace := cmp.Or(cfg.Pace, defaultPace)
	return &Sink{
		client: slack.New(string(cfg.Token), options...),
		token:  cfg.Token, channel: cfg.Channel, log: deps.Logger,
		// A message a second in one channel, but fifty edits a minute.
		posts: pacer{every: pace}, edits: pacer{every: pace * 6 / 5},
	}, nil
}

// Name is "slack".
func (s *Sink) Name() string { return "slack" }

// Send posts the message, not sooner than the pace allows. A layout that Slack refuses is sent again as text alone, because an alert that
// looks poor is better than none. The reference is the channel's id and the
// message's timestamp.
func (s *Sink) Send(ctx context.Context, m alert.Message) (alert.Ref, error) {
	var ref alert.Ref
	err := s.deliver(&m, func(content ...slack.MsgOption) error {
		return s.request(ctx, &s.posts, func() (err error) {
			ref.Channel, ref.Message, err = s.client.PostMessageContext(ctx, s.channel, content...)
			return err
		})
	})
	if err != nil {
		return alert.Ref{}, err
	}
	return ref, nil
}

// Update edits the message, not sooner than the pace allows. What Slack has
// against the edit, and would have against every later one, makes the message
// Gone: an alert that waits to be posted must not wait for an old one to be
// edited.
func (s *Sink) Update(ctx context.Context, ref alert.Ref, m alert.Message) error {
	if ref.Channel == "" || ref.Message == "" {
		return &alert.SendError{Reason: reasonNoPlace, Gone: true}
	}
	err := s.deliver(&m, func(content ...slack.MsgOption) error {
		return s.request(ctx, &s.edits, func() error {
			_, _, _, err := s.client.UpdateMessageContext(ctx, ref.Channel, ref.Message, content...)
			return err
		})
	})
	return lastWord(err)
}

// deliver sends the message's content, and again without its layout if Slack
// does not like it.
func (s *Sink) deliver(m *alert.Message, send func(content ...slack.MsgOption) error) error {
	err := send(content(m, slack.MsgOptionBlocks(blocks(m)...))...)
	if refused(err) {
		s.log.Error("slack refused the layout of an alert, sending it as text", "alert", alert.Plain(m.ID, 64), "error", err)
		err = send(content(m)...)
	}
	return err
}

// content is what a message is made of, apart from its place.
func content(m *alert.Message, layout ...slack.MsgOption) []slack.MsgOption {
	return append([]slack.MsgOption{
		slack.MsgOptionText(fallback(m), true), // escapes
		slack.MsgOptionDisableMarkdown(),
		slack.MsgOptionDisableLinkUnfurl(),
		slack.MsgOptionDisableMediaUnfurl(),
		slack.MsgOptionMetadata(slack.SlackMetadata{EventType: EventType, EventPayload: map[string]any{"alert_id": m.ID}}),
	}, layout...)
}

// request does what asks Slack for something, at its pace.
func (s *Sink) request(ctx context.Context, pace *pacer, do func() error) error {
	if err := pace.wait(ctx); err != nil {
		return fmt.Errorf("wait for slack: %w", err)
	}
	if err := do(); err != nil {
		failure := s.explain(err)
		pace.hold(failure.RetryAfter)
		return failure
	}
	return nil
}

// pacer keeps requests of one kind apart.
type pacer struct {
	every time.Duration

	mu   sync.Mutex
	next time.Time // when the next request may go; guarded by mu
}

// wait takes the next free moment and waits for it.
func (p *pacer) wait(ctx context.Context) error {
	p.mu.Lock()
	now := time.Now()
	at := p.next
	if at.Before(now) {
		at = now
	}
	p.next = at.Add(p.every)
	p.mu.Unlock()
	timer := time.NewTimer(at.Sub(now))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// hold keeps every request back for as long as Slack asks.
func (p *pacer) hold(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if until := time.Now().Add(d); until.After(p.next) {
		p.next = until
	}
}
