"""Write sampler.json: what transformers' logits processors leave of logits made from integers, and draws of a plain
xoshiro256** in Python.

usage: make_sampler.py [OUT_DIR]
"""

import json
import os
import sys

import torch
import transformers
from transformers.generation import logits_process as lp

from recipe import MASK, Rng

N_VOCAB = 300


def logits(seed, spread):
    """Multiples of 1/64, so that they are the same everywhere; ties are likely when `spread` is small."""
    r = Rng(seed)
    return [(r.below(spread) - spread // 2) / 64 for _ in range(N_VOCAB)]


def xoshiro(seed):
    s = []
    for _ in range(4):
        seed = (seed + 0x9E3779B97F4A7C15) & MASK
        z = seed
        z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ z >> 27) * 0x94D049BB133111EB) & MASK
        s.append(z ^ z >> 31)
    rot = lambda x, k: (x << k | x >> (64 - k)) & MASK
    while True:
        out = rot(s[1] * 5 & MASK, 7) * 9 & MASK
        t = s[1] << 17 & MASK
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = rot(s[3], 45)
        yield (out >> 11) * 2.0**-53


def process(o, x):
    scores = torch.tensor([x], dtype=torch.float32)
    prompt, answer = o.get("prompt", []), o.get("answer", [])
    ids = torch.tensor([prompt + answer], dtype=torch.long)
    if o.get("repetition"):
        scores = lp.RepetitionPenaltyLogitsProcessor(o["repetition"])(ids, scores)
    for t in set(answer):  # as OpenAI defines them; transformers has neither
        scores[0, t] -= o.get("presence", 0) + o.get("frequency", 0) * answer.count(t)
    if o.get("suppress"):
        scores = lp.SuppressTokensLogitsProcessor(o["suppress"], device="cpu")(ids, scores)
    scores = lp.TemperatureLogitsWarper(o["temperature"])(ids, scores) if o["temperature"] != 1 else scores
    if o.get("top_k"):
        scores = lp.TopKLogitsWarper(o["top_k"])(ids, scores)
    if o.get("top_p", 1) < 1:
        scores = lp.TopPLogitsWarper(o["top_p"])(ids, scores)
    if o.get("min_p"):
        scores = lp.MinPLogitsWarper(o["min_p"])(ids, scores)
    return scores[0].softmax(-1)


SETS = [
    {"temperature": 1.0}, {"temperature": 0.5}, {"temperature": 2.5}, {"temperature": 1.0, "top_k": 1},
    {"temperature": 1.0, "top_k": 5}, {"temperature": 0.7, "top_k": 64}, {"temperature": 1.0, "top_k": 1000},
    {"temperature": 1.0, "top_p": 0.95}, {"temperature": 1.0, "top_p": 0.3}, {"temperature": 1.3, "top_p": 0.0},
    {"temperature": 1.0, "min_p": 0.1}, {"temperature": 1.0, "min_p": 1.0}, {"temperature": 1.5, "min_p": 0.02},
    {"temperature": 1.0, "top_k": 64, "top_p": 0.95}, {"temperature": 0.8, "top_k": 40, "top_p": 0.9, "min_p": 0.05},
    {"temperature": 1.0, "top_k": 20, "repetition": 1.3, "prompt": [1, 2, 3, 250], "answer": [7, 7, 9]},
    {"temperature": 1.0, "top_k": 20, "repetition": 0.7, "prompt": list(range(100)), "answer": [200, 201]},
    {"temperature": 1.0, "top_k": 30, "presence": 1.5, "frequency": 0.25, "prompt": [5], "answer": [7, 7, 7, 9, 12, 299]},
    {"temperature": 0.9, "top_p": 0.8, "repetition": 1.1, "presence": 0.5, "answer": list(range(0, 300, 7))},
    {"temperature": 1.0, "top_k": 10, "suppress": list(range(0, 300, 2))},
]


def main():
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
    torch.set_num_threads(1)
    rows = []
    for i, o in enumerate(SETS):
        for seed, spread in ((i, 1024), (100 + i, 40)):
            p = process(o, logits(seed, spread))
            ties = spread == 40 and o.get("top_p", 1) < 1  # which of equal tokens top-p keeps is chance there
            kept = [] if ties else [[t, float(f"{p[t].item():.7g}")] for t in range(N_VOCAB) if p[t] > 0]
            top = sorted((round(x, 7) for x in p.tolist() if x > 0), reverse=True)
            row = {"seed": seed, "spread": spread, "opts": o, "n_kept": len(top), "highest": top[0]}
            if len(kept) <= 80:
                row["kept"] = kept
            rows.append(row)
    gen = xoshiro(42)
    with open(os.path.join(out, "sampler.json"), "w") as f:
        json.dump({"made_with": f"transformers {transformers.__version__}, torch {torch.__version__}",
                   "random_42": [next(gen) for _ in range(20)], "cases": rows}, f, separators=(",", ":"))
        f.write("\n")


main()
