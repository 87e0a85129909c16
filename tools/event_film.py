"""A film of ten minutes with known events through `ask`: in each minute a square of another color crosses the picture, in a known
direction. Each window must be of its minute, and what the model says of it is compared with what happens there.

usage: event_film.py TESSERA [--model DIR] [--minutes N] [--keep FOLDER] [--least N]

Needs ffmpeg, which makes the film. The model of this repository errs (its card says how often with films): --least windows (8 of ten)
must be right in color and direction. Exit code 1 when fewer are, or when windows and minutes differ.
"""

import json
import os
import subprocess
import sys

from long_check import arguments, check, folder

MINUTE, SIDE, WIDTH, HEIGHT = 60, 64, 320, 240
COLORS = {"green": "0x1fa03a", "red": "0xd42728", "blue": "0x1f4fd8", "purple": "0x7a1fa0", "orange": "0xf08010"}
WAYS = {"from left to right": ("(W-w)*t/60", "(H-h)/2"), "from right to left": ("(W-w)*(1-t/60)", "(H-h)/2"),
        "from top to bottom": ("(W-w)/2", "(H-h)*t/60"), "from bottom to top": ("(W-w)/2", "(H-h)*(1-t/60)")}


def events(n):
    """Every color, and every way, before one comes again."""
    return [(list(COLORS)[i % len(COLORS)], list(WAYS)[i % len(WAYS)]) for i in range(n)]


def make_film(kept, told):
    parts = []
    for i, (color, way) in enumerate(told):
        x, y = WAYS[way]
        parts.append(os.path.join(kept, f"part{i}.mp4"))
        subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", f"color=0xd0d4de:s={WIDTH}x{HEIGHT}:r=4:d={MINUTE}",
                        "-f", "lavfi", "-i", f"color={COLORS[color]}:s={SIDE}x{SIDE}:r=4:d={MINUTE}", "-filter_complex",
                        f"[0][1]overlay=x='{x}':y='{y}',format=yuv420p", "-c:v", "libx264", "-g", "20", parts[-1]], check=True)
    listing, film = os.path.join(kept, "parts.txt"), os.path.join(kept, "events.mp4")
    with open(listing, "w", encoding="utf-8") as f:
        f.writelines(f"file '{p}'\n" for p in parts)
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "concat", "-safe", "0", "-i", listing, "-c", "copy", film], check=True)
    return film


def main():
    p = arguments()
    p.add_argument("--minutes", type=int, default=10)
    p.add_argument("--least", type=int, default=8)
    a = p.parse_args()
    told = events(a.minutes)
    with folder(a.keep) as kept:
        out = subprocess.run([a.tessera, "ask", "-m", a.model, make_film(kept, told), "What happens?", "--fps", "1", "--json", "--quiet",
                              "--temperature", "0"], capture_output=True, text=True, check=True).stdout
    film = json.loads(out)["film"]
    windows = film.get("windows", [])  # none: it was short enough to be seen whole
    ok = check([(w["from"], w["to"]) for w in windows] == [(MINUTE * i, MINUTE * (i + 1)) for i in range(a.minutes)],
               f"{len(windows)} windows, one for each of {a.minutes} minutes")
    right = 0
    for w, (color, way) in zip(windows, told):
        right += color in w["text"] and way in w["text"]
        print(f"        {w['notes'][0]['time'] if w['notes'] else '?'}: {color}, {way}: {w['text']!r}")
    ok &= check(right >= a.least, f"color and direction are right in {right} of {a.minutes} windows")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
