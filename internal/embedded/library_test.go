package embedded_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/crmwatch/crmwatch/internal/embedded"
)

func touch(t *testing.T, name string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestFindLibrary(t *testing.T) {
	cache, dir := t.TempDir(), t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	t.Setenv(embedded.LibraryEnv, "")
	find := func(explicit, want string) {
		t.Helper()
		got, err := embedded.FindLibrary(explicit)
		if err != nil || got != want {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
	fails := func(explicit string, wants ...string) {
		t.Helper()
		got, err := embedded.FindLibrary(explicit)
		if err == nil {
			t.Fatalf("found %q", got)
		}
		for _, want := range append(wants, "make libchdb", "clickhouse.addrs") {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("error %q does not say %q", err, want)
			}
		}
	}
	inCache := filepath.Join(cache, "crmwatch", "libchdb-"+embedded.LibraryVersion(), "libchdb.so")
	beside := filepath.Join(filepath.Dir(os.Args[0]), "lib", "libchdb.so")
	t.Cleanup(func() { _ = os.RemoveAll(filepath.Dir(beside)) }) // other tests look there too
	fails("", inCache, beside)
	find("", touch(t, inCache))
	find("", touch(t, beside))
	fromEnv := filepath.Join(dir, "env.so")
	t.Setenv(embedded.LibraryEnv, fromEnv)
	fails("", fromEnv, embedded.LibraryEnv)
	find("", touch(t, fromEnv))
	explicit := filepath.Join(dir, "explicit.so")
	fails(explicit, explicit)
	find(explicit, touch(t, explicit))
	fails(dir, dir) // a directory is no library
}

// The version is pinned in package.json, the bytes in package-lock.json, and no
// host in either.
func TestLibraryIsPinned(t *testing.T) {
	lock, err := os.ReadFile("libchdb/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	version := embedded.LibraryVersion()
	if version == "" || strings.ContainsAny(version, "^~*x ") || !strings.Contains(string(lock), `"version": "`+version+`"`) {
		t.Errorf("version %q is no exact version of the lock file", version)
	}
	if !strings.Contains(string(lock), `"integrity": "sha512-`) {
		t.Error("the lock file has no checksum")
	}
	for _, name := range []string{"package.json", "package-lock.json", ".npmrc", "fetch.sh"} {
		b, err := os.ReadFile(filepath.Join("libchdb", name))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), "://") || strings.Contains(string(b), `"resolved"`) {
			t.Errorf("%s names a host", name)
		}
	}
}

// fetch.sh and FindLibrary agree on the place; what is there is not fetched again.
func TestFetchKeepsWhatIsThere(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	t.Setenv("PATH", "/usr/bin:/bin")
	t.Setenv(embedded.LibraryEnv, "")
	there := touch(t, filepath.Join(cache, "crmwatch", "libchdb-"+embedded.LibraryVersion(), "libchdb.so"))
	out, err := exec.Command("sh", "libchdb/fetch.sh").Output()
	if err != nil || strings.TrimSpace(string(out)) != there {
		t.Errorf("got %q, %v; want %q", out, err, there)
	}
	if info, err := os.Stat(there); err != nil || info.Size() != 0 {
		t.Errorf("the library was replaced: %v, %v", info, err)
	}
}
