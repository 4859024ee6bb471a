package embedded

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// LibraryEnv is the environment variable that names the engine's shared library.
const LibraryEnv = "CRMWATCH_LIBCHDB"

const libraryName = "libchdb.so"

// manifest is where the version is written, the only place; the fetch script reads
// it too.
//
//go:embed libchdb/package.json
var manifest []byte

// LibraryVersion is the version of the engine's library that this binary was built
// and tested with.
func LibraryVersion() string {
	var m struct {
		Dependencies map[string]string `json:"dependencies"`
	}
	if err := json.Unmarshal(manifest, &m); err != nil {
		return "unknown"
	}
	for _, version := range m.Dependencies {
		return version
	}
	return "unknown"
}

// FindLibrary returns the path of the engine's shared library: the explicit one
// where one is given, else the one [LibraryEnv] names, else lib/libchdb.so beside
// the binary, else the one `make libchdb` put into the user's cache directory. A
// library that is named but missing is an error, not a reason to look further. The
// error says where it looked and what to do.
func FindLibrary(explicit string) (string, error) {
	if explicit != "" {
		return namedLibrary(explicit, "as configured")
	}
	if env := os.Getenv(LibraryEnv); env != "" {
		return namedLibrary(env, "as "+LibraryEnv+" says")
	}
	places, err := libraryPlaces()
	for _, place := range places {
		if isFile(place) {
			return place, nil
		}
	}
	return "", errors.Join(missing("looked at "+strings.Join(places, ", ")), err)
}

func namedLibrary(name, why string) (string, error) {
	if isFile(name) {
		return name, nil
	}
	return "", missing("there is no file " + name + ", " + why)
}

func libraryPlaces() (places []string, err error) {
	exe, exeErr := os.Executable()
	if exeErr == nil {
		places = append(places, filepath.Join(filepath.Dir(exe), "lib", libraryName))
	}
	cache, cacheErr := os.UserCacheDir()
	if cacheErr == nil {
		places = append(places, filepath.Join(cache, "crmwatch", "libchdb-"+LibraryVersion(), libraryName))
	}
	return places, errors.Join(exeErr, cacheErr)
}

func missing(what string) error {
	return fmt.Errorf("find the embedded clickhouse library: %s: run `make libchdb`, name the file in %s, or point clickhouse.addrs at a server", what, LibraryEnv)
}

func isFile(name string) bool {
	info, err := os.Stat(name) //nolint:gosec // the operator names the file
	return err == nil && info.Mode().IsRegular()
}
