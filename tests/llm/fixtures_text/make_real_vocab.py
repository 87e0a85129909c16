"""Write real_vocab_cases.json: hashes of the ids that the `tokenizers` package gives the strings of recipe.py with the
real vocabulary, which isn't kept here (tools/real_vocab.sh fetches it).

usage: make_real_vocab.py TOKENIZER.json [OUT_DIR]
"""

import json
import os
import sys

from tokenizers import Tokenizer, __version__

from recipe import Hash, text

N_STRINGS, BLOCK = 10000, 100


def main():
    out = sys.argv[2] if len(sys.argv) > 2 else os.path.dirname(os.path.abspath(__file__))
    tok = Tokenizer.from_file(sys.argv[1])
    n_ids = tok.get_vocab_size(with_added_tokens=True)
    pieces = [tok.id_to_token(i) or "" for i in range(n_ids)]
    doc = {"made_with": f"tokenizers {__version__}", "n_ids": n_ids}
    for key, control in (("plain", False), ("control", True)):
        tok.encode_special_tokens = not control
        doc[key] = []
        for b in range(0, N_STRINGS, BLOCK):
            h = Hash()
            for i in range(b, b + BLOCK):
                h.numbers(tok.encode(text(i, pieces), add_special_tokens=False).ids).numbers([0xFFFFFFFF])
            doc[key].append(h.hex())
    with open(os.path.join(out, "real_vocab_cases.json"), "w") as f:
        json.dump(doc, f, separators=(",", ":"))
        f.write("\n")


main()
