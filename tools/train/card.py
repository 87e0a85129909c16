"""Write the model card of tessera-nano from the numbers that evaluate.py measured.

usage: card.py --accuracy accuracy.json --model models/nano
"""

import argparse
import json
import os

GOALS = {"caption": ("right", 0.95), "answer": ("right", 0.95), "boxes": ("f1", 0.95), "read": ("error", 0.05), "invoice": ("fields_exact", 0.90),
         "hear": ("error", 0.05), "silence": ("right", 0.95), "translate": ("right", 0.90), "film": ("right", 0.90), "talk": ("right", 0.90)}
WHAT = {"caption": "captions of 1-5 objects: every object, size and colour, in order", "answer": "questions: how many, what colour, where, is there ...",
        "boxes": "boxes as JSON: F1 at IoU 0.5", "read": "one printed line of 4-24 characters: character error",
        "invoice": "title, number and total of a page as JSON: fields exact", "hear": "1-40 spoken words, unheard voices: word error",
        "silence": "silence and noise answered by nothing", "translate": "digits into German or Spanish words: whole answers",
        "film": "films of 2-60 pictures: what moves, where to, what appears when", "talk": "system turn, second turn, two pictures, picture and sound, a tool, thinking"}

HEAD = """---
license: apache-2.0
pipeline_tag: image-text-to-text
library_name: transformers
---
# tessera-nano

A Gemma 4 of the E2B kind with 7.8 million parameters, trained from nothing on generated data by the scripts in `tools/train/`
([docs/training.md](../../docs/training.md)). It knows shapes, colours, numbers, short printed words and about fifty spoken words, and
nothing else: it shows that the program works, and it lets tests tell right from wrong. Photographs, real speech and real pages are
beyond it; what it says of them is made up.

Nothing of it comes from another model or data set. Vocabulary: 1,024 entries, byte fallback, so any text encodes.
Trained on pictures at 70, 140 and 280 soft tokens (pages 280), films at 70 for each picture, sounds up to 30 s; above 280 it runs, untrained.

## What it gets right

Held-out data (other seeds, voices, speeds, fonts), greedy, {n} questions for each line and each kind of wording; in brackets the
95 % interval.

| ability | goal | trained wordings | unseen wordings |
|---|---|---|---|
"""


TAIL = """
Most lines are below their goals: the training was stopped early, and what is below is not the most that this architecture can do. Boxes lie
where the things are, but their edges are coarse; of the characters of a line four in ten are wrong; long sounds end in repetitions (`tessera transcribe` cuts them first).
"""


def share(row, key):
    interval = row.get("interval") or row.get("f1_interval")
    text = f"{100 * row[key]:.1f} %"
    return text + (f" [{100 * interval[0]:.0f}-{100 * interval[1]:.0f}]" if interval and key != "error" else "")


def line(ability, trained, unseen):
    key, goal = GOALS[ability]
    sign = "<=" if key == "error" else ">="
    return f"| {WHAT[ability]} | {sign} {100 * goal:.0f} % | {share(trained, key)} | {share(unseen, key)} |"


def by_words(rows):
    """Word error by the length of what was said."""
    parts = []
    for _, trained, unseen in rows:
        for length in trained["error_by_words"]:
            pair = " and ".join(f"{100 * r['error_by_words'][length]:.0f} %" for r in (trained, unseen) if length in r["error_by_words"])
            parts.append(f"{length} words {pair}")
    return "Word error by what was said (trained and unseen wordings): " + ", ".join(parts) + "."


def same_as_reference(report):
    pairs = [r["equal_to_reference"].split("/") for r in report.values() if "equal_to_reference" in r]
    same, asked = (sum(int(p[i]) for p in pairs) for i in (0, 1))
    return f"transformers (this file as float32, eager attention) gives the same text for {same} of the {asked} questions that both were asked."


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--accuracy", required=True)
    parser.add_argument("--model", required=True)
    args = parser.parse_args()
    with open(args.accuracy) as f:
        report = json.load(f)
    rows = [(a, report[f"{a} (trained wordings)"], report[f"{a} (unseen wordings)"]) for a in GOALS if f"{a} (trained wordings)" in report]
    lines = [line(*row) for row in rows]
    boxes = [r for a, *both in rows if a == "boxes" for r in both]
    if boxes:
        lines.append("")
        lines.append("Boxes: mean IoU " + " and ".join(f"{r['mean_iou']:.2f}" for r in boxes) + ", valid JSON without a grammar "
                     + " and ".join(f"{100 * r['json_valid']:.0f} %" for r in boxes) + " (trained and unseen wordings).")
    heard = [r for r in rows if r[0] == "hear" and "error_by_words" in r[1]]
    lines += ["", by_words(heard)] if heard else []
    if any("equal_to_reference" in r for r in report.values()):
        lines += ["", same_as_reference(report)]
    with open(os.path.join(args.model, "README.md"), "w") as f:
        f.write(HEAD.replace("{n}", str(rows[0][1]["n"])) + "\n".join(lines) + "\n" + TAIL)


if __name__ == "__main__":
    main()
