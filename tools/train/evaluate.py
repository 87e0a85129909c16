"""Measure the abilities of an exported model on held-out data: other seeds, voices, speeds, fonts; trained and unseen wordings.

Each ability gives n, the share of right answers and its 95 % interval (Wilson); boxes give mean IoU, F1 at 0.5 and the share
of valid JSON, reading and speech give error rates. The program answers (files, its own decoding and preprocessing, greedy);
for the first --reference-n cases of each ability transformers does so too (the BF16 file as float32, eager attention), and
the texts should be equal: those that are not are printed.

usage: evaluate.py --work DIR --model FOLDER --program PATH [--n N] [--reference-n K] [--out FILE.json]
"""

import argparse
import json
import math
import subprocess
import tempfile

import numpy as np
import torch
from transformers import Gemma4ForConditionalGeneration

import chat
from box_score import match_boxes, parsed_boxes
from cases import ABILITIES, HeldOut
from model import SPECIAL

ENDS = [SPECIAL["<eos>"], SPECIAL["<turn|>"], SPECIAL["<|tool_response>"]]


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


# --- scores ------------------------------------------------------------------------------------------------------

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


class Words(Errors):
    """Also by the length of what was said: a short clip may be heard well, and a long one end in repetitions."""

    LENGTHS = ((1, 5), (6, 10), (11, 20), (21, 40))

    def __init__(self):
        super().__init__(str.split)
        self.by_length = [Errors(str.split) for _ in self.LENGTHS]

    def see(self, text, answer):
        super().see(text, answer)
        for (least, most), errors in zip(self.LENGTHS, self.by_length):
            if least <= len(answer.split()) <= most:
                errors.see(text, answer)

    def result(self):
        return dict(super().result(), error_by_words={f"{a}-{b}": e.result()["error"] for (a, b), e in zip(self.LENGTHS, self.by_length) if e.n})


class Exact:
    def __init__(self):
        self.n = self.right = 0

    def see(self, text, answer):
        self.n, self.right = self.n + 1, self.right + (text.strip() == answer)

    def result(self):
        return dict(n=self.n, right=round(self.right / max(1, self.n), 4), interval=wilson(self.right, self.n))


class Fields:
    """The fields of a JSON object, one by one."""

    def __init__(self):
        self.n = self.right = self.fields = self.valid = 0

    def see(self, text, answer):
        want, got = json.loads(answer[7:-3]), {}
        try:
            got = json.loads(text.strip().removeprefix("```json").removesuffix("```"))
        except ValueError:
            pass
        got = got if isinstance(got, dict) else {}
        self.n, self.fields, self.valid = self.n + 1, self.fields + len(want), self.valid + bool(got)
        self.right += sum(got.get(k) == v for k, v in want.items())

    def result(self):
        return dict(n=self.n, fields_exact=round(self.right / max(1, self.fields), 4), interval=wilson(self.right, self.fields),
                    json_valid=round(self.valid / max(1, self.n), 4))


SCORES = {"caption": Exact, "answer": Exact, "boxes": Boxes, "read": lambda: Errors(list), "invoice": Fields, "hear": Words,
          "silence": Exact, "translate": Exact, "film": Exact, "talk": Exact}


# --- the two ways ------------------------------------------------------------------------------------------------

@torch.no_grad()
def reference_answer(model, source, case, most=400):
    arrays = case.arrays(source)
    out = model.generate(**arrays, do_sample=False, max_new_tokens=most, eos_token_id=ENDS, top_k=None, top_p=None)
    ids = out[0, arrays["input_ids"].shape[1]:].tolist()
    while ids and ids[-1] in ENDS:
        ids.pop()
    return source.tokenizer.decode(ids, skip_special_tokens=False)


def program_answer(args, case):
    """Text, thoughts and calls put together again as the model wrote them."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([args.program, "run", "-m", args.model, *case.command(folder), "--temperature", "0", "-n", "400", "--json",
                               "--quiet", "-t", str(args.threads)], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    out = json.loads(done.stdout)
    if out.get("tool_calls"):
        return "".join(chat.tool_call(c["function"]["name"], json.loads(c["function"]["arguments"])) for c in out["tool_calls"])
    return out["text"]


def plain(text):
    """Without the channel of an empty thought, which the program takes out of its text."""
    return text.replace(chat.EMPTY_THOUGHT, "")


def evaluate(args):
    model, report = None, {}
    if args.reference_n:
        model = Gemma4ForConditionalGeneration.from_pretrained(args.model, dtype=torch.float32, attn_implementation="eager").eval()
    for ability in args.abilities.split(","):
        for wording in args.wordings.split(","):
            source, score, equal, by_task = HeldOut(f"held out {ability} {wording}", args.work, wording), SCORES[ability](), 0, {}
            for i in range(args.n):
                case = source.case(ability)
                text = program_answer(args, case)
                score.see(text, case.answer)
                by_task.setdefault(case.task, []).append(text.strip() == case.answer)
                if i < args.show:
                    print(repr(case.task), "| wanted", repr(case.answer), "| got", repr(text), flush=True)
                if i < args.reference_n:
                    want = plain(reference_answer(model, source, case))
                    equal += want == text
                    if want != text:
                        print("DIFFERS", ability, i, "| reference", repr(want), "| program", repr(text), flush=True)
            name = f"{ability} ({wording} wordings)"
            report[name] = dict(score.result(), exact_by_task={k: round(sum(v) / len(v), 3) for k, v in sorted(by_task.items())})
            if args.reference_n:
                report[name]["equal_to_reference"] = f"{equal}/{min(args.n, args.reference_n)}"
            print(name, report[name], flush=True)
    if args.out:
        with open(args.out, "w") as f:
            json.dump(report, f, indent=1)
            f.write("\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--program", required=True)
    parser.add_argument("--abilities", default=",".join(ABILITIES))
    parser.add_argument("--wordings", default="trained,unseen")
    parser.add_argument("--n", type=int, default=500)
    parser.add_argument("--reference-n", type=int, default=0)
    parser.add_argument("--show", type=int, default=0, help="print the first cases")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    evaluate(args)


if __name__ == "__main__":
    main()
