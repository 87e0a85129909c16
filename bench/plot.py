#!/usr/bin/env python3
"""plot.py: tokens per second against context and cost against picture budget, drawn as SVG from the CSV of phases.py.

usage: plot.py context OUT.svg CSV...     prefill and decode, one pair of lines for each model and set of arguments
       plot.py budget OUT.svg CSV..."""
import csv
import math
import sys

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 400, 64, 180, 28, 48
COLORS = ["#1f6feb", "#d1242f", "#2da44e", "#8250df", "#bf8700", "#57606a"]


def series(paths, phases):
    """{label: [(size, median, min, max)]}, sorted by size. A label says of model and arguments what isn't common to all."""
    out = {}
    for path in paths:
        with open(path, encoding="utf-8", newline="") as f:
            for r in csv.DictReader(f):
                if r["phase"] in phases:
                    key = (r["phase"], r["model"].removesuffix(".gguf"), r["args"])
                    point = tuple(float(r[k]) for k in ("size", "median", "min", "max"))
                    out.setdefault(key, []).append(point)
    tells = [i == 0 or len({k[i] for k in out}) > 1 for i in range(3)]
    return {" ".join(x for x, t in zip(k, tells) if t and x): sorted(v) for k, v in out.items()}


def ticks(low, high):
    """1, 2, 5, 10, ... from the last below to the first above."""
    all_of_them = [m * 10.0 ** e for e in range(-4, 7) for m in (1, 2, 5)]
    return [t for i, t in enumerate(all_of_them) if all_of_them[min(i + 1, len(all_of_them) - 1)] > low
            and all_of_them[max(i - 1, 0)] < high]


def escaped(s):
    return s.replace("&", "&amp;").replace("<", "&lt;")


def text(x, y, s, anchor="start"):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escaped(s)}</text>'


def draw(lines, x_title, y_title):
    """Both axes are logarithmic."""
    sizes = sorted({p[0] for v in lines.values() for p in v})
    marks = ticks(min(p[2] for v in lines.values() for p in v), max(p[3] for v in lines.values() for p in v))
    low, high = math.log2(sizes[0]), math.log2(sizes[-1])
    w, h = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def x_of(size):
        return LEFT + (w * (math.log2(size) - low) / (high - low) if high > low else w / 2)

    def y_of(v):
        return TOP + h * (1 - math.log(v / marks[0]) / math.log(marks[-1] / marks[0]))

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" '
           'font-size="11">', '<rect width="100%" height="100%" fill="white"/>']
    for mark in marks:
        y = y_of(mark)
        out += [f'<path d="M{LEFT} {y:.1f}h{w}" stroke="#d0d7de"/>', text(LEFT - 6, y + 4, f"{mark:g}", "end")]
    for size in sizes:
        out += [f'<path d="M{x_of(size):.1f} {TOP}v{h}" stroke="#eaeef2"/>',
                text(x_of(size), TOP + h + 16, f"{size:g}", "middle")]
    for k, (label, points) in enumerate(lines.items()):
        color = COLORS[k % len(COLORS)]
        path = "L".join(f"{x_of(p[0]):.1f} {y_of(p[1]):.1f}" for p in points)
        out.append(f'<path d="M{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        for size, median, least, most in points:
            out += [f'<path d="M{x_of(size):.1f} {y_of(least):.1f}V{y_of(most):.1f}" stroke="{color}"/>',
                    f'<circle cx="{x_of(size):.1f}" cy="{y_of(median):.1f}" r="3" fill="{color}"/>']
        out += [f'<rect x="{WIDTH - RIGHT + 10}" y="{TOP + 18 * k}" width="10" height="10" fill="{color}"/>',
                text(WIDTH - RIGHT + 25, TOP + 9 + 18 * k, label)]
    out += [text(LEFT + w / 2, HEIGHT - 10, x_title, "middle"), text(LEFT, TOP - 10, y_title), "</svg>"]
    return "\n".join(out) + "\n"


def main():
    if len(sys.argv) < 4 or sys.argv[1] not in ("context", "budget"):
        sys.exit(__doc__)
    is_context = sys.argv[1] == "context"
    lines = series(sys.argv[3:], ("prefill", "decode") if is_context else ("picture",))
    if not lines:
        sys.exit("plot.py: nothing of that kind in " + ", ".join(sys.argv[3:]))
    svg = draw(lines, "tokens of context", "tokens per second") if is_context else draw(
        lines, "budget of soft tokens", "seconds of the tower")
    with open(sys.argv[2], "w", encoding="utf-8") as f:
        f.write(svg)


if __name__ == "__main__":
    main()
