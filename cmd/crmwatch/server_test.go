package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
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
