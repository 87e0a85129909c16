#!/bin/bash
# One picture of 280 soft tokens and 16 new tokens through a random model of E2B's real sizes, a folder whose
# per-layer table is sparse: in the release build and under ASan and UBSan, with at most 1 GB of memory beyond mapped
# files.
# TRUE_SHAPE_DIR: where the model goes (6 GB of disk; build/true-shape). KEEP=1: leave it there.
set -eu
cd "$(dirname "$0")/.."

dir=${TRUE_SHAPE_DIR:-build/true-shape}
limit_mb=1024
jobs=$(nproc)
log=build/true-shape-log
mkdir -p "$log" "$(dirname "$dir")"

cleanup() {
    [ "${KEEP:-0}" = 1 ] || rm -rf "$dir"
}
trap cleanup EXIT

cmake --preset release >"$log/configure.txt"
cmake --build --preset release -j "$jobs" --target tessera true_shape
cmake --preset dev >"$log/configure-dev.txt"
cmake --build --preset dev -j "$jobs" --target tessera
cc -std=c11 -O2 -Wall -Wextra -o "$log/peak_memory" tools/peak_memory.c -lm
build/release/bench/true_shape folder e2b "$dir"

failed=0
number() { # number FILE KEY: the first integer that stands behind "KEY":
    sed -n "s/.*\"$2\": *\([0-9][0-9]*\).*/\1/p" "$1" | head -n 1
}

try() { # try NAME PROGRAM ARGS...
    local name=$1 program=$2 rc=0 images completion own mapped seconds
    shift 2
    echo "--- $name"
    "$log/peak_memory" "$log/$name.peak" "$limit_mb" "$program" run -m "$dir" --image "$dir/picture.ppm" \
        --text 'What is to be seen here?' --budget 280 --max-tokens 16 --temperature 0 --json --quiet "$@" \
        >"$log/$name.json" 2>"$log/$name.err" || rc=$?
    read -r own mapped seconds <"$log/$name.peak"
    images=$(number "$log/$name.json" image_tokens)
    completion=$(number "$log/$name.json" completion_tokens)
    echo "exit $rc, image tokens ${images:-none}, new tokens ${completion:-none}, $own MB of its own," \
        "$mapped MB mapped, $seconds s"
    if [ "$rc" != 0 ] || [ -s "$log/$name.err" ] || [ "${images:-0}" != 280 ] || [ "${completion:-0}" != 16 ]; then
        echo "FAILED: $name" >&2
        head -n 40 "$log/$name.err" >&2
        failed=1
    fi
}

export UBSAN_OPTIONS=print_stacktrace=1
try release build/release/tessera
try dev build/dev/tessera

ids() { # the list of token ids of a result
    tr -d ' \n' <"$1" | sed -n 's/.*"token_ids":\[\([0-9,]*\)\].*/\1/p'
}
if [ "$failed" = 0 ] && [ "$(ids "$log/release.json")" != "$(ids "$log/dev.json")" ]; then
    echo "FAILED: the two builds disagree about the tokens" >&2
    failed=1
fi
[ "$failed" = 0 ] && echo "true shape: passed"
exit "$failed"
