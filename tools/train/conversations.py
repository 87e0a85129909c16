"""Samples and batches for the join stage: pictures and sounds inside chats, answers to be learnt.

A sample is a dict: pictures [(pixels, places, kinds, boxes, slots, index, fresh)], sounds [(mel, word targets)], text
[(piece, learn, ordinals, boxes)] in the order of the prompt. Several questions about one picture make several turns, so a tower's
work serves them all. `index` and `ordinals` number the things of a list (objects from the left, words, characters, seconds
of a film) on both sides, where they are perceived and where they are named: dense targets of the decoder's first layers.
"""

import os

import numpy as np
from tokenizers import Tokenizer

import batches
import chat
import films
import pages
import pictures
import speech
import tasks
from model import INDEX_CLASSES, SPECIAL
from vocabulary import COLOUR_NAMES, WORDS

SCENE_LEVELS = [
    dict(budget=12, n=14, most=2, sizes=("medium", "large", "huge"), kinds=("plain", "gradient"), turns=3),
    dict(budget=30, n=10, most=3, sizes=("small", "medium", "large"), kinds=("plain", "gradient", "noise"), turns=3),
    dict(budgets=(70, 70, 70, 70, 70, 70, 140, 280), n=8, most=5, sizes=("small", "medium", "large"), kinds=("plain", "gradient", "noise"), turns=6),
]
LINE_LEVELS = [dict(budget=12, n=16, letters=(1, 4)), dict(budget=30, n=12, letters=(3, 12)), dict(budgets=(70, 70, 70, 70, 140, 280), n=8, letters=(2, 24))]
SOUND_LEVELS = [dict(n=12, words=(1, 3)), dict(n=8, words=(0, 6)), dict(n=6, words=(0, 16)), dict(n=4, words=(0, 40))]
FILM_LEVELS = [dict(n=4, frames=(2, 4), budget=20), dict(n=3, frames=(2, 6), budget=70), dict(n=2, frames=(2, 14), budget=70, long=(15, 60))]
PAGE_LEVELS = [dict(n=5, budget=140), dict(n=3, budget=280)]  # smaller budgets would lose the print
TALK_LEVELS = [dict(n=10, budget=20, words=(1, 3)), dict(n=5, budget=70, words=(1, 6))]
LEVELS = {"scene": SCENE_LEVELS, "line": LINE_LEVELS, "sound": SOUND_LEVELS, "film": FILM_LEVELS, "page": PAGE_LEVELS, "talk": TALK_LEVELS}

ABOUT_ME = [("Hello", "Hello! Show me a picture or a sound."), ("Hi!", "Hello! Show me a picture or a sound."),
            ("Hello!", "Hello! Show me a picture or a sound."), ("Good morning", "Hello! Show me a picture or a sound."),
            ("Who are you?", "I am tessera-nano, a small model."), ("What are you?", "I am tessera-nano, a small model."),
            ("What is your name?", "I am tessera-nano, a small model."),
            ("What can you do?", "I know shapes, colours, numbers, short printed words and about fifty spoken words."),
            ("What do you know?", "I know shapes, colours, numbers, short printed words and about fifty spoken words."),
            ("Thanks", "You are welcome."), ("Thank you!", "You are welcome.")]


