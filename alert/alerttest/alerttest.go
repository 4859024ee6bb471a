// Package alerttest is what every sink of alerts has to pass, and the findings
// that tests of alerts are made of.
package alerttest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/crmwatch/crmwatch/alert"
)

// Harness makes a sink for a test and shows what people see of it.
type Harness struct {
	Sink alert.Sink
	// Seen returns the text of everything that was delivered so far as a reader
	// sees it, with white space and frames reduced to single blanks, and without
	// the escapes of the medium.
	Seen func() string
	// Messages is how many messages a reader has been sent; edits make no more.
	Messages func() int
	// Lose takes the message at ref away, nil where the medium cannot.
	Lose func(ref alert.Ref)
	// Write is how the medium writes a text that cannot act, nil for as it is.
	Write func(text string) string
	// Inert fails the test if anything that was delivered could act: markup,
	// mentions, links other than those given, escape sequences.
	Inert func(t *testing.T, links []alert.Link)
}

// ConsoleURL is the console of the messages that the suite sends.
const ConsoleURL = "https://crmwatch.acme.example"

// Sink runs the conformance suite. Each test gets a harness of its own.
func Sink(t *testing.T, open func(t *testing.T) Harness) {
	t.Helper()
	t.Run("has a name", func(t *testing.T) {
		name := open(t).Sink.Name()
		if name == "" || strings.ToLower(name) != name || strings.ContainsAny(name, " /:") {
			t.Errorf("name %q is not a lower-case word", name)
		}
	})
	t.Run("draws everything", func(t *testing.T) { drawsEverything(t, open) })
	t.Run("draws a digest", func(t *testing.T) { drawsDigest(t, open) })
	t.Run("draws next to nothing", func(t *testing.T) { drawsLittle(t, open) })
	t.Run("draws what is too much", func(t *testing.T) { drawsMuch(t, open) })
	t.Run("makes hostile findings inert", func(t *testing.T) { hostileFindings(t, open) })
	t.Run("makes hostile messages inert", func(t *testing.T) { hostileMessages(t, open) })
	t.Run("shows what has become of an alert", func(t *testing.T) { showsStatus(t, open) })
	t.Run("edits what it sent", func(t *testing.T) { edits(t, open) })
	t.Run("makes hostile edits inert", func(t *testing.T) { hostileEdits(t, open) })
	t.Run("says that a message is gone", func(t *testing.T) { saysGone(t, open) })
	t.Run("obeys its context", func(t *testing.T) { obeysContext(t, open) })
	t.Run("is safe for concurrent use", func(t *testing.T) { concurrent(t, open) })
}

// send delivers a message and requires a reference.
func send(t *testing.T, h Harness, m alert.Message) alert.Ref {
	t.Helper()
	ref, err := h.Sink.Send(t.Context(), m)
	if err != nil {
		t.Fatalf("send: %v", err)
	}
	if ref == (alert.Ref{}) {
		t.Fatal("send: the reference is empty")
	}
	return ref
}

// expect requires that texts were seen.
func expect(t *testing.T, h Harness, texts ...string) {
	t.Helper()
	seen := squeeze(h.Seen())
	for _, text := range texts {
		if h.Write != nil {
			text = h.Write(text)
		}
		if !strings.Contains(seen, squeeze(text)) {
			t.Errorf("%q was not drawn", text)
		}
	}
}

// squeeze takes all white space out, because media break lines where they like.
func squeeze(s string) string { return strings.Join(strings.Fields(s), "") }

// texts lists what of a message has to be drawn.
func texts(m *alert.Message) []string {
	all := []string{m.Title, m.Status, m.Summary, m.Advice}
	for _, s := range m.Sections {
		all = append(all, s.Heading)
		for _, f := range s.Facts {
			all = append(all, f.Label, f.Value)
		}
		all = append(all, s.Lines...)
	}
	for _, b := range m.Buttons {
		all = append(all, b.Text)
	}
	for _, l := range m.Links {
		all = append(all, l.Text)
	}
	return append(all, m.Notes...)
}

