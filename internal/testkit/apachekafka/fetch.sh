#!/bin/sh
# Puts the jars of Apache Kafka, as pinned in pom.xml and jars.sha256 beside this
# script, into the user's cache and prints the directory. Needs Maven the first
# time only. Safe to run twice at once: the directory appears complete or not at
# all.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
version=$(sed -n 's:.*<kafka\.version>\(.*\)</kafka\.version>.*:\1:p' "$here/pom.xml")
home=${XDG_CACHE_HOME:-$HOME/.cache}/crmwatch/apache-kafka-$version

if [ -d "$home/lib" ]; then
  echo "$home/lib"
  exit 0
fi

mkdir -p "$home"
new=$(mktemp -d "$home/fetch.XXXXXX")
trap 'rm -rf "$new"' EXIT

mvn --quiet --batch-mode --file "$here/pom.xml" dependency:copy-dependencies \
  -DincludeScope=runtime -DoutputDirectory="$new/lib" >&2

sum=sha256sum
command -v sha256sum >/dev/null || sum='shasum -a 256'
if ! (cd "$new/lib" && $sum -c "$here/jars.sha256" >"$new/checked" 2>&1); then
  grep -v ': OK$' "$new/checked" >&2
  echo "the jars are not those that jars.sha256 names" >&2
  exit 1
fi

# Whoever comes second finds a directory there and drops its own.
mv "$new/lib" "$home/" 2>/dev/null || [ -d "$home/lib" ]
echo "$home/lib"