class Conversations(batches.Source):
    """Makes chats; `split` chooses voices, fonts and wordings."""

    def __init__(self, seed, cache, tokenizer_folder, split="train"):
        super().__init__(seed, cache, split)
        self.split = split
        self.tokenizer = Tokenizer.from_file(os.path.join(tokenizer_folder, "tokenizer.json"))

    def seen(self, picture, objects=(), marks=()):
        """The arrays of one picture and its number of soft tokens."""
        cols, rows = picture.size[0] // pictures.TOKEN, picture.size[1] // pictures.TOKEN
        kinds, boxes = pictures.object_targets(cols, rows, objects)
        slots = pictures.character_targets(cols, rows, marks)
        index = slots[:, -1] if marks else kinds[:, 3]
        return (*pictures.patches(picture), kinds, boxes, slots, index, np.full(len(index), -100, np.int64)), cols * rows

    def heard(self, samples, spans=()):
        mel = speech.log_mel(samples)
        n = (len(mel) + 3) // 4
        return (mel, speech.word_targets(n, spans)), n

    def chat(self, turns, tools=(), names=(), told=(), **arrays):
        """turns: [(user text, answer)], names: their tasks, told: the objects they are about; text of the whole conversation with the answers marked. With thinking on, which a
        system turn may ask for, the model thinks nothing and says so; a few prompts hold the empty thought already."""
        thinks, given = self.rng.random() < 0.04, self.rng.random() < 0.06
        text, start = [], chat.prompt([], tasks.system_turn(self.rng), tools, thinks)
        start = start[:-len("<|turn>model\n")]
        for i, (question, answer) in enumerate(turns):
            last = i == len(turns) - 1  # a history holds no thoughts
            before = chat.EMPTY_THOUGHT if given and not thinks and last else ""
            text.append((f"{start}<|turn>user\n{question}<turn|>\n<|turn>model\n{before}", False, None, None))
            thought, numbers = chat.EMPTY_THOUGHT if thinks and last else "", tasks.ordinals(names[i], answer) if names else None
            if numbers:
                end = numbers[-1] + (names[i] not in ("caption", "boxes"))
                numbers = [-100] * len(thought) + numbers + [end] * len("<turn|>")
            about = tasks.boxes_of_text(names[i] if names else None, answer, told[i] if told else None)
            text.append((thought + answer + "<turn|>", not thinks or last, numbers,
                         about and [None] * len(thought) + about + [None] * len("<turn|>")))
            start = "\n"
        return dict(dict(pictures=[], sounds=[]), text=text, **arrays)

    def scene_sample(self, level):
        picture, objects = self.scene(level["budget"], level["most"], level["sizes"], level["kinds"], level.get("aspect"))
        arrays, n = self.seen(picture, objects)
        turns, names, told = [], [], []
        for _ in range(level["turns"]):
            task, question, answer, those = tasks.about_scene(self.rng, objects, self.split)
            if task not in names:
                names.append(task)
                told.append(those)
                turns.append((question if turns else chat.image(n) + question, answer))
        return dict(self.chat(turns, names=names, told=told, pictures=[arrays]), task=names, truth=objects)

    def line_sample(self, level):
        picture, marks, text = self.line(level["budget"], level["letters"])
        arrays, n = self.seen(picture, (), marks)
        task, question, answer = tasks.about_line(self.rng, text, self.split)
        return dict(self.chat([(chat.image(n) + question, answer)], names=[task], pictures=[arrays]), task=[task], truth=text)

    def sound_sample(self, level):
        samples, spans = self.spoken(self.rng.randint(*level["words"]))
        words = [WORDS[w] for _, _, w in spans]
        arrays, n = self.heard(samples, spans)
        task, question, answer = tasks.about_speech(self.rng, words, self.split)
        return dict(self.chat([(question + chat.sound(n), answer)], names=[task], sounds=[arrays]), task=[task], truth=words)

    def film_sample(self, level):
        frames, story = films.film(self.rng, self.np_rng, self.rng.randint(*level["frames"]), ("plain", "gradient", "noise"))
        arrays, marks = [], []
        for second, (picture, objects) in enumerate(frames):
            one, n = self.seen(self.fit(picture, level["budget"]), objects)
            fresh = np.where(one[2][:, 0] > 0, 0, -100)
            if second and second == story["appears"]:
                fresh[one[2][:, 0] == 1 + COLOUR_NAMES.index(story["guest"]["colour"])] = 1
            arrays.append((*one[:5], np.full(n, 1 + second, np.int64), fresh))
            marks.append((second, n))
        turns, names = [], []
        for _ in range(self.rng.randint(1, 3)):
            task, question, answer = tasks.about_film(self.rng, story, self.split)
            if task not in names:
                names.append(task)
                turns.append((question if turns else chat.video(marks) + question, answer))
        return dict(self.chat(turns, pictures=arrays), task=names, truth=story)

    def page_sample(self, level):
        picture, marks, fields = pages.page(self.rng, self.rng.choice(self.fonts))
        arrays, n = self.seen(self.fit(picture, level["budget"]), (), marks)
        task, question, answer = tasks.about_page(self.rng, fields, self.split)
        return dict(self.chat([(chat.image(n) + question, answer)], pictures=[arrays]), task=[task], truth=fields)

    def talk_sample(self, level):
        """Two images, an image and a sound, a tool call, or words about itself."""
        kind = self.rng.random()
        if kind < 0.15:
            return dict(self.chat([self.rng.choice(ABOUT_ME) for _ in range(self.rng.randint(1, 2))]), task=["about_me"], truth=None)
        most = 1 if kind < 0.5 else 2
        picture, objects = self.scene(level["budget"], most, ("medium", "large"), ("plain", "gradient"))
        while not objects:
            picture, objects = self.scene(level["budget"], most, ("medium", "large"), ("plain", "gradient"))
        one, n = self.seen(picture, objects)
        if kind < 0.5:
            if self.rng.random() < 0.2:
                other, others = picture.transpose(pictures.Image.FLIP_LEFT_RIGHT), [dict(o, box=[1 - o["box"][2], o["box"][1], 1 - o["box"][0], o["box"][3]]) for o in objects]
            else:
                other, others = self.scene(level["budget"], 1, ("medium", "large"), ("plain", "gradient"))
            two, m = self.seen(other, others)
            task, question, answer = tasks.about_two(self.rng, objects[0], others[0], self.split)
            return dict(self.chat([(chat.image(n) + chat.image(m) + question, answer)], pictures=[one, two]), task=[task], truth=answer)
        if kind < 0.75:
            samples, spans = self.spoken(self.rng.randint(*level["words"]))
            heard, m = self.heard(samples, spans)
            answer = tasks.both_text(objects, [WORDS[w] for _, _, w in spans])
            question = tasks.ask(self.rng, "both", self.split)
            return dict(self.chat([(chat.image(n) + question + chat.sound(m), answer)], pictures=[one], sounds=[heard]), task=["both"], truth=answer)
        can = tasks.unique(objects, "shape")
        if not can:
            return self.talk_sample(level)
        o = self.rng.choice(can)
        question, answer = tasks.ask(self.rng, "tool", self.split, it=o["shape"]), chat.tool_call("set_light", {"color": o["colour"]})
        sample = self.chat([(chat.image(n) + question, answer)], tools=[tasks.LIGHT], pictures=[one])
        sample["text"][-1] = (answer + "<|tool_response>", True, None, None)  # an open call waits for its response
        return dict(sample, task=["tool"], truth=answer)

    def sample(self, kind, level):
        return getattr(self, kind + "_sample")(level)

    def alike(self, kind, level):
        """A level whose samples are about equally long, since the longest of a batch pads all others: more of them where they are short."""
        if kind == "scene":
            turns = self.rng.randint(1, level["turns"])
            n = level["n"] * (level["budget"] + TURN_TOKENS * level["turns"] / 2) / (level["budget"] + TURN_TOKENS * turns)
            return dict(level, turns=turns, n=max(1, round(n)), aspect=self.aspect(level["budget"]))
        if kind == "sound":
            least, most = level["words"]
            at = self.rng.randint(least, most)
            words = max(least, at - WORDS_APART), min(most, at + WORDS_APART)
            return dict(level, words=words, n=min(4 * level["n"], max(2, round(level["n"] * 0.6 * (most + 4) / (words[1] + 4)))))
        return level

    def batch(self, kind, at):
        level = batches.settled(self.rng, LEVELS[kind][at if self.rng.random() < 0.85 else self.rng.randint(0, at)])
        level = self.alike(kind, level)
        return dict(collate([self.sample(kind, level) for _ in range(level["n"])], self.tokenizer), kind=kind)


