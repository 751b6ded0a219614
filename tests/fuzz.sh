#!/usr/bin/env bash
# Looks for input that breaks a decoder, guided by which code it reaches, as long as one likes:
#   tests/fuzz.sh [--seconds N] [TARGET…]     N seconds each (60 if left out); all targets, or those named
# What is found is left in target/fuzz-finds/TARGET; put it into tests/corpus/TARGET and mend what it broke: the tests feed it
# first from then on. Needs a C++ compiler (installed with apt where it is missing). Exit 1 if anything was found.
set -uo pipefail
cd "$(dirname "$0")/.."
seconds=60 targets=()
while [ $# -gt 0 ]; do
    case $1 in
        --seconds) seconds=$2; shift 2 ;;
        *) targets+=("$1"); shift ;;
    esac
done
[ ${#targets[@]} -eq 0 ] && targets=(frames session trusted pack form bag pages api)
command -v c++ >/dev/null || (apt-get update -qq && apt-get install -y -qq g++) >&2 || exit 1

# Coverage counters at every edge, and comparisons that libFuzzer looks into; nothing that needs another compiler.
flags="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=3 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters"
flags+=" -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing"
host=$(rustc -vV | sed -n 's/^host: //p')
# With a target named, build scripts stay plain.
RUSTFLAGS=$flags CARGO_TARGET_DIR=target/fuzz-build \
    cargo build --release --quiet --target "$host" --manifest-path tests/fuzz/Cargo.toml || exit 1
fuzz=target/fuzz-build/$host/release/tongban-fuzz
found=0
for target in "${targets[@]}"; do
    corpus=target/fuzz-corpus/$target finds=target/fuzz-finds/$target
    mkdir -p "$corpus" "$finds"
    TONGBAN_FUZZ=$target TONGBAN_FUZZ_SAMPLES=$corpus "$fuzz" -runs=1 -artifact_prefix="$finds.samples-" >/dev/null 2>&1
    before=$(find "$finds" -type f | wc -l)
    TONGBAN_FUZZ=$target "$fuzz" "$corpus" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -max_len=262144 \
        -artifact_prefix="$finds/" -print_final_stats=1 >"$finds.log" 2>&1
    after=$(find "$finds" -type f | wc -l)
    echo "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$finds.log") inputs, $((after - before)) finds"
    found=$((found + after - before))
done
[ "$found" -eq 0 ]
