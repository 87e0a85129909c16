#!/bin/bash
# Print the path of a Python that has the pinned reference (tools/oracle_requirements.txt): several GB of packages
# in build/oracle-venv at the first run. ORACLE_PYTHON: an interpreter that has them already.
set -eu
cd "$(dirname "$0")/.."

if [ -n "${ORACLE_PYTHON:-}" ]; then
    echo "$ORACLE_PYTHON"
    exit 0
fi
venv=$PWD/build/oracle-venv
# "ready" is a copy of the list that was installed.
if ! cmp -s tools/oracle_requirements.txt "$venv/ready"; then
    mkdir -p build
    if ! python3 -m venv "$venv" >&2; then
        echo "$0: no Python with venv (Debian: python3-venv)" >&2
        exit 69
    fi
    "$venv/bin/pip" install -q -r tools/oracle_requirements.txt >&2
    cp tools/oracle_requirements.txt "$venv/ready"
fi
echo "$venv/bin/python"