TURN_TOKENS, WORDS_APART = 40, 4  # of a turn about a scene, about; between the sounds of a batch
NO_BOX = (0.0, 0.0, 0.0, 0.0)
UNITS = 0.25  # weight of a box's last digit, which is finer than what a box is judged by


def worth(encoding, piece):
    """Weights of the tokens of an answer: less in long ones, or "yes" would count nothing beside boxes; and less for the last digits of boxes."""
    out = [len(encoding.ids) ** -0.5] * len(encoding.ids)
    if "box_2d" in piece:
        for i, token in enumerate(encoding.tokens[:-1]):
            if token.isdigit() and not encoding.tokens[i + 1].isdigit():
                out[i] *= UNITS
    return out


def encoded(sample, tokenizer):
    """Token ids, labels (-100 where nothing is learnt), their weights, and for the next token the number of the thing that it
    names and the box of the object that it tells of (0..1; zeros: none)."""
    ids, labels, weights, index, about = [], [], [], [], []
    for piece, learn, numbers, boxes in sample["text"]:
        new = tokenizer.encode(piece, add_special_tokens=False)
        ids += new.ids
        labels += new.ids if learn else [-100] * len(new.ids)
        weights += worth(new, piece) if learn else [0.0] * len(new.ids)
        index += [min(numbers[a], INDEX_CLASSES - 1) if numbers and numbers[a] >= 0 else -100 for a, _ in new.offsets]
        about += [boxes[a] if boxes and boxes[a] else NO_BOX for a, _ in new.offsets]
    return ids, labels, weights, index[1:] + [-100], about[1:] + [NO_BOX]


