package app

import (
	"fmt"
	"io/fs"
	"os"

	"github.com/crmwatch/crmwatch/detect"
	"github.com/crmwatch/crmwatch/rules"
	"github.com/crmwatch/crmwatch/rules/pack"
)

// LoadRules loads the configured rules: the shipped pack where no directory is
// named. The error joins everything that is wrong, each with file and line.
func LoadRules(cfg Rules) (*rules.Set, error) {
	var fsys fs.FS = pack.FS
	if cfg.Dir != "" {
		if info, err := os.Stat(cfg.Dir); err != nil || !info.IsDir() {
			return nil, fmt.Errorf("rules.dir %s: there is no such directory", cfg.Dir)
		}
		fsys = os.DirFS(cfg.Dir)
	}
	return rules.Load(fsys, detect.NewSchema())
}
