#!/usr/bin/env python3
"""Odd and broken files through the program: each gives a result, or an error that names the file and says why.

About 300 pictures, documents, sounds and films are made from samples/ and the fixtures of tests/media by a seed: whole, cut off, with
bytes changed in the header and behind it, with zeroed or doubled stretches, under another kind's name; and by hand: empty files,
folders, a pipe whose writer gives one byte, links in a circle, pictures of 1 x N pixels, of 16 bits, with a palette and transparency, with a
header that promises thousands of millions of pixels, sounds without samples, without channels, of absurd rates. Each goes to
caption, detect, read or transcribe. Counted as a failure: a signal, a report of a sanitizer, an exit code that says "bug" or is
not documented, more than --seconds, an error that doesn't name the file or has no reason, a failure without an error.

usage: odd_files.py PROGRAM MODEL [--n N] [--seed S] [--seconds S] [--keep DIR] [--only TEXT]
"""

import argparse
import os
import random
import re
import shutil
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import zlib

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
EXIT_CODES = {0, 2, 65, 66, 69, 74, 75, 77}
SEEN, PAGES, HEARD = ("caption", "detect", "read"), ("read", "detect", "caption"), ("transcribe", "caption")
FILMS = (".mp4", ".mkv", ".mov", ".avi", ".webm", ".ogv")
KINDS = {".pdf": PAGES, **dict.fromkeys((".mp3", ".flac", ".opus", ".wav", ".ogg", ".m4a", ".aac", ".aiff", ".amr"), HEARD),
         **dict.fromkeys(FILMS, ("caption", "detect", "transcribe"))}


# ---- made by hand -------------------------------------------------------------------------------------------------

