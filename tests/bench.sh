#!/usr/bin/env bash
# Benchmarks: tests/bench.sh [capture|drain|roundtrip|reconnect|herd|attachments|idle|rules …] [--json]
set -euo pipefail
cd "$(dirname "$0")/.."
. deploy/setup.sh
# What is measured is what is shipped.
cargo build --profile dist --quiet -p tests -p city-hub -p town-node -p village-agent --bin bench --bin city-hub --bin town-node --bin village-agent >&2
exec target/dist/bench "$@"
