#!/usr/bin/env bash
# The city under virtual time: tests/simulate.sh [--seeds N] [--start S] [--towns T] [--villages V] [--days D]
set -euo pipefail
cd "$(dirname "$0")/.."
exec cargo run --release --quiet -p tests --bin simulate -- "$@"
