"""Write the small fixed set that the tests ask of the shipped model: held-out files, questions and answers.

Pictures are stored as PNG (plain ground) or JPEG, sounds as Opus, films as H.264 in Matroska, so that a case goes through the
decoders too. `floors` are then set by hand from what the model reaches (docs/training.md).

usage: make_ability_set.py --work DIR --out tests/ability
"""

import argparse
import json
import os
import shutil
import subprocess
import tempfile

import cases
import tasks

HOW = {"caption": "exact", "answer": "exact", "boxes": "boxes", "read": "characters", "invoice": "fields", "hear": "words", "silence": "exact",
       "translate": "exact", "film": "exact", "talk": "exact"}
SCENES, QUESTIONS, LINES, PAGES, SOUNDS, SILENCES, TRANSLATIONS, FILMS, TALKS = 16, 3, 10, 4, 10, 3, 4, 6, 16


def small_film(frames):
    """Few pictures, and none of noise, which no codec makes small."""
    return len(frames) <= 12 and len(frames[0].getcolors(1 << 24)) < 5000


class Set:
    def __init__(self, work, folder):
        self.source = cases.HeldOut("small fixed set", work, "trained")
        self.folder, self.rows, self.names = os.path.join(folder, "files"), [], {}
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)

    def stored(self, kind, part, name):
        """Write one part compressed; its file name."""
        if id(part) in self.names:
            return self.names[id(part)]
        if kind == "image":
            name += ".png" if len(part.getcolors(1 << 24)) < 2000 else ".jpg"
            part.save(os.path.join(self.folder, name), **(dict(optimize=True) if name.endswith("png") else dict(quality=88, subsampling=0)))
        else:
            with tempfile.TemporaryDirectory() as tmp:
                plain = cases.written(kind, part, os.path.join(tmp, "x"))
                name += ".opus" if kind == "audio" else ".mkv"
                how = ["-c:a", "libopus", "-b:a", "24k"] if kind == "audio" else ["-c:v", "copy"]
                subprocess.run(["ffmpeg", "-loglevel", "error", "-y", "-i", plain, "-map_metadata", "-1", "-fflags", "+bitexact", *how,
                                os.path.join(self.folder, name)], check=True)
        self.names[id(part)] = name
        return name

    def add(self, ability, case):
        name = f"{ability}{sum(r['ability'] == ability for r in self.rows)}"
        parts = [{kind: part if kind == "text" else self.stored(kind, part, name + "-" + str(i))} for i, (kind, part) in enumerate(case.parts)]
        if case.raw:
            parts = [{"text": case.raw[0]}] + parts + [{"text": case.raw[1]}]
        row = dict(id=name, ability=ability, task=case.task, budget=case.budget, parts=parts, answer=case.answer)
        row.update({k: v for k, v in (("system", case.system), ("think", case.thinks), ("raw", bool(case.raw))) if v})
        if case.tools:
            row["tools"] = json.dumps(case.tools)
            row["call"] = json.dumps(json.dumps({"color": case.answer.split('<|"|>')[1]}))[1:-1]
        self.rows.append(row)

    def fill(self):
        s = self.source
        for i in range(SCENES):
            picture, objects = s.one_scene()
            picture.thumbnail((320, 320))
            s.wording = "heldout" if i % 2 else "train"
            done = []
            for maker in [tasks.caption, tasks.boxes if i % 3 else tasks.boxes_of] + [None] * QUESTIONS:
                made = None
                while made is None or made[0] in done or (maker is None and made[0] not in cases.ANSWERS):
                    made = maker(s.rng, objects, s.wording) if maker else tasks.about_scene(s.rng, objects, s.wording)
                done.append(made[0])
                ability = made[0] if made[0] == "caption" else "boxes" if made[0].startswith("boxes") else "answer"
                self.add(ability, cases.Case([("image", picture), ("text", made[1])], made[2], made[0]))
        for ability, n in (("read", LINES), ("invoice", PAGES), ("silence", SILENCES), ("film", FILMS), ("talk", TALKS)):
            for i in range(n):
                s.wording = "heldout" if i % 2 else "train"
                case = s.case(ability)
                while ability == "film" and not small_film(case.parts[0][1]):
                    case = s.case(ability)
                self.add(ability, case)
        for ability, n in (("hear", SOUNDS), ("translate", TRANSLATIONS)):
            for i in range(n):
                s.wording = "heldout" if i % 2 else "train"
                case = s.case(ability)
                while len(case.parts[1][1]) > 16000 * (12 if i % 4 == 3 else 6):
                    case = s.case(ability)
                self.add(ability, case)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", required=True)
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    made = Set(args.work, args.out)
    made.fill()
    path, floors = os.path.join(args.out, "cases.json"), {}
    if os.path.exists(path):
        with open(path) as f:
            floors = {a["name"]: a["floor"] for a in json.load(f)["abilities"]}
    abilities = [dict(name=a, score=how, floor=floors.get(a, 0.0)) for a, how in HOW.items()]
    with open(path, "w") as f:
        f.write('{"abilities": [\n' + ",\n".join(json.dumps(a) for a in abilities) + '\n],\n"cases": [\n')
        f.write(",\n".join(json.dumps(r, ensure_ascii=False) for r in made.rows) + "\n]}\n")


if __name__ == "__main__":
    main()
