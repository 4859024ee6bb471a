#!/bin/sh
# Puts the engine library of the embedded ClickHouse into the user's cache, where the
# binary finds it. package.json says which version, package-lock.json which bytes.
# Does nothing when it is there. Prints the path.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
package=@chdb/lib-linux-x64-gnu
version=$(sed -n 's|.*"'"$package"'": *"\([^"]*\)".*|\1|p' "$here/package.json")
target=${XDG_CACHE_HOME:-$HOME/.cache}/crmwatch/libchdb-$version
if [ -f "$target/libchdb.so" ]; then
	echo "$target/libchdb.so"
	exit 0
fi
if [ "$(uname -s)-$(uname -m)" != Linux-x86_64 ]; then
	echo "the embedded ClickHouse needs Linux on x86-64: point clickhouse.addrs at a server" >&2
	exit 1
fi

# npm works in a copy on the cache's own file system: the source tree stays clean, and
# the last step is a rename, so no one ever sees half a library.
mkdir -p "$target"
work=$(mktemp -d "$target/.fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$work/"
(cd "$work" && npm ci --no-audit --no-fund >&2)
mv -f "$work/node_modules/$package/libchdb.so" "$target/libchdb.so"
echo "$target/libchdb.so"
