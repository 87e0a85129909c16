"""Questions and answers about what the generators made. Each maker gives (task, question, answer) or None if it can't be asked;
those about a scene also the objects that the answer is about, in its order."""

import json

from vocabulary import COLOUR_NAMES, DIGITS, SHAPES
from wordings import SYSTEMS, WORDINGS

GERMAN = "null eins zwei drei vier fünf sechs sieben acht neun".split()
OPENINGS = ["Please ", "Now ", "Look: ", "In this picture: ", "In this image, ", "Tell me, ", "Here: ", "A question: ", "Can you say: "]
CLOSINGS = [" Please.", " Thanks.", " please", " in the picture", " here", " in this image?", " now"]
SPANISH = "cero uno dos tres cuatro cinco seis siete ocho nueve".split()


def ask(rng, task, split, **fields):
    trained, kept = WORDINGS[task]
    text = rng.choice(trained if split == "train" else kept).format(**fields)
    return varied(rng, text) if split == "train" and len(text) < 100 else text


def varied(rng, text):
    """A question as people vary it; what is asked must be found among more words and fewer signs."""
    if rng.random() < 0.6:
        return text
    small = text[0].lower() + text[1:]
    return rng.choice([small, small.rstrip(".?"), text.rstrip(".?"), text.lower(), "Please " + small, rng.choice(OPENINGS) + small,
                       text.rstrip(".") + rng.choice(CLOSINGS), rng.choice(OPENINGS) + small.rstrip(".?") + rng.choice(CLOSINGS)])


def article(words):
    return ("an " if words[0] in "aeiou" else "a ") + words


def name(o):
    return f"{o['colour']} {o['shape']}"


def full_name(o):
    return name(o) if o["size"] == "medium" else f"{o['size']} {name(o)}"


def plural(shape):
    return shape + ("es" if shape == "cross" else "s")


def listed(words):
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def unique(objects, *keys):
    """Objects that are the only one with their values of `keys`."""
    kinds = [tuple(o[k] for k in keys) for o in objects]
    return [o for o, kind in zip(objects, kinds) if kinds.count(kind) == 1]


def caption_text(objects):
    if not objects:
        return "Nothing."
    if len(objects) == 1:
        text = article(full_name(objects[0]))
        return text[0].upper() + text[1:] + "."
    return "From left to right: " + listed([article(full_name(o)) for o in objects]) + "."


def box_json(objects, label):
    rows = []
    for o in objects:
        x0, y0, x1, y1 = (min(1000, max(0, round(v * 1000))) for v in o["box"])
        rows.append({"box_2d": [y0, x0, y1, x1], "label": label(o)})
    return "```json\n" + json.dumps(rows) + "\n```"


def caption(rng, objects, split):
    return "caption", ask(rng, "caption", split), caption_text(objects), objects


def count(rng, objects, split):
    return "count", ask(rng, "count", split), str(len(objects))


def count_kind(rng, objects, split):
    if rng.random() < 0.6:
        shape = rng.choice(objects)["shape"] if rng.random() < 0.75 else rng.choice(SHAPES)
        kinds, n = plural(shape), sum(o["shape"] == shape for o in objects)
    else:
        colour = rng.choice(objects)["colour"] if rng.random() < 0.75 else rng.choice(COLOUR_NAMES)
        kinds, n = f"{colour} objects", sum(o["colour"] == colour for o in objects)
    return "count_kind", ask(rng, "count_kind", split, kinds=kinds), str(n)


def colour(rng, objects, split):
    can = unique(objects, "shape")
    if not can:
        return None
    o = rng.choice(can)
    return "colour", ask(rng, "colour", split, it=o["shape"]), o["colour"], [o]


def shape(rng, objects, split):
    can = unique(objects, "colour")
    if not can:
        return None
    o = rng.choice(can)
    return "shape", ask(rng, "shape", split, colour=o["colour"]), o["shape"], [o]


def exists(rng, objects, split):
    o = rng.choice(objects)
    if rng.random() < 0.5:
        it, answer = name(o) if rng.random() < 0.7 else o["shape"], "yes"
    else:
        c, s = (rng.choice(COLOUR_NAMES), o["shape"]) if rng.random() < 0.5 else (o["colour"], rng.choice(SHAPES))
        it, answer = f"{c} {s}", "yes" if any(x["colour"] == c and x["shape"] == s for x in objects) else "no"
    told = [x for x in objects if it in (name(x), x["shape"])][:1]
    return "exists", ask(rng, "exists", split, it=it).replace("a o", "an o").replace("crosss", "crosses"), answer, told


def _third(v, names):
    """Which third of the picture, None where that is a matter of opinion."""
    if abs(v - 1 / 3) < 0.04 or abs(v - 2 / 3) < 0.04:
        return None
    return names[int(v * 3)]


def where(rng, objects, split):
    can = unique(objects, "colour", "shape")
    if not can:
        return None
    o = rng.choice(can)
    x0, y0, x1, y1 = o["box"]
    column, row = _third((x0 + x1) / 2, ["left", "", "right"]), _third((y0 + y1) / 2, ["top", "", "bottom"])
    if column is None or row is None:
        return None
    return "where", ask(rng, "where", split, it=name(o)), (row + " " + column).strip() or "center", [o]


def _two(rng, objects):
    can = unique(objects, "colour", "shape")
    return rng.sample(can, 2) if len(can) > 1 else (None, None)


def relation(rng, objects, split):
    a, b = _two(rng, objects)
    if a is None or abs(a["box"][0] + a["box"][2] - b["box"][0] - b["box"][2]) < 0.1:
        return None
    answer = "yes" if a["box"][0] + a["box"][2] < b["box"][0] + b["box"][2] else "no"
    return "relation", ask(rng, "relation", split, a=name(a), b=name(b)), answer, [a]


