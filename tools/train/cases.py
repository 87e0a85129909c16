"""Held-out questions for every ability: a Case is what one would ask, from seeds, voices, fonts and wordings never trained.

A case goes two ways that must agree: as files through the program's command line, and as arrays through the reference model.
"""

import json
import os
import subprocess
import tempfile
import wave

import numpy as np
import torch
from PIL import Image

import chat
import conversations
import films
import pages
import speech
import tasks
from model import SPECIAL

BUDGET, PAGE_BUDGET = 70, 280
SCENE = dict(budget=BUDGET, most=5, sizes=("small", "medium", "large"), kinds=("plain", "gradient", "noise"))
ANSWERS = ("count", "count_kind", "colour", "shape", "exists", "where", "relation", "larger")
ABILITIES = ("caption", "answer", "boxes", "read", "invoice", "hear", "silence", "translate", "film", "talk")
TALKS = ("system", "second turn", "differs", "both", "tool", "thinking", "empty thought", "about_me")


class Case:
    """parts: [("text", str) | ("image", picture) | ("audio", samples) | ("video", [picture, one a second])], in order."""

    def __init__(self, parts, answer, task, budget=BUDGET, system=None, tools=(), thinks=False, raw=None):
        self.parts, self.answer, self.task, self.budget = parts, answer, task, budget
        self.system, self.tools, self.thinks = system, tools, thinks
        self.raw = raw  # (text before, text after) of a prompt that the template can't be asked for: parts then hold the media alone

    # --- as files -------------------------------------------------------------------------------------------------

    def command(self, folder):
        """Arguments of `tessera` after the verb's model, with the files written into folder."""
        args = ["--budget", str(self.budget)]
        if self.system:
            args += ["--system", self.system]
        if self.thinks:
            args += ["--think"]
        if self.tools:
            path = os.path.join(folder, "tools.json")
            with open(path, "w") as f:
                json.dump(self.tools, f)
            args += ["--tools", path]
        if self.raw:
            args += ["--raw", "--text", self.raw[0]]
        for i, (kind, part) in enumerate(self.parts):
            args += ["--" + kind, part if kind == "text" else written(kind, part, os.path.join(folder, f"part{i}"))]
        return args + (["--text", self.raw[1]] if self.raw else [])

    # --- as arrays ------------------------------------------------------------------------------------------------

    def arrays(self, source):
        """Keyword arguments of the reference model."""
        seen, filmed, heard, counts, content = [], [], [], [], ""
        for kind, part in self.parts:
            if kind == "text":
                content += part.strip()
            elif kind == "image":
                one, n = source.seen(source.fit(part, self.budget))
                seen.append(one)
                content += chat.image(n)
            elif kind == "audio":
                one, n = source.heard(as_file(part))
                heard.append(one[0])
                content += chat.sound(n)
            else:
                with tempfile.TemporaryDirectory() as folder:
                    shown = through_file(written(kind, part, os.path.join(folder, "film")), part[0].size)
                frames = [source.seen(source.fit(p, BUDGET)) for p in shown]
                filmed += [f[0] for f in frames]
                counts.append(len(frames))
                content += chat.video([(i, n) for i, (_, n) in enumerate(frames)])
        if self.raw:
            text = "<bos>" + self.raw[0] + content + self.raw[1]
        else:
            text = chat.prompt([("user", content)], self.system, self.tools, self.thinks)
        out = {}
        for name, rows in (("pixel_values", seen), ("pixel_values_videos", filmed)):
            if rows:
                made = conversations.batches.padded_pictures(rows)
                out[name] = torch.from_numpy(made["pixels"]).float() / 255
                out[name.replace("pixel_values_videos", "video_position_ids").replace("pixel_values", "image_position_ids")] = torch.from_numpy(made["places"])
        if counts:
            out["num_frames_per_video"] = torch.tensor(counts)
        if heard:
            features, mask = conversations.batches.padded_sounds(heard)
            out.update(input_features=torch.from_numpy(features), input_features_mask=torch.from_numpy(mask))
        ids = torch.tensor([source.tokenizer.encode(text, add_special_tokens=False).ids])
        kinds = (ids == SPECIAL["<|image|>"]).long() + 2 * (ids == SPECIAL["<|video|>"]).long() + 3 * (ids == SPECIAL["<|audio|>"]).long()
        return dict(input_ids=ids, attention_mask=torch.ones_like(ids), mm_token_type_ids=kinds, **out)


def as_file(samples):
    """What samples are once they have been through a 16-bit file."""
    return np.rint(samples * 32767).astype(np.float32) / 32768


