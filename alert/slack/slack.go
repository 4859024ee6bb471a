// Package slack sends alerts to a Slack channel. It is the only place that knows
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
	pace    time.Duration
	log     *slog.Logger

	mu   sync.Mutex
	next time.Time // when the next message may go; guarded by mu
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
	return &Sink{
		client: slack.New(string(cfg.Token), options...),
		token:  cfg.Token, channel: cfg.Channel, pace: cmp.Or(cfg.Pace, defaultPace), log: deps.Logger,
	}, nil
}

// Name is "slack".
func (s *Sink) Name() string { return "slack" }

// Send posts the message, not sooner than the pace allows. A
// layout that Slack refuses is sent again as text alone, because an alert that
// looks poor is better than none. The reference is the channel's id and the
// message's timestamp.
func (s *Sink) Send(ctx context.Context, m alert.Message) (alert.Ref, error) {
	ref, err := s.post(ctx, &m, slack.MsgOptionBlocks(blocks(&m)...))
	if refused(err) {
		s.log.Error("slack refused the layout of an alert, sending it as text", "alert", alert.Plain(m.ID, 64), "error", err)
		ref, err = s.post(ctx, &m)
	}
	return ref, err
}

func (s *Sink) post(ctx context.Context, m *alert.Message, layout ...slack.MsgOption) (alert.Ref, error) {
	if err := s.wait(ctx); err != nil {
		return alert.Ref{}, fmt.Errorf("wait for slack: %w", err)
	}
	options := append([]slack.MsgOption{
		slack.MsgOptionText(fallback(m), true), // escapes
		slack.MsgOptionDisableMarkdown(),
		slack.MsgOptionDisableLinkUnfurl(),
		slack.MsgOptionDisableMediaUnfurl(),
		slack.MsgOptionMetadata(slack.SlackMetadata{EventType: EventType, EventPayload: map[string]any{"alert_id": m.ID}}),
	}, layout...)
	channel, ts, err := s.client.PostMessageContext(ctx, s.channel, options...)
	if err != nil {
		failure := s.explain(err)
		s.hold(failure.RetryAfter)
		return alert.Ref{}, failure
	}
	return alert.Ref{Channel: channel, Message: ts}, nil
}

// wait takes the channel's next free moment and waits for it.
func (s *Sink) wait(ctx context.Context) error {
	s.mu.Lock()
	now := time.Now()
	at := s.next
	if at.Before(now) {
		at = now
	}
	s.next = at.Add(s.pace)
	s.mu.Unlock()
	timer := time.NewTimer(at.Sub(now))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// hold keeps every message back for as long as Slack asks.
func (s *Sink) hold(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if until := time.Now().Add(d); until.After(s.next) {
		s.next = until
	}
}
