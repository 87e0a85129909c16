#!/usr/bin/env python3
"""Makes fixtures_gguf/: GGUF files by the `gguf` package's writer and what its reader finds in them.

usage: make_gguf_fixture.py [FOLDER]

whole.gguf has every metadata type and some tensor types, padded.gguf another alignment, and
split-*-of-00003.gguf is in parts. The .txt beside each lists keys and tensors as test_gguf.c does:
    key NAME TYPE VALUE                      a number, a float's bits as f64, a string's bytes in hex
    key NAME [TYPE] VALUE VALUE ...
    tensor NAME TYPE [SIZE SIZE ...] FNV-1a of its bytes
"""
import struct
import sys
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Q
from gguf import GGUFValueType as V

LETTER = {V.UINT8: "u8", V.INT8: "i8", V.UINT16: "u16", V.INT16: "i16", V.UINT32: "u32", V.INT32: "i32",
          V.FLOAT32: "f32", V.BOOL: "bool", V.STRING: "string", V.UINT64: "u64", V.INT64: "i64", V.FLOAT64: "f64"}


def fnv(data):
    h = 0xCBF29CE484222325
    for byte in data:
        h = (h ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{h:016x}"


def text(kind, part):
    if kind == V.STRING:
        return bytes(part).hex() or "-"
    if kind == V.BOOL:
        return "true" if part[0] else "false"
    if kind in (V.FLOAT32, V.FLOAT64):
        return struct.pack(">d", float(part[0])).hex()
    return str(int(part[0]))


def describe(paths):
    lines = []
    for number, path in enumerate(paths):
        reader = gguf.GGUFReader(path)
        for name, field in reader.fields.items():
            if name.startswith("GGUF.") or number > 0:
                continue
            kind = field.types[-1]
            values = " ".join(text(kind, field.parts[i]) for i in field.data)
            shown = f"[{LETTER[kind]}]" if field.types[0] == V.ARRAY else LETTER[kind]
            lines.append(f"key {name} {shown} {values}".rstrip())
        for t in reader.tensors:
            shape = " ".join(str(int(n)) for n in reversed(t.shape))
            lines.append(f"tensor {t.name} {t.tensor_type.name} [{shape}] {fnv(t.data.tobytes())}")
    return "\n".join(lines) + "\n"


def add_metadata(w):
    w.add_uint8("t.u8", 200)
    w.add_int8("t.i8", -100)
    w.add_uint16("t.u16", 60000)
    w.add_int16("t.i16", -30000)
    w.add_uint32("t.u32", 4000000000)
    w.add_int32("t.i32", -2000000000)
    w.add_uint64("t.u64", 2**64 - 1)
    w.add_int64("t.i64", -(2**63))
    w.add_float32("t.f32", 1e-6)
    w.add_float64("t.f64", 0.1)
    w.add_bool("t.yes", True)
    w.add_bool("t.no", False)
    w.add_string("t.text", "h\u00e9llo, w\u00f6rld")
    w.add_array("t.strings", ["<pad>", "<eos>", "\u2581the", "<0x0A>"])
    w.add_array("t.ints", [-1, 0, 7])
    w.add_array("t.floats", [0.5, -2.25, 1000.0])
    w.add_array("t.bools", [True, True, False])


def add_tensors(w, rng):
    f = rng.standard_normal((3, 2, 8)).astype(np.float32)
    w.add_tensor("blk.0.plain.weight", f)
    w.add_tensor("blk.0.half.weight", f[0].astype(np.float16))
    w.add_tensor("blk.0.brain.weight", rng.integers(0, 256, (2, 16), dtype=np.uint8), raw_dtype=Q.BF16)
    w.add_tensor("blk.0.scale", f[0, 0, :1].copy())
    w.add_tensor("ids", np.arange(5, dtype=np.int32))
    w.add_tensor("blk.0.q8.weight", gguf.quants.quantize(rng.standard_normal((3, 64)).astype(np.float32), Q.Q8_0),
                 raw_dtype=Q.Q8_0)
    w.add_tensor("blk.0.q4k.weight", rng.integers(0, 256, (2, 2 * 144), dtype=np.uint8), raw_dtype=Q.Q4_K)


def write(path, alignment=None, **options):
    w = gguf.GGUFWriter(path, "test", **options)
    if alignment:
        w.add_custom_alignment(alignment)
    add_metadata(w)
    add_tensors(w, np.random.default_rng(7))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "fixtures_gguf"
    folder.mkdir(exist_ok=True)
    write(folder / "whole.gguf")
    write(folder / "padded.gguf", alignment=128)
    write(folder / "split.gguf", split_max_tensors=3)
    for name in ("whole", "padded", "split"):
        paths = sorted(folder.glob(f"{name}*.gguf"))
        (folder / f"{name}.txt").write_text(describe(paths))


main()
