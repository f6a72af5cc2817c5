#!/usr/bin/env bash
# Takes pictures of every page of the demo catalog, at phone and desktop width, light and dark, in three languages, for eyes to compare.
# They go to the folder given (default: screenshots). Needs Chromium.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-screenshots}
work=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
go build -o "$work/carrel" .
"$work/carrel" serve --demo --data "$work/data" --addr 127.0.0.1:0 >"$work/ready" &
server=$!
for _ in $(seq 100); do
	grep -q 'ready at' "$work/ready" && break
	sleep 0.2
done
go run ./tests/screenshots --url "$(sed 's/.*ready at //' "$work/ready")" --out "$out" ${ONLY:+--only "$ONLY"}
