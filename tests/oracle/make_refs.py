"""Run the reference on the cases of cases.json and write refs/CASE/: expect.json and .npy files.

usage: make_refs.py [--models DIR] [--only PREFIX] [--check]

expect.json names each rung's shape and how it is kept: "step" n keeps rows 0, n, 2n, ... of the first axis (the last
row too, as its own last entry); a picture's or film's rows are its lines, one below the other. "crc32" is of all bytes.
--check recomputes the shorter greedy runs without a cache.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zlib

import numpy as np
import torch

import recipes
from reference import Run, load_model

HERE = os.path.dirname(os.path.abspath(__file__))
NEAR_TIE_F32, NEAR_TIE_BF16 = 0.004, 0.25


def load_media(media, part):
    d = media[part["media"]]
    if part["kind"] == "image":
        return {"rgb": recipes.picture(d["width"], d["height"], d["seed"], d["noise"])}
    if part["kind"] == "audio":
        chans = [recipes.sound(d["samples"], s).astype(np.float32) / 32768 for s in d["seeds"]]
        return {"samples": np.mean(chans, 0, dtype=np.float32)}
    fps, n, args = d["frames_per_second"], d["n_frames"], part.get("args", [])
    if args[:1] == ["--sampler"]:
        picks = [int(i * n / min(32, n)) for i in range(min(32, n))]
    else:
        want = float(args[1]) if args[:1] == ["--fps"] else 1.0
        picks = [int(k / want * fps) for k in range(int(-(-n * want // fps)))]
    frames = [recipes.picture(d["width"], d["height"], k, 0) for k in picks]
    return {"frames": frames, "seconds": [k / fps for k in picks]}


def check_film(media):
    """The frames in the film file are those of the recipe."""
    from PIL import Image
    for d in media.values():
        if "file" not in d:
            continue
        with tempfile.TemporaryDirectory() as tmp:
            subprocess.run(["ffmpeg", "-v", "error", "-i", os.path.join(HERE, d["file"]), tmp + "/%03d.png"], check=True)
            for k in range(d["n_frames"]):
                got = np.asarray(Image.open(f"{tmp}/{k + 1:03d}.png").convert("RGB"))
                assert np.array_equal(got, recipes.picture(d["width"], d["height"], k, 0)), k


def keep(folder, name, a, limit):
    """Write the rows of `a` that fit into `limit` bytes and describe them."""
    shape, a = list(a.shape), np.ascontiguousarray(a)
    if a.dtype == np.uint8:
        a = a.reshape(-1, a.shape[-2] * a.shape[-1])
    n, row = a.shape[0], a[0].nbytes
    step = max(1, -(-n * row // limit))
    rows = list(range(0, n, step))
    if rows[-1] != n - 1:
        rows.append(n - 1)
    np.save(os.path.join(folder, name + ".npy"), a[rows])
    d = {"shape": shape, "step": step}
    if a.dtype == np.uint8:
        d["crc32"] = f"{zlib.crc32(a.tobytes()):08x}"
    return d


def first_near_tie(margins, limit):
    return next((i for i, x in enumerate(margins) if x < limit), len(margins))


def cosines(a, b):
    a, b = a.astype(np.float64), b.astype(np.float64)
    return (a * b).sum(-1) / np.sqrt((a * a).sum(-1) * (b * b).sum(-1))


def run_case(case, media, models, check):
    folder = os.path.join(models["dir"], case["model"])
    bf16 = case["model"].endswith("-bf16")
    if case["model"] not in models:
        models.clear_models()
        models[case["model"]] = load_model(folder, torch.float32)
    m = models[case["model"]]
    parts = []
    for p in case["parts"]:
        p = dict(p, args=case.get("video_args", []))
        parts.append({**p, **load_media(media, p)} if "media" in p else p)
    opts = {"budget": case.get("budget", 280), "think": case.get("think", False), "raw": case.get("raw", False)}
    run = Run(m, folder, parts, opts)
    logits, tokens, margins = run.generate(case["max_tokens"])
    out = os.path.join(HERE, "refs", case["name"])
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    expect = {"rungs": {}}

    def put(name, a, limit):
        expect["rungs"][name] = keep(out, name, a, limit)

    put("prompt_ids", np.array(run.ids, np.int32), 1 << 20)
    for name, a in run.rungs.items():
        put(name, a, 7000 if a.dtype == np.uint8 else 12000)
    put("logits", logits if case["logits"] == "all" else logits[-1:], 30000)
    if case.get("hidden"):
        np.save(os.path.join(out, "hidden.npy"), run.hidden())
    put("token_ids", np.array(tokens, np.int32), 1 << 20)
    put("margins", np.array(margins, np.float32), 1 << 20)
    expect["n_sure_tokens"] = first_near_tie(margins, NEAR_TIE_BF16 if bf16 else NEAR_TIE_F32)
    if bf16:
        if case["model"] + "/bf16" not in models:
            models[case["model"] + "/bf16"] = load_model(folder, torch.bfloat16)
        own = Run(models[case["model"] + "/bf16"], folder, parts, opts)
        low, low_tokens, _ = own.generate(case["max_tokens"])
        c = cosines(low, logits)
        expect["bf16_run"] = {"min_cosine": float(c.min()), "last_cosine": float(c[-1]), "token_ids": low_tokens,
                              "top_equal": float((low.argmax(-1) == logits.argmax(-1)).mean())}
        for name in own.rungs:
            if name.endswith("rows"):
                expect["bf16_run"][name] = float(cosines(own.rungs[name], run.rungs[name]).min())
    with open(os.path.join(out, "expect.json"), "w") as f:
        json.dump(expect, f)
        f.write("\n")
    note = ""
    if check and len(run.ids) < 400:
        _, again, _ = run.generate(case["max_tokens"], cached=False)
        k = expect["n_sure_tokens"]
        assert again[:k] == tokens[:k], (case["name"], tokens, again)
        note = " cache=recomputed"
    print(f"{case['name']:28s} prompt {len(run.ids):5d} tokens {tokens} max|logit| {np.abs(logits).max():.1f} "
          f"sure {expect['n_sure_tokens']}/{len(tokens)} min margin {min(margins):.4f}{note}"
          + (f" bf16 {expect['bf16_run']}" if bf16 else ""), flush=True)


class Models(dict):
    def clear_models(self):
        for k in [k for k in self if k != "dir"]:
            del self[k]


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--models")
    ap.add_argument("--only", default="")
    ap.add_argument("--check", action="store_true")
    args = ap.parse_args()
    spec = json.load(open(os.path.join(HERE, "cases.json")))
    check_film(spec["media"])
    with tempfile.TemporaryDirectory() as tmp:
        if not args.models:
            for script in ("make_models.py", "make_gguf_fixtures.py"):
                subprocess.run([sys.executable, os.path.join(HERE, script), tmp], check=True)
        models = Models(dir=args.models or tmp)
        start = time.time()
        for case in spec["cases"]:
            if case["name"].startswith(args.only):
                run_case(case, spec["media"], models, args.check)
        print(f"{time.time() - start:.0f} s")


if __name__ == "__main__":
    main()
