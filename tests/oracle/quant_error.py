"""How far rounding to each type moves the weights: tessera's beside llama.cpp's own.

usage: quant_error.py LIBGGML_BASE [--elements N] [--by-square] [--write FILE]

LIBGGML_BASE is llama.cpp's libggml-base.so, which exports ggml_quantize_chunk (the npm package node-llama-cpp has it
in @node-llama-cpp/linux-x64/bins). Our side is compiled from base/ with cc. Both sides' blocks are decoded by the gguf
package (0.19.0). Prints the table of docs/formats.md: the mean squared error over the mean square, and how fast one
thread rounds (CPU time, of ours); with --by-square each error counts by its weight's square. --write writes what
tests/base/test_quantize.c holds us to: for the first 32768 elements of each distribution, llama.cpp's figure and ours.

The weights are a function of their index (splitmix64), the same here and in the test but for the last bits of the
logarithms: normal, Student's t with 4 degrees, Laplace; all times 0.02. No importance matrix.
"""

import argparse
import ctypes
import subprocess
import tempfile
import time
from pathlib import Path

import gguf
import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType as T

BASE = Path(__file__).resolve().parents[2] / "base"
NAMES = "F32 F16 BF16 I64 I32 U8 BOOL Q8_0 Q4_0 Q4_1 Q5_0 Q5_1 Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_NL IQ4_XS MXFP4".split()
TYPES = [n for n in NAMES if n not in ("F32", "I64", "I32", "U8", "BOOL")]
N_TEST = 32768
ROW = 4096


def uniform(index):
    z = (index.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ z >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ z >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return ((z >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def weights(n):
    u = [uniform(np.arange(n, dtype=np.uint64) * np.uint64(4) + np.uint64(k)) for k in range(4)]
    normal = np.sqrt(-2 * np.log(u[0])) * np.cos(2 * np.pi * u[1])
    t4 = normal / np.sqrt(-np.log(u[2] * u[3]) / 2)
    laplace = np.where(u[3] < 0.5, np.log(2 * np.minimum(u[3], 0.5)), -np.log(2 * (1 - np.maximum(u[3], 0.5))))
    return {k: (0.02 * v).astype(np.float32) for k, v in [("normal", normal), ("t4", t4), ("laplace", laplace)]}


def build_ours():
    sources = [*BASE.glob("quantize*.c"), *(BASE / f for f in ["tensor.c", "alloc.c", "status.c", "quant_tables.c"])]
    with tempfile.TemporaryDirectory() as folder:
        lib = Path(folder) / "ours.so"
        subprocess.check_call(["cc", "-std=c11", "-D_POSIX_C_SOURCE=200809L", "-O3", "-DNDEBUG", "-ffp-contract=off",
                               "-shared", "-fPIC", f"-I{BASE}", "-o", lib, *sources, "-lpthread", "-lm"])
        ours = ctypes.CDLL(str(lib))
    ours.tsr_quantize.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]

    def round_row(name, x, out):
        assert ours.tsr_quantize(NAMES.index(name), x.ctypes.data, x.size, out.ctypes.data) == 0
    return round_row


def open_theirs(path):
    ggml = ctypes.CDLL(path)
    ggml.ggml_version.restype = ggml.ggml_commit.restype = ctypes.c_char_p
    ggml.ggml_quantize_chunk.restype = ctypes.c_size_t
    ggml.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64,
                                         ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p]

    def round_row(name, x, out):
        ggml.ggml_quantize_init(int(T[name]))
        n = ggml.ggml_quantize_chunk(int(T[name]), x.ctypes.data, out.ctypes.data, 0, x.size // ROW, ROW, None)
        assert n == out.size
    return round_row, f"ggml {ggml.ggml_version().decode()}, commit {ggml.ggml_commit().decode()}"


def error(round_row, name, x, by=1.0):
    elems, size = GGML_QUANT_SIZES[T[name]]
    out = np.zeros(x.size // elems * size, np.uint8)
    start = time.process_time()
    round_row(name, x, out)
    seconds = time.process_time() - start
    back = gguf.quants.dequantize(out, T[name]).reshape(-1).astype(np.float64)
    return np.mean(by * (back - x) ** 2) / np.mean(by * x.astype(np.float64) ** 2), seconds


def main():
    args = argparse.ArgumentParser()
    args.add_argument("libggml_base")
    args.add_argument("--elements", type=int, default=1 << 20)
    args.add_argument("--by-square", action="store_true")
    args.add_argument("--write")
    args = args.parse_args()
    ours, (theirs, version) = build_ours(), open_theirs(args.libggml_base)

    if args.write:
        lines = [f"# made by tests/oracle/quant_error.py; {version}\n"
                 "# type, then llama.cpp's and our error for each of normal, t4, laplace\n"]
        for name in TYPES:
            both = [f"{error(r, name, x)[0]:.6e}" for x in weights(N_TEST).values() for r in (theirs, ours)]
            lines.append(" ".join([name, *both]) + "\n")
        Path(args.write).write_text("".join(lines))

    data = weights(args.elements)
    print(f"{version}; {args.elements} weights of each distribution\n")
    print("| type | normal: llama.cpp | tessera | | t4: llama.cpp | tessera | | Laplace: llama.cpp | tessera | | M/s |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for name in TYPES:
        row, seconds = [], []
        for x in data.values():
            by = x.astype(np.float64) ** 2 if args.by_square else 1.0
            a, b = error(theirs, name, x, by)[0], error(ours, name, x, by)
            row.append(f"{a:.3e} | {b[0]:.3e} | {100 * (b[0] / a - 1):+.1f} %")
            seconds.append(b[1])
        print(f"| {name} | {' | '.join(row)} | {args.elements / min(seconds) / 1e6:.0f} |", flush=True)


main()
