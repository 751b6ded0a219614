#!/usr/bin/env bash
# The binaries that are shipped, into target/dist: city-hub, town-node, village-agent and the independent verifier.
# About ten minutes on two cores; deploy/demo.sh and the tests use plain release builds, which are quicker to make.
set -euo pipefail
cd "$(dirname "$0")/.."
. deploy/setup.sh
cargo build --profile dist --quiet -p city-hub -p town-node -p village-agent -p verifier "$@" >&2
ls -l target/dist/{city-hub,town-node,village-agent,tongban-verify} >&2
