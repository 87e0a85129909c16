#!/bin/bash
# What each phase takes (bench/phases.py), and the two plots, into build/bench.
# BENCH_MODEL, BENCH_MMPROJ: files to take; without them a random E2B in Q4_0 is made (4.4 GB) and removed again.
# PHASES: arguments of bench/phases.py, e.g. '--runs 5 --only text'.
set -eu
cd "$(dirname "$0")/.."

dir=build/bench
mkdir -p "$dir"
made=

cleanup() {
    [ -z "$made" ] || rm -f "$dir/e2b-q4_0.gguf" "$dir/mmproj-e2b-bf16.gguf"
}
trap cleanup EXIT

model=${BENCH_MODEL:-}
mmproj=${BENCH_MMPROJ:-}
if [ -z "$model" ]; then
    made=yes model=$dir/e2b-q4_0.gguf mmproj=$dir/mmproj-e2b-bf16.gguf
    build/release/bench/true_shape gguf e2b "$model" --type q4_0 --mmproj "$mmproj"
fi
python=${PYTHON:-python3}
# shellcheck disable=SC2086
"$python" bench/phases.py "$model" ${mmproj:+"$mmproj"} --csv "$dir/phases.csv" ${PHASES:-}
for plot in context budget; do
    "$python" bench/plot.py "$plot" "$dir/$plot.svg" "$dir/phases.csv" || true # not every set of phases has both
done
