"""Samples and batches for the join stage: pictures and sounds inside chats, answers to be learnt.

A sample is a dict: pictures [(pixels, places, kinds, boxes, slots)], sounds [(mel, word targets)], text [(piece, learn)] in
the order of the prompt. Several questions about one picture make several turns, so a tower's work serves them all.
"""

import os

import numpy as np
from tokenizers import Tokenizer

import batches
import chat
import pictures
import speech
import tasks
from model import SPECIAL
from vocabulary import WORDS

SCENE_LEVELS = [
    dict(budget=12, n=24, most=2, sizes=("medium", "large", "huge"), kinds=("plain", "gradient"), turns=3),
    dict(budget=30, n=16, most=3, sizes=("small", "medium", "large"), kinds=("plain", "gradient", "noise"), turns=3),
    dict(budget=70, n=10, most=5, sizes=("small", "medium", "large"), kinds=("plain", "gradient", "noise"), turns=4),
]
LINE_LEVELS = [dict(budget=12, n=24, letters=(1, 4)), dict(budget=30, n=16, letters=(3, 12)), dict(budget=70, n=10, letters=(4, 24))]
SOUND_LEVELS = [dict(n=20, words=(1, 3)), dict(n=14, words=(0, 6)), dict(n=8, words=(0, 16)), dict(n=5, words=(0, 36))]
LEVELS = {"scene": SCENE_LEVELS, "line": LINE_LEVELS, "sound": SOUND_LEVELS}


class Conversations(batches.Source):
    """Makes chats; `split` chooses voices, fonts and wordings."""

    def __init__(self, seed, cache, tokenizer_folder, split="train"):
        super().__init__(seed, cache, split)
        self.split = split
        self.tokenizer = Tokenizer.from_file(os.path.join(tokenizer_folder, "tokenizer.json"))

    def seen(self, picture, objects=(), marks=()):
        """The arrays of one picture and its number of soft tokens."""
        cols, rows = picture.size[0] // pictures.TOKEN, picture.size[1] // pictures.TOKEN
        arrays = (*pictures.patches(picture), *pictures.object_targets(cols, rows, objects),
                  pictures.character_targets(cols, rows, marks))
        return arrays, cols * rows

    def heard(self, samples, spans=()):
        mel = speech.log_mel(samples)
        n = (len(mel) + 3) // 4
        return (mel, speech.word_targets(n, spans)), n

    def chat(self, turns, **arrays):
        """turns: [(user text, answer)]; text of the whole conversation with the answers marked."""
        text, start = [], chat.prompt([], tasks.system_turn(self.rng))
        start = start[:-len("<|turn>model\n")]
        for question, answer in turns:
            text.append((f"{start}<|turn>user\n{question}<turn|>\n<|turn>model\n", False))
            text.append((answer + "<turn|>", True))
            start = "\n"
        return dict(dict(pictures=[], sounds=[]), text=text, **arrays)

    def scene_sample(self, level):
        picture, objects = self.scene(level["budget"], level["most"], level["sizes"], level["kinds"])
        arrays, n = self.seen(picture, objects)
        turns, names = [], []
        for _ in range(self.rng.randint(1, level["turns"])):
            task, question, answer = tasks.about_scene(self.rng, objects, self.split)
            if task not in names:
                names.append(task)
                turns.append((question if turns else chat.image(n) + question, answer))
        return dict(self.chat(turns, pictures=[arrays]), task=names, truth=objects)

    def line_sample(self, level):
        picture, marks, text = self.line(level["budget"], level["letters"])
        arrays, n = self.seen(picture, (), marks)
        task, question, answer = tasks.about_line(self.rng, text, self.split)
        return dict(self.chat([(chat.image(n) + question, answer)], pictures=[arrays]), task=[task], truth=text)

    def sound_sample(self, level):
        samples, spans = speech.utterance(self.rng, self.np_rng, self.bank, self.rng.randint(*level["words"]))
        words = [WORDS[w] for _, _, w in spans]
        arrays, n = self.heard(samples, spans)
        task, question, answer = tasks.about_speech(self.rng, words, self.split)
        return dict(self.chat([(question + chat.sound(n), answer)], sounds=[arrays]), task=[task], truth=words)

    def sample(self, kind, level):
        return {"scene": self.scene_sample, "line": self.line_sample, "sound": self.sound_sample}[kind](level)

    def batch(self, kind, at):
        level = LEVELS[kind][at if self.rng.random() < 0.85 else self.rng.randint(0, at)]
        return dict(collate([self.sample(kind, level) for _ in range(level["n"])], self.tokenizer), kind=kind)


def encoded(sample, tokenizer):
    """Token ids and labels (-100 where nothing is learnt)."""
    ids, labels = [], []
    for piece, learn in sample["text"]:
        new = tokenizer.encode(piece, add_special_tokens=False).ids
        ids += new
        labels += new if learn else [-100] * len(new)
    return ids, labels


def collate(samples, tokenizer):
    rows = [encoded(s, tokenizer) for s in samples]
    most = max(len(ids) for ids, _ in rows)
    out = dict(ids=np.full((len(rows), most), SPECIAL["<pad>"], np.int64), labels=np.full((len(rows), most), -100, np.int64),
               attention=np.zeros((len(rows), most), np.int64))
    for i, (ids, labels) in enumerate(rows):
        out["ids"][i, :len(ids)], out["labels"][i, :len(ids)], out["attention"][i, :len(ids)] = ids, labels, 1
    seen = [p for s in samples for p in s["pictures"]]
    if seen:
        out.update(batches.padded_pictures(seen), kinds=np.concatenate([p[2] for p in seen]), boxes=np.concatenate([p[3] for p in seen]),
                   slots=np.concatenate([p[4] for p in seen]))
    heard = [s for sample in samples for s in sample["sounds"]]
    if heard:
        features, mask = batches.padded_sounds([h[0] for h in heard])
        words = np.full((len(heard), (features.shape[1] + 3) // 4), -100, np.int64)
        for i, (_, y) in enumerate(heard):
            words[i, :len(y)] = y
        out.update(features=features, mask=mask, words=words)
    return out


def produce(queue, seed, cache, tokenizer_folder, levels, weights):
    """Process body, as batches.produce."""
    import torch
    torch.set_num_threads(1)
    source, names = Conversations(seed, cache, tokenizer_folder), list(LEVELS)
    while True:
        k = source.rng.choices(range(len(names)), [weights[i] for i in range(len(names))])[0]
        queue.put(source.batch(names[k], levels[k]))
