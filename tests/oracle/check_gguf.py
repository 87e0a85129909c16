"""Is a model the same as GGUF files as it is as a Hugging Face folder? Asks the program, with files by make_gguf.py.

usage: check_gguf.py PROGRAM [--models a,b] [--forms x,y] [--cases v,w] [--work DIR]

Models are those of make_models.py and make_random.py, forms those of FORMS below. For each pair, prompt ids, rows of
both towers, logits and greedy tokens are compared:
* form against folder, where the form holds the folder's own values (1e-5 of the largest magnitude);
* form against the folder with the values that the gguf package reads from the form (1e-4);
* form against transformers with those values (1e-4).
Then the tokenizer from the file against that from tokenizer.json, on strings that hurt.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import gguf
import numpy as np

import make_gguf
import recipes
from make_gguf import Options

HERE = Path(__file__).parent
SAME, DECODED, REFERENCE, NEAR_TIE = 1e-5, 1e-4, 1e-4, 0.004

FORMS = {
    "f32": Options(),
    "f32-odd": Options(split_experts=True, shared_kv="fill", split_max_tensors=9, extras=True, audio_eps=1e-5),
    "f32-bare": Options(shared_kv="drop", sparse=True),
    "f32-output": Options(output=True, alignment=128),
    "f16": Options(type="f16"),
    "bf16": Options(type="bf16"),
    "q8_0": Options(type="q8_0", split_experts=True),
    "mixed": Options(type="mixed", position_type="f16"),
}
ONE_TOWER = {"vision": Options(only="vision", plain_key=True), "audio": Options(only="audio", plain_key=True)}
BLOCKS = {t: Options(type=t) for t in make_gguf.TYPES if t not in ("f32", "f16", "bf16", "q8_0")}
TINY = {"e2b": "e2b", "e4b": "e4b", "31b": "31b", "26b": "26b", "12b": "12b", "text": "text", "e2b-bf16": "e2b",
        "26b-bf16": "26b", "12b-bf16": "12b"}
RANDOM = {"small": "e2b", "k256": "e2b", "experts": "26b", "dense": "31b", "whole": "12b"}
CASES = ("interleaved", "raw-turns", "system-think")  # of cases.json, whose models name the kind

STRINGS = [
    "", " ", "  ", "\n", "\n\n\n", " \n ", "Hello, world!", "  leading and trailing  ", "a\u2581b", "\u2581",
    "tab\there",
    "na\u00efve caf\u00e9 \u4f60\u597d \u0440\u0443\u0441 \u263a \U0001F431\U0001F469\u200D\U0001F467",
    "<bos>", "<|turn>user\nx<turn|>", "<|tool>declaration<tool|><|tool_call>call<tool_call|>",
    "<|image|><|audio|><|video|>",
    "<|\"|>quoted<|\"|>", "<0x41><unused7><table></table>", "<|channel>thought\n<channel|>",
    "<|tool_response>x<tool_response|>",
    "1.7 + 3 = 4.7", "\u0000\u0001\u007f", "e\u0301", "\r\n\r\n", "\n" * 40, " " * 40, "a" * 300,
    "<|image", "|>", "<mask><pad><unk>",
]


# ---------------------------------------------------------------- the program

class Program:
    def __init__(self, path):
        self.path = os.path.abspath(path)

    def call(self, args):
        r = subprocess.run([self.path, *args], capture_output=True)
        if r.returncode != 0:
            raise RuntimeError(f"exit code {r.returncode}: {r.stderr.decode(errors='replace').strip()[:400]}")
        return r.stdout.decode()

    def dump(self, model, case, media, out):
        shutil.rmtree(out, ignore_errors=True)
        args = ["run", *model, "--threads", "1", "--temperature", "0", "--quiet", "--exact", "--dump", str(out),
                "--dump-logits", "all", "--max-tokens", str(case["max_tokens"])]
        for part in case["parts"]:
            args += ["--" + part["kind"], str(media[part["media"]]) if "media" in part else part["text"]]
        if "budget" in case:
            args += ["--budget", str(case["budget"])]
        args.append("--raw" if case.get("raw") else "--think" if case.get("think") else "--no-think")
        self.call(args)
        return {p.stem: np.load(p) for p in sorted(out.glob("*.npy"))}

    def tokens(self, model, text, raw):
        return self.call(["tokenize", *model, "--json", *(["--raw"] if raw else []), "--", text])


# ---------------------------------------------------------------- comparing

def rel(got, want):
    """The largest difference over the largest magnitude; a shape or a value that is none is infinite."""
    if got.shape != want.shape or not (np.isfinite(got).all() and np.isfinite(want).all()):
        return float("inf")
    if got.size == 0:
        return 0.0
    return float(np.abs(got.astype(np.float64) - want).max() / max(np.abs(want).max(), 1e-30))


def compare(got, want, limit, n_sure=None):
    """Worst of the towers' rows, worst logit, and complaints."""
    bad, rows, logits = [], 0.0, 0.0
    for name in want:
        if name not in got:
            bad.append(f"{name} is missing")
        elif name.endswith("_rows"):
            rows = max(rows, rel(got[name], want[name]))
        elif name == "logits":
            logits = rel(got[name], want[name])
        elif name == "prompt_ids" and not np.array_equal(got[name], want[name]):
            bad.append("prompt ids differ")
        elif name == "token_ids":
            n = len(want[name]) if n_sure is None else n_sure
            if not np.array_equal(got[name][:n], want[name][:n]):
                bad.append(f"greedy tokens {got[name][:n]}, not {want[name][:n]}")
    for what, value in (("rows", rows), ("logits", logits)):
        if not value <= limit:
            bad.append(f"{what} differ by {value:.1e}")
    return rows, logits, bad


