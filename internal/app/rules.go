package app

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"

	"github.com/crmwatch/crmwatch/detect"
	"github.com/crmwatch/crmwatch/rules"
	"github.com/crmwatch/crmwatch/rules/pack"
)

// LoadRules loads the configured rules: the shipped pack where no directory is
// named. The error joins everything that is wrong, each with line and file within
// the directory.
func LoadRules(cfg Rules) (*rules.Set, error) {
	var fsys fs.FS = pack.FS
	if cfg.Dir != "" {
		if info, err := os.Stat(cfg.Dir); err != nil || !info.IsDir() {
			return nil, fmt.Errorf("rules.dir %s: there is no such directory", cfg.Dir)
		}
		fsys = os.DirFS(cfg.Dir)
	}
	set, err := rules.Load(fsys, detect.NewSchema(), rules.Options{GroupByOneOf: rules.PersonFields()})
	if err != nil {
		return nil, fmt.Errorf("rules in %s:\n%w", cmp.Or(cfg.Dir, "the shipped pack"), err)
	}
	return set, nil
}
