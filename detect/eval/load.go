package eval

import (
	"errors"
	"io/fs"
	"slices"

	"github.com/crmwatch/crmwatch/rules"
	"github.com/crmwatch/crmwatch/rules/ndjson"
)

// Load loads the rules of the configuration over raw records. Files with mistakes
// are left out, and what refers to their rules with them: the error says what is
// wrong, and the set is of what is right. Only a set of nothing is nil.
func (c *Config) Load() (*rules.Set, *ndjson.Schema, error) {
	var wrong []error
	files := without{FS: c.Rules}
	for {
		schema := &ndjson.Schema{}
		set, err := rules.Load(files, schema, rules.Options{AnyLogsource: true, Pipelines: c.Pipelines})
		if err == nil {
			if len(set.Rules()) == 0 && len(wrong) > 0 {
				set = nil
			}
			return set, schema, errors.Join(wrong...)
		}
		wrong = append(wrong, err)
		bad := files.blame(err)
		if len(bad) == 0 {
			return nil, nil, errors.Join(wrong...)
		}
		files.names = append(files.names, bad...)
	}
}

// without is a file system without some files.
type without struct {
	fs.FS
	names []string
}

// blame lists the files that an error is about and that are still there.
func (w *without) blame(err error) (files []string) {
	var e *rules.LoadError
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			files = append(files, w.blame(one)...)
		}
	} else if errors.As(err, &e) && !slices.Contains(w.names, e.Pos.File) {
		files = append(files, e.Pos.File)
	}
	slices.Sort(files)
	return slices.Compact(files)
}

// ReadDir lists a directory without those files.
func (w without) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(w.FS, name)
	hidden := func(d fs.DirEntry) bool {
		file := d.Name()
		if name != "." {
			file = name + "/" + file
		}
		return slices.Contains(w.names, file)
	}
	return slices.DeleteFunc(entries, hidden), err
}
