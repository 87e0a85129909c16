#!/bin/bash
# Measure what tessera-nano gets right: held-out questions of every ability, asked of the program; for some of them the
# reference must answer the same. Writes build/accuracy/accuracy.json; about a second for each question on two cores.
# usage: tools/accuracy.sh [arguments of tools/train/evaluate.py, e.g. --n 100 --abilities caption,boxes]
set -eu
cd "$(dirname "$0")/.."

for program in espeak-ng ffmpeg; do
    command -v "$program" >/dev/null || { echo "$0: $program is missing (docs/training.md has the list)" >&2; exit 69; }
done
python=$(tools/oracle_python.sh)
work=build/accuracy
mkdir -p "$work/tokenizer" "$work/cache"
cp models/nano/tokenizer.json "$work/tokenizer/"
[ -f "$work/cache/speech-heldout/index.npz" ] || "$python" tools/train/speech.py "$work/cache/speech-heldout" heldout 2500 1500
"$python" tools/train/evaluate.py --work "$work" --model models/nano --program build/release/tessera \
    --reference-n 20 --out "$work/accuracy.json" "$@"