# ---------------------------------------------------------------- the reference

def reference(folder, case, spec, bf16=()):
    """bf16: tables whose factor is rounded to that, as where the model is BF16 altogether."""
    import reference as ref
    import torch
    from make_refs import first_near_tie, load_media

    m = ref.load_model(str(folder), torch.float32)
    for name in bf16:
        table = getattr(m.lm, name.split(".")[-2])
        table.embed_scale = table.embed_scale.to(torch.bfloat16).float()
    parts = [{**p, **load_media(spec["media"], p)} if "media" in p else p for p in case["parts"]]
    run = ref.Run(m, str(folder), parts, {"budget": case.get("budget", 280), "think": case.get("think", False),
                                          "raw": case.get("raw", False)})
    logits, tokens, margins = run.generate(case["max_tokens"])
    out = {k: v for k, v in run.rungs.items() if k.endswith("_rows")}
    out.update(prompt_ids=np.array(run.ids, np.int32), logits=logits, token_ids=np.array(tokens, np.int32))
    return out, first_near_tie(margins, NEAR_TIE)


def bf16_tables(folder, text):
    """The folder's names of the embedding tables that are BF16 in the file."""
    names = {"token_embd.weight": "embed_tokens.weight", "per_layer_token_embd.weight": "embed_tokens_per_layer.weight"}
    found = [names[t.name] for part in text.parent.glob("model*.gguf") for t in gguf.GGUFReader(part).tensors
             if t.name in names and t.tensor_type == gguf.GGMLQuantizationType.BF16]
    return [n for n in make_gguf.Folder(folder).where if n.endswith(tuple(found))]


# ---------------------------------------------------------------- one model

