#!/usr/bin/env bash
# All set-up and all tests; ends with one line: `N passed, M failed`.
set -uo pipefail
cd "$(dirname "$0")/.."

. deploy/setup.sh
# A real browser for the consoles, letters it can show, and what judges whether everybody can read them.
if ! command -v chromium >/dev/null || ! command -v chromedriver >/dev/null || ! command -v npm >/dev/null; then
    echo "installing chromium, its driver, fonts and npm" >&2
    packages="chromium chromium-driver fonts-noto-cjk"
    command -v npm >/dev/null || packages="$packages npm"
    # shellcheck disable=SC2086
    (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages) >&2 ||
        echo "the browser could not be installed: its stories will fail" >&2
fi
# from_npm FOLDER PACKAGE VERSION WHAT_FAILS_WITHOUT
from_npm() {
    mkdir -p "target/$1"
    [ -e "target/$1/node_modules/$2/package.json" ] ||
        npm install --silent --no-fund --no-audit --prefix "target/$1" "$2@$3" >&2 ||
        echo "$2 could not be installed: $4 will fail" >&2
}
from_npm axe axe-core 4 "the story about accessibility"
# A provider of citizens' log-ins that is no work of ours.
from_npm oidc oidc-provider 8 "the story of a provider of another make"
ulimit -n "$(ulimit -Hn)" 2>/dev/null || true

log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=0
if cargo clippy --version >/dev/null 2>&1; then
    # Lints are part of the tests: they hold the rule that time and randomness are arguments.
    cargo clippy --quiet --workspace --all-targets -- -D warnings || failed=$((failed + 1))
else
    echo "clippy is not installed: lints are skipped" >&2
fi
# Everything is built once, binaries included: what follows takes them as they are. Building the optimised ones as well would take
# longer than all that it saves.
cargo build --workspace --all-targets --quiet || failed=$((failed + 1))
cargo test --workspace --no-fail-fast 2>&1 | tee "$log" | grep -v '^\(running\|test .* ok$\|$\)'
status=${PIPESTATUS[0]}

# The whole story with real processes, small: 1 hub, 3 towns, 12 villages, every kind of stage, nodes killed meanwhile.
story=0
if target/debug/demo --once --chaos --cases 64 --towns 3 --villages 12 --dir target/story; then story=1; else failed=$((failed + 1)); fi

# With the twenty weeks of the tests, three hundred under virtual time, on both cores.
weeks=0
simulate() { target/debug/simulate --seeds 140 --start "$1"; }
simulate 21 & first=$!
simulate 161 && weeks=$((weeks + 1)) || failed=$((failed + 1))
wait $first && weeks=$((weeks + 1)) || failed=$((failed + 1))

passed=$(awk '/^test result:/ { n += $4 } END { print n + 0 }' "$log")
broken=$(awk '/^test result:/ { n += $6 } END { print n + 0 }' "$log")
# A test binary that did not build or died gives no count, and must not pass for none.
if [ "$status" -ne 0 ] && [ "$broken" -eq 0 ]; then broken=1; fi
echo "$((passed + story + weeks)) passed, $((broken + failed)) failed"
[ $((broken + failed)) -eq 0 ]
