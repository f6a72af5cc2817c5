#!/usr/bin/env bash
# Measures how well search answers the judged queries and writes search/relevancetest/testdata/golden.txt; needs the real catalogs (CARREL_TESTDATA).
# Then takes pictures of every page of the demo catalog, at phone and desktop width, light and dark, in three languages, for eyes to compare.
# They go to the folder given (default: screenshots). Needs Chromium.
set -euo pipefail
cd "$(dirname "$0")/.."
data=${CARREL_TESTDATA:-../shared/data}
[ -d "$data" ] || { echo "set CARREL_TESTDATA to the folder of the real catalogs" >&2; exit 1; }
CARREL_TESTDATA=$(cd "$data" && pwd) go test ./search/relevancetest -run TestRelevance -count=1 -update
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