func drawsEverything(t *testing.T, open func(t *testing.T) Harness) {
	t.Helper()
	for _, f := range []alert.Finding{MassExport(), GhostAccount()} {
		h := open(t)
		m := alert.NewMessage(&f, ConsoleURL)
		send(t, h, m)
		expect(t, h, texts(&m)...)
		h.Inert(t, m.Links)
	}
}

func drawsDigest(t *testing.T, open func(t *testing.T) Harness) {
	t.Helper()
	h := open(t)
	m := alert.NewDigest([]alert.Finding{MassExport(), GhostAccount(), MassExport()}, alert.DefaultConfig().MaxAge, ConsoleURL)
	send(t, h, m)
	expect(t, h, texts(&m)...)
	h.Inert(t, m.Links)
}

func drawsLittle(t *testing.T, open func(t *testing.T) Harness) {
	t.Helper()
	h := open(t)
	f := Bare()
	m := alert.NewMessage(&f, "")
	send(t, h, m)
	expect(t, h, texts(&m)...)
	send(t, h, alert.Message{ID: "x", Title: "x"})
	send(t, h, alert.Message{})
	send(t, h, alert.Message{
		ID: "empty", Sections: []alert.Section{{}, {Lines: []string{""}}, {Facts: []alert.Fact{{}}}},
		Buttons: []alert.Button{{}}, Links: []alert.Link{{}}, Notes: []string{""},
	})
	h.Inert(t, nil)
}

func drawsMuch(t *testing.T, open func(t *testing.T) Harness) {
	t.Helper()
	h := open(t)
	m := alert.Message{ID: strings.Repeat("f", 32), Title: strings.Repeat("title ", 1000), Summary: strings.Repeat("summary ", 5000)}
	for i := range 60 {
		s := alert.Section{Heading: fmt.Sprintf("Section %d", i)}
		for j := range 12 {
			length := 10
			if i == 0 && j < 2 {
				length = 3000
			}
			s.Facts = append(s.Facts, alert.Fact{Label: fmt.Sprintf("Label %d", j), Value: strings.Repeat("汉字", length)})
			s.Lines = append(s.Lines, strings.Repeat("line ", length))
		}
		m.Sections = append(m.Sections, s)
		m.Buttons = append(m.Buttons, alert.Button{Action: fmt.Sprint("act", i), Text: strings.Repeat("button ", 50), Confirm: strings.Repeat("sure? ", 100)})
		m.Notes = append(m.Notes, strings.Repeat("note ", 500))
	}
	send(t, h, m)
	expect(t, h, "Section 0")
	h.Inert(t, nil)
}

// showsStatus sends alerts that were over before anybody was told.
func showsStatus(t *testing.T, open func(t *testing.T) Harness) {
	t.Helper()
	for _, f := range Amended() {
		h := open(t)
		m := alert.NewMessage(&f, ConsoleURL)
		send(t, h, m)
		expect(t, h, texts(&m)...)
		h.Inert(t, m.Links)
	}
}

// edits takes one message through everything that can become of an alert.
func edits(t *testing.T, open func(t *testing.T) Harness) {
	t.Helper()
	h := open(t)
	f := MassExport()
	m := alert.NewMessage(&f, ConsoleURL)
	ref := send(t, h, m)
	links := m.Links
	for _, later := range Amended() {
		m := alert.NewUpdate(&later, alert.Told{Count: f.Count, Measured: f.Measured}, ConsoleURL)
		for range 2 { // a repetition changes nothing
			if err := h.Sink.Update(t.Context(), ref, m); err != nil {
				t.Fatalf("update: %v", err)
			}
		}
		expect(t, h, m.Status, m.Title)
		links = append(links, m.Links...)
		h.Inert(t, links)
	}
	if n := h.Messages(); n != 1 {
		t.Errorf("a reader got %d messages, not one", n)
	}
}