class Check:
    def __init__(self, program, work, cases):
        self.program, self.work, self.cases = program, Path(work), cases
        self.spec = json.loads((HERE / "cases.json").read_text())
        self.media = self.write_media()
        self.n, self.n_bad, self.worst = 0, 0, {}

    def write_media(self):
        out = {}
        (self.work / "media").mkdir(parents=True, exist_ok=True)
        for name, d in self.spec["media"].items():
            out[name] = HERE / d["file"] if "file" in d else self.work / "media" / (
                name + (".wav" if d["recipe"] == "sound" else ".ppm"))
            if d.get("recipe") == "sound":
                recipes.write_wav(out[name], np.stack([recipes.sound(d["samples"], s) for s in d["seeds"]], 1))
            elif d.get("recipe") == "picture":
                recipes.write_ppm(out[name], recipes.picture(d["width"], d["height"], d["seed"], d["noise"]))
        return out

    def report(self, name, what, rows, logits, bad, kind):
        self.n += 1
        self.n_bad += bool(bad)
        w = self.worst.setdefault(kind, [0.0, 0.0])
        w[0], w[1] = max(w[0], rows), max(w[1], logits)
        print(f"{'FAIL' if bad else 'ok  '} {name:22s} {what:30s} rows {rows:.1e} logits {logits:.1e} "
              + "; ".join(bad), flush=True)

    def attempt(self, name, what, kind, limit, run, want, n_sure=None):
        try:
            self.report(name, what, *compare(run(), want, limit, n_sure), kind)
        except RuntimeError as e:
            self.report(name, what, 0.0, 0.0, [str(e)], kind)

    def cases_of(self, like, form):
        for suffix in self.cases:
            c = next((c for c in self.spec["cases"] if c["name"] == f"{like}-{suffix}"), None)
            if c is None and suffix == "system-think":
                c = next(c for c in self.spec["cases"] if c["name"] == f"{like}-text-long")
            if c is not None:
                if form.only:  # the parts that the tower is for, and the film only for eyes
                    blind = {"vision": ("audio",), "audio": ("image", "video")}[form.only]
                    c = dict(c, parts=[p for p in c["parts"] if p["kind"] not in blind])
                yield suffix, c

    def check_form(self, name, folder, like, form_name, form):
        out = self.work / name / form_name
        text, mmproj, changed = make_gguf.write(folder, out, "model", form)
        model = ["-m", str(text)] + (["--mmproj", str(mmproj)] if mmproj else [])
        own = ["-m", str(folder)]
        exact = all(np.array_equal(v, make_gguf.Folder(folder).array(k)) for k, v in changed.items())
        decoded, bf16 = out / "decoded", bf16_tables(folder, text)
        make_gguf.write_decoded(folder, decoded, changed, bf16)
        for suffix, case in self.cases_of(like, form):
            title, dump = f"{name} {form_name}", out / "dump"
            got = {}

            def run(got=got, case=case, dump=dump):
                got.update(self.program.dump(model, case, self.media, dump))
                return got

            want, n_sure = reference(decoded, case, self.spec, bf16)
            self.attempt(title, suffix + ": transformers", "transformers", REFERENCE, run, want, n_sure)
            if not got:
                continue
            if exact and (not name.endswith("-bf16") or form.type == "bf16"):
                want = self.program.dump(own, case, self.media, out / "dump-own")
                self.attempt(title, suffix + ": the folder", "folder", SAME, lambda: got, want)
            else:
                want = self.program.dump(["-m", str(decoded)], case, self.media, out / "dump-decoded")
                self.attempt(title, suffix + ": decoded", "decoded", DECODED, lambda: got, want, n_sure)
        if form_name.startswith("f32") or form_name == "f16":
            self.check_tokens(f"{name} {form_name}", model, own)
        shutil.rmtree(out)

    def check_folder(self, name, folder, like):
        """The folder itself, as a control: what fails here has nothing to do with GGUF."""
        for suffix, case in self.cases_of(like, Options()):
            want, n_sure = reference(folder, case, self.spec)
            out = self.work / name / "dump"
            self.attempt(f"{name} folder", suffix + ": transformers", "transformers, the folder", REFERENCE,
                         lambda c=case: self.program.dump(["-m", str(folder)], c, self.media, out), want, n_sure)

    def check_tokens(self, title, model, own):
        bad = []
        for s in STRINGS:
            for raw in (False, True):
                try:
                    if "\0" not in s and self.program.tokens(model, s, raw) != self.program.tokens(own, s, raw):
                        bad.append(repr(s[:20]))
                except RuntimeError as e:
                    bad.append(str(e))
                    break
            if len(bad) > 3:
                break
        self.report(title, f"tokens of {len(STRINGS)} strings", 0.0, 0.0, bad, "tokenizer")

    def check_model(self, name, folder, like, wanted):
        forms = dict(FORMS)
        if like in ("31b", "26b"):
            forms["f32-vision"] = ONE_TOWER["vision"]
        elif like != "text":
            forms.update({"f32-vision": ONE_TOWER["vision"], "f32-audio": ONE_TOWER["audio"]})
        if name == "k256":
            forms.update(BLOCKS)
        if name.endswith("-bf16"):
            forms = {k: FORMS[k] for k in ("bf16", "f32", "q8_0")}
        if not name.endswith("-bf16"):  # which make_refs.py has
            self.check_folder(name, folder, like)
        for form_name, form in forms.items():
            if not wanted or form_name in wanted:
                self.check_form(name, folder, like, form_name, form)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("program")
    ap.add_argument("--models", default="")
    ap.add_argument("--forms", default="")
    ap.add_argument("--cases", default=",".join(CASES))
    ap.add_argument("--work", default="")
    args = ap.parse_args()
    own = None if args.work else tempfile.TemporaryDirectory()
    work, start = Path(args.work or own.name), time.time()
    check = Check(Program(args.program), work / "files", args.cases.split(","))
    wanted = args.models.split(",") if args.models else [*TINY, *RANDOM]
    for kind, script, names in (("tiny", "make_models.py", TINY), ("random", "make_random.py", RANDOM)):
        if any(n in names for n in wanted) and not (work / kind).exists():
            subprocess.run([sys.executable, HERE / script, work / kind], check=True, stdout=subprocess.DEVNULL)
    for name in wanted:
        folder = work / ("tiny" if name in TINY else "random") / name
        check.check_model(name, folder, TINY.get(name) or RANDOM[name], args.forms.split(",") if args.forms else [])
    for kind, (rows, logits) in check.worst.items():
        print(f"worst against {kind}: rows {rows:.1e}, logits {logits:.1e}")
    print(f"{check.n_bad} of {check.n} comparisons failed; {time.time() - start:.0f} s")
    return 1 if check.n_bad or not check.n else 0


if __name__ == "__main__":
    sys.exit(main())
