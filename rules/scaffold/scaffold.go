// Package scaffold writes rules to start from: valid, tested, and with comments
// that teach.
package scaffold

import (
	"bytes"
	"embed"
	"fmt"
	"regexp"
	"strings"
	"text/template"
	"time"
)

//go:embed templates/*.yml
var files embed.FS

var templates = template.Must(template.New("").ParseFS(files, "templates/*.yml"))

// Types lists what kinds of rules there are to start from.
func Types() []string {
	return []string{"event", "event_count", "value_count", "value_sum", "temporal", "temporal_ordered"}
}

// Rule is what the author of a new rule has said.
type Rule struct {
	Name  string // also that of the file
	Type  string // one of Types
	Level string
	Date  time.Time
	// ID makes UUIDs, a new one each time.
	ID func() string
}

var name = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)

// MaxName is the longest name: those of the rules that feed a correlation are made
// of it, and it is a label of metrics.
const MaxName = 60

// Render is the text of the rule's file.
func Render(r Rule) ([]byte, error) {
	if !name.MatchString(r.Name) || len(r.Name) > MaxName {
		return nil, fmt.Errorf("name %q must be lower-case words joined by _, such as price_list_export, of at most %d characters", r.Name, MaxName)
	}
	words := strings.ReplaceAll(r.Name, "_", " ")
	var b bytes.Buffer
	err := templates.ExecuteTemplate(&b, r.Type+".yml", map[string]any{
		"Name": r.Name, "Title": strings.ToUpper(words[:1]) + words[1:], "Level": r.Level, "Date": r.Date.Format(time.DateOnly), "ID": r.ID,
	})
	if err != nil {
		return nil, fmt.Errorf("render a rule of type %q: %w", r.Type, err)
	}
	return b.Bytes(), nil
}
