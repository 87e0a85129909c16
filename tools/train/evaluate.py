"""Measure the abilities of an exported model on held-out data: other seeds, voices, speeds, fonts; trained and unseen wordings.

Each ability gives n, the share of right answers and its 95 % interval (Wilson); boxes give mean IoU, F1 at 0.5 and the share
of valid JSON, reading and speech give error rates. The answers come from transformers (the BF16 file as float32, eager
attention, greedy) and, for the first --program-n samples of each ability, also from the tessera program: the texts must be equal.

usage: evaluate.py --work DIR --model FOLDER [--n N] [--program PATH --program-n K] [--out FILE.json]
"""

import argparse
import json
import math
import os
import subprocess
import tempfile
import wave

import numpy as np
import torch
from transformers import Gemma4ForConditionalGeneration

import conversations
import pictures
import tasks
from model import SPECIAL

ENDS = [SPECIAL["<eos>"], SPECIAL["<turn|>"], SPECIAL["<|tool_response>"]]
BUDGET = 70
SCENE = dict(budget=BUDGET, most=5, sizes=("small", "medium", "large"), kinds=("plain", "gradient", "noise"))
ANSWERS = ("count", "count_kind", "colour", "shape", "exists", "where", "relation", "larger")


def wilson(right, n, z=1.96):
    if n == 0:
        return [0.0, 0.0]
    p, d = right / n, 1 + z * z / n
    middle, half = (p + z * z / (2 * n)) / d, z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / d
    return [round(middle - half, 4), round(middle + half, 4)]


def edits(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]


# --- boxes -------------------------------------------------------------------------------------------------------

def parsed_boxes(text):
    """[(label, box)] or None when the text is no fenced JSON list of boxes."""
    body = text.strip()
    if not (body.startswith("```json") and body.endswith("```")):
        return None
    try:
        rows = json.loads(body[7:-3])
        return [(r["label"], [float(v) for v in r["box_2d"]]) for r in rows if len(r["box_2d"]) == 4]
    except (ValueError, KeyError, TypeError):
        return None


def overlap(a, b):
    y0, x0, y1, x1 = max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])
    shared = max(0, y1 - y0) * max(0, x1 - x0)
    area = lambda r: max(0, r[2] - r[0]) * max(0, r[3] - r[1])
    return shared / max(1e-9, area(a) + area(b) - shared)


def match_boxes(got, want):
    """IoU of every wanted box with its best free box of the same label (0 where there is none)."""
    free, out = list(got), []
    for label, box in want:
        same = [g for g in free if g[0] == label]
        best = max(same, key=lambda g: overlap(g[1], box), default=None)
        out.append(overlap(best[1], box) if best else 0.0)
        if best:
            free.remove(best)
    return out


class Boxes:
    def __init__(self):
        self.n = self.valid = self.got = self.want = self.hit = 0
        self.ious = []

    def see(self, text, answer):
        self.n += 1
        got, want = parsed_boxes(text), parsed_boxes(answer)
        self.valid += got is not None
        ious = match_boxes(got or [], want)
        self.got, self.want, self.hit = self.got + len(got or []), self.want + len(want), self.hit + sum(v >= 0.5 for v in ious)
        self.ious += ious

    def result(self):
        return dict(n=self.n, mean_iou=round(float(np.mean(self.ious or [0])), 4), f1=round(2 * self.hit / max(1, self.got + self.want), 4),
                    json_valid=round(self.valid / max(1, self.n), 4), f1_interval=wilson(2 * self.hit, max(1, self.got + self.want)))


class Errors:
    """Edits per unit (character or word), and whole answers."""

    def __init__(self, split):
        self.split, self.n, self.edits, self.units, self.right = split, 0, 0, 0, 0

    def see(self, text, answer):
        a, b = self.split(text), self.split(answer)
        self.n, self.edits, self.units, self.right = self.n + 1, self.edits + edits(a, b), self.units + len(b), self.right + (text == answer)

    def result(self):
        return dict(n=self.n, error=round(self.edits / max(1, self.units), 4), whole=round(self.right / max(1, self.n), 4),
                    whole_interval=wilson(self.right, self.n))


class Exact:
    def __init__(self):
        self.n = self.right = 0

    def see(self, text, answer):
        self.n, self.right = self.n + 1, self.right + (text.strip() == answer)

    def result(self):
        return dict(n=self.n, right=round(self.right / max(1, self.n), 4), interval=wilson(self.right, self.n))


SCORES = {"caption": Exact, "answer": Exact, "boxes": Boxes, "read": lambda: Errors(list), "hear": lambda: Errors(str.split),
          "silence": Exact, "translate": Exact}


# --- samples -----------------------------------------------------------------------------------------------------

