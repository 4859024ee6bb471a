#!/bin/sh
# Runs a broker for as long as standard input stays open, that is, as long as the
# process that started this one lives, and removes its data afterwards.
# Usage: run.sh LIB DIR, where DIR holds server.properties and goes in the end.
set -eu
trap 'rm -rf "$2"' EXIT
lib=$1
dir=$2

java -Xmx64m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$lib/*" \
  kafka.tools.StorageTool format --cluster-id AAAAAAAAAAAAAAAAAAAAAQ --config "$dir/server.properties" >"$dir/format.log" 2>&1

java -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$lib/*" \
  kafka.Kafka "$dir/server.properties" >"$dir/server.log" 2>&1 </dev/null &
broker=$!
cat >/dev/null
kill -9 "$broker" 2>/dev/null || true
wait "$broker" 2>/dev/null || true
