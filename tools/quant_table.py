"""What each type of weights and of the key/value cache costs in exactness, on the small model of this repository.

usage: quant_table.py PROGRAM [--model DIR] [--types a,b] [--cpu LEVEL] [--write FILE]

The model answers questions about samples/ greedily, from its folder and with a cache in F32. Then each file that
`tessera quantize` makes of it gets question and answer together, and its distributions of the next token are compared
with the folder's at every token of the answers: KL divergence in nats, and whether the most likely token is the same;
an answer is the same where all of its tokens are. All products are exact here but for the last four columns, which compare the
file with itself: what inputs rounded to int8, as it is run without --exact, do to its logits; --cpu says at which
level, the machine's best one without. --write puts the tables into FILE, between the lines
"<!-- quant-table -->" and "<!-- /quant-table -->".
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "samples"
TYPES = ["f32", "f16", "bf16", "q8_0", "q6_k", "q5_k_m", "q5_k_s", "q5_1", "q5_0", "q4_k_m", "q4_k_s", "iq4_nl",
         "iq4_xs", "q4_1", "q4_0", "mxfp4", "q3_k_l", "q3_k_m", "q3_k_s", "q2_k"]
TOWER_TYPES = ["f16", "q8_0"]
CACHE_TYPES = ["f16", "bf16", "q8"]
MOST_TOKENS = 60

PICTURES = ["scene.png", "shapes.png", "line.png", "chart.webp", "house.jpg"]
ABOUT_PICTURES = ["Describe this image.", "How many objects are there?", "What color is the largest object?",
                  "Read the text."]
SOUNDS = ["numbers.wav", "train.mp3", "morning_de.flac"]
FILMS = ["crossing.mp4", "ball.mp4"]
TEXTS = ["What can you do?", "Who are you?", "Write 3 7 2 in German words.", "Write 4 0 9 in Spanish words."]


def items():
    """(kind, file, question) of everything that is asked."""
    for name in PICTURES:
        for question in ABOUT_PICTURES:
            yield "image", name, question
    for name in SOUNDS:
        yield "audio", name, "What is said?"
    for name in FILMS:
        yield "video", name, "What happens?"
    for question in TEXTS:
        yield None, None, question


class Program:
    def __init__(self, path, work, cpu=None):
        self.path, self.work = path, work
        self.level = ("--cpu", cpu) if cpu else ()

    def call(self, *args):
        r = subprocess.run([str(a) for a in (self.path, *args)], capture_output=True)
        if r.returncode != 0:
            why = r.stderr.decode(errors="replace").strip()
            sys.exit(f"{' '.join(map(str, args))}: exit code {r.returncode}: {why}")
        return r.stdout.decode()

    def raw(self, model, item, answer, kv, n, products=("--exact",)):
        """Up to n new tokens behind question and (begun) answer: their text, and what --dump writes."""
        kind, name, question = item
        parts = ["--text", "<|turn>user\n"]
        if kind:
            parts += ["--" + kind, SAMPLES / name]
        parts += ["--text", f"{question}<turn|>\n<|turn>model\n{answer}"]
        out = self.work / "dump"
        text = self.call("run", *model, "--raw", *parts, *self.level, "--kv", kv, *products, "--temperature", "0", "--max-tokens", n,
                         "--budget", "70", "--quiet", "--json", "--dump", out, "--dump-logits", "all")
        return json.loads(text)["text"], {k: np.load(out / f"{k}.npy") for k in ("prompt_ids", "token_ids", "logits")}


def log_softmax(x):
    x = x.astype(np.float64)
    x -= x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


class Cases:
    """Each question with the answer of the folder and the log-probabilities at its tokens."""

    def __init__(self, program, folder):
        self.program, self.cases = program, []
        model = ("-m", folder)
        for item in items():
            text, d = program.raw(model, item, "", "f32", MOST_TOKENS)
            _, forced = program.raw(model, item, text, "f32", 1)
            n = len(forced["prompt_ids"]) - len(d["prompt_ids"])
            if n < 1 or not np.array_equal(forced["prompt_ids"][-n:], d["token_ids"][:n]):
                continue  # an answer that is no text, or one whose text has other tokens
            self.cases.append((item, text, n, log_softmax(forced["logits"][-n - 1:])))
        if not self.cases:
            sys.exit("the model gives no answer that can be compared")
        self.n_tokens = sum(n + 1 for _, _, n, _ in self.cases)

    def rounded_inputs(self, model):
        """Logits of fast beside those of exact products of one file: mean and least cosine, the share of tokens with the same
        best, and the most by which the exact logits prefer their own best where it is another."""
        cosine, best, ties = [], [], [0.0]
        for item, text, n, _ in self.cases:
            a, b = (self.program.raw(model, item, text, "f32", 1, p)[1]["logits"][-n - 1:].astype(np.float64)
                    for p in (("--exact",), ()))
            cosine.append((a * b).sum(-1) / (np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)))
            best.append(a.argmax(-1) == b.argmax(-1))
            ties.append((a.max(-1) - np.take_along_axis(a, b.argmax(-1)[:, None], -1)[:, 0]).max())
        cosine = np.concatenate(cosine)
        return cosine.mean(), cosine.min(), np.concatenate(best).mean(), max(ties)

    def compare(self, model, kv):
        """Mean and largest KL, share of tokens with the same best, share of answers that stay."""
        kl, best, same = [], [], []
        for item, text, n, want in self.cases:
            got = log_softmax(self.program.raw(model, item, text, kv, 1)[1]["logits"][-n - 1:])
            kl.append((np.exp(want) * (want - got)).sum(-1))
            best.append(got.argmax(-1) == want.argmax(-1))
            same.append(best[-1].all())
        kl, best = np.concatenate(kl), np.concatenate(best)
        return max(kl.mean(), 0.0), max(kl.max(), 0.0), best.mean(), int(np.sum(same))


def mib(path):
    return f"{path.stat().st_size / 2**20:.1f} MiB"


def row(cells):
    return "| " + " | ".join(cells) + " |"


class Tables:
    def __init__(self, program, folder, cases):
        self.program, self.folder, self.cases, self.lines = program, folder, cases, []

    def head(self, *columns, more=()):
        columns += ("mean KL", "largest KL", "same best token", "same answers", *more)
        self.lines += ["", row(columns), "|" + "---|" * len(columns)]

    def add(self, cells, model, kv, rounds=False):
        mean, most, best, same = self.cases.compare(model, kv)
        cells = [*cells, f"{mean:.1e}", f"{most:.1e}", f"{100 * best:.1f} %", f"{same} of {len(self.cases.cases)}"]
        if rounds:
            mean, least, best, tie = self.cases.rounded_inputs(model)
            cells += [f"{mean:.5f}", f"{least:.5f}", f"{100 * best:.1f} %", f"{tie:.2f}" if best < 1 else ""]
        self.lines.append(row(cells))
        print(self.lines[-1], flush=True)

    def files(self, types):
        self.head("`--type`", "text model", "bits per weight", more=("int8 inputs: mean cosine", "least", "same best token", "else preferred by"))
        for t in types:
            self.file(t, "bf16", lambda text, _, bits, t=t: [t, mib(text), f"{bits:.2f}"], rounds=True)

    def towers(self):
        self.head("`--mmproj-type`, with `--type bf16`", "mmproj")
        for t in TOWER_TYPES:
            self.file("bf16", t, lambda _, mmproj, __, t=t: [t, mib(mmproj)])

    def file(self, text_type, tower_type, cells, rounds=False):
        text, mmproj = self.program.work / "m.gguf", self.program.work / "mmproj.gguf"
        self.program.call("quantize", self.folder, text, "--type", text_type, "--mmproj-type", tower_type,
                          "--mmproj-out", mmproj, "--force", "--quiet")
        types = json.loads(self.program.call("info", text, "--json"))["types"]
        bits = 8 * sum(t["bytes"] for t in types) / sum(t["values"] for t in types)
        self.add(cells(text, mmproj, bits), ("-m", text, "--mmproj", mmproj), "f32", rounds)

    def caches(self):
        self.head("`--kv`, weights as published")
        for t in CACHE_TYPES:
            self.add([t], ("-m", self.folder), t)


def write(path, text):
    begin, end = "<!-- quant-table -->\n", "<!-- /quant-table -->\n"
    old = path.read_text()
    if old.count(begin) != 1 or old.count(end) != 1:
        sys.exit(f"{path}: the two marks are not there")
    head, rest = old.split(begin)
    path.write_text(head + begin + text + end + rest.split(end)[1])


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("program", type=Path)
    ap.add_argument("--model", type=Path, default=ROOT / "models/nano")
    ap.add_argument("--types", default=",".join(TYPES))
    ap.add_argument("--cpu")
    ap.add_argument("--write", type=Path)
    args = ap.parse_args()
    with tempfile.TemporaryDirectory() as work:
        program = Program(args.program.resolve(), Path(work), args.cpu)
        cases = Cases(program, args.model)
        t = Tables(program, args.model, cases)
        t.lines.append(f"{len(cases.cases)} answers of {cases.n_tokens} tokens:")
        print(t.lines[-1], flush=True)
        t.files(args.types.split(","))
        t.towers()
        t.caches()
    if args.write:
        write(args.write, "\n".join(t.lines) + "\n")


if __name__ == "__main__":
    main()
