"""Make the tokenizer of tessera-nano: 1,024 entries of BPE with byte fallback, learnt from the texts of our own tasks.

Form as published: spaces as U+2581, single digits, no piece over a space, for every piece every merge that leads to it,
ordered by the piece's rank.

usage: make_tokenizer.py OUT_DIR
"""

import json
import os
import random
import sys

from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

import tasks
from model import SPECIAL, VOCABULARY
from vocabulary import COLOUR_NAMES, SHAPES, SIZES, WORDS
from wordings import SYSTEMS, WORDINGS

EXTRA = "äöüÄÖÜßáéíóúñ¿¡€"
MORE = """From left to right: nothing moves. The red circle moves from left to right. It appears at 00:03 and disappears at 00:07.
up down left right rises falls grows shrinks starts stops first second image picture video film sound differs difference same
The first picture shows a circle, the second shows a square. The sound says: hello. I am tessera-nano, a small model.
I know shapes, colours, numbers, short printed words and about fifty spoken words. Hello! Show me a picture or a sound.
{"title": "Invoice", "number": "2041", "total": "74.74"} Bill Receipt Order Offer Delivery note Workshop date amount due net tax sum
thank you for your order, price quantity item name street city page customer account bank payable within days
set_light save_number get_weather count find color number description STRING NUMBER OBJECT parameters properties required type declaration
call response value What happens in the video? What moves? Which way does it move? When does it appear? You are a helpful assistant."""


def texts(n=6000):
    rng, out = random.Random("tokenizer"), []
    for _ in range(n):
        objects = [dict(colour=rng.choice(COLOUR_NAMES), shape=rng.choice(SHAPES), size=rng.choice(SIZES), r=rng.random(),
                        box=sorted([rng.random(), rng.random()]) * 2) for _ in range(rng.randint(1, 4))]
        _, question, answer, _ = tasks.about_scene(rng, objects)
        out += [question, answer]
        words = [rng.choice(WORDS) for _ in range(rng.randint(1, 8))]
        _, question, answer = tasks.about_speech(rng, words)
        out += [question, answer]
    for trained, _ in WORDINGS.values():
        out += trained * 20
    known = WORDS + tasks.GERMAN + tasks.SPANISH + COLOUR_NAMES + SHAPES + SIZES
    return out + (SYSTEMS + [MORE]) * 60 + ["model", "user", "system"] * 4000 + (known + [" " + w for w in known]) * 300


def learnt_pieces(n):
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Metaspace(prepend_scheme="never", split=False),
        pre_tokenizers.Split(Regex("[0-9]|\u2581?[A-Za-zäöüßáéíóúñ]+|\u2581?[^A-Za-zäöüßáéíóúñ0-9\u2581\\s]+|\u2581|\\s+"), "isolated")])
    tok.train_from_iterator(texts(), trainers.BpeTrainer(vocab_size=4000, min_frequency=3, show_progress=False))
    vocab = sorted(tok.get_vocab(), key=tok.get_vocab().get)
    return [p for p in vocab if len(p) > 1 and "\n" not in p][:n]


def vocabulary():
    entries = list(SPECIAL) + ["\n", "\n\n", "\n\n\n"] + ["\u2581" * i for i in (2, 3, 4)] + [f"<0x{b:02X}>" for b in range(256)]
    chars = ["\u2581"] + [chr(i) for i in range(33, 127)] + list(EXTRA)
    pieces = learnt_pieces(VOCABULARY - len(entries) - len(chars))
    entries += pieces + chars
    assert len(entries) == len(set(entries)) == VOCABULARY, len(entries)
    return {e: i for i, e in enumerate(entries)}, pieces


def merges(vocab, pieces):
    out = []
    for piece in ["\n\n\n", "\n\n", "\u2581" * 4, "\u2581" * 3, "\u2581" * 2] + pieces:
        splits = [(piece[:k], piece[k:]) for k in range(1, len(piece))]
        out += [list(s) for s in sorted((s for s in splits if s[0] in vocab and s[1] in vocab), key=lambda s: (vocab[s[0]], vocab[s[1]]))]
    return out


def main():
    out = sys.argv[1]
    os.makedirs(out, exist_ok=True)
    vocab, pieces = vocabulary()
    added = [{"id": i, "content": t, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
             for t, i in SPECIAL.items()]
    bos = {"id": "<bos>", "type_id": 0}
    doc = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"},
        "pre_tokenizer": {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": bos}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"SpecialToken": bos}, {"Sequence": {"id": "A", "type_id": 0}},
                     {"SpecialToken": {"id": "<bos>", "type_id": 1}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<bos>": {"id": "<bos>", "ids": [SPECIAL["<bos>"]], "tokens": ["<bos>"]}}},
        "decoder": {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "},
                                                     {"type": "ByteFallback"}, {"type": "Fuse"}]},
        "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None, "end_of_word_suffix": None,
                  "fuse_unk": True, "byte_fallback": True, "ignore_merges": False, "vocab": vocab, "merges": merges(vocab, pieces)},
    }
    with open(os.path.join(out, "tokenizer.json"), "w") as f:
        json.dump(doc, f, ensure_ascii=False, separators=(",", ":"))
        f.write("\n")
    names = {"boi_token": "<|image>", "image_token": "<|image|>", "eoi_token": "<image|>", "boa_token": "<|audio>", "audio_token": "<|audio|>",
             "eoa_token": "<audio|>", "think_token": "<|think|>", "soc_token": "<|channel>", "eoc_token": "<channel|>", "sot_token": "<|turn>",
             "eot_token": "<turn|>"}
    conf = {"tokenizer_class": "GemmaTokenizer", "bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>",
            "mask_token": "<mask>", "add_bos_token": True, "add_eos_token": False, "clean_up_tokenization_spaces": False,
            "padding_side": "left", "extra_special_tokens": names, "model_specific_special_tokens": names, "model_max_length": 32768, **names}
    with open(os.path.join(out, "tokenizer_config.json"), "w") as f:
        json.dump(conf, f, indent=1)
        f.write("\n")
    print(len(vocab), "entries,", len(doc["model"]["merges"]), "merges")


if __name__ == "__main__":
    main()
