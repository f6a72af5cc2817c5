#!/usr/bin/env bash
# Runs all tests that this machine can run, and says in one line each what it did not run.
# With CARREL_REQUIRE=1 (as in .ci/run) whatever cannot be run is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=0
not_run() {
	echo "not run: $1"
	missing=1
}

browser=""
for name in chromium chromium-browser google-chrome; do
	if command -v "$name" >/dev/null; then browser=$name; break; fi
done
[ -n "$browser" ] || not_run "browser tests: no Chromium or Chrome is on the PATH"

data=${CARREL_TESTDATA:-../shared/data}
if [ -d "$data" ]; then
	export CARREL_TESTDATA; CARREL_TESTDATA=$(cd "$data" && pwd)
else
	not_run "tests on real catalogs: set CARREL_TESTDATA to their folder"
fi

node_ready=0
if command -v node >/dev/null && [ "$(node -p 'process.versions.node.split(".")[0]')" -ge 20 ] && command -v npm >/dev/null; then
	if (cd tests && npm ci --no-audit --no-fund --loglevel=error >/dev/null); then
		node_ready=1
		export CARREL_AXE="$PWD/tests/node_modules/axe-core/axe.min.js"
		export CARREL_INSTANTSEARCH="$PWD/tests/node_modules/instantsearch.js/dist/instantsearch.production.min.js"
	else
		not_run "Node checks: npm could not install what they need"
	fi
else
	not_run "Node checks (accessibility by axe, InstantSearch widgets, WatermelonDB and RxDB, OpenAPI linter, JavaScript types): Node 20 or newer is not on the PATH"
fi

if [ "$missing" = 1 ] && [ "${CARREL_REQUIRE:-}" = 1 ]; then
	echo "CARREL_REQUIRE=1: everything must be run" >&2
	exit 1
fi

if [ "$node_ready" = 1 ]; then
	(cd tests && npm run --silent check)
fi
go test ./... "$@"
echo "all tests that were run have passed"
