"""An hour of generated speech with known words and gaps through transcribe: is every second told, is memory flat, are the times
in order, does silence hold no speech, and are as many words right as in short clips?

usage: long_sound.py TESSERA [--model DIR] [--seconds N] [--window S] [--keep FOLDER] [--seed N]

Needs espeak-ng. The words are those that the small model of this repository knows. Exit code 1 when a promise is broken.
"""

import array
import json
import os
import random
import subprocess
import sys
import wave

from long_check import HERE, arguments, check, check_memory, folder, run

sys.path.insert(0, os.path.join(HERE, "train"))
from vocabulary import DIGITS, WORDS  # noqa: E402

VOICES = ["en-us+m4", "en-us+f5", "en+m8", "en+f5", "en-us+rob", "en+belinda"]
RATE = 22050  # espeak-ng's own
SHORT_CLIPS = 60
MAX_GROWTH = 12          # MiB that the resident set may grow after the first fifth
WORSE_AT_MOST = 0.08     # word errors of the long sound above those of short clips
UNHEARD_AT_MOST = 0.3    # seconds of an utterance outside what was heard


def say(text, voice, speed, path):
    subprocess.run(["espeak-ng", "-v", voice, "-s", str(speed), "-w", path, text], check=True)
    with wave.open(path) as w:
        assert w.getframerate() == RATE and w.getsampwidth() == 2 and w.getnchannels() == 1
        x = array.array("h", w.readframes(w.getnframes()))
    loud = [i for i in range(0, len(x), 50) if abs(x[i]) > 300]
    return x[max(0, loud[0] - 400):loud[-1] + 400] if loud else x


def write_wav(path, samples):
    with wave.open(path, "wb") as w:
        w.setnchannels(1)
        w.setsampwidth(2)
        w.setframerate(RATE)
        w.writeframes(samples.tobytes())


def make_phrases(rng, n, folder):
    phrases = []
    for _ in range(n):
        words = [rng.choice(DIGITS if rng.random() < 0.45 else WORDS) for _ in range(rng.randint(2, 7))]
        x = say(" ".join(words), rng.choice(VOICES), rng.randint(120, 180), os.path.join(folder, "phrase.wav"))
        phrases.append((words, x))
    return phrases


def hiss(rng, n, level):
    return array.array("h", (int(rng.uniform(-level, level)) for _ in range(n)))


def make_long(rng, phrases, seconds, path):
    """Phrases with gaps of half a second to eight, now and then half a minute; some minutes under hiss."""
    truth, at = [], 0
    noise = hiss(rng, RATE * 20, 60)
    with wave.open(path, "wb") as w:
        w.setnchannels(1)
        w.setsampwidth(2)
        w.setframerate(RATE)
        while at < seconds * RATE:
            gap = rng.uniform(20, 30) if rng.random() < 0.01 else rng.uniform(0.5, 8) if rng.random() < 0.4 else rng.uniform(0.15, 0.6)
            words, x = rng.choice(phrases)
            noisy = at // RATE // 120 % 3 == 2
            n = int(gap * RATE)
            w.writeframes((noise[:n] if noisy else array.array("h", bytes(2 * n))).tobytes()
                          if n <= len(noise) or not noisy else (noise + noise)[:n].tobytes())
            if noisy:
                x = array.array("h", (max(-32768, min(32767, a + b)) for a, b in zip(x, noise)))
            w.writeframes(x.tobytes())
            truth.append(((at + n) / RATE, (at + n + len(x)) / RATE, words))
            at += n + len(x)
        w.writeframes(bytes(2 * RATE))
    return truth, (at + RATE) / RATE


def transcribe(tessera, rest):
    r = run([tessera, "transcribe", *rest])
    if r.code not in (0, 65):
        sys.exit(f"transcribe ended with {r.code}: {r.err}")
    return r


def as_heard(words):
    return [str(DIGITS.index(w)) if w in DIGITS else w for w in words]


def errors(want, got):
    row = list(range(len(got) + 1))
    for i, w in enumerate(want, 1):
        last, row[0] = row[0], i
        for j, g in enumerate(got, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (w != g))
    return row[-1]


