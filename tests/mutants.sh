#!/usr/bin/env bash
# Plants the bugs of tests/mutants one by one in a copy of this commit, and says what found each.
#   tests/mutants.sh [--seeds N] [NAME…]     all of them, or those whose file name contains NAME
# First the simulation looks (N seeds, 40 if left out; the first that fails is the find), then the unit tests, the crash
# images and the stories. Ends with one line; exit 1 if a bug lived. Takes about two minutes for each bug on two cores.
set -uo pipefail
cd "$(dirname "$0")/.."
root=$PWD seeds=40 names=()
while [ $# -gt 0 ]; do
    case $1 in
        --seeds) seeds=$2; shift 2 ;;
        *) names+=("$1"); shift ;;
    esac
done
copy=$root/target/mutants
export CARGO_TARGET_DIR=$root/target/mutants-build RUST_BACKTRACE=0
git worktree remove --force "$copy" 2>/dev/null
git worktree add --quiet --detach --force "$copy" HEAD || exit 1
trap 'git -C "$root" worktree remove --force "$copy"' EXIT

wanted() {
    [ ${#names[@]} -eq 0 ] && return 0
    for name in "${names[@]}"; do [[ $1 == *$name* ]] && return 0; done
    return 1
}

# What finds the bug that is planted now; empty when nothing does.
finder() {
    cargo build --quiet -p tests --bin simulate >"$copy/log" 2>&1 || { echo "it does not build"; return; }
    local first
    first=$(timeout 900 "$CARGO_TARGET_DIR/debug/simulate" --seeds "$seeds" --until-failure 2>"$copy/log" | sed -n 's/.*"failed":\[\([0-9]*\).*/\1/p')
    # A planted loop is a find too.
    [ "${PIPESTATUS[0]}" -eq 124 ] && first="without an end"
    if [ -n "$first" ]; then echo "simulation, seed $first: $(grep -m1 -oE 'I[0-9]+[,: ][^;]{0,60}|panicked at [^ ]+' "$copy/log" | tr '\n' ' ')"; return; fi
    if ! timeout 900 cargo test --quiet -p domain -p replication -p trust -p store-sqlite -p link >"$copy/log" 2>&1; then
        echo "unit test $(sed -n 's/^---- \(.*\) stdout ----$/\1/p' "$copy/log" | head -1)"; return
    fi
    if ! timeout 900 cargo test --quiet -p tests --test simulation whatever >"$copy/log" 2>&1; then
        echo "crash images"; return
    fi
    if ! timeout 900 cargo test --quiet -p tests --test stories >"$copy/log" 2>&1; then
        echo "story $(sed -n 's/^---- \(.*\) stdout ----$/\1/p' "$copy/log" | head -1)"
    fi
}

found=0 lived=0
for patch in tests/mutants/*.patch; do
    name=$(basename "$patch" .patch)
    wanted "$name" || continue
    git -C "$copy" checkout --quiet -- . && git -C "$copy" apply "$root/$patch" || { echo "$name: the patch no longer fits"; lived=$((lived + 1)); continue; }
    by=$(cd "$copy" && finder)
    if [ -n "$by" ] && [ "$by" != "it does not build" ]; then found=$((found + 1)); else lived=$((lived + 1)); fi
    echo "$name: ${by:-LIVED}"
done
echo "$found bugs found, $lived lived"
[ "$lived" -eq 0 ]
