"""Write prompt.json: prompts with media, as Gemma4Processor expands their placeholders and the tokenizer of this
folder then cuts them. Soft tokens are few, since only their places matter.

usage: make_prompt.py TEMPLATE.jinja [OUT_DIR]
"""

import json
import os
import sys
from types import SimpleNamespace

import numpy as np
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer
from transformers.models.gemma4.processing_gemma4 import Gemma4Processor

HERE = os.path.dirname(os.path.abspath(__file__))
NAMES = SimpleNamespace(boi_token="<|image>", eoi_token="<image|>", image_token="<|image|>", boa_token="<|audio>",
                        eoa_token="<audio|>", audio_token="<|audio|>", video_token="<|video|>")


def text(t):
    return {"type": "text", "text": t}


IMG, AUD, VID = {"type": "image"}, {"type": "audio"}, {"type": "video"}
CASES = {
    "image": ([IMG, text("What is shown?")], [("image", 4)]),
    "image_between": ([text("Look at"), IMG, text("the picture")], [("image", 3)]),
    "two_images": ([IMG, IMG, text("Compare")], [("image", 2), ("image", 5)]),
    "audio": ([text("Transcribe this"), AUD], [("audio", 7)]),
    "film": ([VID, text("What happens?")], [("video", 3, [0, 1, 2])]),
    "film_inside": ([text("Before 1"), VID, text("2 after")], [("video", 2, [0.0, 59.9, 60.0, 61.5, 3599.99, 3600.0, 6000.5])]),
    "film_and_sound": ([text("the"), VID, AUD, text("the")], [("video", 1, [5.25]), ("audio", 2)]),
    "everything": ([text("a"), IMG, text("b"), AUD, VID, text("c"), IMG, IMG, VID, text("d")],
                   [("image", 1), ("audio", 2), ("video", 3, [0, 10]), ("image", 4), ("image", 5), ("video", 6, [7])]),
    "after_a_film": ([VID, VID], [("video", 1, [0, 1]), ("video", 1, [2])]),
    "marks": ([text("two words\n\n\n<table>\t\t"), IMG, text("\n\nthe ,00 two words")], [("image", 1)]),
    "none": ([text("Hello world, 00:05 the end")], []),
}


def expand(kind, n, times=()):
    if kind == "image":
        return Gemma4Processor.replace_image_token(NAMES, {"num_soft_tokens_per_image": [n]}, 0)
    if kind == "audio":
        mask = np.ones(4 * n, dtype=bool)
        return Gemma4Processor.replace_audio_token(NAMES, {"input_features_mask": [mask]}, 0)
    meta = SimpleNamespace(fps=1, timestamps=times)
    return Gemma4Processor.replace_video_token(NAMES, {"num_soft_tokens_per_video": [n], "video_metadata": [meta]}, 0)


def main():
    out = sys.argv[2] if len(sys.argv) > 2 else HERE
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    template = env.from_string(open(sys.argv[1]).read())
    tok = Tokenizer.from_file(os.path.join(HERE, "tokenizer.json"))
    rows = []
    for name, (parts, media) in CASES.items():
        messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": parts}]
        s = template.render(messages=messages, tools=None, enable_thinking=False, empty_thought=True,
                            add_generation_prompt=True, bos_token="<bos>")
        raw = "".join(p.get("text", "<|%s|>" % p["type"]) for p in parts)
        ids = []
        for whole in (s, "<bos>" + raw):
            pieces = []
            for m in media:
                mark = "<|%s|>" % m[0]
                before, whole = whole.split(mark, 1)
                pieces += [before, expand(*m)]
            ids.append(tok.encode("".join(pieces) + whole, add_special_tokens=False).ids)
        rows.append({"name": name, "messages": messages, "ids": ids[0], "raw_ids": ids[1],
                     "media": [{"kind": m[0], "n": m[1], "times": list(m[2]) if len(m) > 2 else []} for m in media]})
    with open(os.path.join(out, "prompt.json"), "w") as f:
        f.write("[\n" + ",\n".join(json.dumps(r, ensure_ascii=False, separators=(",", ":")) for r in rows) + "\n]\n")


main()
