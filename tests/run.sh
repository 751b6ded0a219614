#!/usr/bin/env bash
# All set-up and all tests; ends with one line: `N passed, M failed`.
set -uo pipefail
cd "$(dirname "$0")/.."

. deploy/setup.sh
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
cargo test --workspace --no-fail-fast 2>&1 | tee "$log" | grep -v '^\(running\|test .* ok$\|$\)'
status=${PIPESTATUS[0]}

# The whole story with real processes, small: 1 hub, 3 towns, 12 villages, every kind of stage, nodes killed meanwhile.
story=0
if deploy/demo.sh --once --chaos --cases 64 --towns 3 --villages 12 --dir target/story; then story=1; else failed=$((failed + 1)); fi

# Three hundred weeks under virtual time, on both cores, in the optimised build.
weeks=0
simulate() { tests/simulate.sh --seeds 150 --start "$1"; }
if cargo build --release --quiet -p tests --bin simulate; then
    simulate 21 & first=$!
    simulate 171 && weeks=$((weeks + 1)) || failed=$((failed + 1))
    wait $first && weeks=$((weeks + 1)) || failed=$((failed + 1))
else
    failed=$((failed + 1))
fi

passed=$(awk '/^test result:/ { n += $4 } END { print n + 0 }' "$log")
broken=$(awk '/^test result:/ { n += $6 } END { print n + 0 }' "$log")
# A test binary that did not build or died gives no count, and must not pass for none.
if [ "$status" -ne 0 ] && [ "$broken" -eq 0 ]; then broken=1; fi
echo "$((passed + story + weeks)) passed, $((broken + failed)) failed"
[ $((broken + failed)) -eq 0 ]
