// Package history keeps every version that every rule has had, so that whoever
// holds an alert can read what the version that it names said.
package history

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/crmwatch/crmwatch/rules"
)

// Version is a version of a rule as it was in force. Titles, levels, runbooks and
// comments belong to the text and not to what a rule matches, so several of one
// Version may differ in Text.
type Version struct {
	RuleID string `json:"id"`
	// Version is rules.Meta.Version, which findings carry.
	Version string `json:"version"`
	// Text is a hash of the sources, 12 hexadecimal digits.
	Text  string `json:"text"`
	Name  string `json:"name"`
	Title string `json:"title"`
	Level string `json:"level"`
	// First and Last are when it was first and last known to be in force.
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
	// Sources are those of rules.Meta.
	Sources []Source `json:"sources"`
}

// Source is a text of rules.Source.
type Source struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Text string `json:"text"`
	// Left is how many bytes the text had where it was too long to be kept, in whose
	// place Text then says so.
	Left int `json:"left,omitempty"`
}

// maxText bounds the texts of one version, because a look-up table may have a
// hundred thousand rows and a Kafka message has a largest size.
const maxText = 8 << 20

// Of is the version of a rule that is in force at a time.
func Of(m *rules.Meta, at time.Time) Version {
	v := Version{RuleID: m.ID, Version: m.Version, Name: m.Name, Title: m.Title, Level: m.Level, First: at.UTC(), Last: at.UTC()}
	h := sha256.New()
	room := maxText
	for _, s := range m.Sources {
		fmt.Fprintf(h, "%q %d %d ", s.File, s.Line, len(s.Text))
		h.Write([]byte(s.Text))
		kept := Source{File: s.File, Line: s.Line, Text: s.Text}
		if len(s.Text) > room {
			sum := sha256.Sum256([]byte(s.Text))
			kept.Text, kept.Left = fmt.Sprintf("# %d bytes, too long to be kept; SHA-256 %x\n", len(s.Text), sum), len(s.Text)
		} else {
			room -= len(s.Text)
		}
		v.Sources = append(v.Sources, kept)
	}
	v.Text = hex.EncodeToString(h.Sum(nil))[:12]
	return v
}

// Key is what tells versions and their texts apart.
func (v *Version) Key() string { return v.RuleID + "/" + v.Version + "/" + v.Text }

// Encode is the version as a message.
func (v *Version) Encode() ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode version of rule %s: %w", v.Name, err)
	}
	return b, nil
}

// Decode reads a message. The error never repeats its content.
func Decode(data []byte) (Version, error) {
	var v Version
	if json.Unmarshal(data, &v) != nil {
		return Version{}, errors.New("decode rule version: not the JSON form of one")
	}
	if v.RuleID == "" || v.Version == "" || v.Text == "" {
		return Version{}, errors.New("decode rule version: it lacks an id, a version or a text")
	}
	return v, nil
}

// Record finds out what has to be recorded when rules come into force. The zero
// Record is of a program that has just begun.
type Record struct {
	inForce map[string]Version
}

// Change says that the rules are in force now, and returns what is to be recorded
// of that: versions that have come into force and those that no longer are. A
// version that is recorded already keeps when it was first seen.
func (r *Record) Change(metas []*rules.Meta, at time.Time, recorded map[string]Version) []Version {
	before := r.inForce
	r.inForce = make(map[string]Version, len(metas))
	var out []Version
	for _, m := range metas {
		v := Of(m, at)
		_, goesOn := before[v.Key()]
		r.inForce[v.Key()] = v
		if !goesOn {
			out = append(out, v)
		}
	}
	for key, v := range before {
		if _, goesOn := r.inForce[key]; !goesOn {
			v.Last = at.UTC()
			out = append(out, v)
		}
	}
	for i := range out {
		out[i].seen(recorded)
	}
	return out
}

// seen takes over when the version was seen before.
func (v *Version) seen(recorded map[string]Version) {
	old, ok := recorded[v.Key()]
	if !ok {
		return
	}
	if old.First.Before(v.First) {
		v.First = old.First
	}
	if old.Last.After(v.Last) {
		v.Last = old.Last
	}
}
