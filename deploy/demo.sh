#!/usr/bin/env bash
# The whole city on this machine: 1 hub, 10 towns, 100 villages. Does all set-up; needs Rust.
#   deploy/demo.sh                 start the city and print addresses and passwords
#   deploy/demo.sh --once [--cases N] [--chaos] [--json]   run the whole story and end with a verdict
#   deploy/demo.sh cut|heal NODE, load N, status, code, verify, down
set -euo pipefail
cd "$(dirname "$0")/.."
. deploy/setup.sh
cargo build --release --quiet -p demo -p verifier -p city-hub -p town-node -p village-agent >&2
# 111 processes hold a few dozen descriptors each; the supervisor holds their links.
ulimit -n "$(ulimit -Hn)" 2>/dev/null || true
exec target/release/demo "$@"
