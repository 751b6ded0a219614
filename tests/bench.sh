#!/usr/bin/env bash
# Benchmarks: tests/bench.sh [capture|drain|roundtrip|reconnect|herd|attachments|idle|rules …] [--json]
set -euo pipefail
cd "$(dirname "$0")/.."
# What is measured is what is shipped.
deploy/build.sh -p tests --bin bench
exec target/dist/bench "$@"