def written(kind, part, path):
    if kind == "image":
        part.save(path + ".png")
        return path + ".png"
    if kind == "audio":
        with wave.open(path + ".wav", "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(16000)
            out.writeframes(np.rint(part * 32767).astype("<i2").tobytes())
        return path + ".wav"
    encode(part, path + ".mkv")
    return path + ".mkv"


def encode(frames, path):
    """One picture a second as H.264; what is lost is lost before a case is asked either way (through_file)."""
    w, h = frames[0].size
    subprocess.run(["ffmpeg", "-loglevel", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{w}x{h}", "-r", "1", "-i", "-",
                    "-c:v", "libx264", "-crf", "18", "-pix_fmt", "yuv420p", path], input=b"".join(p.tobytes() for p in frames), check=True)


def through_file(path, size):
    """The pictures of an encoded film, as any reader sees them."""
    raw = subprocess.run(["ffmpeg", "-loglevel", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], capture_output=True, check=True).stdout
    n = size[0] * size[1] * 3
    return [Image.frombytes("RGB", size, raw[i:i + n]) for i in range(0, len(raw), n)]


class HeldOut(conversations.Conversations):
    """Cases of one ability after the other; wording is "trained" or "unseen"."""

    def __init__(self, seed, work, wording):
        super().__init__(seed, os.path.join(work, "cache"), os.path.join(work, "tokenizer"), "heldout")
        self.wording = "train" if wording == "trained" else "heldout"
        self.turn = 0

    def case(self, ability):
        if ability in ("caption", "answer", "boxes"):
            return self.scene_case(ability)
        if ability in ("hear", "silence", "translate"):
            return self.sound_case(ability)
        return getattr(self, ability + "_case")()

    def one_scene(self, **changed):
        while True:
            picture, objects = self.scene_picture(**{**SCENE, **changed})
            if objects:
                return picture, objects

    def scene_case(self, ability):
        while True:
            picture, objects = self.one_scene()
            task, question, answer, _ = tasks.about_scene(self.rng, objects, self.wording)
            if ability == task or (ability == "answer" and task in ANSWERS) or (ability == "boxes" and task == "boxes_of"):
                return Case([("image", picture), ("text", question)], answer, task)

    def read_case(self):
        picture, _, text = self.line_picture((4, 24))
        return Case([("image", picture), ("text", tasks.ask(self.rng, "read", self.wording))], text, "read")

    def invoice_case(self):
        picture, _, fields = pages.page(self.rng, self.rng.choice(self.fonts))
        task, question, answer = tasks.about_page(self.rng, fields, self.wording)
        return Case([("image", picture), ("text", question)], answer, task, PAGE_BUDGET)

    def sound_case(self, ability):
        while True:
            n = 0 if ability == "silence" else self.rng.randint(1, 40 if ability == "hear" else 16)
            samples, spans = speech.utterance(self.rng, self.np_rng, self.bank, n)
            task, question, answer = tasks.about_speech(self.rng, [conversations.WORDS[w] for _, _, w in spans], self.wording)
            if task == ("hear" if ability == "silence" else ability):
                return Case([("text", question), ("audio", samples)], answer, task)

    def film_case(self):
        frames, story = films.film(self.rng, self.np_rng, self.rng.randint(2, 60 if self.rng.random() < 0.2 else 14), ("plain", "gradient", "noise"))
        task, question, answer = tasks.about_film(self.rng, story, self.wording)
        return Case([("video", [p for p, _ in frames]), ("text", question)], answer, task)

    def talk_case(self):
        self.turn += 1
        kind = TALKS[self.turn % len(TALKS)]
        picture, objects = self.one_scene(most=2, sizes=("medium", "large"), kinds=("plain", "gradient"))
        if kind == "about_me":
            return Case(*self.about_me(), kind)
        if kind == "differs":
            one, first = self.one_scene(most=1, sizes=("medium", "large"), kinds=("plain", "gradient"))
            two, second = self.one_scene(most=1, sizes=("medium", "large"), kinds=("plain", "gradient"))
            _, question, answer = tasks.about_two(self.rng, first[0], second[0], self.wording)
            return Case([("image", one), ("image", two), ("text", question)], answer, kind)
        if kind == "both":
            samples, spans = speech.utterance(self.rng, self.np_rng, self.bank, self.rng.randint(1, 6))
            answer = tasks.both_text(objects, [conversations.WORDS[w] for _, _, w in spans])
            return Case([("image", picture), ("text", tasks.ask(self.rng, "both", self.wording)), ("audio", samples)], answer, kind)
        if kind == "tool":
            can = tasks.unique(objects, "shape")
            if not can:
                self.turn -= 1
                return self.talk_case()
            o = self.rng.choice(can)
            return Case([("image", picture), ("text", tasks.ask(self.rng, "tool", self.wording, it=o["shape"]))],
                        chat.tool_call("set_light", {"color": o["colour"]}), kind, tools=[tasks.LIGHT])
        task, question, answer = self.exact_question(objects)
        asked = [("image", picture), ("text", question)]
        if kind == "system":
            return Case(asked, answer, kind, system=self.rng.choice(tasks.SYSTEMS))
        if kind == "thinking":
            return Case(asked, answer, kind, thinks=True)
        if kind == "empty thought":
            return Case([("image", picture)], answer, kind, raw=("<|turn>user\n", question + "<turn|>\n<|turn>model\n" + chat.EMPTY_THOUGHT))
        before = task
        while task == before:
            task, again, second = self.exact_question(objects)
        return Case([("image", picture)], second, kind,
                    raw=("<|turn>user\n", f"{question}<turn|>\n<|turn>model\n{answer}<turn|>\n<|turn>user\n{again}<turn|>\n<|turn>model\n"))

    def exact_question(self, objects):
        """About a scene, with one right answer to the letter: no boxes."""
        while True:
            made = tasks.about_scene(self.rng, objects, self.wording)
            if made[0] in ANSWERS + ("caption",):
                return made[:3]

    def about_me(self):
        question, answer = self.rng.choice(conversations.ABOUT_ME)
        return [("text", question)], answer
