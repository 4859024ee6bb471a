package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// No way of printing shows a secret.
func TestSecretIsNeverPrinted(t *testing.T) {
	cfg := Default()
	cfg.Kafka.SASL.Password = NewSecret("swordfish")
	cfg.ClickHouse.Password = Secret{ref: "swordfish"} // the value in the wrong place
	var b bytes.Buffer
	fmt.Fprintf(&b, "%v %+v %#v %s %q", cfg, cfg, cfg, cfg.Kafka.SASL.Password, cfg.Kafka.SASL)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "cfg", cfg, "secret", cfg.Kafka.SASL.Password)
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "cfg", cfg, "secret", cfg.Kafka.SASL.Password)
	j, _ := json.Marshal(cfg)
	y, _ := yaml.Marshal(cfg)
	b.Write(j)
	b.Write(y)
	if strings.Contains(b.String(), "swordfish") {
		t.Errorf("printed: %s", b.String())
	}
}

func TestSecretFromFile(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string, mode os.FileMode) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return "file:" + p
	}
	s := Secret{ref: put("good", "swordfish\n", 0o400)}
	if err := s.resolve(noEnv); err != nil || s.Reveal() != "swordfish" {
		t.Errorf("%v", err)
	}
	for ref, want := range map[string]string{
		put("open", "swordfish", 0o644): "can be read by others",
		put("empty", "\n", 0o400):       "is empty",
		"file:" + dir + "/none":         "no such file",
		"file:":                         "must be a reference",
		"swordfish":                     "must be a reference",
	} {
		err := (&Secret{ref: ref}).resolve(noEnv)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", ref, err)
		}
		if err != nil && strings.Contains(err.Error(), "swordfish") {
			t.Errorf("the error repeats the secret: %v", err)
		}
	}
}