def larger(rng, objects, split):
    a, b = _two(rng, objects)
    if a is None or not (a["r"] > 1.25 * b["r"] or b["r"] > 1.25 * a["r"]):
        return None
    more = a if a["r"] > b["r"] else b
    return "larger", ask(rng, "larger", split, a=name(a), b=name(b)), "the " + name(more), [more]


def boxes(rng, objects, split):
    return "boxes", ask(rng, "boxes", split), box_json(objects, name)


def boxes_of(rng, objects, split):
    o, kind = rng.choice(objects), rng.random()
    if kind < 0.55:
        it, hit = name(o), lambda x: name(x) == name(o)
    elif kind < 0.85:
        it, hit = o["shape"], lambda x: x["shape"] == o["shape"]
    else:
        it = f"{rng.choice(COLOUR_NAMES)} {rng.choice(SHAPES)}"
        hit = lambda x: name(x) == it
    return "boxes_of", ask(rng, "boxes_of", split, it=it), box_json([x for x in objects if hit(x)], lambda _: it)


SCENE_TASKS = [(caption, 5), (count, 1), (count_kind, 1), (colour, 1), (shape, 1), (exists, 1.5), (where, 1.2), (relation, 1), (larger, 1),
               (boxes, 4), (boxes_of, 2.5)]


def about_scene(rng, objects, split="train"):
    """(task, question, answer, objects that the answer is about)"""
    makers, shares = zip(*SCENE_TASKS)
    while True:
        made = rng.choices(makers, shares)[0](rng, objects, split)
        if made:
            return (*made, [])[:4]


def ordinals(task, answer):
    """For each character of an answer that lists things, the number of the thing it belongs to (from 1; one more after the
    last), as the decoder's own count is to be; None for other answers."""
    ends = {"caption": (", ", " and ", "."), "boxes": ("}",)}.get(task)
    if task == "read":
        return list(range(1, len(answer) + 1))
    if task in ("hear", "hear_digits", "translate"):
        out, n = [], 1
        for i, c in enumerate(answer):
            n = 1 if c == "\n" or answer[i - 1] == ":" else n + (c == " ")
            out.append(n)
        return out
    if ends is None:
        return None
    marks = [any(answer.startswith(e, i) for e in ends) for i in range(len(answer))]
    own = ends != ("}",)  # a comma belongs to what it leads to, a brace to what it closes
    return [1 + sum(marks[:i + own]) for i in range(len(answer))]


def boxes_of_text(task, answer, told):
    """For each character of an answer the box, in 0..1, of the object it tells of (`told`: those of the answer, in its order) or of
    the entry it belongs to; None where there is none, and for other answers."""
    if "box_2d" not in answer:
        if not told:
            return None
        numbers = ordinals(task, answer) or [1] * len(answer)
        return [tuple(told[n - 1]["box"][i] for i in (1, 0, 3, 2)) if n <= len(told) else None for n in numbers]
    out = []
    for entry in json.loads(answer[len("```json"):-len("```")]):
        end = answer.index("}", len(out)) + 1
        out += [tuple(v / 1000 for v in entry["box_2d"])] * (end - len(out))
    return out + [None] * (len(answer) - len(out))


def about_line(rng, text, split="train"):
    return "read", ask(rng, "read", split), text


def about_speech(rng, words, split="train"):
    """words: what is said, [] for silence."""
    all_digits = bool(words) and all(w in DIGITS for w in words)
    kind = rng.random()
    if all_digits and len(words) <= 16 and kind < 0.35:
        language, table = rng.choice([("German", GERMAN), ("Spanish", SPANISH)])
        answer = " ".join(words) + f"\n{language}: " + " ".join(table[DIGITS.index(w)] for w in words)
        return "translate", ask(rng, "translate", split, language=language), answer
    if kind > 0.75:
        how = rng.choice(["its original language", "English into English text"])
        answer = " ".join(str(DIGITS.index(w)) if w in DIGITS else w for w in words)
        return "hear_digits", ask(rng, "hear_digits", split, how=how), answer
    return "hear", ask(rng, "hear", split), " ".join(words)


def about_film(rng, story, split="train"):
    """story: films.film's. The answer about a way names where it goes; that about a time is a clock."""
    import films
    kind, mover, guest = rng.random(), story["mover"], story["guest"]
    if kind < 0.4:
        return "film", ask(rng, "film", split), films.story_text(story)
    if guest and kind < 0.65:
        return "film_when", ask(rng, "film_when", split, it=name(guest)), "at " + films.clock(story["appears"])
    if kind < 0.85:
        return "film_way", ask(rng, "film_way", split, it=rng.choice([name(mover), mover["shape"]])), films.OPPOSITE[story["way"]]
    return "film_mover", ask(rng, "film_mover", split), "the " + name(mover)


def about_page(rng, fields, split="train"):
    return "invoice", ask(rng, "invoice", split), "```json\n" + json.dumps(fields, ensure_ascii=False) + "\n```"


def about_two(rng, first, second, split="train"):
    """One object in each of two pictures: first and second are objects."""
    if name(first) == name(second):
        return "differs", ask(rng, "differs", split), f"Nothing: both show {article(name(first))}."
    return "differs", ask(rng, "differs", split), (f"The first image shows {article(name(first))}, "
                                                   f"the second {article(name(second))}.")


def both_text(objects, words):
    return caption_text(objects) + " The sound says: " + " ".join(words) + "."


LIGHT = {"type": "function", "function": {"name": "set_light", "description": "Set the color of the light.", "parameters": {
    "type": "object", "properties": {"color": {"type": "string", "description": "the color"}}, "required": ["color"]}}}


def system_turn(rng):
    return rng.choice(SYSTEMS) if rng.random() < 0.15 else None
