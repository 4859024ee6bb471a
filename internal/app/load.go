package app

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Load reads the configuration: the defaults, then the file where a path is
// given, then the environment. The error joins every mistake, each with its
// line or its variable.
func Load(path string, lookup func(string) (string, bool)) (Config, error) {
	cfg := Default()
	var root yaml.Node
	var wrong error
	if path != "" {
		data, err := os.ReadFile(path)
		if err != nil {
			return cfg, fmt.Errorf("read configuration: %w", err)
		}
		wrong = parse(path, data, &root, &cfg)
	}
	// What could not be read is at its default now, so that the rest can be checked.
	leaves := reflect.ValueOf(&cfg).Elem()
	wrong = errors.Join(wrong, overlay(leaves, "CRMWATCH", lookup))
	problems := resolveSecrets(leaves, "", lookup)
	return cfg, errors.Join(wrong, locate(path, &root, append(problems, cfg.Validate()...)))
}

// resolveSecrets fetches every secret that the configuration refers to.
func resolveSecrets(v reflect.Value, prefix string, lookup func(string) (string, bool)) (problems []Problem) {
	for i := range v.NumField() {
		key := strings.TrimPrefix(prefix+"."+v.Type().Field(i).Tag.Get("yaml"), ".")
		f := v.Field(i)
		if s, ok := f.Addr().Interface().(*Secret); ok {
			if err := s.resolve(lookup); err != nil {
				problems = append(problems, Problem{key, err.Error()})
			}
		} else if f.Kind() == reflect.Struct {
			problems = append(problems, resolveSecrets(f, key, lookup)...)
		}
	}
	return problems
}

func parse(path string, data []byte, root *yaml.Node, cfg *Config) error {
	if err := yaml.Unmarshal(data, root); err != nil {
		return plain(path, err)
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(cfg); err != nil && !errors.Is(err, io.EOF) {
		return plain(path, err)
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: a configuration is one YAML document", path)
	}
	return nil
}

var (
	unknownKey = regexp.MustCompile(`^line (\d+): field (\S+) not found in type \S+$`)
	wrongType  = regexp.MustCompile("^line (\\d+): cannot unmarshal \\S+ (?:`.*` )?into (\\S+)$")
	atLine     = regexp.MustCompile(`^(?:yaml: )?line (\d+): (.*)$`)
)

// plain turns the YAML library's messages into file:line: message, one for each
// mistake. It never repeats a value: one may be a secret in the wrong place.
func plain(path string, err error) error {
	var te *yaml.TypeError
	if !errors.As(err, &te) {
		te = &yaml.TypeError{Errors: []string{err.Error()}}
	}
	var out []error
	for _, msg := range te.Errors {
		switch m := (*[]string)(nil); {
		case match(unknownKey, msg, &m):
			out = append(out, fmt.Errorf("%s:%s: unknown key %q; crmwatch.example.yml lists the keys", path, (*m)[1], (*m)[2]))
		case match(wrongType, msg, &m):
			out = append(out, fmt.Errorf("%s:%s: the value must be a %s", path, (*m)[1], typeName((*m)[2])))
		case match(atLine, msg, &m):
			out = append(out, fmt.Errorf("%s:%s: %s", path, (*m)[1], (*m)[2]))
		default:
			out = append(out, fmt.Errorf("%s: %s", path, msg))
		}
	}
	return errors.Join(out...)
}

func match(re *regexp.Regexp, s string, m **[]string) bool {
	found := re.FindStringSubmatch(s)
	*m = &found
	return found != nil
}

func typeName(goType string) string {
	switch goType {
	case "int":
		return "whole number"
	case "bool":
		return "true or false"
	case "time.Duration":
		return "duration such as 90s, 24h"
	case "[]string":
		return "list of texts"
	case "map[string]time.Duration":
		return "group of names and durations such as salesforce: 24h"
	case "string":
		return "text"
	default:
		return "group of keys"
	}
}

// overlay sets every leaf of the configuration that the environment names.
func overlay(v reflect.Value, prefix string, lookup func(string) (string, bool)) error {
	var errs []error
	for i := range v.NumField() {
		name := prefix + "_" + strings.ToUpper(v.Type().Field(i).Tag.Get("yaml"))
		f := v.Field(i)
		if _, leaf := f.Addr().Interface().(*Secret); !leaf && f.Kind() == reflect.Struct {
			errs = append(errs, overlay(f, name, lookup))
			continue
		}
		if text, ok := lookup(name); ok {
			if err := setLeaf(f, text); err != nil {
				errs = append(errs, fmt.Errorf("environment variable %s: %w", name, err))
			}
		}
	}
	return errors.Join(errs...)
}

func setLeaf(f reflect.Value, text string) error {
	switch p := f.Addr().Interface().(type) {
	case *Secret:
		p.ref = text
	case *string:
		*p = text
	case *int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return errors.New("the value must be a whole number")
		}
		*p = n
	case *bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return errors.New("the value must be true or false")
		}
		*p = b
	case *time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return errors.New("the value must be a duration such as 90s, 24h")
		}
		*p = d
	case *[]string:
		*p = nil
		for part := range strings.SplitSeq(text, ",") {
			if part = strings.TrimSpace(part); part != "" {
				*p = append(*p, part)
			}
		}
	case *map[string]time.Duration:
		return setDurations(p, text)
	default:
		return errors.New("this key cannot be set by the environment")
	}
	return nil
}

// setDurations reads "salesforce=24h, zoho=1h".
func setDurations(m *map[string]time.Duration, text string) error {
	*m = map[string]time.Duration{}
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		d, err := time.ParseDuration(strings.TrimSpace(value))
		if name = strings.TrimSpace(name); err != nil || name == "" {
			return errors.New("the value must be names and durations such as salesforce=24h, zoho=1h")
		}
		(*m)[name] = d
	}
	return nil
}

// locate puts the line of its key before each problem, in the order of the lines.
func locate(path string, root *yaml.Node, problems []Problem) error {
	slices.SortStableFunc(problems, func(a, b Problem) int { return lineOf(root, a.Key) - lineOf(root, b.Key) })
	errs := make([]error, 0, len(problems))
	for _, p := range problems {
		place := "configuration"
		if line := lineOf(root, p.Key); line > 0 {
			place = fmt.Sprintf("%s:%d", path, line)
		}
		errs = append(errs, fmt.Errorf("%s: %s: %s", place, p.Key, p.Msg))
	}
	return errors.Join(errs...)
}

// lineOf finds the line of a dotted key, 0 where the file does not have it.
func lineOf(n *yaml.Node, key string) int {
	if n.Kind == yaml.DocumentNode && len(n.Content) > 0 {
		return lineOf(n.Content[0], key)
	}
	head, rest, more := strings.Cut(key, ".")
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value != head {
			continue
		}
		if !more {
			return n.Content[i].Line
		}
		return lineOf(n.Content[i+1], rest)
	}
	return 0
}
