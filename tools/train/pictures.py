"""Pictures of shapes on backgrounds and of printed lines, with what every soft token should know about them.

A picture passes through the reference's own sizing: scaled up or down by Pillow's bicubic filter to fill a budget of
soft tokens. A batch holds pictures of one final size, made from originals of many sizes.
"""

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vocabulary import CHARACTERS, CHARACTER_SLOTS, COLOUR_NAMES, COLOURS, SHAPES, SIZES

TOKEN = 48  # pixels on a side that one soft token covers
PATCH = 16
RADII = {"small": (0.065, 0.10), "medium": (0.13, 0.17), "large": (0.21, 0.30), "huge": (0.30, 0.46)}  # shares of the short side; huge counts as large
PLAIN = [(255, 255, 255), (240, 240, 235), (200, 210, 220), (180, 180, 180), (90, 95, 100), (30, 32, 40), (225, 235, 205),
         (250, 225, 215), (205, 225, 245), (60, 45, 40), (20, 50, 60), (160, 150, 130)]


def fitted(width, height, budget):
    """Final width and height for an original under a budget: the reference's rule, both sides multiples of 48."""
    f = math.sqrt(budget * TOKEN * TOKEN / (width * height))
    w, h = int(f * width) // TOKEN * TOKEN, int(f * height) // TOKEN * TOKEN
    if h == 0:
        h, w = TOKEN, min(width // height, budget) * TOKEN
    if w == 0:
        w, h = TOKEN, min(height // width, budget) * TOKEN
    return w, h


def patches(picture):
    """[n, 768] f32 in 0..1 (channel fastest) and [n, 2] column and row of each patch."""
    a = np.asarray(picture, np.float32) * np.float32(1 / 255)
    rows, cols = a.shape[0] // PATCH, a.shape[1] // PATCH
    pixels = a.reshape(rows, PATCH, cols, PATCH, 3).transpose(0, 2, 1, 3, 4).reshape(rows * cols, -1)
    return pixels, np.stack(np.meshgrid(np.arange(cols), np.arange(rows)), -1).reshape(-1, 2)


# --- backgrounds -------------------------------------------------------------------------------------------------

def far(a, b, least=130):
    return sum(abs(x - y) for x, y in zip(a, b)) > least


def background(rng, np_rng, w, h, kind):
    """RGB array [h, w, 3] f32 and the colours that occur in it."""
    a = rng.choice(PLAIN) if rng.random() < 0.7 else tuple(rng.randint(0, 255) for _ in range(3))
    if kind == "plain":
        return np.broadcast_to(np.float32(a), (h, w, 3)).copy(), [a]
    if kind == "gradient":
        b = tuple(min(255, max(0, v + rng.randint(-90, 90))) for v in a)
        angle = rng.uniform(0, 2 * math.pi)
        x, y = np.linspace(-1, 1, w, dtype=np.float32), np.linspace(-1, 1, h, dtype=np.float32)[:, None]
        t = np.clip((x * math.cos(angle) + y * math.sin(angle)) * 0.5 + 0.5, 0, 1)[..., None]
        return np.float32(a) * (1 - t) + np.float32(b) * t, [a, b]
    cell = rng.choice([1, 2, 4, 8, 16])
    strength = rng.uniform(5, 26)
    grain = np_rng.standard_normal((h // cell + 1, w // cell + 1, 3 if rng.random() < 0.5 else 1)).astype(np.float32)
    grain = grain.repeat(cell, 0).repeat(cell, 1)[:h, :w] * strength
    return np.clip(np.float32(a) + grain, 0, 255), [a]


# --- objects -----------------------------------------------------------------------------------------------------

def outline(shape, cx, cy, r, squeeze, turn):
    """Corner points of a shape of radius r, flattened by `squeeze` and turned by `turn` radians."""
    if shape == "circle":
        raw = [(math.cos(i * math.pi / 24), math.sin(i * math.pi / 24)) for i in range(48)]
    elif shape == "square":
        raw = [(-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)]
    elif shape == "triangle":
        raw = [(0, -1), (0.9, 0.75), (-0.9, 0.75)]
    elif shape == "star":
        raw = [((1 if i % 2 == 0 else 0.42) * math.sin(i * math.pi / 5), -(1 if i % 2 == 0 else 0.42) * math.cos(i * math.pi / 5))
               for i in range(10)]
    else:
        a = 0.3
        raw = [(-a, -1), (a, -1), (a, -a), (1, -a), (1, a), (a, a), (a, 1), (-a, 1), (-a, a), (-1, a), (-1, -a), (-a, -a)]
    c, s = math.cos(turn), math.sin(turn)
    return [(cx + r * (x * c - y * squeeze * s), cy + r * (x * s + y * squeeze * c)) for x, y in raw]


def place(rng, w, h, taken, size, tries=30):
    side = min(w, h)
    for _ in range(tries):
        r = rng.uniform(*RADII[size]) * side
        cx, cy = rng.uniform(r, w - r), rng.uniform(r, h - r)
        apart = all(math.hypot(cx - o["cx"], cy - o["cy"]) > (r + o["r"]) * 1.08 for o in taken)
        if apart and all(abs(cx - o["cx"]) > 0.035 * w for o in taken):  # left to right must be no matter of opinion
            return cx, cy, r
    return None


def scene(rng, np_rng, w, h, most, sizes=tuple(SIZES), kinds=("plain",), least=1):
    """An RGB picture of w x h and its objects, left to right: colour, shape, size, box (x0, y0, x1, y1) in 0..1."""
    ground, shades = background(rng, np_rng, w, h, rng.choice(kinds))
    allowed = [c for c in COLOUR_NAMES if all(far(COLOURS[c], s) for s in shades)] or ["white" if sum(shades[0]) < 380 else "black"]
    k = 2 if max(w, h) < 700 else 1
    picture = Image.fromarray(ground.astype(np.uint8))
    picture = picture.resize((w * k, h * k), Image.NEAREST) if k > 1 else picture
    draw, objects = ImageDraw.Draw(picture), []
    for _ in range(rng.randint(least, most)):
        size = rng.choice(sizes)
        spot = place(rng, w, h, objects, size)
        if spot is None and "small" in sizes:
            size = "small"
            spot = place(rng, w, h, objects, size)
        if spot is None:
            continue
        cx, cy, r = spot
        colour, shape = rng.choice(allowed), rng.choice(SHAPES)
        points = outline(shape, cx, cy, r, rng.uniform(0.9, 1.0), rng.uniform(-0.12, 0.12))
        fill = tuple(max(0, min(255, v + rng.randint(-18, 18))) for v in COLOURS[colour])
        draw.polygon([(x * k, y * k) for x, y in points], fill=fill)
        xs, ys = [x for x, _ in points], [y for _, y in points]
        box = [max(0, min(xs)) / w, max(0, min(ys)) / h, min(w, max(xs)) / w, min(h, max(ys)) / h]
        objects.append(dict(cx=cx, cy=cy, r=r, colour=colour, shape=shape, size="large" if size == "huge" else size, box=box))
    picture = picture.reduce(k) if k > 1 else picture
    return picture, sorted(objects, key=lambda o: o["cx"])


# --- printed lines -----------------------------------------------------------------------------------------------

_FONTS = {}


def font(path, size):
    if (path, size) not in _FONTS:
        _FONTS[path, size] = ImageFont.truetype(path, size)
    return _FONTS[path, size]


def printed_line(rng, np_rng, text, font_path, size, kinds=("plain",)):
    """A picture of one printed line and its characters: (character, x centre, y centre, number), places in 0..1."""
    face = font(font_path, size)
    left, top, right, bottom = face.getbbox(text)
    pads = [rng.randint(size // 8 + 1, size) for _ in range(4)]
    w, h = right - left + pads[0] + pads[1], bottom - top + pads[2] + pads[3]
    ground, shades = background(rng, np_rng, w, h, rng.choice(kinds))
    dark = sum(shades[0]) / 3 + sum(shades[-1]) / 3 < 256
    ink = tuple(rng.randint(200, 255) if dark else rng.randint(0, 70) for _ in range(3))
    picture = Image.fromarray(ground.astype(np.uint8))
    x, y = pads[0] - left, pads[2] - top
    ImageDraw.Draw(picture).text((x, y), text, fill=ink, font=face)
    marks, middle = [], (pads[2] + (bottom - top) / 2) / h
    for i, c in enumerate(text):
        if c != " ":
            a, b = face.getlength(text[:i]), face.getlength(text[:i + 1])
            marks.append((c, (x + (a + b) / 2) / w, middle, i + 1))
    return picture, marks


# --- what a soft token should know -------------------------------------------------------------------------------

def object_targets(cols, rows, objects):
    """[n, 5] colour, shape, size (0 = none, else 1 + index), which from the left (0 = none), how many in the picture;
    and [n, 4] box (y0, x0, y1, x1) in 0..1, per soft token."""
    kinds, boxes = np.zeros((rows, cols, 5), np.int64), np.zeros((rows, cols, 4), np.float32)
    kinds[..., 4] = len(objects)
    from_left = sorted(o["cx"] for o in objects)
    px, py = (np.arange(cols) + 0.5) / cols, (np.arange(rows) + 0.5) / rows
    for o in sorted(objects, key=lambda o: -o["r"]):
        x0, y0, x1, y1 = o["box"]
        on = np.ix_((py >= y0 - 0.35 / rows) & (py <= y1 + 0.35 / rows), (px >= x0 - 0.35 / cols) & (px <= x1 + 0.35 / cols))
        kinds[on] = (1 + COLOUR_NAMES.index(o["colour"]), 1 + SHAPES.index(o["shape"]), 1 + SIZES.index(o["size"]),
                     1 + from_left.index(o["cx"]), len(objects))
        boxes[on] = y0, x0, y1, x1
    return kinds.reshape(-1, 5), boxes.reshape(-1, 4)


def centres(places):
    """[tokens, 2] row and column of each soft token's centre in 0..1, from the places of a picture's patches."""
    cols, rows = (places.max(0) + 1) * PATCH // TOKEN
    y, x = np.meshgrid((np.arange(rows) + 0.5) / rows, (np.arange(cols) + 0.5) / cols, indexing="ij")
    return np.stack([y, x], -1).reshape(-1, 2).astype(np.float32)


def character_targets(cols, rows, marks):
    """[n, CHARACTER_SLOTS + 1]: the characters whose centres lie in a token, left to right; 0 = none, else 1 + index.
    The last column is the number in its line of the first of them, 0 where there is none, or -100 where that isn't known."""
    slots, used = np.zeros((rows * cols, CHARACTER_SLOTS + 1), np.int64), {}
    for c, x, y, number in sorted(marks, key=lambda m: (round(m[2] * rows), m[1])):
        t = min(rows - 1, int(y * rows)) * cols + min(cols - 1, int(x * cols))
        k = used.get(t, 0)
        if k == 0:
            slots[t, -1] = number
        if k < CHARACTER_SLOTS:
            slots[t, k] = 1 + CHARACTERS.index(c)
            used[t] = k + 1
    return slots
