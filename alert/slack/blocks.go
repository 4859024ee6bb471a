package slack

import (
	"fmt"
	"strings"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/slackutilsx"

	"github.com/crmwatch/crmwatch/alert"
)

// Limits of Block Kit, in characters and in elements
// (https://docs.slack.dev/reference/block-kit/blocks).
const (
	maxBlocks   = 50
	maxHeader   = 150
	maxText     = 3000
	maxFields   = 10
	maxField    = 2000
	maxElements = 25
	maxButton   = 75
	maxValue    = 2000
	maxActionID = 255
	maxConfirm  = 300
	maxFallback = 2000
)

// marks show a level before anything is read.
var marks = map[alert.Level]string{
	alert.Critical: "🔴 Critical · ", alert.High: "🟠 High · ", alert.Medium: "🟡 Medium · ",
	alert.Low: "🔵 Low · ", alert.Informational: "⚪ Informational · ",
}

// blocks lays the message out. Whatever is not ours goes into plain_text or
// rich_text objects, in which Slack reads no markup and no mentions.
func blocks(m *alert.Message) []slack.Block {
	all := []slack.Block{slack.NewHeaderBlock(text(headline(m), maxHeader))}
	if m.Status != "" {
		all = append(all, slack.NewContextBlock("", text(m.Status, maxText)))
	}
	if m.Summary != "" {
		all = append(all, slack.NewSectionBlock(text(m.Summary, maxText), nil, nil))
	}
	end := ending(m)
	for i, s := range m.Sections {
		part := section(&s)
		// One block is kept for saying that something was left out.
		if len(all)+len(part)+len(end) >= maxBlocks {
			left := fmt.Sprintf("%d more sections do not fit here.", len(m.Sections)-i)
			all = append(all, slack.NewSectionBlock(text(left, maxText), nil, nil))
			break
		}
		all = append(all, part...)
	}
	return append(all, end...)
}

// ending is what follows the sections.
func ending(m *alert.Message) []slack.Block {
	var all []slack.Block
	if m.Advice != "" {
		all = append(all, slack.NewDividerBlock(), slack.NewSectionBlock(text(m.Advice, maxText), nil, nil))
	}
	if len(m.Buttons) > 0 {
		all = append(all, buttons(m))
	}
	all = append(all, links(m.Links)...)
	if notes := strings.Join(m.Notes, " · "); notes != "" {
		all = append(all, slack.NewContextBlock("", text(notes, maxText)))
	}
	return all
}

// headline begins with the level, unless the alert does not hold any more.
func headline(m *alert.Message) string {
	if m.State == alert.Withdrawn {
		return "⚪ Withdrawn · " + m.Title
	}
	return marks[m.Level] + m.Title
}

// text is an object in which Slack interprets nothing, not even :emoji:.
func text(s string, limit int) *slack.TextBlockObject {
	if s = alert.Plain(s, limit); s == "" {
		s = "–" // Slack refuses an empty text
	}
	return slack.NewTextBlockObject(slack.PlainTextType, s, false, false)
}

func section(s *alert.Section) []slack.Block {
	var all []slack.Block
	for facts := s.Facts; len(facts) > 0; {
		n := min(len(facts), maxFields)
		var heading *slack.TextBlockObject
		if len(all) == 0 {
			heading = slack.NewTextBlockObject(slack.MarkdownType, bold(s.Heading), false, true)
		}
		all = append(all, slack.NewSectionBlock(heading, fields(facts[:n]), nil))
		facts = facts[n:]
	}
	if len(s.Lines) > 0 {
		heading := s.Heading
		if len(all) > 0 {
			heading = ""
		}
		all = append(all, bullets(heading, s.Lines)...)
	}
	return all
}

// bold is the one place where Slack reads markup.
func bold(heading string) string {
	plain := alert.Plain(strings.ReplaceAll(heading, "*", ""), maxHeader)
	return "*" + slackutilsx.EscapeMessage(plain) + "*"
}

func fields(facts []alert.Fact) []*slack.TextBlockObject {
	var all []*slack.TextBlockObject
	for _, f := range facts {
		all = append(all, text(f.Label+": "+f.Value, maxField))
	}
	return all
}

// bullets is a heading and a list; an empty heading is left out.
func bullets(heading string, lines []string) []slack.Block {
	var parts []slack.RichTextElement
	if heading != "" {
		parts = append(parts, slack.NewRichTextSection(
			slack.NewRichTextSectionTextElement(alert.Plain(heading, maxHeader), &slack.RichTextSectionTextStyle{Bold: true})))
	}
	var items []slack.RichTextElement
	for _, line := range lines {
		if line = alert.Plain(line, maxField); line != "" {
			items = append(items, slack.NewRichTextSection(slack.NewRichTextSectionTextElement(line, nil)))
		}
	}
	if len(items) == 0 { // Slack refuses an empty list
		return nil
	}
	return []slack.Block{slack.NewRichTextBlock("", append(parts, slack.NewRichTextList(slack.RTEListBullet, 0, items...))...)}
}

func links(all []alert.Link) []slack.Block {
	var parts []slack.RichTextSectionElement
	for _, l := range all[:min(len(all), maxElements)] {
		if !alert.WebURL(l.URL) {
			continue
		}
		if len(parts) > 0 {
			parts = append(parts, slack.NewRichTextSectionTextElement("  ·  ", nil))
		}
		parts = append(parts, slack.NewRichTextSectionLinkElement(l.URL, alert.Plain(l.Text, maxHeader), nil))
	}
	if len(parts) == 0 {
		return nil
	}
	return []slack.Block{slack.NewRichTextBlock("", slack.NewRichTextSection(parts...))}
}

// buttons carry the alert's id and nothing else: their value is visible to
// everybody in the channel.
func buttons(m *alert.Message) slack.Block {
	var all []slack.BlockElement
	for _, b := range m.Buttons[:min(len(m.Buttons), maxElements)] {
		button := slack.NewButtonBlockElement(alert.Cut("crmwatch_"+b.Action, maxActionID), alert.Cut(m.ID, maxValue), text(b.Text, maxButton))
		if b.Danger {
			button.WithStyle(slack.StyleDanger)
		}
		if b.Confirm != "" {
			confirm := slack.NewConfirmationBlockObject(text(b.Text+"?", 100), text(b.Confirm, maxConfirm), text(b.Text, 30), text("Cancel", 30))
			if b.Danger {
				confirm.WithStyle(slack.StyleDanger)
			}
			button.WithConfirm(confirm)
		}
		all = append(all, button)
	}
	return slack.NewActionBlock("crmwatch_decision", all...)
}

// fallback is what a notification shows, and all there is where Slack refuses
// the layout.
func fallback(m *alert.Message) string {
	lines := []string{alert.Plain(headline(m), maxHeader)}
	for _, s := range []string{m.Status, m.Summary} {
		if s = alert.Plain(s, maxFallback); s != "" {
			lines = append(lines, s)
		}
	}
	return strings.Join(lines, "\n")
}
