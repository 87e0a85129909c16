#!/usr/bin/env python3
"""rival_python.py: llama.cpp as the package llama-cpp-python builds it here, timed from within one process.

usage: rival_python.py text MODEL.gguf THREADS N_DECODE N_PROMPT...
       rival_python.py tower MODEL.gguf MMPROJ.gguf THREADS picture|sound FILE

The C functions are called as llama.cpp's own bench does: batches of 512, a flash attention chosen by the library,
logits of the last position. One line of JSON for each prompt length, or for the file; what comes first warms up."""
import ctypes
import json
import resource
import sys
import time
import wave

import llama_cpp
from llama_cpp import mtmd_cpp

BATCH = 512


def open_model(path):
    llama_cpp.llama_backend_init()
    params = llama_cpp.llama_model_default_params()
    params.n_gpu_layers = 0
    return llama_cpp.llama_model_load_from_file(path.encode(), params) or sys.exit(f"{path} can't be opened")


def decode(context, tokens):
    for at in range(0, len(tokens), BATCH):
        part = tokens[at:at + BATCH]
        ids = (llama_cpp.llama_token * len(part))(*part) # the batch only points to it
        if llama_cpp.llama_decode(context, llama_cpp.llama_batch_get_one(ids, len(part))) != 0:
            sys.exit("llama_decode failed")
    llama_cpp.llama_synchronize(context)


def measure(context, n, n_decode):
    llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(context), True)
    prompt = [2] + [1000 + i * 7919 % 100000 for i in range(n - 1)]
    t0 = time.perf_counter()
    decode(context, prompt)
    t1 = time.perf_counter()
    for i in range(n_decode): # which tokens follow costs the same: nothing is sampled, which favours this side
        decode(context, [2000 + i])
    t2 = time.perf_counter()
    return {"prompt_tokens": n, "prefill_s": t1 - t0, "decode_tokens": n_decode, "decode_s": t2 - t1}


def text(path, threads, n_decode, lengths):
    t0 = time.perf_counter()
    model = open_model(path)
    params = llama_cpp.llama_context_default_params()
    params.n_ctx = max(lengths) + n_decode + 16
    params.n_batch = params.n_ubatch = BATCH
    params.n_threads = params.n_threads_batch = threads
    context = llama_cpp.llama_init_from_model(model, params) or sys.exit("no context could be made")
    load_s = time.perf_counter() - t0
    measure(context, 8, 1)
    for n in lengths:
        r = measure(context, n, n_decode)
        print(json.dumps({"side": "llama-cpp-python", "version": llama_cpp.__version__, "load_s": load_s, **r,
                          "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000, "threads": threads,
                          "built_for": llama_cpp.llama_print_system_info().decode()}), flush=True)


def bitmap_of(kind, path):
    if kind == "picture":
        with open(path, "rb") as f:
            _magic, size, _levels, pixels = f.read().split(b"\n", 3)
        width, height = map(int, size.split())
        data = (ctypes.c_uint8 * len(pixels)).from_buffer_copy(pixels)
        return mtmd_cpp.mtmd_bitmap_init(width, height, data)
    with wave.open(path, "rb") as f:
        raw = f.readframes(f.getnframes())
    samples = [int.from_bytes(raw[i:i + 2], "little", signed=True) / 32768 for i in range(0, len(raw), 2)]
    return mtmd_cpp.mtmd_bitmap_init_from_audio(len(samples), (ctypes.c_float * len(samples))(*samples))


def encode(towers, bitmap):
    """Seconds from pixels or samples to rows, and how many rows: what mtmd_tokenize prepares counts too."""
    chunks = mtmd_cpp.mtmd_input_chunks_init()
    prompt = mtmd_cpp.mtmd_input_text()
    prompt.text, prompt.add_special, prompt.parse_special = mtmd_cpp.mtmd_default_marker(), True, True
    if hasattr(prompt, "text_len"):  # of later releases
        prompt.text_len = len(prompt.text)
    bitmaps = (mtmd_cpp.mtmd_bitmap_p_ctypes * 1)(bitmap)
    t0 = time.perf_counter()
    if mtmd_cpp.mtmd_tokenize(towers, chunks, ctypes.byref(prompt), bitmaps, 1) != 0:
        sys.exit("mtmd_tokenize failed")
    rows = 0
    for i in range(mtmd_cpp.mtmd_input_chunks_size(chunks)):
        chunk = mtmd_cpp.mtmd_input_chunks_get(chunks, i)
        if mtmd_cpp.mtmd_input_chunk_get_type(chunk) == 0: # text
            continue
        rows += mtmd_cpp.mtmd_input_chunk_get_n_tokens(chunk)
        if mtmd_cpp.mtmd_encode_chunk(towers, chunk) != 0:
            sys.exit("mtmd_encode_chunk failed")
    seconds = time.perf_counter() - t0
    mtmd_cpp.mtmd_input_chunks_free(chunks)
    return seconds, rows


def tower(path, mmproj, threads, kind, file):
    params = mtmd_cpp.mtmd_context_params_default()
    params.use_gpu, params.print_timings, params.n_threads, params.warmup = False, False, threads, False
    towers = mtmd_cpp.mtmd_init_from_file(mmproj.encode(), open_model(path), params)
    if not towers:
        sys.exit(f"{mmproj} can't be opened")
    bitmap = bitmap_of(kind, file)
    encode(towers, bitmap)
    seconds, rows = encode(towers, bitmap)
    print(json.dumps({"side": "llama-cpp-python", "version": llama_cpp.__version__, "encode_s": seconds, "rows": rows,
                      "threads": threads}))


def main():
    a = sys.argv[1:]
    if len(a) >= 5 and a[0] == "text":
        text(a[1], int(a[2]), int(a[3]), [int(n) for n in a[4:]])
    elif len(a) == 6 and a[0] == "tower" and a[4] in ("picture", "sound"):
        tower(a[1], a[2], int(a[3]), a[4], a[5])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
