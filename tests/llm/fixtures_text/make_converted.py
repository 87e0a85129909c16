"""Write converted.gguf, the small tokenizer of tests/oracle as llama.cpp's converter writes it, by the `gguf` package;
and a file with a token of each type, from which the fuzzer starts.

usage: make_converted.py [OUT_DIR [CORPUS_DIR]]
"""

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import gguf

HERE = Path(__file__).resolve().parent
ORACLE = HERE.parent.parent / "oracle"
sys.path.insert(0, str(ORACLE))

from make_gguf import Options, tokenizer_keys  # noqa: E402


def types(path):
    kinds = gguf.TokenType
    own = [("<unk>", kinds.UNKNOWN), ("<x>", kinds.CONTROL), ("<|turn>", kinds.USER_DEFINED),
           ("[t]", kinds.USER_DEFINED), ("[PAD4]", kinds.UNUSED), ("a", kinds.NORMAL), ("b", kinds.NORMAL), ("ab", kinds.NORMAL),
           ("\u2581ab", kinds.NORMAL), ("\u2581", kinds.NORMAL), ("\n\n", kinds.NORMAL), ("\n", kinds.NORMAL)]
    own += [(f"<0x{b:02X}>", kinds.BYTE) for b in range(256)]
    w = gguf.GGUFWriter(os.fspath(path), "gemma4")
    w.add_tokenizer_model("gemma4")
    w.add_token_list([name for name, _ in own])
    w.add_token_types([kind for _, kind in own])
    w.add_token_merges(["a b", "\u2581 ab", "\n \n"])
    w.add_unk_token_id(0)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.close()


def main():
    out = Path(sys.argv[1] if len(sys.argv) > 1 else HERE)
    types(Path(sys.argv[2] if len(sys.argv) > 2 else HERE.parent / "corpus_tokenizer") / "types.gguf")
    w = gguf.GGUFWriter(os.fspath(out / "converted.gguf"), "gemma4")
    tokenizer_keys(w, SimpleNamespace(path=ORACLE / "tokenizer", unified=False), Options())
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.close()


main()
