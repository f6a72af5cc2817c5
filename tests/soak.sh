#!/usr/bin/env bash
# The long versions: thousands of histories, many kills, minutes of fuzzing. Takes about an hour; docs/soak.md keeps the log of its last full run.
# CARREL_FUZZTIME sets how long each fuzzer runs (default 60s).
set -euo pipefail
cd "$(dirname "$0")/.."
export CARREL_SOAK=1
{
	echo "# Soak"
	echo
	echo "The log of the last full run of \`make soak\`."
	echo
	echo "- date: $(date -u +%Y-%m-%dT%H:%MZ)"
	echo "- commit: $(git rev-parse --short HEAD)"
	echo "- machine: $(nproc) cores, $(awk '/MemTotal/ {printf "%.0f GiB", $2/1048576}' /proc/meminfo), $(go version | cut -d' ' -f3-)"
	echo
	echo '```'
	go test -count=1 -timeout 60m -v ./sync/... ./catalog/... ./search/... ./ingest/... . 2>&1 | grep -E '^(--- |ok|FAIL|panic)' || true
	CARREL_SOAK= go test -count=1 -race ./sync/... ./catalog ./search ./identity 2>&1 | grep -E '^(ok|FAIL|---|panic|WARNING: DATA RACE)' | sed 's/^/-race: /'
	# Two fuzzers at once, a worker each.
	grep -rE '^func Fuzz' --include='*_test.go' . | sed -E 's/^(.*)\/[^/]*:func (Fuzz[A-Za-z0-9_]+).*/\1 \2/' | sort |
		xargs -P 2 -L 1 bash -c 'out=$(go test "$0" -run "^$" -fuzz "^$1\$" -fuzztime "${CARREL_FUZZTIME:-60s}" -fuzzminimizetime=100x -parallel=1 2>&1 | tail -n 2); echo "fuzz $0 $1: $out"'
	echo '```'
} | tee docs/soak.md
if grep -qE '(^|-race: )(FAIL|--- FAIL|panic|WARNING: DATA RACE)' docs/soak.md; then exit 1; fi
