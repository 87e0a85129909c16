#!/bin/bash
# The tests of base, encoders and llm on processors of older kinds, as QEMU emulates them: one without AVX, one with AVX2. An
# instruction that such a processor hasn't got ends a test there.
# usage: tools/test_old_cpu.sh [CPU...]     (Nehalem Haswell)
set -eu
cd "$(dirname "$0")/.."

if ! command -v qemu-x86_64 >/dev/null 2>&1; then
    [ "$(id -u)" = 0 ] || { echo "tools/test_old_cpu.sh: qemu-x86_64 is missing (Debian: qemu-user)" >&2; exit 69; }
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends qemu-user </dev/null >/dev/null
fi
[ $# -gt 0 ] || set -- Nehalem Haswell

cmake -G Ninja -B build/core -DCMAKE_BUILD_TYPE=Release -DTSR_CORE_ONLY=ON -DTSR_WERROR=ON
cmake --build build/core

failed=0
for cpu in "$@"; do
    log=build/core/old-cpu-$cpu.txt
    : >"$log"
    # Each test prints its last line: how many passed, or what stopped it.
    for t in build/core/tests/{base,encoders,llm,grammar}/test_*; do
        [ -x "$t" ] && [ ! -d "$t" ] || continue
        [ "$(basename "$t")" = test_real_vocab ] && continue
        if OPENBLAS_NUM_THREADS=1 timeout 1800 qemu-x86_64 -cpu "$cpu" "$t" >>"$log" 2>&1; then
            echo "$cpu: $(basename "$t") passed"
        else
            echo "$cpu: $(basename "$t") FAILED (exit $?; $log)"
            failed=1
        fi
    done
done
exit $failed