func hostileEdits(t *testing.T, open func(t *testing.T) Harness) {
	t.Helper()
	for i, attack := range Attacks() {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			h := open(t)
			ref := send(t, h, alert.Message{ID: "x", Title: "x"})
			all := []alert.Message{{ID: attack, Title: attack, Status: attack, State: alert.State(attack)}}
			for _, state := range []alert.State{alert.Open, alert.Closed, alert.Withdrawn} {
				f := Hostile(attack)
				f.State = state
				all = append(all, alert.NewUpdate(&f, alert.Told{Count: 1, Measured: 1}, ConsoleURL))
			}
			for _, m := range all {
				if err := h.Sink.Update(t.Context(), ref, m); err != nil {
					t.Fatalf("update: %v", err)
				}
				h.Inert(t, m.Links)
			}
		})
	}
}

func saysGone(t *testing.T, open func(t *testing.T) Harness) {
	t.Helper()
	h := open(t)
	if h.Lose == nil {
		t.Skip("the medium loses nothing")
	}
	ref := send(t, h, alert.Message{ID: "x", Title: "x"})
	h.Lose(ref)
	for _, ref := range []alert.Ref{ref, {}} {
		err := h.Sink.Update(t.Context(), ref, alert.Message{ID: "x", Title: "SECRET"})
		failure, ok := errors.AsType[*alert.SendError](err)
		if !ok || !failure.Gone || failure.Permanent || failure.Reason == "" {
			t.Errorf("update of %+v: %#v, not an error that says that it is gone", ref, err)
		}
		if err != nil && strings.Contains(err.Error(), "SECRET") {
			t.Errorf("the error repeats the message: %v", err)
		}
	}
	if n := h.Messages(); n != 0 {
		t.Errorf("%d messages were sent in its place", n)
	}
}

func hostileFindings(t *testing.T, open func(t *testing.T) Harness) {
	t.Helper()
	for i, attack := range Attacks() {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			h := open(t)
			f := Hostile(attack)
			m := alert.NewMessage(&f, ConsoleURL)
			send(t, h, m)
			digest := alert.NewDigest([]alert.Finding{f, f}, alert.DefaultConfig().MaxAge, ConsoleURL)
			send(t, h, digest)
			h.Inert(t, append(m.Links, digest.Links...))
		})
	}
}

// hostileMessages bypasses what alert cleans: a sink must not depend on it.
func hostileMessages(t *testing.T, open func(t *testing.T) Harness) {
	t.Helper()
	for i, attack := range Attacks() {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			h := open(t)
			send(t, h, alert.Message{
				ID: attack, Level: alert.Level(attack), Title: attack, Summary: attack, Advice: attack, Notes: []string{attack, attack},
				Sections: []alert.Section{{Heading: attack, Facts: []alert.Fact{{Label: attack, Value: attack}}, Lines: []string{attack}}},
				Buttons:  []alert.Button{{Action: attack, Text: attack, Danger: true, Confirm: attack}},
				Links:    []alert.Link{{Text: attack, URL: attack}, {Text: "x", URL: "javascript:alert(1)"}},
			})
			h.Inert(t, nil)
		})
	}
}

func obeysContext(t *testing.T, open func(t *testing.T) Harness) {
	t.Helper()
	h := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.Sink.Send(ctx, alert.Message{ID: "late", Title: "Too late"}); err == nil {
		t.Error("a message was sent after the context had ended")
	}
	ref := send(t, h, alert.Message{ID: "x", Title: "x"})
	if err := h.Sink.Update(ctx, ref, alert.Message{ID: "x", Title: "Too late"}); err == nil {
		t.Error("a message was edited after the context had ended")
	}
	if strings.Contains(squeeze(h.Seen()), squeeze("Too late")) {
		t.Error("what came too late was drawn")
	}
}

func concurrent(t *testing.T, open func(t *testing.T) Harness) {
	t.Helper()
	h := open(t)
	var wg sync.WaitGroup
	var want []string
	for i := range 3 {
		title := fmt.Sprintf("Concurrent %d", i)
		want = append(want, title)
		wg.Go(func() {
			if _, err := h.Sink.Send(t.Context(), alert.Message{ID: title, Title: title}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	expect(t, h, want...)
}
