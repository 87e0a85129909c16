"""Blocks of every quantised type, with what the gguf package decodes them to.

usage: make_quant_fixtures.py [FOLDER], beside itself unless told. Needs gguf 0.19.0 (its quants module is the
reference) and numpy. Writes the same bytes at each run:

quant_blocks.bin   for each type: name (8 bytes, zero-padded), u32 block count n, u32 count f of blocks in full,
                   n blocks, n u32 CRC-32 of each block's f32, the f32 of the first f blocks. Little-endian.
                   NaN is written as 7fc00000, since its sign and payload depend on the processor.
ggml_types.txt     "number name elements bytes" of every type that the package knows
"""

import pathlib
import struct
import sys
import warnings
import zlib

import gguf
import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType as T

# Type: offsets of its f16 scales in a block. MXFP4's one scale is a byte.
HALVES = {T.Q8_0: [0], T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q2_K: [80, 82], T.Q3_K: [108],
          T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208], T.IQ4_NL: [0], T.IQ4_XS: [0], T.MXFP4: []}

# Zeros, the ends and the middle of the subnormal halves, the ends of the normal ones, one, infinities, NaN
# quiet and signalling; each with both signs.
EXTREME = [0x0000, 0x0001, 0x0155, 0x03FF, 0x0400, 0x3C00, 0x7BFF, 0x7C00, 0x7E00, 0x7D01]
EXTREME += [h | 0x8000 for h in EXTREME]

N_FULL = 3


def blocks_of(t, rng):
    size = GGML_QUANT_SIZES[t][1]
    if t == T.MXFP4:  # every exponent
        b = rng.integers(0, 256, (256, size), dtype=np.uint8)
        b[:, 0] = np.roll(np.arange(256), 3 - 126)
        return b
    halves = HALVES[t]
    n_ordinary = 6
    pairs = [(h, 0x2E66) for h in EXTREME]  # the other one ordinary, then the other way, then both
    if len(halves) == 2:
        pairs += [(0x2E66, h) for h in EXTREME] + [(h, h) for h in EXTREME] + [(h, h ^ 0x8000) for h in EXTREME]
    b = rng.integers(0, 256, (n_ordinary + len(pairs) + 2, size), dtype=np.uint8)
    b[-2, :] = 0x00  # all bits clear, all bits set, under an ordinary scale
    b[-1, :] = 0xFF
    scales = rng.normal(0, 0.01, (len(b), 2)).astype(np.float16).view(np.uint16)
    scales[n_ordinary:-2] = pairs
    for i, at in enumerate(halves):
        b[:, at:at + 2] = scales[:, i].astype("<u2").reshape(-1, 1).view(np.uint8)
    return b


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
    rng = np.random.default_rng(6)
    out = b""
    for t in HALVES:
        b = blocks_of(t, rng)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # infinity times zero, on purpose
            f = gguf.quants.dequantize(b, t)
        u = np.where(np.isnan(f), np.uint32(0x7FC00000), f.view(np.uint32)).astype("<u4")
        out += struct.pack("<8sII", t.name.encode(), len(b), N_FULL) + b.tobytes()
        out += b"".join(struct.pack("<I", zlib.crc32(row.tobytes())) for row in u) + u[:N_FULL].tobytes()
    (folder / "quant_blocks.bin").write_bytes(out)
    lines = [f"{t.value} {t.name} {e} {size}\n" for t, (e, size) in sorted(GGML_QUANT_SIZES.items())]
    (folder / "ggml_types.txt").write_text("".join(lines))


main()
