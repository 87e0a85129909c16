#!/bin/bash
# base, encoders and llm cross-compiled for aarch64, their tests run under QEMU, which emulates every CPU level of it; media
# and the programs are not built. Debian only; root installs what is missing.
# usage: tools/test_aarch64.sh [ARGUMENTS OF CTEST]
set -eu
cd "$(dirname "$0")/.."

packages="gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user cmake ninja-build pkg-config
libjansson-dev:arm64 libopenblas-dev:arm64 libcmocka-dev:arm64"

want=
for p in $packages; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null || true)" = installed ] || want="$want $p"
done
if [ -n "$want" ] && [ "$(id -u)" != 0 ]; then
    echo "tools/test_aarch64.sh: packages are missing. As root, run:" >&2
    echo "  dpkg --add-architecture arm64 && apt-get update && apt-get install --no-install-recommends$want" >&2
    exit 69
elif [ -n "$want" ]; then
    dpkg --add-architecture arm64
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $want </dev/null >/dev/null
fi

cmake -G Ninja -B build/aarch64 -DCMAKE_TOOLCHAIN_FILE="$PWD/cmake/aarch64-linux-gnu.cmake" -DCMAKE_BUILD_TYPE=Release \
    -DTSR_CORE_ONLY=ON -DTSR_WERROR=ON
cmake --build build/aarch64
cd build/aarch64
# OpenBLAS starts as many threads as there are processors, and they wait by turning round: dear under an emulator.
export OPENBLAS_NUM_THREADS=1
ctest --output-on-failure --timeout 1800 -LE 'model|real-vocab' -j "$(nproc)" "$@"

# What chooses by the processor, on older ones too: without SDOT, and without SMMLA, which differ in int8 alone.
on_cpu() {
    qemu-aarch64 -cpu "$1" "tests/base/test_$2" >old-cpu.txt 2>&1 || { cat old-cpu.txt; exit 1; }
    echo "$1: test_$2 passed"
}
for t in cpu kernels int8 gemm matmul rows row_attention attention; do
    on_cpu cortex-a53 $t
done
for t in cpu int8; do
    on_cpu neoverse-n1 $t
done
