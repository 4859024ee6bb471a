package terminal

import (
	"strings"

	"github.com/crmwatch/crmwatch/alert"
)

// maxText is how much of one text is drawn, in characters.
const maxText = 1000

// style is a sequence of SGR parameters; empty is plain.
type style string

const (
	plain  style = ""
	strong style = "1"
	faint  style = "2"
	link   style = "4"
)

// levelStyle colours a card by its level: the badge on a ground of the colour,
// the frame in it.
var levelStyle = map[alert.Level]struct{ badge, frame style }{
	alert.Critical:      {"1;97;41", "31"},
	alert.High:          {"1;30;43", "33"},
	alert.Medium:        {"1;30;46", "36"},
	alert.Low:           {"1;97;44", "34"},
	alert.Informational: {"7", "2"},
}

// span is a text in one style.
type span struct {
	text  string
	style style
}

// frame are the characters of a card.
type frame struct{ topLeft, topRight, bottomLeft, bottomRight, teeLeft, teeRight, across, down, bullet, arrow string }

var (
	round = frame{"╭", "╮", "╰", "╯", "├", "┤", "─", "│", "•", "→"}
	ascii = frame{"+", "+", "+", "+", "+", "+", "-", "|", "*", ">"}
)

// card is a card while it is being drawn.
type card struct {
	b     strings.Builder
	cfg   Config
	frame frame
	color style // of the frame
	width int   // of the whole card, in columns
	label int   // of the widest label, so that all values stand in one column
}

// draw returns the message as a card, with a blank line after it.
func draw(m *alert.Message, cfg Config, width int) string {
	c := &card{cfg: cfg, frame: round, color: levelStyle[m.Level].frame, width: width}
	if cfg.ASCII {
		c.frame = ascii
	}
	c.edge(c.frame.topLeft, "", c.frame.topRight)
	c.title(m)
	c.paragraph("", m.Status, plain)
	c.paragraph("", m.Summary, strong)
	c.label = c.widest(m.Sections)
	for _, s := range m.Sections {
		c.section(&s)
	}
	c.ending(m)
	c.edge(c.frame.bottomLeft, "", c.frame.bottomRight)
	c.b.WriteByte('\n')
	return c.b.String()
}

// note returns one line about an alert that has a card already, which goes on
// below where the terminal is too narrow.
func note(m *alert.Message, cfg Config, width int) string {
	c := &card{cfg: cfg, frame: round}
	if cfg.ASCII {
		c.frame = ascii
	}
	const indent = 2
	mark := span{c.frame.arrow + " ", levelStyle[m.Level].frame}
	text := c.clean(m.Status)
	if title := c.clean(m.Title); title != "" {
		text = title + ": " + text
	}
	if id := c.clean(m.ID); id != "" {
		text += " [alert " + id + "]"
	}
	for _, part := range wrap(text, width-indent) {
		c.paint(mark.text, mark.style)
		c.b.WriteString(part + "\n")
		mark = span{strings.Repeat(" ", indent), plain}
	}
	return c.b.String()
}

// clean makes a text safe for the terminal.
func (c *card) clean(s string) string {
	s = alert.Plain(s, maxText)
	if c.cfg.ASCII {
		s = toASCII(s)
	}
	return s
}

func (c *card) title(m *alert.Message) {
	badge := " ALERT "
	if _, known := levelStyle[m.Level]; known {
		badge = " " + strings.ToUpper(string(m.Level)) + " "
	}
	if !c.cfg.Color {
		badge = "[" + strings.TrimSpace(badge) + "]"
	}
	indent := cells(badge) + 1
	for i, text := range wrap(c.clean(m.Title), c.inner()-indent) {
		if i == 0 {
			c.line(span{badge, levelStyle[m.Level].badge}, span{" ", plain}, span{text, strong})
			continue
		}
		c.line(span{strings.Repeat(" ", indent), plain}, span{text, strong})
	}
	c.line()
}

func (c *card) section(s *alert.Section) {
	c.edge(c.frame.teeLeft, c.clean(s.Heading), c.frame.teeRight)
	c.facts(s.Facts)
	for _, text := range s.Lines {
		c.paragraph(c.frame.bullet+" ", text, plain)
	}
}