def words_of(text):
    return ["".join(c for c in w if c.isalnum()) for w in text.lower().split()]


def check_account(v, seconds):
    spans, cues, ok = v["spans"], v["cues"], True
    gaps = [i for i in range(1, len(spans)) if spans[i]["from"] != spans[i - 1]["to"]]
    ok &= check(not gaps and spans[0]["from"] == 0 and abs(spans[-1]["to"] - seconds) < 0.01,
                f"{len(spans)} spans touch and cover all {seconds:.1f} s")
    total = sum(v["seconds"].values())
    ok &= check(abs(total - seconds) < 0.05, f"speech {v['seconds']['speech']:.0f} s, silence {v['seconds']['silence']:.0f} s, "
                                             f"failed {v['seconds']['failed']:.0f} s: {total:.1f} s")
    bad = [c for i, c in enumerate(cues) if c["to"] <= c["from"] or (i and c["from"] < cues[i - 1]["to"])]
    wide = [c for c in cues if len(c["text"].split("\n")) > 2 or max(map(len, c["text"].split("\n"))) > 42]
    ok &= check(not bad and not wide, f"{len(cues)} cues are in order and within two lines of 42 columns")
    return ok


def check_silence(v, truth):
    """What is said is never outside what was heard (its very edges may be)."""
    heard, worst, at = [s for s in v["spans"] if s["kind"] != "silence"], 0, 0
    for begin, end, _ in truth:
        while at < len(heard) and heard[at]["to"] <= begin:
            at += 1
        inside, k = 0, at
        while k < len(heard) and heard[k]["from"] < end:
            inside += min(end, heard[k]["to"]) - max(begin, heard[k]["from"])
            k += 1
        worst = max(worst, end - begin - inside)
    return check(worst <= UNHEARD_AT_MOST, f"of {len(truth)} utterances none has more than {worst:.2f} s outside what was heard")


def main():
    p = arguments()
    p.add_argument("--seconds", type=float, default=3600)
    p.add_argument("--window", default="4", help="seconds; the small model hears short sounds best")
    p.add_argument("--pause", default="0.35")
    p.add_argument("--seed", type=int, default=1)
    a = p.parse_args()
    rng = random.Random(a.seed)
    with folder(a.keep) as kept:
        phrases = make_phrases(rng, 200, kept)
        long_path = os.path.join(kept, "long.wav")
        truth, seconds = make_long(rng, phrases, a.seconds, long_path)
        with open(os.path.join(kept, "truth.json"), "w") as f:
            json.dump(truth, f)
        common = ["-m", a.model, "--window", a.window, "--pause", a.pause, "--json", "--quiet"]
        r = transcribe(a.tessera, [*common, long_path])
        print(f"        {seconds:.0f} s of sound in {r.seconds:.0f} s")
        v = json.loads(r.out)
        with open(os.path.join(kept, "long.json"), "w") as f:
            f.write(r.out)
        ok = check_account(v, seconds) & check_silence(v, truth) & check_memory("transcribe", r.mib, MAX_GROWTH)

        clips = []
        for i, (words, x) in enumerate(phrases[:SHORT_CLIPS]):
            clips.append(os.path.join(kept, f"clip{i}.wav"))
            write_wav(clips[-1], array.array("h", bytes(2 * 4000)) + x + array.array("h", bytes(2 * 4000)))
        out = transcribe(a.tessera, [*common, *clips]).out
        short = [json.loads(line)["text"] for line in out.splitlines()]
        n = sum(len(words) for words, _ in phrases[:SHORT_CLIPS])
        wrong = sum(errors(as_heard(w), words_of(t)) for (w, _), t in zip(phrases, short))
        want = as_heard([w for _, _, words in truth for w in words])
        wrong_long = errors(want, words_of(v["text"]))
        ok &= check(wrong_long / len(want) <= wrong / n + WORSE_AT_MOST,
                    f"word errors: {wrong_long / len(want):.1%} of {len(want)} words, in short clips {wrong / n:.1%} of {n}")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
