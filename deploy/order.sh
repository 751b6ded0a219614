#!/usr/bin/env bash
# Which functions a village agent runs when it starts and waits: one name a line, for the linker (see village-agent/build.rs).
#   deploy/order.sh BINARIES OUT
# Makes a city of three on loopback in a folder of its own, and watches the agent under valgrind for half a minute.
set -euo pipefail
cd "$(dirname "$0")/.."
binaries=$(realpath "$1") out=$2 port=${PORT:-18700}
work=$(mktemp -d) pids=()
finish() {
    [ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null || true
    wait
    rm -rf "$work"
}
trap finish EXIT
export TONGBAN_LOG=error

# Waits until somebody listens there.
listens() {
    for _ in $(seq 600); do
        (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return 0
        sleep 0.1
    done
    echo "nothing listens at $1" >&2
    return 1
}
at() { echo "127.0.0.1:$((port + $1))"; }

hub=("$binaries/city-hub" --data-dir "$work/hub")
"${hub[@]}" init --pack deploy/kaili --web "$(at 0)" --link "$(at 1)" --enrol "$(at 2)" >&2
"${hub[@]}" serve >&2 & pids+=($!)
listens $((port + 2))
town=("$binaries/town-node" --data-dir "$work/town")
"${town[@]}" join "$(at 2)" --token "$("${hub[@]}" enroll-token --town 522601108)" \
    --web "$(at 10)" --link "$(at 11)" --enrol "$(at 12)" >&2
"${town[@]}" serve >&2 & pids+=($!)
listens $((port + 12))
# The door passes the question on to the hub once the town's link is up.
village=("$binaries/village-agent" --data-dir "$work/village" --key-file "$work/key")
token=$("${hub[@]}" enroll-token --village 522601108201)
for _ in $(seq 100); do
    "${village[@]}" join "$(at 12)" --token "$token" --web "$(at 20)" >&2 && break
    sleep 0.2
done
valgrind --tool=callgrind --demangle=no --callgrind-out-file="$work/calls" "${village[@]}" serve >&2 & agent=$!
pids+=($agent)
listens $((port + 20))
# At rest: knocks, keep-alive, the rounds.
sleep 20
kill -INT $agent
wait $agent || true
sed -n 's/^c\{0,1\}fn=([0-9]*) //p' "$work/calls" | sed "s/'[0-9]*\$//" | awk '!seen[$0]++' >"$out"
echo "$(wc -l <"$out") functions" >&2
[ "$(wc -l <"$out")" -gt 1000 ]