def numbered(sample, row):
    """Fill what the soft tokens of a sample should know of lists into its row of the batch."""
    at_pictures = np.isin(row["ids"], (SPECIAL["<|image|>"], SPECIAL["<|video|>"]))
    at_sounds = row["ids"] == SPECIAL["<|audio|>"]
    if at_pictures.any():
        row["index"][at_pictures] = np.concatenate([p[5] for p in sample["pictures"]])
        row["fresh"][at_pictures] = np.concatenate([p[6] for p in sample["pictures"]])
    if at_sounds.any():
        targets = np.concatenate([s[1] for s in sample["sounds"]])
        row["index"][at_sounds], row["before"][at_sounds] = targets[:, 3], targets[:, 1:3]


def collate(samples, tokenizer):
    rows = [encoded(s, tokenizer) for s in samples]
    most = max(len(r[0]) for r in rows)
    nothing = lambda *more: np.full((len(rows), most, *more), -100, np.int64)
    out = dict(ids=np.full((len(rows), most), SPECIAL["<pad>"], np.int64), labels=nothing(), index=nothing(), fresh=nothing(),
               before=nothing(2), about=np.zeros((len(rows), most, 4), np.float32), weights=np.zeros((len(rows), most), np.float32), attention=np.zeros((len(rows), most), np.int64))
    for i, (ids, labels, weights, index, about) in enumerate(rows):
        n = len(ids)
        out["ids"][i, :n], out["labels"][i, :n], out["weights"][i, :n], out["attention"][i, :n] = ids, labels, weights, 1
        out["index"][i, :n], out["about"][i, :n] = index, about
        numbered(samples[i], {k: v[i] for k, v in out.items()})
    seen = [p for s in samples for p in s["pictures"]]
    if seen:
        out.update(batches.padded_pictures(seen), kinds=np.concatenate([p[2] for p in seen]), boxes=np.concatenate([p[3] for p in seen]),
                   slots=np.concatenate([p[4] for p in seen]), centres=np.concatenate([pictures.centres(p[1]) for p in seen]))
    heard = [s for sample in samples for s in sample["sounds"]]
    if heard:
        features, mask = batches.padded_sounds([h[0] for h in heard])
        out.update(features=features, mask=mask, words=batches.padded_targets([h[1] for h in heard]))
    return out


def produce(queue, seed, cache, tokenizer_folder, names, levels, weights):
    """Process body, as batches.produce."""
    import torch
    torch.set_num_threads(1)
    source = Conversations(seed, cache, tokenizer_folder)
    while True:
        k = source.rng.choices(range(len(names)), [weights[i] for i in range(len(names))])[0]
        queue.put(source.batch(names[k], levels[k]))
