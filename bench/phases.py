#!/usr/bin/env python3
"""phases.py: what each phase of an answer takes: load, prefill, decode, the tower of a picture, a film and a sound, memory.

usage: phases.py MODEL.gguf [MMPROJ.gguf] [--csv FILE] [--runs N] [--only load,text,...] [--prefill 512,2048]
                 [--decode 512,8192] [--budgets 70,140,280,560,1120] [--args '...']

MODEL may be a folder as well. Each run is a process of its own; the first of each kind only warms up (page cache).
Prefill and decode of one context come from one run, as `tessera run --json` tells them (--only text: both). TESSERA names the program
(build/release/tessera), BENCH_WRAP a command to put before what is timed."""
import argparse
import math
import os
import shlex
import shutil
import struct
import subprocess
import tempfile
import wave

import common

N_DECODE = 32


def picture(path, width=864, height=672):
    rows = bytearray()
    for y in range(height):
        for x in range(width):
            inside = (x - width // 2) ** 2 + (y - height // 2) ** 2 < 200 * 200
            rows += bytes((214 if inside else x * 255 // width, 39 if inside else y * 255 // height,
                           40 if inside else (255 if (x // 48 + y // 48) % 2 else 96)))
    with open(path, "wb") as f:
        f.write(b"P6\n%d %d\n255\n" % (width, height) + bytes(rows))
    return path


def sound(path, seconds=30):
    pitch = (200 + 100 * math.sin(i / 5333) for i in range(seconds * 16000))
    samples = (int(8000 * math.sin(2 * math.pi * p * i / 16000)) for i, p in enumerate(pitch))
    with wave.open(path, "wb") as f:
        f.setnchannels(1)
        f.setsampwidth(2)
        f.setframerate(16000)
        f.writeframes(b"".join(struct.pack("<h", s) for s in samples))
    return path


def film(path, seconds):
    """A frame a second is taken of it. None where there is no ffmpeg."""
    if not shutil.which("ffmpeg"):
        return None
    subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"testsrc2=size=432x336:rate=4:duration={seconds}",
                    "-pix_fmt", "yuv420p", "-y", path], check=True)
    return path


class Bench:
    def __init__(self, a, folder):
        self.a, self.folder, self.rows = a, folder, []
        self.model = ["-m", a.model] + (["--mmproj", a.mmproj] if a.mmproj else []) + shlex.split(a.args)
        self.facts = common.machine_facts()

    def ask(self, args):
        return common.tessera([*self.model, *args, "--temperature", "0"])

    def repeat(self, args, take, warm=True):
        """Values of take(result, run) over the runs, before which there is one that warms up, if so."""
        seen, foreign = [], 0.0
        for i in range(self.a.runs + warm):
            result, r = self.ask(args)
            if i >= warm:
                seen.append(take(result, r))
                foreign = max(foreign, r["foreign"])
        return seen, foreign

    def add(self, phase, size, unit, values, foreign=0.0):
        s = common.spread(values)
        self.rows.append({"phase": phase, "size": size, "unit": unit, **{k: round(v, 4) for k, v in s.items()},
                          "foreign_cpu": round(foreign, 3), "model": os.path.basename(self.a.model),
                          "args": self.a.args, **self.facts})
        print(f"{phase} {size}: {s['median']:.3f} {unit} ({s['min']:.3f} to {s['max']:.3f})", flush=True)

    def context(self, n, n_decode, warm):
        def take(result, _):
            t, u = result["timings"], result["usage"]
            if u["prompt_tokens"] != n:
                raise common.Failed(f"the prompt has {u['prompt_tokens']} tokens and not {n}")
            return t["prefill_s"], t["decode_s"] / max(1, u["completion_tokens"] - 1)
        return self.repeat(["--raw", "--text", common.words(n - 1), "--max-tokens", str(n_decode + 1)], take, warm)

    def load(self):
        """To the first token of a prompt of 16: the whole process."""
        seen, foreign = self.repeat(["--raw", "--text", common.words(15), "--max-tokens", "1"],
                                    lambda _, r: r["wall_s"])
        self.add("load_to_first_token", 16, "s", seen, foreign)

    def text(self):
        """Prefill and decode; all contexts are warmed up by the first one."""
        warm = True
        for n in sorted({*self.a.prefill, *self.a.decode}):
            seen, foreign = self.context(n, N_DECODE if n in self.a.decode else 0, warm)
            warm = False
            if n in self.a.prefill:
                self.add("prefill", n, "tokens/s", [n / s[0] for s in seen], foreign)
            if n in self.a.decode:
                self.add("decode", n, "tokens/s", [1 / s[1] for s in seen], foreign)

    def tower(self, phase, size, args):
        seen, foreign = self.repeat([*args, "--text", "a", "--max-tokens", "1"],
                                    lambda result, _: result["timings"]["encode_s"])
        self.add(phase, size, "s", seen, foreign)

    def picture(self):
        path = picture(os.path.join(self.folder, "picture.ppm"))
        for budget in self.a.budgets:
            self.tower("picture", budget, ["--image", path, "--budget", str(budget)])

    def sound(self):
        self.tower("sound", 30, ["--audio", sound(os.path.join(self.folder, "sound.wav"))])

    def film(self):
        """Each of many frames of 70 tokens, beside one alone just before and after."""
        paths = {n: film(os.path.join(self.folder, f"film{n}.mp4"), n) for n in (1, 60)}
        if not all(paths.values()):
            print("film: left out, there is no ffmpeg")
            return
        ask = ["--text", "a", "--max-tokens", "1"]
        ones, many, foreign = [], [], 0.0
        for run in range(-1, self.a.runs):  # the first warms up
            for n in (1, 60, 1):
                result, r = self.ask(["--video", paths[n], *ask])
                if run >= 0:
                    (ones if n == 1 else many).append(result["timings"]["encode_s"])
                    foreign = max(foreign, r["foreign"])
        self.add("film", 1, "s", ones, foreign)
        self.add("film", 60, "s", many, foreign)
        self.add("film_frame_of_60_to_1", 60, "ratio", [b / (30 * (ones[2 * i] + ones[2 * i + 1])) for i, b in enumerate(many)])

    def memory(self):
        args = [*self.model, "--raw", "--text", common.words(511), "--max-tokens", "16", "--temperature", "0"]
        own, touched = common.peak([common.TESSERA, "run", *args, "--quiet"])
        self.add("memory_own", 512, "MB", [own])
        self.add("memory_touched", 512, "MB", [touched])


def numbers(s):
    return [int(x) for x in s.split(",") if x]


def names(s):
    return [x for x in s.split(",") if x]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("model")
    p.add_argument("mmproj", nargs="?")
    p.add_argument("--csv")
    p.add_argument("--runs", type=int, default=3)
    p.add_argument("--only", default="")
    p.add_argument("--prefill", type=numbers, default=[512, 2048])
    p.add_argument("--decode", type=numbers, default=[512, 8192])
    p.add_argument("--budgets", type=numbers, default=[280])
    p.add_argument("--args", default="", help="further arguments of tessera run")
    a = p.parse_args()
    phases = ["load", "text", "memory"]
    if a.mmproj or os.path.isdir(a.model):
        phases += ["picture", "film", "sound"]
    with tempfile.TemporaryDirectory() as folder:
        b = Bench(a, folder)
        for phase in names(a.only) or phases:
            getattr(b, phase)()
        common.write_csv(a.csv, b.rows)


if __name__ == "__main__":
    main()
