"""Write tokenizer.json, a small vocabulary of the published form with the awkward corners of Gemma's (added tokens
that aren't special, runs, byte fallback, characters without an entry), and tokenizer_cases.json, what the
`tokenizers` package makes of the strings of recipe.py.

usage: make_tokenizer.py [OUT_DIR]
"""

import json
import os
import sys

from tokenizers import Tokenizer, __version__, models, pre_tokenizers, trainers

from recipe import Hash, Rng, bytes_of, id_list, text

N_STRINGS, BLOCK, N_FIRST, N_LISTS, N_BYTES = 10000, 100, 200, 3000, 5000
SPECIAL = ["<pad>", "<eos>", "<bos>", "<unk>"]
LATER = ["<|tool>", "<tool|>", "<|tool_call>", "<tool_call|>", "<|tool_response>", "<tool_response|>", "<|\"|>",
         "<|think|>", "<|channel>", "<channel|>", "<|turn>", "<turn|>"]
MEDIA = ["<|image>", "<|audio>", "<|image|>", "<|audio|>", "<image|>", "<audio|>", "<|video|>"]
VISIBLE = ["<mask>", "[multimodal]", "<table>", "</table>", "<unused0>", "<unused1>"]
WORDS = """the of and to in is that for it with as was on are this be by at from or an which you one we all their has
there can more if no man out other so what time up go about than into could only new some these two may then do first
any my now such like our over me even most made after also did many before must through back years where much your way
well down should because each just those people too good very make world still see own work long here get both between
image picture sound describe transcribe what shown user model system thought weather location temperature declaration
Straße Mädchen für über größer élève déjà français niño mañana señor привет мир как дела сегодня καλημέρα κόσμε
γλώσσα שלום עולם مرحبا بالعالم हिन्दी भाषा ภาษาไทย こんにちは 世界 你好 我们 学习 模型 한국어 안녕하세요 don't it's isn't
1 2 3 10 12 100 2024 00:00 00:05 3.14 { } ( ) [ ] : ; , . ! ? + - * / = == != <= >= -> => " ' ` _ # @ & % $""".split()


def corpus():
    r, lines = Rng(7), []
    for _ in range(1500):
        n = 4 + r.below(12)
        lines.append(" ".join(WORDS[r.below(1 + r.below(len(WORDS)))] + ("," if r.below(9) == 0 else "") for _ in range(n)))
    return lines


def learnt():
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tok.train_from_iterator(corpus(), trainers.BpeTrainer(vocab_size=1300, show_progress=False))
    vocab = tok.get_vocab()
    return sorted(vocab, key=vocab.get)


def document():
    pieces = learnt()
    entries = SPECIAL + VISIBLE[:2] + LATER + VISIBLE[2:]
    entries += ["\n" * n for n in range(1, 16)] + ["\u2581" * n for n in range(2, 16)] + ["\t" * n for n in range(1, 8)]
    entries += [f"<0x{b:02X}>" for b in range(256)]
    entries += [p for p in pieces if p not in entries]
    entries += [chr(c) for c in range(33, 127) if chr(c) not in entries] + ["\u2581"] * ("\u2581" not in entries) + MEDIA
    # a run of digits after a comma, and entries in which newline and letters meet: no cut is safe there
    entries += [",0", ",00", "\nthe", ">\u2581<"]
    vocab = {e: i for i, e in enumerate(entries)}
    assert len(vocab) == len(entries)
    merges = []
    long_first = ["\n" * n for n in range(15, 1, -1)] + ["\u2581" * n for n in range(15, 1, -1)] + ["\t" * n for n in range(7, 1, -1)]
    for p in long_first + [p for p in pieces if len(p) > 1] + [",0", ",00", "\nthe", ">\u2581<"]:
        splits = [(p[:k], p[k:]) for k in range(1, len(p)) if p[:k] in vocab and p[k:] in vocab]
        merges += sorted(splits, key=lambda s: (vocab[s[0]], vocab[s[1]]))
    added = [{"id": vocab[t], "content": t, "special": t not in VISIBLE and t.strip() == t, "normalized": False}
             for t in SPECIAL + VISIBLE + LATER + ["\t" * n for n in range(2, 8)] + ["\n" * n for n in range(1, 16)] + MEDIA]
    added.append({"id": len(vocab), "content": "two words", "special": False, "normalized": True})
    added.append({"id": len(vocab) + 1, "content": "<start>", "special": True, "normalized": False})
    for a in added:
        a.update(single_word=False, lstrip=False, rstrip=False)
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"},
        "pre_tokenizer": {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False},
        "post_processor": None,
        "decoder": {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "},
                                                     {"type": "ByteFallback"}, {"type": "Fuse"}]},
        "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": True, "ignore_merges": False,
                  "vocab": vocab, "merges": [" ".join(m) for m in merges[::2]]}, }


def blocks(tok, pieces, control):
    tok.encode_special_tokens = not control
    out, first = [], []
    for b in range(0, N_STRINGS, BLOCK):
        h = Hash()
        for i in range(b, b + BLOCK):
            ids = tok.encode(text(i, pieces), add_special_tokens=False).ids
            h.numbers(ids).numbers([0xFFFFFFFF])
            if i < N_FIRST:
                first.append(ids)
        out.append(h.hex())
    return out, first


def main():
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
    path = os.path.join(out, "tokenizer.json")
    doc = document()
    with open(path, "w") as f:
        json.dump(doc, f, ensure_ascii=False, separators=(",", ":"))
    tok = Tokenizer.from_file(path)
    n_ids = tok.get_vocab_size(with_added_tokens=True)
    pieces = [tok.id_to_token(i) or "" for i in range(n_ids)]
    byte_ids = [tok.token_to_id(f"<0x{b:02X}>") for b in range(256)]
    plain, first = blocks(tok, pieces, False)
    control, _ = blocks(tok, pieces, True)
    texts = [Hash(), Hash()]
    for i in range(N_LISTS):
        for k in (0, 1):
            s = tok.decode(id_list(i, n_ids, byte_ids), skip_special_tokens=not k).encode()
            texts[k].bytes(s).numbers([0xFFFFFFFF])
    repaired, upper, lower = Hash(), Hash(), Hash()
    for i in range(N_BYTES):
        repaired.bytes(bytes_of(i).decode("utf-8", "replace").encode()).numbers([0xFFFFFFFF])
    spaces = []
    for c in range(0x110000):
        if not 0xD800 <= c < 0xE000:
            upper.bytes(chr(c).upper().encode())
            lower.bytes(chr(c).lower().encode())
            if chr(c).isspace():
                spaces.append(c)
    with open(os.path.join(out, "tokenizer_cases.json"), "w") as f:
        json.dump({"made_with": f"tokenizers {__version__}, Python {sys.version.split()[0]}", "n_ids": n_ids,
                   "plain": plain, "control": control, "first": first, "decoded_plain": texts[0].hex(),
                   "decoded_control": texts[1].hex(), "repaired": repaired.hex(), "upper": upper.hex(),
                   "lower": lower.hex(), "spaces": spaces}, f, separators=(",", ":"))
        f.write("\n")


main()
