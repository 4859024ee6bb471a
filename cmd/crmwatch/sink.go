package main

import (
	"log/slog"
	"os"

	"github.com/crmwatch/crmwatch/alert"
	"github.com/crmwatch/crmwatch/alert/slack"
	"github.com/crmwatch/crmwatch/alert/terminal"
	"github.com/crmwatch/crmwatch/internal/app"
)

// newSink is Slack where there is a token, and the terminal where there is none.
func newSink(cfg app.Slack, log *slog.Logger) (alert.Sink, error) {
	if !cfg.Token.Set() {
		return newTerminal(os.Stdout), nil
	}
	return slack.New(slack.Config{Token: slack.Token(cfg.Token.Reveal()), Channel: cfg.Channel, APIURL: cfg.APIURL}, slack.Deps{Logger: log})
}

func newTerminal(f *os.File) alert.Sink { return terminal.New(f, terminal.Detect(f, os.Getenv)) }
