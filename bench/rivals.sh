#!/bin/bash
# Both sides on the same file in one run (bench/rivals.py). What is compared with comes into build/rivals and nowhere
# else: the npm package node-llama-cpp, as it comes, and the Python package llama-cpp-python, built from its source for
# this machine. What can't be had is said and left out.
# BENCH_MODEL, BENCH_MMPROJ: files to take; without them a random E2B in Q4_0 is made (4.4 GB) and removed again.
# RIVALS: arguments of bench/rivals.py, e.g. '--rounds 5 --prompts 512 --ik FOLDER'. RIVALS_PYTHON=no: without building the latter.
set -eu
cd "$(dirname "$0")/.."

node_version=3.22.1
python_version=0.3.36
dir=$PWD/build/rivals
mkdir -p "$dir"
args=()
made=

cleanup() {
    [ -z "$made" ] || rm -f "$dir/e2b-q4_0.gguf" "$dir/mmproj-e2b-bf16.gguf"
}
trap cleanup EXIT

if command -v npm >/dev/null && command -v node >/dev/null; then
    [ -d "$dir/node_modules/node-llama-cpp" ] ||
        (cd "$dir" && echo '{"private": true}' >package.json &&
            npm install --no-audit --no-fund --ignore-scripts "node-llama-cpp@$node_version")
    args+=(--node "$dir")
else
    echo 'node-llama-cpp is left out: node and npm are missing'
fi

if [ "${RIVALS_PYTHON:-}" = no ]; then
    echo 'llama-cpp-python is left out, as asked'
elif "${PYTHON:-python3}" -c 'import venv' 2>/dev/null; then
    if ! "$dir/venv/bin/python" -c 'import llama_cpp' 2>/dev/null; then
        "${PYTHON:-python3}" -m venv "$dir/venv"
        CMAKE_ARGS='-DGGML_NATIVE=ON -DGGML_BLAS=OFF -DLLAMA_BUILD_TOOLS=OFF' CMAKE_BUILD_PARALLEL_LEVEL=$(nproc) \
            "$dir/venv/bin/pip" install --no-binary llama-cpp-python "llama-cpp-python==$python_version"
    fi
    args+=(--python "$dir/venv/bin/python")
else
    echo 'llama-cpp-python is left out: Python with venv is missing'
fi

model=${BENCH_MODEL:-}
mmproj=${BENCH_MMPROJ:-}
if [ -z "$model" ]; then
    made=yes model=$dir/e2b-q4_0.gguf mmproj=$dir/mmproj-e2b-bf16.gguf
    build/release/bench/true_shape gguf e2b "$model" --type q4_0 --mmproj "$mmproj"
fi
# shellcheck disable=SC2086
"${PYTHON:-python3}" bench/rivals.py "$model" ${mmproj:+"$mmproj"} "${args[@]}" --csv "$dir/rivals.csv" ${RIVALS:-}
