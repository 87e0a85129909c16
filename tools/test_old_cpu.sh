#!/bin/bash
# base, encoders and llm on processors of older kinds. First: no object file but those of the CPU levels holds an instruction
# of AVX or later. Then their tests on a processor without AVX and on one with AVX2, as QEMU emulates them: an instruction
# that such a processor hasn't got ends a test there.
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

# Names of all instructions of AVX and later, and of no others in compiled C, begin with v.
newer() {
    objdump -d --no-show-raw-insn "$1" | grep -cP '\tv[a-z0-9]+ '
}

failed=0 n=0 levels=0
while read -r o; do
    case $o in
    *_avx2.c.o | *_avx512*.c.o | *_vnni*.c.o | *_amx.c.o)
        newer "$o" >/dev/null || { echo "$o: has no instruction of its level: the search is wrong" >&2; exit 1; }
        levels=$((levels + 1)) ;;
    *)
        if newer "$o" >/dev/null; then
            echo "$o: instructions of AVX or later: $(newer "$o")"
            failed=1
        fi
        n=$((n + 1)) ;;
    esac
done < <(find build/core/base build/core/encoders build/core/llm -name '*.c.o')
echo "objects: $n for any processor, $levels of CPU levels"

# The log ends with how many tests passed, or what stopped them. OpenBLAS is to look at the processor, whatever the environment names.
on_cpu() {
    log=build/core/old-cpu-$1-$(basename "$2").txt
    if env -u OPENBLAS_CORETYPE OPENBLAS_NUM_THREADS=1 timeout 1800 qemu-x86_64 -cpu "$1" "$2" >"$log" 2>&1; then
        echo "$1: $(basename "$2") passed"
    else
        echo "$1: ${2##*/} FAILED (exit $?; $log)"
        return 1
    fi
}
export -f on_cpu

for cpu in "$@"; do
    find build/core/tests/{base,encoders,llm,grammar} -name 'test_*' -type f -perm -u+x ! -name test_real_vocab |
        xargs -P "$(nproc)" -I {} bash -c 'on_cpu "$@"' bash "$cpu" {} || failed=1
done
exit $failed
