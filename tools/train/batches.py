"""Batches for the towers stage: arrays for one forward pass and the dense targets of every soft token.

A level says how hard the samples of a kind are; the trainer moves up when the running accuracy allows it.
"""

import glob
import math
import os
import random
import zlib

import numpy as np

import pictures
import speech
from vocabulary import CHARACTERS

SCENE_LEVELS = [
    dict(budget=4, n=64, most=1, sizes=("huge",), kinds=("plain",)),
    dict(budget=12, n=48, most=3, sizes=("medium", "large", "huge"), kinds=("plain", "gradient")),
    dict(budget=30, n=24, most=5, sizes=("small", "medium", "large"), kinds=("plain", "gradient", "noise")),
    dict(budget=70, n=12, most=5, sizes=("small", "medium", "large"), kinds=("plain", "gradient", "noise")),
    dict(budgets=(70, 70, 70, 70, 70, 70, 140, 280), n=12, most=5, sizes=("small", "medium", "large"), kinds=("plain", "gradient", "noise")),
]
LINE_LEVELS = [
    dict(budget=4, n=64, letters=(1, 1), alphabet="0123456789"),
    dict(budget=4, n=64, letters=(1, 1)),
    dict(budget=12, n=36, letters=(1, 4)),
    dict(budget=30, n=20, letters=(3, 12)),
    dict(budget=70, n=10, letters=(4, 24)),
    dict(budgets=(70, 70, 70, 70, 140, 280), n=10, letters=(4, 24)),
]
SOUND_LEVELS = [dict(n=40, words=(1, 1)), dict(n=24, words=(1, 3)), dict(n=16, words=(1, 6)), dict(n=12, words=(0, 12)),
                dict(n=6, words=(0, 32))]
TOP_SHARE = {"scene": 0.4, "line": 0.6, "sound": 0.85}  # of the batches; many small pictures teach more than few large ones in the same time
LEVELS = {"scene": SCENE_LEVELS, "line": LINE_LEVELS, "sound": SOUND_LEVELS}

FONT_ROOTS = ("/usr/share/fonts/truetype/dejavu", "/usr/share/fonts/truetype/liberation", "/usr/share/fonts/truetype/freefont",
              "/usr/share/fonts/truetype/open-sans", "/usr/share/fonts/truetype/lato")
_LEFT_OUT = ("Math", "Hairline", "Thin", "ExtraLight", "Black", "Heavy", "Light")
_HELDOUT = ("Lato", "LiberationSerif-Italic", "FreeSansBold.", "DejaVuSerifCondensed-Bold.", "OpenSans-Semibold")


def fonts(split):
    found = sorted(p for root in FONT_ROOTS for p in glob.glob(os.path.join(root, "*.ttf")))
    found = [p for p in found if not any(word in p for word in _LEFT_OUT)]
    held = [p for p in found if any(word in p for word in _HELDOUT)]
    return held if split == "heldout" else [p for p in found if p not in held]


