"""SRT and WebVTT of transcribe as other libraries read them: srt and pysubs2 for SRT, webvtt-py and pysubs2 for WebVTT. Texts and
times must be those of the cues in --json. A library that is not installed is skipped by name.

usage: check_subtitles.py TESSERA [--model DIR] [SOUND...]
"""

import argparse
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..")


def run(tessera, model, sound, form):
    p = subprocess.run([tessera, "transcribe", "-m", model, "--quiet", "--window", "4", "--format", form, sound],
                       stdout=subprocess.PIPE, check=False)
    if p.returncode not in (0, 65):
        sys.exit(f"{sound}: transcribe ended with {p.returncode}")
    return p.stdout.decode()


def by_srt(text, form):
    import srt
    return [(c.start.total_seconds(), c.end.total_seconds(), c.content) for c in srt.parse(text)]


def by_pysubs2(text, form):
    import pysubs2
    subs = pysubs2.SSAFile.from_string(text, format_=form)
    return [(e.start / 1000, e.end / 1000, e.plaintext) for e in subs]


def by_webvtt(text, form):
    import io
    import webvtt
    cues = webvtt.from_buffer(io.StringIO(text))
    seconds = lambda t: sum(float(x) * 60 ** i for i, x in enumerate(reversed(t.split(":"))))
    return [(seconds(c.start), seconds(c.end), c.text) for c in cues]


READERS = [("srt", "srt", by_srt), ("srt", "pysubs2", by_pysubs2), ("vtt", "webvtt-py", by_webvtt), ("vtt", "pysubs2", by_pysubs2)]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("tessera")
    p.add_argument("sounds", nargs="*")
    p.add_argument("--model", default=os.path.join(ROOT, "models", "nano"))
    a = p.parse_args()
    sounds = a.sounds or [os.path.join(ROOT, "samples", s) for s in ("numbers.wav", "train.mp3", "ball.mp4")]
    failed = 0
    for sound in sounds:
        cues = json.loads(run(a.tessera, a.model, sound, "json"))["cues"]
        want = [(c["from"], c["to"], c["text"]) for c in cues]
        for form, name, read in READERS:
            try:
                got = read(run(a.tessera, a.model, sound, form), form)
            except ImportError:
                print(f"skipped {os.path.basename(sound)}: {form}: {name} is not installed")
                continue
            same = len(got) == len(want) and all(abs(x[0] - y[0]) < 0.0006 and abs(x[1] - y[1]) < 0.0006 and x[2] == y[2]
                                                 for x, y in zip(got, want))
            failed += not same
            print(f"{'ok     ' if same else 'BROKEN '} {os.path.basename(sound)}: {len(want)} cues as {form} by {name}")
            if not same:
                print("  wanted", want, "\n  got   ", got)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
