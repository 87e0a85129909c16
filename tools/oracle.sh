#!/bin/bash
# Make the references of tests/oracle anew with the pinned reference implementation (tools/oracle_python.sh).
# usage: tools/oracle.sh [ARGS of make_refs.py, e.g. --only e2b-text]
set -eu
cd "$(dirname "$0")/.."

python=$(tools/oracle_python.sh)
if ! command -v ffmpeg >/dev/null; then
    echo "tools/oracle.sh: ffmpeg is needed to check the film (Debian: ffmpeg)" >&2
    exit 69
fi
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$(nproc)}
mkdir -p build
"$python" tests/oracle/make_cases.py >build/cases.json
cp build/cases.json tests/oracle/cases.json
"$python" tests/oracle/make_refs.py "$@"
git status --short tests/oracle || true
