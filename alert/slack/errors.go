package slack

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/crmwatch/crmwatch/alert"
)

// The reasons that are not Slack's own error codes.
const (
	reasonRate        = "ratelimited"
	reasonTimeout     = "timeout"
	reasonUnreachable = "unreachable"
	reasonServer      = "server_error"
	reasonOther       = "other"
	reasonInternal    = "internal"
	reasonNoPlace     = "no_place"
)

// breather is how long to wait where Slack says that it is too much, but not for
// how long.
const breather = 30 * time.Second

// remedies are the errors of chat.postMessage that stay until somebody does
// something (https://docs.slack.dev/reference/methods/chat.postMessage#errors).
var remedies = map[string]string{
	"invalid_auth":             "the token is not valid: set alert.slack.token to the bot token of the app",
	"not_authed":               "the token is not valid: set alert.slack.token to the bot token of the app",
	"token_revoked":            "the token was revoked: install the app again and set alert.slack.token to its new bot token",
	"token_expired":            "the token has expired: install the app again, without token rotation",
	"account_inactive":         "the app's bot was removed from the workspace: install the app again",
	"org_login_required":       "the workspace is being moved: install the app again when it is done",
	"missing_scope":            "the app lacks the scope chat:write: add it and install the app again",
	"no_permission":            "the app lacks the scope chat:write: add it and install the app again",
	"not_allowed_token_type":   "the token is of the wrong type: set alert.slack.token to a bot token, xoxb-…",
	"ekm_access_denied":        "the workspace's administrators have suspended posting: ask them",
	"team_access_not_granted":  "the app is not allowed in this workspace: ask its administrators",
	"channel_not_found":        "there is no such channel, or it is private and the app is not in it: check alert.slack.channel and invite the app",
	"not_in_channel":           "the app is not in the channel: invite it there",
	"is_archived":              "the channel is archived: restore it or set alert.slack.channel to another",
	"restricted_action":        "the workspace does not let the app post in this channel: ask its administrators",
	"restricted_action_thread": "the workspace does not let the app post in this channel: ask its administrators",
	"restricted_action_read_only_channel": "the channel is read-only for the app: ask its administrators or set alert.slack.channel " +
		"to another",
}

// layouts are the errors about the message itself.
var layouts = map[string]bool{
	"invalid_blocks": true, "invalid_blocks_format": true, "msg_blocks_too_long": true, "msg_too_long": true,
	"invalid_metadata_format": true, "invalid_metadata_schema": true, "metadata_too_large": true, "no_text": true,
}

// places are those of the remedies that mend a channel. They do not mend an edit
// in the channel that crmwatch wrote to before.
var places = map[string]bool{
	"channel_not_found": true, "not_in_channel": true, "is_archived": true,
	"restricted_action": true, "restricted_action_thread": true, "restricted_action_read_only_channel": true,
}

// unchangeable are the errors of chat.update about the message that was to be
// edited (https://docs.slack.dev/reference/methods/chat.update#errors).
var unchangeable = map[string]bool{
	"message_not_found": true, "cant_update_message": true, "edit_window_closed": true, "is_inactive": true,
}

// temporary are errors that pass.
var temporary = map[string]bool{
	"fatal_error": true, "internal_error": true, "service_unavailable": true, "request_timeout": true, "team_added_to_org": true,
}

// refused reports whether Slack took offence at the message.
func refused(err error) bool {
	e, ok := errors.AsType[*alert.SendError](err)
	return ok && layouts[e.Reason]
}

// lastWord makes Gone of every refusal of an edit that another try would meet
// again; what is about the app and its token stays as it is, because it holds
// for new messages too.
func lastWord(err error) error {
	e, ok := errors.AsType[*alert.SendError](err)
	if ok && (places[e.Reason] || layouts[e.Reason] || e.Reason == reasonOther) {
		return &alert.SendError{Reason: e.Reason, Gone: true, Err: e.Err}
	}
	return err
}

// explain says what went wrong without the token and without the message.
func (s *Sink) explain(err error) *alert.SendError {
	if rate, ok := errors.AsType[*slack.RateLimitedError](err); ok {
		return &alert.SendError{Reason: reasonRate, RetryAfter: max(rate.RetryAfter, time.Second)}
	}
	if answer, ok := errors.AsType[slack.SlackErrorResponse](err); ok {
		return answered(answer.Err)
	}
	if status, ok := errors.AsType[slack.StatusCodeError](err); ok {
		e := &alert.SendError{Reason: reasonServer, Err: errors.New("slack answered with HTTP status " + alert.Plain(status.Status, 60))}
		if status.Code == 429 {
			e.Reason, e.RetryAfter = reasonRate, breather
		}
		return e
	}
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err // without the URL
	}
	e := &alert.SendError{Reason: reasonUnreachable, Err: s.scrub(err)}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		e.Reason = reasonTimeout
	}
	return e
}

// answered explains one of Slack's error codes.
func answered(code string) *alert.SendError {
	if remedy, ok := remedies[code]; ok {
		return &alert.SendError{Reason: code, Permanent: true, Remedy: remedy}
	}
	switch {
	case code == reasonRate || code == "rate_limited":
		return &alert.SendError{Reason: reasonRate, RetryAfter: breather}
	case layouts[code]:
		return &alert.SendError{Reason: code}
	case unchangeable[code]:
		return &alert.SendError{Reason: code, Gone: true}
	case temporary[code]:
		return &alert.SendError{Reason: reasonInternal, Err: errors.New(code)}
	default:
		return &alert.SendError{Reason: reasonOther, Err: errors.New("slack answered " + alert.Plain(code, 60))}
	}
}

// scrub takes the token out of an error that is not ours.
func (s *Sink) scrub(err error) error {
	text := err.Error()
	for _, form := range []string{string(s.token), url.QueryEscape(string(s.token))} {
		if strings.Contains(text, form) {
			text = strings.ReplaceAll(text, form, masked)
		}
	}
	if text == err.Error() {
		return err
	}
	return errors.New(text)
}