def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(w, h, depth=8, colour=2, rows=None, more=b"", lie=None):
    """rows: bytes of one row, repeated; lie: the size that the header tells."""
    bits = depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    row = rows if rows is not None else bytes(i * 37 % 256 for i in range((w * bits + 7) // 8))
    body = zlib.compress(b"".join(b"\0" + row for _ in range(h)))
    head = struct.pack(">IIBBBBB", *(lie or (w, h)), depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + more + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def wav(channels=1, rate=16000, bits=16, data=bytes(3200), told=None, form=1):
    size = len(data) if told is None else told
    block = channels * bits // 8
    return (b"RIFF" + struct.pack("<I", min(0xFFFFFFFF, 36 + size)) + b"WAVEfmt " +
            struct.pack("<IHHIIHH", 16, form, channels, rate, min(0xFFFFFFFF, rate * block), min(65535, block), bits) +
            b"data" + struct.pack("<I", size) + data)


def by_hand():
    """[(name, bytes)]"""
    palette = chunk(b"PLTE", bytes(range(12))) + chunk(b"tRNS", b"\x00\x40\x80\xff")
    out = [(f"one{n}.png", png(1, n)) for n in (1, 2, 3000, 70000)] + [(f"wide{n}.png", png(n, 1)) for n in (2, 3000, 70000)]
    out += [("deep.png", png(40, 30, 16, 2)), ("deep_grey.png", png(40, 30, 16, 0)), ("deep_clear.png", png(40, 30, 16, 6)),
            ("palette.png", png(40, 30, 2, 3, more=palette)), ("palette_short.png", png(40, 30, 8, 3, more=palette)),
            ("no_palette.png", png(40, 30, 8, 3)), ("grey_clear.png", png(40, 30, 8, 4)), ("bits1.png", png(41, 30, 1, 0))]
    out += [(f"lie{i}.png", png(4, 4, lie=s)) for i, s in enumerate([(0, 0), (0, 4), (4, 0), (4, 5), (60000, 60000), (2**31 - 1, 1), (2**32 - 1,) * 2])]
    out += [("plain.ppm", b"P6 4 4 255 " + bytes(48)), ("deep.pgm", b"P5 4 4 65535 " + bytes(32)), ("huge.ppm", b"P6 999999999 999999999 255 "),
            ("none.ppm", b"P6 0 0 255 "), ("minus.ppm", b"P6 -4 4 255 " + bytes(48)), ("text.pgm", b"P2 2 2 9 1 2 3 x"), ("bits.pbm", b"P4 9 3 " + bytes(6))]
    out += [("silent.wav", wav()), ("no_samples.wav", wav(data=b"")), ("no_channels.wav", wav(channels=0)), ("no_rate.wav", wav(rate=0)),
            ("fast.wav", wav(rate=2**32 - 1)), ("many.wav", wav(channels=65535)), ("bits7.wav", wav(bits=7)), ("bits0.wav", wav(bits=0)),
            ("promises.wav", wav(told=2**32 - 1)), ("float_nan.wav", wav(bits=32, form=3, data=b"\xff" * 6400)), ("odd.wav", wav(data=bytes(3201))),
            ("form.wav", wav(form=0x1234)), ("eight.wav", wav(bits=8, data=b"\x80" * 1600))]
    out += [("empty" + e, b"") for e in (".png", ".jpg", ".pdf", ".wav", ".mp4")] + [("one_byte.png", b"\x89"), ("text.png", b"not a picture\n" * 9)]
    out += [("zeros.jpg", bytes(5000)), ("head.pdf", b"%PDF-1.7\n"), ("end.pdf", b"%PDF-1.4\n%%EOF\n"), ("loop.pdf", loop_pdf()),
            ("page_huge.pdf", page_pdf("0 0 9999999 9999999")), ("page_none.pdf", page_pdf("0 0 0 0")), ("page_minus.pdf", page_pdf("10 10 0 0"))]
    out += [("gif_head.gif", b"GIF89a" + struct.pack("<HHBBB", 60000, 60000, 0, 0, 0) + b";"), ("gif_none.gif", b"GIF89a" + bytes(7) + b";"),
            ("bmp_huge.bmp", b"BM" + struct.pack("<IIIIiiHHIIiiII", 54, 0, 54, 40, 2**31 - 1, -2**31 + 1, 1, 24, 0, 0, 0, 0, 0, 0)),
            ("new\nline.png", png(4, 4, lie=(0, 0))), ("sp ace \u00e4\u202e.png", png(9, 9)), ("-dash.png", png(9, 9)), ("%s%n.png", b"x")]
    return out


def loop_pdf():
    return b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[2 0 R]/Count 1>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"


def page_pdf(box):
    return (f"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n3 0 obj<</Type/Page/Parent 2 0 R"
            f"/MediaBox[{box}]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n").encode()


# ---- made from good files -----------------------------------------------------------------------------------------

def good_files():
    out = []
    for folder in ("samples", "tests/media/fixtures", "tests/media/fixtures_streams"):
        for name in sorted(os.listdir(os.path.join(ROOT, folder))):
            path = os.path.join(ROOT, folder, name)
            if os.path.isfile(path) and not name.endswith((".md", ".py", ".sh")):
                with open(path, "rb") as f:
                    out.append((name, f.read()))
    return out


def cut(rng, b):
    return b[:rng.randrange(len(b))]


def bytes_changed(rng, b, where):
    b = bytearray(b)
    for _ in range(rng.randint(1, 6)):
        b[rng.randrange(min(len(b), where))] = rng.choice((0, 0xFF, 0x80, rng.randrange(256)))
    return bytes(b)


def zeroed(rng, b):
    at = rng.randrange(len(b))
    return b[:at] + bytes(min(len(b) - at, rng.randint(1, 4096))) + b[at + 4096:]


def doubled(rng, b):
    at, n = rng.randrange(len(b)), rng.randint(1, 4096)
    return b[:at + n] + b[at:]


BREAKS = [("cut", cut), ("head", lambda r, b: bytes_changed(r, b, 64)), ("body", lambda r, b: bytes_changed(r, b, 1 << 30)),
          ("zeroed", zeroed), ("doubled", doubled), ("tail", lambda r, b: b + r.randbytes(3000))]


def broken(rng, good, n):
    out = []
    for i in range(n):
        name, data = good[i % len(good)] if i < len(good) else rng.choice(good)
        how, change = BREAKS[i % len(BREAKS)]
        stem, ext = os.path.splitext(name)
        if how == "tail":
            ext = rng.choice((".png", ".mp3", ".pdf", ".mp4", ext))
        if data:
            out.append((f"{how}{i}_{stem}{ext}", change(rng, data), KINDS.get(os.path.splitext(name)[1], SEEN)))
    return out


def make_all(folder, n, rng):
    """[(path, verb)]"""
    good, jobs = good_files(), []
    files = [(name, data, KINDS.get(os.path.splitext(name)[1], SEEN)) for name, data in by_hand()]
    whole = [("whole_" + name, data, KINDS.get(os.path.splitext(name)[1], SEEN)) for name, data in rng.sample(good, min(len(good), 40))]
    files += whole
    files += broken(rng, good, max(0, n - len(files) - 8))
    for i, (name, data, verbs) in enumerate(files):
        path = os.path.join(folder, name)
        with open(path, "wb") as f:
            f.write(data)
        jobs.append((path, verbs[i % len(verbs)]))
    return jobs + no_files(folder)


def no_files(folder):
    path = lambda name: os.path.join(folder, name)
    os.mkdir(path("folder.png"))
    os.mkfifo(path("pipe.png"))
    os.symlink("circle_b.png", path("circle_a.png"))
    os.symlink("circle_a.png", path("circle_b.png"))
    os.symlink("nowhere", path("dangling.wav"))
    return [(path("folder.png"), "caption"), (path("folder.png"), "transcribe"), (path("pipe.png"), "detect"), (path("circle_a.png"), "read"),
            (path("dangling.wav"), "transcribe"), (path("not_there.pdf"), "read"), (path("plain.ppm") + "/inside.png", "caption"),
            (path("n" * 300 + ".png"), "caption")]


# ---- trying -------------------------------------------------------------------------------------------------------

def command(args, verb, path):
    more = ["-n", "4"] if verb != "transcribe" else ["-n", "4", "--max-film-seconds", "3600"]
    if verb == "caption" and path.endswith(FILMS):
        more += ["--frames", "2"]
    if verb == "detect":
        more += ["--budget", "70", "--frames", "2"]
    if verb == "read":
        more += ["--budget", "70", "--pages", "1"] if path.endswith(".pdf") else ["--budget", "70"]
    return [args.program, verb, "-m", args.model, path, *more]


def plain_name(path):
    """What of its name is written as it is."""
    return re.split(r"[^ -~]", os.path.basename(path))[0][:60]


def feed(path):
    """Into a pipe: one byte, and its end. Nobody may ever read it, so the thread ends with the program."""
    def write():
        with open(path, "wb") as f:
            f.write(b"x")
    threading.Thread(target=write, daemon=True).start()


def what_is_wrong(args, verb, path):
    """(exit code, None or what is wrong, stderr)"""
    if os.path.exists(path) and stat.S_ISFIFO(os.stat(path).st_mode):
        feed(path)
    try:
        done = subprocess.run(command(args, verb, path), stdin=subprocess.DEVNULL, capture_output=True, timeout=args.seconds)
    except subprocess.TimeoutExpired:
        return None, f"takes more than {args.seconds} s", ""
    told = done.stderr.decode(errors="replace")
    errors = [line for line in told.splitlines() if line.startswith("tessera: ") and not line.startswith("tessera: note: ")]
    if "Sanitizer" in told or "runtime error" in told:
        return done.returncode, "a sanitizer's report", told
    if done.returncode < 0:
        return done.returncode, f"killed by signal {-done.returncode}", told
    if done.returncode not in EXIT_CODES:
        return done.returncode, f"exit code {done.returncode}", told
    if done.returncode == 0:
        return 0, None, told
    if not told.strip():
        return done.returncode, "no error is told", told
    named = [line for line in told.splitlines() if plain_name(path) in line]
    if not named:
        return done.returncode, "the error doesn't name the file", told
    reason = named[-1].rsplit(plain_name(path), 1)[1]
    if len(reason.strip(" :.\n")) < 8 or (errors and not errors[-1].strip()):
        return done.returncode, "the error has no reason", told
    return done.returncode, None, told


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program")
    parser.add_argument("model")
    parser.add_argument("--n", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--keep", help="leave the files here")
    parser.add_argument("--only", default="", help="files with this in their name")
    parser.add_argument("--errors", action="store_true", help="print every error")
    args = parser.parse_args()
    folder = args.keep or tempfile.mkdtemp()
    os.makedirs(folder, exist_ok=True)
    codes, wrong = {}, 0
    try:
        jobs = [j for j in make_all(folder, args.n, random.Random(args.seed)) if args.only in os.path.basename(j[0])]
        for path, verb in jobs:
            code, fault, told = what_is_wrong(args, verb, path)
            codes[code] = codes.get(code, 0) + 1
            if fault or args.errors:
                print(f"{'WRONG' if fault else code}: {verb} {os.path.basename(path)!r}: {fault or ''}\n{told[-2000:]}", flush=True)
            wrong += fault is not None
    finally:
        if not args.keep:
            shutil.rmtree(folder)
    told = ", ".join(f"{n} with {'a timeout' if c is None else f'exit code {c}'}" for c, n in sorted(codes.items(), key=lambda x: -x[1]))
    print(f"odd files (seed {args.seed}): {len(jobs)} tried, {told}; {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
