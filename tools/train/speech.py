"""Spoken words with known word borders, made by libespeak-ng in this process and kept as one bank of clips.

A bank is a folder: samples.i16 (all clips end to end, 16 kHz mono) and index.npz (per clip: offset, length, voice;
per word: clip, word index, first and last sample). Training and held-out banks differ in voices, speeds and seed.

usage: speech.py BANK_FOLDER {train,heldout} N_WORD_CLIPS N_PHRASES
"""

import ctypes
import os
import random
import sys

import numpy as np
from scipy.signal import resample_poly

from vocabulary import DIGITS, SAMPLE_RATE, WORDS

TRAIN_ACCENTS = ("en-US", "en", "en-GB-scotland", "en-GB-x-rp", "en-GB-x-gbcwmd", "en-GB-x-gbclan", "en-029")
TRAIN_VARIANTS = ("m1 m2 m3 m5 m6 m7 f1 f2 f3 f4 klatt klatt2 klatt3 klatt4 klatt5 klatt6 antonio linda max Alicia steph steph2 steph3 "
                  "Alex Andrea Annie Denis Diogo Gene Gene2 Henrique Hugo Jacky Lee Marco Mario Michael Mike Nguyen RicishayMax "
                  "RicishayMax2 RicishayMax3 Tweaky adam anika announcer aunty benjamin boris caleb croak david ed edward edward2 fast "
                  "grandma grandpa gustave iven iven2 iven3 iven4 john kaukovalta marcelo michel miguel norbert pablo paul pedro quincy "
                  "robert sandro shelby travis victor whisper whisperf zac").split()
TRAIN_VOICES = [f"gmw/{accent}{variant}" for accent in TRAIN_ACCENTS for variant in [""] + ["+" + v for v in TRAIN_VARIANTS]]
HELDOUT_VOICES = [f"gmw/{accent}{variant}" for accent in ("en-US", "en", "en-029", "en-GB-x-gbclan")
                  for variant in ("+m4", "+m8", "+f5", "+Andy", "+belinda", "+rob")]
TRAIN_RATES, HELDOUT_RATES = (115, 210), (120, 200)

_RATE, _PITCH, _RANGE = 1, 3, 4
_SYNCHRONOUS, _UTF8, _WORD_EVENT, _LAST_EVENT = 2, 1, 1, 0


class _Event(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int), ("identifier", ctypes.c_uint), ("text_position", ctypes.c_int),
                ("length", ctypes.c_int), ("audio_ms", ctypes.c_int), ("sample", ctypes.c_int),
                ("user", ctypes.c_void_p), ("id", ctypes.c_char * 8)]


class Speaker:
    """One espeak-ng voice at a time; `say` gives samples at 16 kHz and the sample at which each word starts."""

    def __init__(self):
        self.lib = ctypes.CDLL("libespeak-ng.so.1")
        self.rate = self.lib.espeak_Initialize(_SYNCHRONOUS, 0, None, 0)
        if self.rate <= 0:
            raise RuntimeError("espeak-ng does not start")
        self.pieces, self.starts = [], []
        kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))
        self.callback = kind(self._receive)  # kept: the library holds only the address
        self.lib.espeak_SetSynthCallback(self.callback)

    def _receive(self, samples, n, events):
        if samples and n > 0:
            self.pieces.append(np.ctypeslib.as_array(samples, (n,)).copy())
        i = 0
        while events[i].type != _LAST_EVENT:
            if events[i].type == _WORD_EVENT:
                self.starts.append((events[i].text_position, events[i].audio_ms))
            i += 1
        return 0

    def say(self, text, voice, rate, pitch):
        self.pieces, self.starts = [], []
        if self.lib.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ValueError(f"no voice {voice}")
        for key, value in ((_RATE, rate), (_PITCH, pitch), (_RANGE, 50)):
            self.lib.espeak_SetParameter(key, value, 0)
        raw = text.encode()
        self.lib.espeak_Synth(raw, len(raw) + 1, 0, 1, 0, _UTF8, None, None)
        if not self.pieces:
            return None, []
        x = np.concatenate(self.pieces).astype(np.float32)
        starts = [int(ms * SAMPLE_RATE / 1000) for _, ms in self.starts]
        return resample_poly(x, SAMPLE_RATE, self.rate).astype(np.float32), starts


def trimmed(x, starts):
    """Cut silence from both ends, keep 10 ms; None when nothing is to be heard."""
    loud = np.where(np.abs(x) > 0.01 * 32768)[0]
    if len(loud) == 0:
        return None, None
    first, last = max(0, loud[0] - 160), min(len(x), loud[-1] + 160)
    return x[first:last], [min(max(0, s - first), last - first) for s in starts]


def random_words(rng, n):
    pool = DIGITS if rng.random() < 0.45 else WORDS
    return [rng.choice(pool) for _ in range(n)]


def build(folder, split, n_word_clips, n_phrases):
    rng = random.Random(f"{split} speech")
    voices = TRAIN_VOICES if split == "train" else HELDOUT_VOICES
    rates = TRAIN_RATES if split == "train" else HELDOUT_RATES
    speaker = Speaker()
    os.makedirs(folder, exist_ok=True)
    clips, words, at = [], [], 0
    part = os.path.join(folder, "samples.part")
    with open(part, "wb") as out:
        for i in range(n_word_clips + n_phrases):
            text = [WORDS[i % len(WORDS)]] if i < n_word_clips else random_words(rng, rng.randint(2, 8))
            voice = rng.randrange(len(voices))
            x, starts = speaker.say(" ".join(text), voices[voice], rng.randint(*rates), rng.randint(20, 80))
            if x is None:
                continue
            x, starts = trimmed(x, starts)
            if x is None or len(starts) != len(text):
                continue
            for k, w in enumerate(text):
                end = starts[k + 1] if k + 1 < len(text) else len(x)
                words.append((len(clips), WORDS.index(w), starts[k], end))
            clips.append((at, len(x), voice))
            at += len(x)
            out.write(np.clip(x, -32768, 32767).astype(np.int16).tobytes())
    os.replace(part, os.path.join(folder, "samples.i16"))
    np.savez(os.path.join(folder, "index.npz"), clips=np.array(clips), words=np.array(words))
    print(len(clips), "clips", at / SAMPLE_RATE, "seconds")


