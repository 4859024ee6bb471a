package slack

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"strings"
	"time"
)

// Config says which channel of which workspace.
type Config struct {
	// Token is the app's bot token, xoxb-…, with the scope chat:write.
	Token Token
	// Channel is the channel's id, such as C012AB3CD, or its name.
	Channel string
	// APIURL is Slack's API, empty for https://slack.com/api/; another one is for
	// a proxy or a test.
	APIURL string
	// Pace is the time between two messages, 0 for a second, which is what Slack
	// takes in one channel. Edits take a fifth longer.
	Pace time.Duration
}

// Validate reports everything that is wrong with the configuration.
func (c Config) Validate() error {
	var all []error
	switch {
	case c.Token == "":
		all = append(all, errors.New("slack token is missing"))
	case strings.ContainsAny(string(c.Token), " \t\r\n"):
		all = append(all, errors.New("slack token has white space in it"))
	case strings.HasPrefix(string(c.Token), "xapp-"):
		all = append(all, errors.New("slack token is an app-level one (xapp-); messages need the bot token (xoxb-)"))
	}
	if c.Channel == "" {
		all = append(all, errors.New("slack channel is missing"))
	}
	if c.APIURL != "" {
		if u, err := url.Parse(c.APIURL); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			all = append(all, errors.New("slack api_url is not an http or https URL"))
		}
	}
	if c.Pace < 0 {
		all = append(all, errors.New("slack pace is negative"))
	}
	return errors.Join(all...)
}

// Token is a secret that nothing prints.
type Token string

const masked = "***"

// String keeps the token from being printed.
func (Token) String() string { return masked }

// Format keeps every verb of package fmt from printing the token.
func (Token) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, masked) }

// LogValue keeps slog from printing the token.
func (Token) LogValue() slog.Value { return slog.StringValue(masked) }

// MarshalText keeps encoders from printing the token.
func (Token) MarshalText() ([]byte, error) { return []byte(masked), nil }