func (c *card) widest(sections []alert.Section) int {
	widest := 0
	for _, s := range sections {
		for _, f := range s.Facts {
			widest = max(widest, cells(c.clean(f.Label)))
		}
	}
	return min(widest, c.inner()*3/5)
}

// facts draws labels in one column and values in another. A label that is
// longer than its column takes lines of its own above the value.
func (c *card) facts(facts []alert.Fact) {
	const gap = 2
	for _, f := range facts {
		labels, values := wrap(c.clean(f.Label), c.label), wrap(c.clean(f.Value), c.inner()-c.label-gap)
		for len(labels) > 1 {
			c.line(span{labels[0], faint})
			labels = labels[1:]
		}
		for i := range max(len(labels), len(values)) {
			label := at(labels, i)
			c.line(span{label, faint}, span{strings.Repeat(" ", max(0, c.label-cells(label))+gap), plain}, span{at(values, i), plain})
		}
	}
}

func (c *card) ending(m *alert.Message) {
	if m.Advice == "" && len(m.Buttons) == 0 && len(m.Links) == 0 && len(m.Notes) == 0 {
		return
	}
	c.edge(c.frame.teeLeft, "", c.frame.teeRight)
	c.paragraph(c.frame.arrow+" ", m.Advice, strong)
	var decisions []string
	for _, b := range m.Buttons {
		decisions = append(decisions, b.Text)
	}
	if len(decisions) > 0 {
		c.paragraph("Decide: ", strings.Join(decisions, " / "), plain)
	}
	for _, l := range m.Links {
		if alert.WebURL(l.URL) {
			c.url(c.clean(l.Text)+": ", l.URL)
		}
	}
	c.paragraph("", strings.Join(m.Notes, " · "), faint)
}

// url draws a link on a line of its own where it does not fit beside its text,
// and breaks it only where it is longer than the card.
func (c *card) url(text, url string) {
	if cells(text)+len(url) <= c.inner() {
		c.line(span{text, faint}, span{url, link})
		return
	}
	c.paragraph("", text, faint)
	for _, part := range wrap(url, c.inner()) {
		c.line(span{part, link})
	}
}

// paragraph draws a text behind a mark, its further lines below the first.
func (c *card) paragraph(mark, text string, s style) {
	indent := cells(mark)
	if text = c.clean(text); text == "" {
		return
	}
	for i, part := range wrap(text, c.inner()-indent) {
		if i > 0 {
			mark = strings.Repeat(" ", indent)
		}
		c.line(span{mark, faint}, span{part, s})
	}
}

// inner is the room between the frame and its margins.
func (c *card) inner() int { return c.width - 4 }

// line draws one line between the frame's sides.
func (c *card) line(spans ...span) {
	c.paint(c.frame.down, c.color)
	c.b.WriteByte(' ')
	used := 0
	for _, s := range spans {
		used += cells(s.text)
		c.paint(s.text, s.style)
	}
	c.b.WriteString(strings.Repeat(" ", max(0, c.inner()-used)+1))
	c.paint(c.frame.down, c.color)
	c.b.WriteByte('\n')
}

// edge draws a line of the frame, with a heading where there is one.
func (c *card) edge(left, heading, right string) {
	across := func(n int) string { return strings.Repeat(c.frame.across, max(0, n)) }
	if heading = fit(heading, c.inner()-2); heading == "" {
		c.paint(left+across(c.width-2)+right, c.color)
	} else {
		c.paint(left+across(1), c.color)
		c.b.WriteByte(' ')
		c.paint(heading, strong)
		c.b.WriteByte(' ')
		c.paint(across(c.width-5-cells(heading))+right, c.color)
	}
	c.b.WriteByte('\n')
}

func (c *card) paint(text string, s style) {
	if !c.cfg.Color || s == plain || text == "" {
		c.b.WriteString(text)
		return
	}
	c.b.WriteString("\x1b[" + string(s) + "m" + text + "\x1b[0m")
}

func at(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return ""
}
