#!/usr/bin/env python3
"""What detect finds in scenes that were never trained, with its grammar and without: F1 at IoU 0.5, mean IoU, valid JSON.

Scenes come from tools/train/pictures.py, by seeds of their own; both ways ask the same question of the same files, greedily:
`detect` with its grammar, `batch` with none, whose answers are read as strictly as the trainer does. Exits with 1 when
the grammar lowers F1 by more than a hundredth: one box more or less in 300 is no finding. Needs the Python packages numpy and Pillow; without them it is skipped by name (77).

usage: detect_quality.py PROGRAM MODEL [--n N] [--seed S]
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "train"))
try:
    import numpy as np
    import pictures
    from box_score import match_boxes, parsed_boxes
except ModuleNotFoundError as e:
    print(f"detect_quality: skipped, Python's package {e.name} is missing", file=sys.stderr)
    sys.exit(77)

QUESTION = ('Detect all objects in the image. Answer with a JSON list of objects {"box_2d": [y1, x1, y2, x2], "label": ...}, '
            "coordinates in thousandths of the image's height and width.")
BUDGET = "70"
ALLOWED = 0.01


def make_scenes(folder, n, seed):
    """[(path, [(label, [y1, x1, y2, x2])])]"""
    rng, np_rng, out = random.Random(f"detect quality {seed}"), np.random.default_rng(seed), []
    while len(out) < n:
        w, h = rng.choice([(336, 336), (384, 288), (432, 288), (288, 384)])
        picture, objects = pictures.scene(rng, np_rng, w, h, 5, ("small", "medium", "large"), ("plain", "gradient", "noise"))
        if not objects:
            continue
        path = os.path.join(folder, f"scene{len(out)}.png")
        picture.save(path)
        out.append((path, [(f"{o['colour']} {o['shape']}", [1000 * o["box"][i] for i in (1, 0, 3, 2)]) for o in objects]))
    return out


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode not in (0, 65):
        sys.exit(f"detect_quality: {command[1]}: exit code {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def with_grammar(program, model, scenes):
    """For each scene its boxes; None where the answer was refused."""
    told = json.loads(run([program, "detect", "-m", model, "--budget", BUDGET, "--json", "--quiet", "--max-tokens", "400",
                           *[path for path, _ in scenes]]))
    return [None if "boxes" not in p else [(b["label"], b["box_2d"]) for b in p["boxes"]] for p in told["pictures"]]


def without_grammar(program, model, scenes, folder):
    asked, answers = os.path.join(folder, "asked.jsonl"), os.path.join(folder, "answers.jsonl")
    with open(asked, "w") as f:
        for i, (path, _) in enumerate(scenes):
            f.write(json.dumps({"id": i, "image": path, "prompt": QUESTION, "max_tokens": 400}) + "\n")
    run([program, "batch", "-m", model, asked, "-o", answers, "--budget", BUDGET, "--temperature", "0", "--quiet"])
    with open(answers) as f:
        told = {line["id"]: line for line in map(json.loads, f)}
    return [parsed_boxes(told[i].get("text", ""), fence=False) for i in range(len(scenes))]


def measure(answers, scenes):
    ious, n_got, n_want = [], 0, 0
    for got, (_, want) in zip(answers, scenes):
        ious += match_boxes(got or [], want)
        n_got, n_want = n_got + len(got or []), n_want + len(want)
    hits = sum(x >= 0.5 for x in ious)
    return {"f1": 2 * hits / max(1, n_got + n_want), "iou": sum(ious) / max(1, len(ious)),
            "valid": sum(a is not None for a in answers) / len(answers), "boxes": n_got, "wanted": n_want}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program")
    parser.add_argument("model")
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scenes = make_scenes(folder, args.n, args.seed)
        rows = {"with its grammar": measure(with_grammar(args.program, args.model, scenes), scenes),
                "without": measure(without_grammar(args.program, args.model, scenes, folder), scenes)}
    print(f"{args.n} scenes, {rows['without']['wanted']} objects\n\n| | F1 at IoU 0.5 | mean IoU | valid JSON | boxes |\n|---|---|---|---|---|")
    for name, r in rows.items():
        print(f"| {name} | {r['f1']:.3f} | {r['iou']:.3f} | {100 * r['valid']:.0f} % | {r['boxes']} |")
    return 1 if rows["with its grammar"]["f1"] < rows["without"]["f1"] - ALLOWED else 0


if __name__ == "__main__":
    sys.exit(main())