class Bank:
    """Read access to a bank: clips by voice, each with its words and their borders."""

    def __init__(self, folder):
        self.samples = np.memmap(os.path.join(folder, "samples.i16"), np.int16, "r")
        index = np.load(os.path.join(folder, "index.npz"))
        self.clips, words = index["clips"], index["words"]
        cuts = np.searchsorted(words[:, 0], np.arange(len(self.clips) + 1))
        self.words = [words[cuts[i]:cuts[i + 1], 1:] for i in range(len(self.clips))]
        self.by_voice = {}
        for i, (_, _, voice) in enumerate(self.clips):
            self.by_voice.setdefault(int(voice), []).append(i)
        self.voices = sorted(self.by_voice)

    def clip(self, i):
        at, n, _ = self.clips[i]
        return self.samples[at:at + n].astype(np.float32) / 32768, self.words[i]


def noise(rng, np_rng, n):
    """Background of n samples at unit level: white, or smoothed to sound darker."""
    x = np_rng.standard_normal(n).astype(np.float32)
    if rng.random() < 0.5:
        k = rng.choice([3, 8, 20])
        x = np.convolve(x, np.ones(k, np.float32) / k ** 0.5, "same").astype(np.float32)
    return x


class Bend:
    """More voices than the synthesizer has: faster or slower, higher or lower, darker or brighter; the same for a whole utterance."""

    def __init__(self, rng):
        self.factor, self.tilt = rng.uniform(0.86, 1.16), rng.uniform(-0.5, 0.5)

    def __call__(self, x, words):
        at = np.arange(0, len(x) - 1, self.factor, dtype=np.float32)
        y = np.interp(at, np.arange(len(x), dtype=np.float32), x).astype(np.float32)
        y[1:] += self.tilt * y[:-1]
        return y, [(w, int(a / self.factor), int(b / self.factor)) for w, a, b in words]


def utterance(rng, np_rng, bank, n_words, max_seconds=30.0, bend=None):
    """About n_words of one voice, and spans [(first sample, last sample, word index)]; n_words 0 gives silence or noise."""
    at = rng.randint(300, 6000)
    parts, spans = [np.zeros(at, np.float32)], []
    ids = bank.by_voice[rng.choice(bank.voices)]
    slow = rng.random() < 0.2
    while len(spans) < n_words:
        fits = [i for i in (rng.choice(ids) for _ in range(6)) if len(bank.words[i]) <= n_words - len(spans)]
        singles = [i for i in fits if len(bank.words[i]) == 1]
        if not fits:
            continue
        x, words = bank.clip(rng.choice(singles) if singles and rng.random() < 0.3 else rng.choice(fits))
        if bend:
            x, words = bend(x, words)
        gap = rng.randint(3000, 12000) if slow else rng.randint(200, 4500)
        if at + len(x) + gap > max_seconds * SAMPLE_RATE:
            break
        spans += [(at + int(a), at + int(b), int(w)) for w, a, b in words]
        parts += [x, np.zeros(gap, np.float32)]
        at += len(x) + gap
    if n_words == 0:
        parts.append(np.zeros(rng.randint(4000, 40000), np.float32))
    x = np.concatenate(parts) * rng.uniform(0.25, 1.2)
    level = rng.choice([0, 0, 0.0005, 0.001, 0.002, 0.004, 0.008]) if n_words else rng.choice([0, 0.001, 0.004, 0.02, 0.08])
    if level:
        x = x + noise(rng, np_rng, len(x)) * level
    return np.clip(x, -1, 1).astype(np.float32), spans


def _mel_bank():
    hz = lambda mel: 700 * (10 ** (mel / 2595) - 1)
    points = hz(np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 130))
    bins = np.linspace(0, 8000, 257)[:, None]
    left, mid, right = points[:-2], points[1:-1], points[2:]
    return np.maximum(0, np.minimum((bins - left) / (mid - left), (right - bins) / (right - mid)))


_BANK = _mel_bank().astype(np.float32)
_HANN = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(320) / 320)).astype(np.float32)


def log_mel(x):
    """[(len(x) - 1) // 160, 128] f32, the reference front end in single precision."""
    x = np.concatenate([np.zeros(160, np.float32), x])
    n = (len(x) - 321) // 160 + 1
    frames = np.lib.stride_tricks.sliding_window_view(x, 321)[::160][:n, :320] * _HANN
    return np.log(np.abs(np.fft.rfft(frames, 512)).astype(np.float32) @ _BANK + np.float32(1e-3))


def word_targets(n_tokens, spans):
    """[n, 4] per audio token: the word (0 nothing, 1 + index), the word before it and the one before that (0 at the start),
    how many words have been heard. -100 where that can't be known yet: in the first half of a word, and for the words
    before it where nothing is said."""
    y = np.zeros((n_tokens, 4), np.int64)
    y[:, 1:3] = -100
    one = two = 0
    for k, (first, last, word) in enumerate(spans):
        middle = (first + last) // 2 // 640
        y[first // 640:middle] = -100
        y[middle:, 3] = k + 1
        y[middle:last // 640 + 2, :3] = 1 + word, one, two
        one, two = 1 + word, one
    return y


if __name__ == "__main__":
    build(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
