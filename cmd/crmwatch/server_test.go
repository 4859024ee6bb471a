package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crmwatch/crmwatch/internal/app"
)

// Who comes while another process is still starting waits for its servers.
func TestAwaitServersWaitsForTheStart(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		time.AfterFunc(3*time.Second, func() {
			if err := (endpoints{Kafka: "127.0.0.1:1", Password: "x"}).write(dir); err != nil {
				t.Error(err)
			}
		})
		e, err := awaitServers(t.Context(), dir)
		if err != nil || e.Kafka != "127.0.0.1:1" {
			t.Errorf("%+v, %v", e, err)
		}
	})
}

func TestAwaitServersGivesUp(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		if _, err := awaitServers(context.Background(), dir); !errors.Is(err, errInUse) {
			t.Error(err)
		}
	})
}

func TestOneProcessPerDirectory(t *testing.T) {
	dir := t.TempDir()
	lock, err := lockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lockDir(dir); !errors.Is(err, errInUse) {
		t.Errorf("the second lock: %v", err)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := lockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

// The password of the embedded servers is for their owner's eyes only.
func TestEndpointsArePrivate(t *testing.T) {
	dir := t.TempDir()
	if err := (endpoints{Password: "x"}).write(dir); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "endpoints.json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// A directory that another process has is said to be in use, by name.
func TestStartOnADirectoryInUse(t *testing.T) {
	cfg := app.Default()
	cfg.DataDir = t.TempDir()
	lock, err := lockDir(cfg.DataDir)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	_, err = startServers(t.Context(), &cfg, slog.New(slog.DiscardHandler))
	if !errors.Is(err, errInUse) || !strings.Contains(err.Error(), cfg.DataDir) {
		t.Error(err)
	}
}
