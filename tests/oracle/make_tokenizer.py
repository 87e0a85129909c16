"""Make the small tokenizer that all oracle models share: tokenizer/tokenizer.json and tokenizer_config.json.

It has the published one's form: BPE with byte fallback, spaces as U+2581, runs of newlines and of spaces as
entries, the low control ids at their published places, the media tokens last, and for every entry every merge
that leads to it, ordered by the entry's rank. The pieces are learnt from the words below.

usage: make_tokenizer.py [OUT_DIR]
"""

import json
import os
import sys

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

CONTROL = {
    0: "<pad>", 1: "<eos>", 2: "<bos>", 3: "<unk>", 4: "<mask>",
    46: "<|tool>", 47: "<tool|>", 48: "<|tool_call>", 49: "<tool_call|>",
    50: "<|tool_response>", 51: "<tool_response|>", 52: '<|"|>',
    98: "<|think|>", 100: "<|channel>", 101: "<channel|>", 105: "<|turn>", 106: "<turn|>",
}
MEDIA = ["<|image>", "<|audio>", "<|image|>", "<|audio|>", "<image|>", "<audio|>", "<|video|>"]
TAGS = ["table", "caption", "tr", "td", "h1", "b", "s", "code", "a", "div"]
N_PIECES = 900

CORPUS = """
You are a helpful assistant. Answer in one short sentence. The system asks, the user speaks, the model thought.
What is shown in this image? Describe the picture in detail. How many people are there in the second picture?
Transcribe the following speech segment in its original language. Follow these specific instructions for formatting
the answer: only output the transcription, with no newlines. When transcribing numbers, write the digits, write 1.7
and not one point seven, and write 3 instead of three. First transcribe in English, then translate it into German.
Detect all objects and give the bounding boxes as a JSON list of objects with label and box_2d integers between 0 and
1000 relative to the height and width. Compare both sounds, then say which of them is louder and which is longer.
A small red boat rests on the grey water near the harbour while two gulls circle above the lighthouse at dawn.
The train leaves at 07:45 from platform 12 and arrives at 10:30; tickets cost 49.90 euros for adults, half for children.
Once upon a time there was a miller who had three sons, his mill, a donkey and a cat. The sons had to grind, the donkey
had to carry grain and take the flour away, and the cat had to catch the mice. When the miller died they shared the
inheritance: the eldest had the mill, the second the donkey, and the third the cat, for nothing else was left for him.
declaration:get_weather description: parameters: properties: location: type: STRING OBJECT required: response: value:
call:get_weather location: London temperature: 21 condition: cloudy with some rain, wind from the west, 18 km/h.
def main(argument): return [value for value in argument if value > 0]  # a comment, then print("hello, world")
What happens in this film, minute by minute? At 00:00 the screen is dark, at 00:05 somebody opens the door.
Summarise the document on page 3 and explain the table with the columns name, price, quantity and total amount.
Every question has an answer, but not every answer is right; tell me honestly when you do not know the answer.
Please write a poem about machine learning, about water and light, about mountains, rivers and the open sea.
"""

EXTRA_CHARS = "äöüßéèçñ€£°–—’“”…你好世界日本語русязабвг☺"


def newline_runs(n):
    return ["\n" * i for i in range(1, n + 1)]


def space_runs(n):
    return ["\u2581" * i for i in range(2, n + 1)]


def learnt_pieces():
    """Pieces in the order in which BPE learns them, then the single characters."""
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    trainer = trainers.BpeTrainer(vocab_size=N_PIECES, show_progress=False)
    words = CORPUS.replace("\n", " ").split()
    tok.train_from_iterator([" ".join(words)], trainer)
    vocab = sorted(tok.get_vocab(), key=tok.get_vocab().get)
    chars = [p for p in vocab if len(p) == 1]
    for c in [chr(i) for i in range(33, 127)] + list(EXTRA_CHARS) + ["\u2581"]:
        if c not in chars:
            chars.append(c)
    return [p for p in vocab if len(p) > 1], chars


def build_vocab():
    entries = []
    for i in range(107):
        entries.append(CONTROL.get(i, f"<unused{i}>"))
    entries += newline_runs(12) + space_runs(12)
    entries += [f"<{t}>" for t in TAGS] + [f"</{t}>" for t in TAGS]
    entries += [f"<0x{b:02X}>" for b in range(256)]
    pieces, chars = learnt_pieces()
    entries += pieces + chars + MEDIA
    assert len(entries) == len(set(entries))
    return {e: i for i, e in enumerate(entries)}, pieces


def build_merges(vocab, pieces):
    """Longest runs first, as published; then each piece's splits, by the piece's rank."""
    merges = []
    ordered = list(reversed(newline_runs(12)[1:])) + list(reversed(space_runs(12))) + pieces
    for piece in ordered:
        splits = [(piece[:k], piece[k:]) for k in range(1, len(piece))]
        splits = [s for s in splits if s[0] in vocab and s[1] in vocab]
        merges += [list(s) for s in sorted(splits, key=lambda s: (vocab[s[0]], vocab[s[1]]))]
    return merges


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "tokenizer")
    os.makedirs(out, exist_ok=True)
    vocab, pieces = build_vocab()
    added = [{"id": vocab[t], "content": t, "single_word": False, "lstrip": False, "rstrip": False,
              "normalized": False, "special": True} for t in list(CONTROL.values()) + MEDIA]
    bos = {"id": "<bos>", "type_id": 0}
    doc = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"},
        "pre_tokenizer": {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious",
                          "invert": False},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": bos}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"SpecialToken": bos}, {"Sequence": {"id": "A", "type_id": 0}},
                     {"SpecialToken": {"id": "<bos>", "type_id": 1}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<bos>": {"id": "<bos>", "ids": [2], "tokens": ["<bos>"]}}},
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "},
            {"type": "ByteFallback"}, {"type": "Fuse"}]},
        "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": True, "ignore_merges": False,
                  "vocab": vocab, "merges": build_merges(vocab, pieces)},
    }
    with open(os.path.join(out, "tokenizer.json"), "w") as f:
        json.dump(doc, f, ensure_ascii=False, separators=(",", ":"))
        f.write("\n")
    names = {"boi_token": "<|image>", "image_token": "<|image|>", "eoi_token": "<image|>",
             "boa_token": "<|audio>", "audio_token": "<|audio|>", "eoa_token": "<audio|>",
             "think_token": "<|think|>", "soc_token": "<|channel>", "eoc_token": "<channel|>",
             "sot_token": "<|turn>", "eot_token": "<turn|>"}
    conf = {"tokenizer_class": "GemmaTokenizer", "bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>",
            "unk_token": "<unk>", "mask_token": "<mask>", "add_bos_token": True, "add_eos_token": False,
            "clean_up_tokenization_spaces": False, "padding_side": "left", "extra_special_tokens": names,
            "model_specific_special_tokens": names, "model_max_length": 1000000, **names}
    with open(os.path.join(out, "tokenizer_config.json"), "w") as f:
        json.dump(conf, f, indent=1)
        f.write("\n")
    print(len(vocab), "entries", len(doc["model"]["merges"]), "merges")


main()