def settled(rng, level):
    """A level for one batch: where it names several budgets, one of them, with fewer samples the larger it is; a long film is alone."""
    if "long" in level and rng.random() < 0.2:
        return dict(level, n=1, frames=level["long"])
    if "budgets" not in level:
        return level
    budget = rng.choice(level["budgets"])
    return dict(level, budget=budget, n=max(1, level["n"] * 70 // budget))


def random_text(rng, least, most, alphabet=None):
    """Letters and digits as they occur in print: words, capitals, numbers, amounts; or anything from `alphabet`."""
    n, out = rng.randint(least, most), ""
    if alphabet:
        return "".join(rng.choice(alphabet) for _ in range(n))
    while len(out) < n:
        k, kind = rng.randint(2, 8), rng.random()
        letters = "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(k))
        if kind < 0.3:
            piece = letters
        elif kind < 0.5:
            piece = letters.capitalize()
        elif kind < 0.65:
            piece = letters.upper()
        elif kind < 0.85:
            piece = "".join(rng.choice("0123456789") for _ in range(k))
        else:
            piece = "".join(rng.choice(CHARACTERS) for _ in range(k))
        out += (" " if out and rng.random() < 0.85 else "") + piece
    return out[:n].strip() or "a"


class Source:
    """Makes samples and batches from its own random numbers; one per process."""

    def __init__(self, seed, cache, split="train"):
        self.rng, self.np_rng = random.Random(seed), np.random.default_rng(zlib.crc32(str(seed).encode()))
        self.bank = speech.Bank(os.path.join(cache, f"speech-{split}"))
        self.fonts, self.bends = fonts(split), split == "train"

    def fit(self, picture, budget, aspect=None):
        """The reference's sizing; with `aspect` that of a large picture of this ratio, so that all of a batch are of one size."""
        size = pictures.fitted(aspect * 1e4, 1e4, budget) if aspect else pictures.fitted(*picture.size, budget)
        return picture if size == picture.size else picture.resize(size, pictures.Image.BICUBIC)

    def spoken(self, n_words):
        bend = speech.Bend(self.rng) if self.bends and self.rng.random() < 0.8 else None
        return speech.utterance(self.rng, self.np_rng, self.bank, n_words, bend=bend)

    def aspect(self, budget):
        return math.exp(self.rng.uniform(-0.6, 0.6)) if budget >= 12 else 1.0

    def scene_picture(self, budget, most, sizes, kinds, least=1, aspect=None):
        """A picture of any size, to be fitted into budget, and its objects."""
        aspect = aspect or self.aspect(budget)
        side = self.rng.randint(140, 520) if budget >= 12 else self.rng.randint(90, 260)
        w, h = max(48, round(side * aspect ** 0.5)), max(48, round(side / aspect ** 0.5))
        return pictures.scene(self.rng, self.np_rng, w, h, most, sizes, kinds, least)

    def scene(self, budget, most, sizes, kinds, aspect=None):
        picture, objects = self.scene_picture(budget, most, sizes, kinds, aspect=aspect)
        return self.fit(picture, budget, aspect), objects

    def line_picture(self, letters, alphabet=None):
        text = random_text(self.rng, *letters, alphabet)
        kinds = ("plain",) if alphabet else ("plain", "plain", "gradient", "noise")
        picture, marks = pictures.printed_line(self.rng, self.np_rng, text, self.rng.choice(self.fonts), self.rng.randint(18, 56), kinds)
        return picture, marks, text

    def line(self, budget, letters, alphabet=None):
        picture, marks, text = self.line_picture(letters, alphabet)
        return self.fit(picture, budget), marks, text

    def picture_batch(self, kind, level):
        rows, aspect = [], self.aspect(level["budget"])
        for _ in range(level["n"]):
            if kind == "scene":
                picture, objects = self.scene(level["budget"], level["most"], level["sizes"], level["kinds"], aspect)
                marks = []
            else:
                picture, marks, _ = self.line(level["budget"], level["letters"], level.get("alphabet"))
                objects = []
            cols, lines = picture.size[0] // pictures.TOKEN, picture.size[1] // pictures.TOKEN
            rows.append((*pictures.patches(picture), *pictures.object_targets(cols, lines, objects),
                         pictures.character_targets(cols, lines, marks)))
        return dict(kind=kind, **padded_pictures(rows), kinds=np.concatenate([r[2] for r in rows]),
                    boxes=np.concatenate([r[3] for r in rows]), slots=np.concatenate([r[4] for r in rows]),
                    centres=np.concatenate([pictures.centres(r[1]) for r in rows]))

    def sound_batch(self, level):
        rows = []
        for _ in range(level["n"]):
            x, spans = self.spoken(self.rng.randint(*level["words"]))
            mel = speech.log_mel(x)
            rows.append((mel, speech.word_targets((len(mel) + 3) // 4, spans)))
        features, mask = padded_sounds([r[0] for r in rows])
        return dict(kind="sound", features=features, mask=mask, words=padded_targets([r[1] for r in rows]))

    def batch(self, kind, at):
        level = settled(self.rng, LEVELS[kind][at if self.rng.random() < TOP_SHARE[kind] else self.rng.randint(max(0, at - 3), at)])
        return self.sound_batch(level) if kind == "sound" else self.picture_batch(kind, level)


def padded_pictures(rows):
    """Pixels as bytes would be smaller, but bicubic results are whole numbers: the queue carries uint8."""
    most = max(len(r[0]) for r in rows)
    pixels = np.zeros((len(rows), most, 768), np.uint8)
    places = np.full((len(rows), most, 2), -1, np.int64)
    for i, r in enumerate(rows):
        pixels[i, :len(r[0])] = np.rint(r[0] * 255)
        places[i, :len(r[1])] = r[1]
    return dict(pixels=pixels, places=places)


def padded_sounds(mels):
    most = max(map(len, mels))
    features, mask = np.zeros((len(mels), most, 128), np.float32), np.zeros((len(mels), most), bool)
    for i, mel in enumerate(mels):
        features[i, :len(mel)], mask[i, :len(mel)] = mel, True
    return features, mask


def padded_targets(rows):
    """Targets of audio tokens [n, most, 4]; -100 beyond a sound's end."""
    out = np.full((len(rows), max(map(len, rows)), rows[0].shape[1]), -100, np.int64)
    for i, y in enumerate(rows):
        out[i, :len(y)] = y
    return out


def produce(queue, seed, cache, names, levels, weights):
    """Process body: fill the queue for ever. levels: shared integers by kind; weights: shared shares by kind."""
    import torch
    torch.set_num_threads(1)
    source = Source(seed, cache)
    while True:
        shares = [weights[i] for i in range(len(names))]
        k = source.rng.choices(range(len(names)), shares)[0]
        queue.put(source.batch(names[k], levels[k]))
