package workload

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

//go:embed rules/*.yml
var files embed.FS

// WriteRules writes the ten rules, and the five that six of them count, into a
// directory; then as many more, which match nothing, as make up so many files.
func WriteRules(dir string, rare int) error {
	rules, err := fs.Sub(files, "rules")
	if err != nil {
		return fmt.Errorf("open rules: %w", err)
	}
	if err := os.CopyFS(dir, rules); err != nil {
		return fmt.Errorf("write rules: %w", err)
	}
	for i := range rare {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("rare%04d.yml", i)), rareRule(i), 0o600); err != nil {
			return fmt.Errorf("write rules: %w", err)
		}
	}
	return nil
}

// rareRule is one of many rules, as packs for many products have them, that match
// nothing of the workload. Like those, they share fields and common values with
// others.
func rareRule(i int) []byte {
	selections := [...]string{
		"{action: export, user_agent|contains: 'tool{n}/'}",
		"{object.id: X{n}}",
		"{actor.name|contains: 'nobody{n}', action: [view, export]}",
		"{src_ip|startswith: '172.{byte}.', country: CN}",
		"{actor.id: [z{n}, y{n}], rows|gt: {n}}",
		"{object.type|endswith: Q{n}, user_agent|re: 'bot-{n}.*x'}",
	}
	fill := strings.NewReplacer("{n}", strconv.Itoa(i), "{byte}", strconv.Itoa(i%256))
	return fmt.Appendf(nil, `title: rare %[1]d
id: 40000000-0000-4000-8000-%012[1]d
status: experimental
level: low
logsource: {product: crm, category: audit}
detection:
  selection: %[2]s
  condition: selection
`, i, fill.Replace(selections[i%len(selections)]))
}