class HeldOut(conversations.Conversations):
    """One question at a time; wordings are trained or unseen as `wording` says."""

    def __init__(self, seed, work, wording):
        super().__init__(seed, os.path.join(work, "cache"), os.path.join(work, "tokenizer"), "heldout")
        self.wording = "train" if wording == "trained" else "heldout"

    def make(self, ability):
        """(question, answer, picture or None, samples or None)"""
        if ability in ("caption", "answer", "boxes"):
            while True:
                picture, objects = self.scene(**SCENE)
                task, question, answer = tasks.about_scene(self.rng, objects, self.wording)
                if (ability == task) or (ability == "answer" and task in ANSWERS) or (ability == "boxes" and task == "boxes_of"):
                    return question, answer, picture, None
        if ability == "read":
            picture, _, text = self.line(BUDGET, (4, 24))
            return tasks.ask(self.rng, "read", self.wording), text, picture, None
        import speech
        while True:
            n = 0 if ability == "silence" else self.rng.randint(1, 32 if ability == "hear" else 16)
            samples, spans = speech.utterance(self.rng, self.np_rng, self.bank, n)
            words = [conversations.WORDS[w] for _, _, w in spans]
            task, question, answer = tasks.about_speech(self.rng, words, self.wording)
            if task == ("hear" if ability == "silence" else ability):
                return question, answer, None, samples


def prompt_arrays(source, question, picture, samples):
    """Keyword arguments of the reference model for one question, its picture or its sound."""
    if picture is not None:
        arrays, n = source.seen(picture)
        text = conversations.chat.prompt([("user", conversations.chat.image(n) + question)])
        extra = dict(pixel_values=torch.from_numpy(arrays[0])[None], image_position_ids=torch.from_numpy(arrays[1])[None])
    else:
        arrays, n = source.heard(samples)
        text = conversations.chat.prompt([("user", question + conversations.chat.sound(n))])
        extra = dict(input_features=torch.from_numpy(arrays[0])[None], input_features_mask=torch.ones(1, len(arrays[0]), dtype=torch.bool))
    ids = torch.tensor([source.tokenizer.encode(text, add_special_tokens=False).ids])
    kinds = (ids == SPECIAL["<|image|>"]).long() + 3 * (ids == SPECIAL["<|audio|>"]).long()
    return dict(input_ids=ids, attention_mask=torch.ones_like(ids), mm_token_type_ids=kinds, **extra)


@torch.no_grad()
def reference_answer(model, source, arrays, most=400):
    out = model.generate(**arrays, do_sample=False, max_new_tokens=most, eos_token_id=ENDS, top_k=None, top_p=None)
    ids = out[0, arrays["input_ids"].shape[1]:].tolist()
    while ids and ids[-1] in ENDS:
        ids.pop()
    return source.tokenizer.decode(ids, skip_special_tokens=False)


def program_answer(program, folder, question, picture, samples):
    """The same question asked of the command line, on a file."""
    with tempfile.TemporaryDirectory() as tmp:
        path = os.path.join(tmp, "x.png" if picture is not None else "x.wav")
        if picture is not None:
            picture.save(path)
        else:
            with wave.open(path, "wb") as out:
                out.setnchannels(1)
                out.setsampwidth(2)
                out.setframerate(16000)
                out.writeframes(np.rint(samples * 32767).astype("<i2").tobytes())
        done = subprocess.run([program, "ask", "-m", folder, path, question, "--temperature", "0", "-n", "400", "--budget", str(BUDGET), "--json", "--quiet"],
                              capture_output=True, text=True, check=True)
        return json.loads(done.stdout)["text"]


def as_file(samples):
    """What the samples are once they have been through a 16-bit file."""
    return np.rint(samples * 32767).astype(np.float32) / 32768


def evaluate(args):
    model = Gemma4ForConditionalGeneration.from_pretrained(args.model, dtype=torch.float32, attn_implementation="eager")
    model.eval()
    report = {}
    for ability in args.abilities.split(","):
        for wording in ("trained", "unseen"):
            source, score, agree = HeldOut(f"held out {ability} {wording}", args.work, wording), SCORES[ability](), []
            for i in range(args.n):
                question, answer, picture, samples = source.make(ability)
                samples = None if samples is None else as_file(samples)
                text = reference_answer(model, source, prompt_arrays(source, question, picture, samples))
                score.see(text, answer)
                if args.show and i < args.show:
                    print(repr(question[:60]), "| wanted", repr(answer), "| got", repr(text), flush=True)
                if args.program and i < args.program_n:
                    agree.append(program_answer(args.program, args.model, question, picture, samples) == text)
            report[f"{ability} ({wording} wordings)"] = dict(score.result(), **(dict(program_equal=f"{sum(agree)}/{len(agree)}") if agree else {}))
            print(ability, wording, report[f"{ability} ({wording} wordings)"], flush=True)
    if args.out:
        with open(args.out, "w") as f:
            json.dump(report, f, indent=1)
            f.write("\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--abilities", default=",".join(SCORES))
    parser.add_argument("--n", type=int, default=500)
    parser.add_argument("--program")
    parser.add_argument("--program-n", type=int, default=20)
    parser.add_argument("--show", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    evaluate(args)


if __name__ == "__main__":
    main()
