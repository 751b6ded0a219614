#!/usr/bin/env bash
# The binaries that are shipped, into target/dist: city-hub, town-node, village-agent and the independent verifier.
# About a quarter of an hour on two cores; deploy/demo.sh and the tests use plain release builds, which are quicker to make.
set -euo pipefail
cd "$(dirname "$0")/.."
. deploy/setup.sh
if ! command -v valgrind >/dev/null; then
    echo "installing valgrind" >&2
    (apt-get update -qq && apt-get install -y -qq valgrind) >&2 || echo "valgrind is missing: the village agent will take more memory" >&2
fi
make() {
    cargo build --profile dist --quiet -p city-hub -p town-node -p village-agent -p verifier \
        --bin city-hub --bin town-node --bin village-agent --bin tongban-verify "$@" >&2
}
make "$@"
# A second time for the village agent alone, with what it needs from minute to minute side by side.
if command -v valgrind >/dev/null && deploy/order.sh target/dist target/village.order; then
    TONGBAN_ORDER=$PWD/target/village.order make "$@"
fi
strip target/dist/{city-hub,town-node,village-agent,tongban-verify}
ls -l target/dist/{city-hub,town-node,village-agent,tongban-verify} >&2
