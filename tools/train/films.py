"""Short films of shapes: one object moves, another may appear or disappear; frames once a second as the program samples them."""

import numpy as np

import pictures
from vocabulary import COLOUR_NAMES, COLOURS, SHAPES

DIRECTIONS = {"right": (1, 0), "left": (-1, 0), "down": (0, 1), "up": (0, -1)}
OPPOSITE = {"right": "from left to right", "left": "from right to left", "down": "from top to bottom", "up": "from bottom to top"}


def _thing(rng, shades, not_colour=None):
    allowed = [c for c in COLOUR_NAMES if c != not_colour and all(pictures.far(COLOURS[c], s) for s in shades)] or ["black"]
    colour = rng.choice(allowed)
    fill = tuple(max(0, min(255, v + rng.randint(-18, 18))) for v in COLOURS[colour])
    return dict(colour=colour, shape=rng.choice(SHAPES), fill=fill, squeeze=rng.uniform(0.9, 1.0), turn=rng.uniform(-0.12, 0.12))


def _draw(picture, thing, x, y, r, w, h):
    """Draw at a place in 0..1; gives the object as a scene would."""
    cx, cy = x * w, y * h
    points = pictures.outline(thing["shape"], cx, cy, r, thing["squeeze"], thing["turn"])
    pictures.ImageDraw.Draw(picture).polygon(points, fill=thing["fill"])
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    box = [max(0, min(xs)) / w, max(0, min(ys)) / h, min(w, max(xs)) / w, min(h, max(ys)) / h]
    size = min(pictures.RADII, key=lambda k: abs(sum(pictures.RADII[k]) / 2 * min(w, h) - r) if k != "huge" else 1e9)
    return dict(colour=thing["colour"], shape=thing["shape"], size=size, box=box, r=r, cx=cx, cy=cy)


def film(rng, np_rng, n_frames, kinds=("plain",)):
    """frames [(picture, objects)], one a second, and the story: mover, way, guest, appears (seconds or None), disappears."""
    w, h = rng.choice([(320, 240), (240, 320), (288, 288), (400, 240)])
    ground, shades = pictures.background(rng, np_rng, w, h, rng.choice(kinds))
    ground = ground.astype(np.uint8)
    mover, way, r = _thing(rng, shades), rng.choice(list(DIRECTIONS)), rng.uniform(0.1, 0.2) * min(w, h)
    dx, dy = DIRECTIONS[way]
    reach, across = rng.uniform(0.25, 0.34), rng.uniform(0.3, 0.7)
    guest, appears, disappears = None, None, None
    if n_frames >= 3 and rng.random() < 0.6:
        guest = _thing(rng, shades, mover["colour"])
        appears = rng.randint(1, n_frames - 1)
        if n_frames - appears >= 3 and rng.random() < 0.3:
            disappears = rng.randint(appears + 1, n_frames - 1)
        along = rng.choice([0.12, 0.88]) if 0.4 < across < 0.6 else (0.12 if across > 0.5 else 0.88)
        spot = (rng.uniform(0.2, 0.8), along) if dx else (along, rng.uniform(0.2, 0.8))
    frames = []
    for i in range(n_frames):
        picture, objects = pictures.Image.fromarray(ground), []
        t = (i / max(1, n_frames - 1) - 0.5) * 2 * reach
        x, y = (0.5 + t * dx, across) if dx else (across, 0.5 + t * dy)
        objects.append(_draw(picture, mover, x, y, r, w, h))
        if guest and appears <= i and (disappears is None or i < disappears):
            objects.append(_draw(picture, guest, *spot, 0.09 * min(w, h), w, h))
        frames.append((picture, objects))
    return frames, dict(mover=mover, way=way, guest=guest, appears=appears, disappears=disappears)


def clock(seconds):
    return f"{seconds // 60:02d}:{seconds % 60:02d}"


def story_text(story):
    """The description of a film."""
    mover, guest = story["mover"], story["guest"]
    text = f"A {mover['colour']} {mover['shape']} moves {OPPOSITE[story['way']]}.".replace("A o", "An o")
    if guest:
        text += f" A {guest['colour']} {guest['shape']} appears at {clock(story['appears'])}".replace("A o", "An o")
        text += f" and disappears at {clock(story['disappears'])}." if story["disappears"] is not None else "."
    return text
