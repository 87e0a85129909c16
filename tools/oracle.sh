#!/bin/bash
# Make the references of tests/oracle anew with the pinned reference implementation (several GB of Python packages
# in build/oracle-venv at the first run). ORACLE_PYTHON: an interpreter that has them already.
# usage: tools/oracle.sh [ARGS of make_refs.py, e.g. --only e2b-text]
set -eu
cd "$(dirname "$0")/.."

python=${ORACLE_PYTHON:-build/oracle-venv/bin/python}
if [ -z "${ORACLE_PYTHON:-}" ] && ! [ -e build/oracle-venv/ready ]; then
    mkdir -p build
    if ! python3 -m venv build/oracle-venv; then
        echo "tools/oracle.sh: no Python with venv (Debian: python3-venv)" >&2
        exit 69
    fi
    build/oracle-venv/bin/pip install -q -r tools/oracle_requirements.txt
    touch build/oracle-venv/ready
fi
if ! command -v ffmpeg >/dev/null; then
    echo "tools/oracle.sh: ffmpeg is needed to check the film (Debian: ffmpeg)" >&2
    exit 69
fi
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$(nproc)}
"$python" tests/oracle/make_cases.py >build/cases.json
cp build/cases.json tests/oracle/cases.json
"$python" tests/oracle/make_refs.py "$@"
git status --short tests/oracle || true
